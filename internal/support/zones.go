package support

import (
	"archive/zip"
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// zoneinfo is the time zone database that comes with Go. time.LoadLocation would
// prefer the machine's, which is another one on each machine, and has files beside
// the zones, such as localtime.
//
//go:embed zoneinfo.zip
var zoneinfo []byte

// zoneFiles are the files of the time zone database by the names of their zones.
var zoneFiles = sync.OnceValue(func() map[string]*zip.File {
	files := map[string]*zip.File{}
	archive, err := zip.NewReader(bytes.NewReader(zoneinfo), int64(len(zoneinfo)))
	if err != nil {
		panic(err) // it is part of the program
	}
	for _, file := range archive.File {
		files[file.Name] = file
	}
	delete(files, "Factory") // what a machine has before somebody names its zone
	return files
})

// zones are the time zones that were read before, by name: each takes a while to
// read, and there are only so many.
var zones sync.Map

// LoadZone finds a time zone by its IANA name, in the same list on every machine. The
// error says what to write.
func LoadZone(name v1alpha1.TimeZone) (*time.Location, error) {
	if zone, read := zones.Load(name); read {
		return zone.(*time.Location), nil
	}
	file, known := zoneFiles()[string(name)]
	if !known || file.FileInfo().IsDir() {
		return nil, fmt.Errorf("the time zone %q is unknown: write an IANA name, such as %s", name, cmp.Or(nearZone(string(name)), "America/New_York or Europe/Berlin"))
	}
	zone, err := readZone(file)
	if err != nil {
		return nil, fmt.Errorf("reading the time zone %s: %w", name, err)
	}
	kept, _ := zones.LoadOrStore(name, zone)
	return kept.(*time.Location), nil
}

// abbreviated are places whose clocks people mean by what is no IANA name.
var abbreviated = map[string]string{
	"EDT": "America/New_York", "CST": "America/Chicago", "CDT": "America/Chicago", "MDT": "America/Denver", "PST": "America/Los_Angeles", "PDT": "America/Los_Angeles",
	"AKST": "America/Anchorage", "AKDT": "America/Anchorage", "BST": "Europe/London", "CEST": "Europe/Berlin", "EEST": "Europe/Athens", "IST": "Asia/Kolkata",
	"SGT": "Asia/Singapore", "HKT": "Asia/Hong_Kong", "JST": "Asia/Tokyo", "KST": "Asia/Seoul", "AEST": "Australia/Sydney", "AEDT": "Australia/Sydney", "NZST": "Pacific/Auckland",
}

// nearZone is the IANA name that is probably meant by another; empty if none is.
func nearZone(name string) string {
	name = strings.ReplaceAll(strings.TrimSpace(name), " ", "_")
	if place := abbreviated[strings.ToUpper(name)]; place != "" {
		return place
	}
	for known, file := range zoneFiles() {
		if strings.EqualFold(known, name) && !file.FileInfo().IsDir() {
			return known
		}
	}
	return ""
}

func readZone(file *zip.File) (*time.Location, error) {
	reader, err := file.Open()
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(reader)
	if err != nil {
		return nil, err
	}
	return time.LoadLocationFromTZData(file.Name, data)
}
