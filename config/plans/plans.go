// Package plans has the SupportPlans that come with the operator.
package plans

import "embed"

// Files are their manifests, one a file.
//
//go:embed basic.yaml premium.yaml mission-critical.yaml
var Files embed.FS
