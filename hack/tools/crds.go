//go:build tools

// Package tools pins what the Makefile and the tests take from other modules.
package tools

import (
	// Their CRDs are for the tests.
	_ "github.com/cert-manager/cert-manager/pkg/apis/certmanager"
	_ "sigs.k8s.io/gateway-api/apis/v1"
)
