package cli

import "github.com/dispel/partner-operator/internal/probe"

// TakesColours reports whether the environment of a terminal lets it have colours.
var TakesColours = takesColours

// Prober is what the check command probes with.
func Prober(connectTo, caFile string) (*probe.Prober, error) {
	return checkFlags{connectTo: connectTo, caFile: caFile}.prober()
}
