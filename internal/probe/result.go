package probe

import (
	"net/netip"
	"time"
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

// Reason is a verdict on a target.
type Reason string

// The reasons.
const (
	Reachable              Reason = "Reachable"
	NameNotResolved        Reason = "NameNotResolved"
	AddressNotTheRoutes    Reason = "AddressNotTheRoutes"
	TargetNotAllowed       Reason = "TargetNotAllowed"
	ConnectionFailed       Reason = "ConnectionFailed"
	CertificateInvalid     Reason = "CertificateInvalid"
	CertificateExpired     Reason = "CertificateExpired"
	EngineFailed           Reason = "EngineFailed"
	WidgetFailed           Reason = "WidgetFailed"
	WidgetOfAnotherPartner Reason = "WidgetOfAnotherPartner"
)

// Duration is written as Go does, such as 1.5s.
type Duration struct{ time.Duration }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// Taken is a step that was taken.
type Taken struct {
	Step Step `json:"step"`
	// Took is how long it took.
	Took Duration `json:"took"`
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
