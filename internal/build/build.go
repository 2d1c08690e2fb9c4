// Package build tells from what the running binary was built, and how all of them are.
package build

import (
	"cmp"
	"runtime/debug"
)

// Flags are those of the go command that everything is compiled with, so that what
// several binaries share is compiled once. The Makefile exports them as GOFLAGS.
const Flags = "-trimpath -buildvcs=false -gcflags=all=-dwarf=false"

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
