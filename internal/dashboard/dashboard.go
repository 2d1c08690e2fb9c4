// Package dashboard is a small web page that stands in for a partner's
// white-labelled instance of the engine, in the demo and in tests. It embeds the
// support widget as an instance does, under a strict Content-Security-Policy.
package dashboard

import (
	_ "embed"
	"html/template"
	"net/http"
)

//go:embed dashboard.html
var html string

//go:embed dashboard.css
var css []byte

//go:embed icon.svg
var icon []byte

var page = template.Must(template.New("dashboard").Parse(html))

// policy lets nothing in but what the page's own origin serves, and no markup or
// script that is put together in the browser. Frames are for a messenger that
// opens in the panel.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// Instance is a partner's instance of the engine.
type Instance struct {
	// DisplayName is the partner's name as people read it.
	DisplayName string
	// MessengerOrigin is allowed in frames; none if empty.
	MessengerOrigin string
}

// ServeHTTP serves the page at any folder, and its style beside it.
func (i Instance) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	allowed := policy
	if i.MessengerOrigin != "" {
		allowed += "; frame-src " + i.MessengerOrigin
	}
	header.Set("Content-Security-Policy", allowed)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Cache-Control", "no-cache")
	switch r.URL.Path {
	case "/":
		header.Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(w, i) // the client may have gone
	case "/dashboard.css":
		header.Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write(css)
	case "/icon.svg":
		header.Set("Content-Type", "image/svg+xml")
		_, _ = w.Write(icon)
	default:
		http.NotFound(w, r)
	}
}
