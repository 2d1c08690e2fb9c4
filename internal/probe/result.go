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
	// Lifetime is for how long that certificate is valid in all.
	Lifetime time.Duration `json:"-"`
	// Own is what of the prober's own surroundings a broken link may come of; empty if it
	// comes of the sub-domain. Sure reports that one such failure tells, unless others get further.
	Own  Own  `json:"-"`
	Sure bool `json:"-"`
}

// Own is what a probe needs of where the prober runs.
type Own string

// What that is.
const (
	OwnDNS     Own = "dns"
	OwnNetwork Own = "network"
	OwnClock   Own = "clock"
)

// Found are what of the prober's own is in order, since the probe got past it.
func (r Result) Found() []Own {
	var found []Own
	for i, taken := range r.Steps {
		own, needs := map[Step]Own{Resolution: OwnDNS, Connection: OwnNetwork, Certificate: OwnClock}[taken.Step]
		broke := r.Broken() && i == len(r.Steps)-1
		// A server that refuses a connection was reached; a certificate that is not trusted tells no time.
		if needs && (!broke || r.Own == "" && own != OwnClock) {
			found = append(found, own)
		}
	}
	return found
}

// Broken reports whether a link is broken.
func (r Result) Broken() bool {
	return r.Reason != Reachable
}
