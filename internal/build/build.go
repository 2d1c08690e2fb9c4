// Package build tells from what the running binary was built.
package build

import "runtime/debug"

// Version is a release, as it was given at link time, with the commit. An empty
// release is a development build.
func Version(release string) string {
	if release == "" {
		release = "development"
	}
	commit := "unknown commit"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, setting := range info.Settings {
			if setting.Key == "vcs.revision" {
				commit = setting.Value
			}
		}
	}
	return release + ", " + commit
}
