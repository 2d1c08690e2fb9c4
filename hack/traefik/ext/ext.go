// Package ext stands in for the module of this name, which Traefik replaces by
// a folder of its repository and does not publish. It is Traefik's place for
// extensions of its configuration, and has none.
package ext

// Router would hold what an extension adds to a router.
type Router struct{}

// HTTP would hold what an extension adds to the HTTP configuration.
type HTTP struct{}
