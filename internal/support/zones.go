package support

import (
	"archive/zip"
	"bytes"
	_ "embed"
	"fmt"
	"io"
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
		return nil, fmt.Errorf("the time zone %q is unknown: write an IANA name, such as America/New_York or Europe/Berlin", name)
	}
	zone, err := readZone(file)
	if err != nil {
		return nil, fmt.Errorf("reading the time zone %s: %w", name, err)
	}
	kept, _ := zones.LoadOrStore(name, zone)
	return kept.(*time.Location), nil
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
