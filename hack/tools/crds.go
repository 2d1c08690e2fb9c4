//go:build tools

// Package tools pins what the Makefile and the tests take from other modules.
package tools

import (
	// Its CRDs are for the tests.
	_ "github.com/cert-manager/cert-manager/pkg/apis/certmanager"
)
