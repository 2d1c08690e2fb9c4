package main

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"strings"

	"sigs.k8s.io/yaml"
)

const chartFolder = "charts/partner-operator"

// packChart makes the chart's archive of what git has of it. Helm's own command
// notes the time in it.
func (r *release) packChart() error {
	data, err := os.ReadFile(path.Join(chartFolder, "Chart.yaml"))
	if err != nil {
		return err
	}
	var chart struct{ Name, Version, AppVersion string }
	if err = yaml.Unmarshal(data, &chart); err != nil {
		return err
	}
	if "v"+chart.Version != r.version || chart.AppVersion != r.version {
		return fmt.Errorf("-version %q: %s/Chart.yaml has version %q and appVersion %q: make all three the same", r.version, chartFolder, chart.Version, chart.AppVersion)
	}
	listed, err := output("git", "ls-files", chartFolder)
	if err != nil {
		return err
	}
	var files []file
	for name := range strings.Lines(listed) {
		name = strings.TrimSpace(name)
		if strings.HasSuffix(name, ".gotmpl") {
			continue
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		files = append(files, file{chart.Name + strings.TrimPrefix(name, chartFolder), data, 0o644})
	}
	var archive bytes.Buffer
	if err := tarball(&archive, files...); err != nil {
		return err
	}
	return r.write(chart.Name+"-"+chart.Version+".tgz", archive.Bytes())
}
