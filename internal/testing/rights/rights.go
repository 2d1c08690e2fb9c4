// Package rights holds the requests of a component against its roles: what it was
// refused, and which of its rights it did not use.
package rights

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apiserver/pkg/endpoints/request"
)

// right is the right to do one thing.
type right struct{ verb, group, resource string }

func (r right) String() string {
	if r.group == "" {
		return r.verb + " " + r.resource
	}
	return r.verb + " " + r.resource + "." + r.group
}

// OfInstallation are the manager's rights that only a whole installation uses: test/chart
// has them used, and the suite of controllers has not.
var OfInstallation = []string{
	"create events", "create leases.coordination.k8s.io", "get leases.coordination.k8s.io", "update leases.coordination.k8s.io",
	"create subjectaccessreviews.authorization.k8s.io", "create tokenreviews.authentication.k8s.io",
	"create supportplans.partner.dispel.com",
}

// Recorder notes what is asked of an API server, and what it refuses for want of
// a right. Its zero value is ready for use.
type Recorder struct {
	mu      sync.Mutex
	used    map[right]bool
	refused map[right]bool
}

// Wrap notes the requests that go by way of a round tripper.
func (r *Recorder) Wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		response, err := next.RoundTrip(req)
		if err != nil {
			return nil, err
		}
		return response, r.note(req, response)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

var parser = request.RequestInfoFactory{APIPrefixes: sets.NewString("api", "apis"), GrouplessAPIPrefixes: sets.NewString("api")}

func (r *Recorder) note(req *http.Request, response *http.Response) error {
	info, err := parser.NewRequestInfo(req)
	if err != nil || !info.IsResourceRequest {
		return err
	}
	asked := right{info.Verb, info.APIGroup, info.Resource}
	if info.Subresource != "" {
		asked.resource += "/" + info.Subresource
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.used == nil {
		r.used, r.refused = map[right]bool{}, map[right]bool{}
	}
	if response.StatusCode == http.StatusForbidden {
		body, err := io.ReadAll(response.Body)
		if err != nil {
			return err
		}
		_ = response.Body.Close()
		response.Body = io.NopCloser(bytes.NewReader(body))
		// Quotas and terminating namespaces answer 403, too.
		if strings.Contains(string(body), `cannot `+info.Verb) {
			r.refused[asked] = true
		}
		return nil
	}
	r.used[asked] = true
	if asked.verb == "patch" && response.StatusCode == http.StatusCreated {
		r.used[right{"create", asked.group, asked.resource}] = true // an apply that creates needs both
	}
	return nil
}

// Refused are the rights for want of which requests were refused, sorted. One that
// was granted at another time is none of them: an API server that has just started
// knows the roles only after a moment.
func (r *Recorder) Refused() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var refused []string
	for one := range r.refused {
		if !r.used[one] {
			refused = append(refused, one.String())
		}
	}
	slices.Sort(refused)
	return refused
}

// Unused are the rights among rules that no request used, sorted.
func (r *Recorder) Unused(rules []rbacv1.PolicyRule) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var unused []string
	for _, rule := range rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					if one := (right{verb, group, resource}); !r.needed(one) {
						unused = append(unused, one.String())
					}
				}
			}
		}
	}
	slices.Sort(unused)
	return slices.Compact(unused)
}

// needed reports whether a right was used, by a request of its own or as part of one.
func (r *Recorder) needed(one right) bool {
	switch one.verb {
	case "list":
		// An informer lists where the API server does not stream what there is.
		return r.used[one] || r.used[right{"watch", one.group, one.resource}]
	case "bind":
		return r.used[right{"patch", rbacv1.GroupName, "rolebindings"}]
	}
	return r.used[one]
}
