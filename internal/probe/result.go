package probe

import (
	"net/netip"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Reason names a verdict.
type Reason string

// The verdicts.
const (
	// Reachable means that every link holds.
	Reachable Reason = "Reachable"
	// NameNotResolved means that the host has no address.
	NameNotResolved Reason = "NameNotResolved"
	// AddressNotTheRoutes means that the host resolves to none of the route's addresses.
	AddressNotTheRoutes Reason = "AddressNotTheRoutes"
	// TargetNotAllowed means that the host resolves to an address that may not be probed.
	TargetNotAllowed Reason = "TargetNotAllowed"
	// ConnectionFailed means that nobody answers at any address.
	ConnectionFailed Reason = "ConnectionFailed"
	// CertificateInvalid means that the server presents no certificate that a browser
	// accepts for the host.
	CertificateInvalid Reason = "CertificateInvalid"
	// CertificateExpired means that the certificate is no longer valid, or not yet.
	CertificateExpired Reason = "CertificateExpired"
	// EngineFailed means that the engine does not answer, or with a server error.
	EngineFailed Reason = "EngineFailed"
	// WidgetFailed means that the support widget is not served as it should be.
	WidgetFailed Reason = "WidgetFailed"
	// WidgetOfAnotherPartner means that another partner's widget is served.
	WidgetOfAnotherPartner Reason = "WidgetOfAnotherPartner"
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
	// Reason is the verdict.
	Reason Reason `json:"reason"`
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
	return r.Reason != Reachable
}
