package widgetserver

import (
	"bufio"
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"
)

// FuzzRequest sends any request to a server that is not ready, which answers it
// without a partner to look up, and reads its host and encodings.
func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		"GET /.dispel/support/config.json HTTP/1.1\r\nHost: remote.acmecorp.com\r\n\r\n",
		"GET /.dispel/support/widget.js HTTP/1.1\r\nHost: REMOTE.acmecorp.com.:443\r\nAccept-Encoding: gzip;q=0.5, *;q=0\r\n\r\n",
		"HEAD /.dispel/support/../support/widget.js HTTP/1.1\r\nHost: [::1]:80\r\nRange: bytes=0-\r\nIf-None-Match: \"x\", W/\"y\"\r\n\r\n",
		"GET http://a.example/.dispel/support/%77idget.js HTTP/1.1\r\nHost: b.example\r\nX-Forwarded-Host: c.example\r\n\r\n",
		"GET /.dispel/support/widget.js HTTP/1.1\r\nHost: a:443:\r\nIf-Match: \"x\"\r\nIf-None-Match: \"x\"\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
		"GET /.dispel/support/widget.js HTTP/1.0\r\nAccept-Encoding: \x00;q=NaN\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	handler := compressed(&Handler{Ready: func() bool { return false }, Clock: clock.RealClock{}, Logger: logr.Discard()})
	served := compressed(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { scriptAsset.serve(w, r, "text/javascript") }))
	f.Fuzz(func(t *testing.T, data []byte) {
		request, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(data)))
		if err != nil {
			return
		}
		if host := requestedHost(request); strings.ToLower(host) != host {
			t.Fatalf("Host %q was read as %q", request.Host, host)
		}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		switch answer.Code {
		case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusServiceUnavailable:
		default:
			t.Fatalf("%s %s was answered %d", request.Method, request.URL, answer.Code)
		}
		if answer.Body.Len() > 0 || answer.Header().Get("Cache-Control") != "no-store" || answer.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Fatalf("%s %s was answered with %v and %d bytes", request.Method, request.URL, answer.Header(), answer.Body.Len())
		}
		again := httptest.NewRecorder()
		served.ServeHTTP(again, request)
		switch code := again.Code; {
		case code == http.StatusOK, code == http.StatusNotModified:
		case code == http.StatusPreconditionFailed && len(request.Header["If-Match"]) > 0:
		default:
			t.Fatalf("the script was answered %d", code)
		}
	})
}
