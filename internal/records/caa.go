package records

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/miekg/dns"
	"k8s.io/apimachinery/pkg/util/validation"
)

// Policy is which certificate authorities may issue for a host (CAA records, RFC 8659).
type Policy struct {
	// At is the name that has the records: the host, a name above it, or one that an alias leads to. Empty
	// if none has, and so everybody may issue.
	At string
	// Issuers are the domains of those who may, in lower case.
	Issuers []string
	// Restricted are those of them that may only for some accounts or by some methods, by all their records.
	Restricted []string
	// Unknown is a critical property that is not known, for which nobody may issue; empty if there is none.
	Unknown string
}

// Permits reports whether an authority may issue that goes by some domains.
func (p Policy) Permits(identities []string) bool {
	return p.At == "" || p.Unknown == "" && slices.ContainsFunc(p.Issuers, func(issuer string) bool { return slices.Contains(identities, issuer) })
}

// known are the properties that are registered (IANA, "PKIX Parameters").
var known = []string{"issue", "issuewild", "iodef", "issuemail", "issuevmc", "contactemail", "contactphone"}

// Resolver asks a DNS server, such as 192.0.2.53:53.
type Resolver struct {
	Server string
}

// CAA is the policy for a host: that of the first name with CAA records, from the host upwards. The error
// is that of the DNS server.
func (r Resolver) CAA(ctx context.Context, host string) (Policy, error) {
	for name := strings.TrimSuffix(host, "."); name != ""; {
		found, err := r.ask(ctx, name)
		if err != nil {
			return Policy{}, err
		}
		if len(found) > 0 {
			return policyOf(found), nil
		}
		_, name, _ = strings.Cut(name, ".")
	}
	return Policy{}, nil
}

// policyOf is the policy of the CAA records of a name.
func policyOf(found []*dns.CAA) Policy {
	policy := Policy{At: strings.ToLower(strings.TrimSuffix(found[0].Hdr.Name, "."))}
	about := false // hosts without a wildcard
	var free []string
	for _, caa := range found {
		tag := strings.ToLower(caa.Tag)
		if caa.Flag&128 != 0 && !slices.Contains(known, tag) {
			policy.Unknown = tag
		}
		if tag != "issue" {
			continue
		}
		about = true
		// Parameters follow a semicolon; without a domain before it, nobody may issue.
		domain, parameters, _ := strings.Cut(caa.Value, ";")
		if domain = strings.ToLower(strings.TrimSpace(domain)); domain == "" {
			continue
		}
		policy.Issuers = append(policy.Issuers, domain)
		if strings.TrimSpace(parameters) == "" {
			free = append(free, domain)
		}
	}
	for _, issuer := range policy.Issuers {
		if !slices.Contains(free, issuer) && !slices.Contains(policy.Restricted, issuer) {
			policy.Restricted = append(policy.Restricted, issuer)
		}
	}
	if !about && policy.Unknown == "" {
		return Policy{}
	}
	return policy
}

// ask asks for the CAA records of a name, over TCP if an answer does not fit a datagram.
func (r Resolver) ask(ctx context.Context, name string) ([]*dns.CAA, error) {
	question := new(dns.Msg).SetQuestion(dns.Fqdn(name), dns.TypeCAA)
	question.SetEdns0(dns.DefaultMsgSize, false)
	answer, _, err := new(dns.Client).ExchangeContext(ctx, question, r.Server)
	if err == nil && answer.Truncated {
		answer, _, err = (&dns.Client{Net: "tcp"}).ExchangeContext(ctx, question, r.Server)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("asking %s for the CAA records of %s: %w", r.Server, name, err)
	case answer.Rcode != dns.RcodeSuccess && answer.Rcode != dns.RcodeNameError:
		return nil, fmt.Errorf("asking %s for the CAA records of %s: %s", r.Server, name, dns.RcodeToString[answer.Rcode])
	}
	var found []*dns.CAA
	for _, record := range answer.Answer { // also of what an alias leads to
		if caa, ok := record.(*dns.CAA); ok {
			found = append(found, caa)
		}
	}
	return found, nil
}

// maxDirectory is how much of an ACME directory is read, in bytes.
const maxDirectory = 64 << 10

// Identities are the domains by which an ACME server goes in CAA records (RFC 8555, section 7.1.1), in
// lower case. Who names the server may not lead elsewhere from it: redirects are errors.
func Identities(ctx context.Context, client *http.Client, directory string) ([]string, error) {
	if !strings.HasPrefix(directory, "https://") {
		return nil, errors.New("the directory of an ACME server has an address that begins with https://")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, directory, nil)
	if err != nil {
		return nil, err
	}
	direct := *client
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := direct.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("reading the directory of %s: status %d", directory, response.StatusCode)
	}
	var found struct {
		Meta struct {
			CAAIdentities []string `json:"caaIdentities"`
		} `json:"meta"`
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxDirectory)).Decode(&found); err != nil {
		return nil, fmt.Errorf("reading the directory of %s: %w", directory, err)
	}
	var identities []string
	for _, identity := range found.Meta.CAAIdentities {
		if identity = strings.ToLower(identity); len(validation.IsDNS1123Subdomain(identity)) == 0 { // as it is shown to users
			identities = append(identities, identity)
		}
	}
	return identities, nil
}
