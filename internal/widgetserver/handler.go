package widgetserver

import (
	"bytes"
	_ "embed"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"

	"github.com/dispel/partner-operator/internal/kinds"
)

//go:embed widget.js
var script []byte

// Paths of what is served.
const (
	ScriptPath = kinds.WidgetPath + "/widget.js"
	ConfigPath = kinds.WidgetPath + "/config.json"
)

// Handler serves the script and config.json to the hosts that have the widget.
// The host is the one that the request is for, and never that of a header such as
// X-Forwarded-Host, which a client can send as it likes.
type Handler struct {
	Directory *Directory
	// Ready reports whether the directory can be asked.
	Ready  func() bool
	Clock  clock.PassiveClock
	Logger logr.Logger
}

var scriptAsset = newAsset(script)

// ServeHTTP answers 404 to every host without a widget and to every other path,
// alike, and 405 to all methods but GET and HEAD.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
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
	if i := strings.LastIndexByte(host, ':'); i >= 0 { // of an IPv6 address, no matter what is left
		host = host[:i]
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// security are headers of every answer. They are shared, and not to be changed.
var security = http.Header{
	"X-Content-Type-Options":       {"nosniff"},
	"Content-Security-Policy":      {"default-src 'none'; frame-ancestors 'none'"},
	"Cross-Origin-Resource-Policy": {"same-origin"},
	"Referrer-Policy":              {"no-referrer"},
}

// refuse answers with a status alone, in a way that no cache keeps: the widget may
// be enabled a moment later.
func refuse(w http.ResponseWriter, code int) {
	header := w.Header()
	maps.Copy(header, security)
	header.Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	requests.WithLabelValues(strconv.Itoa(code)).Inc()
}

// serve answers with an asset. Browsers keep it and ask each time whether it is
// still right, so that a change is seen with the next load.
func (a *asset) serve(w http.ResponseWriter, r *http.Request, contentType string) {
	header := w.Header()
	maps.Copy(header, security)
	header.Set("Cache-Control", "no-cache")
	header.Set("Content-Type", contentType)
	header.Set("Etag", a.tag)
	r.Header.Del("Range") // too small to be had in parts
	answer := &statusWriter{ResponseWriter: w, code: http.StatusOK}
	http.ServeContent(answer, r, "", time.Time{}, bytes.NewReader(a.content))
	requests.WithLabelValues(strconv.Itoa(answer.code)).Inc()
}

// statusWriter notes the status that is written.
type statusWriter struct {
	http.ResponseWriter
	code int
}

// WriteHeader implements http.ResponseWriter.
func (w *statusWriter) WriteHeader(code int) {
	w.code = code
	w.ResponseWriter.WriteHeader(code)
}
