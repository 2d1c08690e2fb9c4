// Package crd has the CustomResourceDefinitions of the operator's kinds.
package crd

import "embed"

// Bases are the generated CustomResourceDefinitions, one a file, in the folder
// bases.
//
//go:embed bases/*.yaml
var Bases embed.FS
