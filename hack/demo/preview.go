package main

import (
	"context"
	"html/template"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/dispel/partner-operator/internal/dashboard"
	"github.com/dispel/partner-operator/internal/kinds"
)

// sample is a sample partner with a sub-domain.
type sample struct {
	Name, DisplayName, Host string
	// Widget reports whether the widget is enabled.
	Widget bool
}

// preview serves, below a folder for each sample partner, what an end customer
// would see on its sub-domain: a page in the place of the engine, and the widget
// from the widget server. It stands in for DNS and for an ingress controller.
type preview struct {
	samples []sample
	widget  *url.URL
	// report makes the report of the fleet.
	report func(ctx context.Context) (string, error)
}

// start serves until the context ends, and returns the address.
func (p *preview) start(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: p.routes(), ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(listener)                             //nolint:errcheck // it ends with the demo
	context.AfterFunc(ctx, func() { _ = server.Close() }) // nothing to save
	return "http://" + listener.Addr().String() + "/", nil
}

func (p *preview) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
		_ = contents.Execute(w, p.samples)
	})
	mux.HandleFunc("GET /report", func(w http.ResponseWriter, r *http.Request) {
		page, err := p.report(r.Context())
		if err != nil {
			http.Error(w, page, http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, page)
	})
	for _, sample := range p.samples {
		toWidget := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(p.widget)
			r.Out.Host = sample.Host // as an ingress controller passes it on
		}}
		folder := "/" + sample.Name
		instance := dashboard.Instance{DisplayName: sample.DisplayName}
		mux.Handle(folder+"/", http.StripPrefix(folder, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.URL.Path, kinds.WidgetPath+"/") {
				toWidget.ServeHTTP(w, r)
				return
			}
			instance.ServeHTTP(w, r)
		})))
	}
	return mux
}

var contents = template.Must(template.New("contents").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Sample partners</title>
<style>body { margin: 1rem auto; max-width: 40rem; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }</style>
<h1>Sample partners</h1>
<p><a href="report">The report of all partners</a></p>
<p>Each page stands in for the partner's instance on its sub-domain. The support widget on it is the real one.</p>
<ul>
{{range .}}<li><a href="{{.Name}}/">{{.DisplayName}}</a>, {{.Host}}{{if not .Widget}}: no widget{{end}}</li>
{{end}}</ul>
`))
