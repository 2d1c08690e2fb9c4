package probe

import (
	"net/netip"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// Step is a link of the chain.
type Step string

// The steps, in order.
const (
	Resolution  Step = "name resolution"
	Connection  Step = "connection"
	Certificate Step = "certificate"
	Engine      Step = "engine"
	Widget      Step = "support widget"
)

// Taken is a step that was taken.
type Taken struct {
	Step Step `json:"step"`
	// Took is how long it took.
	Took metav1.Duration `json:"took"`
	// Seen is what was found.
	Seen string `json:"seen"`
}

// Result is what a probe found.
type Result struct {
	// Reason is the verdict: one of the reasons of SubdomainReachable.
	Reason v1alpha1.Reason `json:"reason"`
	// Message says what is wrong, and what to do; or that all is well.
	Message string `json:"message"`
	// Steps are the steps that were taken, the broken one last.
	Steps []Taken `json:"steps"`
	// Addresses are those to which the host resolves.
	Addresses []netip.Addr `json:"addresses,omitempty"`
	// Expires is when the certificate does; zero if none was seen.
	Expires time.Time `json:"expires,omitzero"`
}

// Broken reports whether a link is broken.
func (r Result) Broken() bool {
	return r.Reason != v1alpha1.ReasonReachable
}
