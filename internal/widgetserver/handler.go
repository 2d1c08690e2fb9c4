package widgetserver

import (
	"bytes"
	"cmp"
	_ "embed"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"github.com/dispel/partner-operator/internal/tenant"
)

//go:embed widget.js
var script []byte

// Paths of what is served.
const (
	ScriptPath = tenant.WidgetPath + "/widget.js"
	ConfigPath = tenant.WidgetPath + "/config.json"
)

// Handler serves the script and config.json to the hosts that have the widget.
// The host is the one that the request is for, and never that of a header such as
// X-Forwarded-Host, which a client can send as it likes.
type Handler struct {
	Directory *Directory
	// Ready tells whether the directory can be asked.
	Ready  func() bool
	Clock  clock.PassiveClock
	Logger logr.Logger
}

var scriptAsset = newAsset(script)

// ServeHTTP answers 404 to every host without a widget and to every other path,
// alike, and 405 to all methods but GET and HEAD.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Referrer-Policy", "no-referrer")
	// The widget goes by this clock, whatever the viewer's says.
	header.Set("Date", h.Clock.Now().UTC().Format(http.TimeFormat))
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		header.Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed)
		return
	}
	// The path as it came: what would have to be cleaned or decoded is not ours.
	path := r.URL.EscapedPath()
	if path != ScriptPath && path != ConfigPath {
		refuse(w, http.StatusNotFound)
		return
	}
	if !h.Ready() {
		header.Set("Retry-After", "5")
		refuse(w, http.StatusServiceUnavailable)
		return
	}
	config, err := h.Directory.Config(requestedHost(r))
	switch {
	case err != nil:
		h.Logger.Error(err, "Reading what the widget shows")
		refuse(w, http.StatusInternalServerError)
	case config == nil:
		refuse(w, http.StatusNotFound)
	case path == ScriptPath:
		scriptAsset.serve(w, r, "text/javascript; charset=utf-8")
	default:
		config.serve(w, r, "application/json")
	}
}

// requestedHost is the host that a request is for, as claims are named.
func requestedHost(r *http.Request) string {
	host := r.Host
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// refuse answers in a way that no cache keeps: the widget may be enabled a moment
// later.
func refuse(w http.ResponseWriter, code int) {
	w.Header().Set("Cache-Control", "no-store")
	http.Error(w, http.StatusText(code), code)
}

// serve answers with an asset. Browsers keep it and ask each time whether it is
// still right, so that a change is seen with the next load.
func (a *asset) serve(w http.ResponseWriter, r *http.Request, contentType string) {
	header := w.Header()
	header.Set("Content-Type", contentType)
	header.Set("Cache-Control", "no-cache")
	header.Set("Vary", "Accept-Encoding")
	content, tag := a.plain, a.plainETag
	if acceptsGzip(r.Header.Values("Accept-Encoding")) {
		content, tag = a.gzip, a.gzipETag
		header.Set("Content-Encoding", "gzip")
	}
	header.Set("ETag", tag)
	// Too small to be had in parts.
	r.Header.Del("Range")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// acceptsGzip reads Accept-Encoding headers (RFC 9110, section 12.5.3).
func acceptsGzip(accepted []string) bool {
	var gzip, any string
	for coding := range strings.SplitSeq(strings.Join(accepted, ","), ",") {
		name, parameters, _ := strings.Cut(coding, ";")
		weight, given := strings.CutPrefix(strings.ReplaceAll(strings.ToLower(parameters), " ", ""), "q=")
		if !given {
			weight = "1"
		}
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "gzip", "x-gzip":
			gzip = weight
		case "*":
			any = weight
		}
	}
	weight, err := strconv.ParseFloat(cmp.Or(gzip, any), 64)
	return err == nil && weight > 0
}
