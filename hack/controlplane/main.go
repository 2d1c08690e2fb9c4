// Command controlplane holds etcd, kube-apiserver, kube-controller-manager and
// kubectl in one binary, which acts by the name that it is called by.
//
// One binary links the packages that the four share once, so that it takes a
// third of the time and of the space of four. It is for development and tests.
//
// Build tags choose what is in it: with `only`, those alone that are named by tags
// of their own, and with `complete`, kube-controller-manager with all its controllers.
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	_ "k8s.io/component-base/logs/json/register"
)

// components are the mains of what was chosen.
var components = map[string]func(){}

func main() {
	name := filepath.Base(os.Args[0])
	run, ok := components[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "%s: call this binary as one of %v\n", name, slices.Sorted(maps.Keys(components)))
		os.Exit(2)
	}
	run()
}
