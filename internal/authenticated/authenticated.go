// Package authenticated keeps /metrics to those whom the API server lets get the path:
// names of partners are nobody else's business.
package authenticated

import (
	"net/http"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/metrics/filters"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// Filter shows /metrics to those whom the API server lets get the path. A handler with a method
// Authenticates asks for a token itself. It answers 401 to a token that the API server does not know or cannot be asked about, as
// the API server itself does; controller-runtime's filter answers 500 to both.
func Filter(config *rest.Config, client *http.Client) (metricsserver.Filter, error) {
	filter, err := filters.WithAuthenticationAndAuthorization(config, client)
	if err != nil {
		return nil, err
	}
	return func(logger logr.Logger, handler http.Handler) (http.Handler, error) {
		if _, own := handler.(interface{ Authenticates() }); own {
			return handler, nil
		}
		filtered, err := filter(logr.New(quiet{logger.GetSink()}), handler)
		if err != nil {
			return nil, err
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			filtered.ServeHTTP(&unauthorized{ResponseWriter: w}, r)
		}), nil
	}, nil
}

// quiet logs errors for those who debug: whoever reaches the port can present any
// token.
type quiet struct{ logr.LogSink }

// Error implements logr.LogSink.
func (q quiet) Error(err error, message string, values ...any) {
	if q.Enabled(1) {
		q.Info(1, message, append(values, "error", err)...)
	}
}

// unauthorized turns the filter's answer to a failed authentication into a 401. The
// filter says which step failed in the text alone.
type unauthorized struct {
	http.ResponseWriter
	// failed tells that 500 was answered and its text is still to come.
	failed bool
}

// authenticationFailed is what the filter writes then.
const authenticationFailed = "Authentication failed\n"

// WriteHeader implements http.ResponseWriter.
func (u *unauthorized) WriteHeader(status int) {
	if u.failed = status == http.StatusInternalServerError; !u.failed {
		u.ResponseWriter.WriteHeader(status)
	}
}

// Write implements http.ResponseWriter.
func (u *unauthorized) Write(text []byte) (int, error) {
	if u.failed {
		u.failed = false
		status := http.StatusInternalServerError
		if string(text) == authenticationFailed {
			status = http.StatusUnauthorized
		}
		u.ResponseWriter.WriteHeader(status)
	}
	return u.ResponseWriter.Write(text)
}
