package widgetserver

import (
	"bytes"
	"cmp"
	_ "embed"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
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

	dated atomic.Pointer[dated]
}

var scriptAsset = newAsset(script)

// ServeHTTP answers 404 to every host without a widget and to every other path,
// alike, and 405 to all methods but GET and HEAD.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	// The widget goes by this clock, whatever the viewer's says.
	header["Date"] = h.date()
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
		scriptAsset.serve(w, r, javascript)
	default:
		config.serve(w, r, jsonType)
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

// date is the Date header, which is written anew once a second.
func (h *Handler) date() []string {
	now := h.Clock.Now()
	if last := h.dated.Load(); last != nil && last.second == now.Unix() {
		return last.header
	}
	fresh := &dated{now.Unix(), []string{now.UTC().Format(http.TimeFormat)}}
	h.dated.Store(fresh)
	return fresh.header
}

type dated struct {
	second int64
	header []string
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
func (a *asset) serve(w http.ResponseWriter, r *http.Request, contentType []string) {
	header := w.Header()
	maps.Copy(header, ofAsset)
	header["Content-Type"] = contentType
	of := a.plain
	if acceptsGzip(r.Header["Accept-Encoding"]) {
		of = a.gzip
		header["Content-Encoding"] = gzipped
	}
	header["Etag"] = of.tag
	if len(r.Header["If-None-Match"]) > 0 || len(r.Header["If-Match"]) > 0 {
		// Too small to be had in parts.
		r.Header.Del("Range")
		answer := &statusWriter{ResponseWriter: w, code: http.StatusOK}
		http.ServeContent(answer, r, "", time.Time{}, bytes.NewReader(of.content))
		requests.WithLabelValues(strconv.Itoa(answer.code)).Inc()
		return
	}
	header["Content-Length"] = of.length
	if r.Method == http.MethodGet {
		_, _ = w.Write(of.content) // the client may have gone
	}
	servedAsset.Inc()
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

// Headers of what is served. They are shared, and not to be changed.
var (
	ofAsset = func() http.Header {
		header := security.Clone()
		header.Set("Cache-Control", "no-cache")
		header.Set("Vary", "Accept-Encoding")
		return header
	}()
	gzipped    = []string{"gzip"}
	javascript = []string{"text/javascript; charset=utf-8"}
	jsonType   = []string{"application/json"}
)

// acceptsGzip reads Accept-Encoding headers (RFC 9110, section 12.5.3).
func acceptsGzip(accepted []string) bool {
	if len(accepted) == 0 {
		return false
	}
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
