// Package build tells from what the running binary was built.
package build

import (
	"cmp"
	"runtime/debug"
)

// Set at link time for a release.
var version, commit string

// Version is the release with its commit, such as "v0.1.0, 4f2c…". A binary that
// was not built for a release is a development build, of the commit that Go notes.
func Version() string {
	noted := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				noted = setting.Value
			}
		}
	}
	return cmp.Or(version, "development") + ", " + cmp.Or(commit, noted, "unknown commit")
}
