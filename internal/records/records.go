// Package records says which DNS records a partner has to set for its sub-domain.
package records

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/objects"
)

// Record is a DNS record.
type Record struct {
	// Name is the host name, without a dot at the end.
	Name string `json:"name"`
	// Type is A, AAAA, CNAME, CAA, or ALIAS, which some DNS providers have in place of a CNAME where that
	// cannot be.
	Type string `json:"type"`
	// Value is written as in a zone file.
	Value string `json:"value"`
	// TTL is for how long resolvers may keep it, in seconds.
	TTL int `json:"ttl"`
}

// DefaultTTL is short enough for a route that moves.
const DefaultTTL = 300

// TTLOf is the TTL that a partner's route asks for, in seconds.
func TTLOf(partner *v1alpha1.Partner) int {
	if subdomain := partner.Spec.Subdomain; subdomain != nil && subdomain.Route != nil {
		if ttl := objects.TTL(subdomain.Route.Annotations); ttl >= time.Second {
			return int(ttl / time.Second)
		}
	}
	return DefaultTTL
}

// Of are the records of a host for a route that is served at some IP addresses and host names. The notes
// say what else there is to know. Of a route without addresses, there are none.
func Of(host string, addresses []string, ttl int) (records []Record, notes []string) {
	var names []string
	for _, address := range slices.Sorted(slices.Values(addresses)) {
		parsed, err := netip.ParseAddr(address)
		switch {
		case err != nil:
			names = append(names, address)
		case parsed.Unmap().Is4():
			records = append(records, Record{host, "A", parsed.Unmap().String(), ttl})
		default:
			records = append(records, Record{host, "AAAA", parsed.String(), ttl})
		}
	}
	slices.SortStableFunc(records, func(a, b Record) int { return strings.Compare(a.Type, b.Type) })
	records = slices.Compact(records)
	switch {
	case len(names) == 0:
		return records, nil
	case len(records) > 0:
		return records, []string{fmt.Sprintf("the route is served at %s, too: a host with addresses can have no CNAME", strings.Join(names, ", "))}
	case len(names) > 1:
		notes = append(notes, fmt.Sprintf("the route is served at %s, too: a host has one CNAME", strings.Join(names[1:], ", ")))
	}
	kind := "CNAME"
	// A name below a private suffix, such as a hosting service's, is in the zone of that.
	if apex, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil && apex == host && icann(host) {
		kind = "ALIAS"
		notes = append(notes, fmt.Sprintf("%s is the top of its zone, where DNS has no CNAME: use what the DNS provider has in its place, often called ALIAS or ANAME", host))
	}
	return []Record{{host, kind, strings.TrimSuffix(names[0], ".") + ".", ttl}}, notes
}

// icann reports whether the public suffix of a host is a registry's.
func icann(host string) bool {
	_, found := publicsuffix.PublicSuffix(host)
	return found
}

// Line is the record as a line of a zone file; one of a type that zone files do not have is a comment.
func (r Record) Line() string {
	line := fmt.Sprintf("%s. %d IN %s %s", r.Name, r.TTL, r.Type, r.Value)
	if r.Type == "ALIAS" {
		return "; " + line
	}
	return line
}
