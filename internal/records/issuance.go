package records

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/dispel/partner-operator/internal/probe"
)

// Permission is whether an authority may issue for a host.
type Permission struct {
	// Wrong says what forbids it, and what to do; empty if nothing does that is known.
	Wrong string
	// Missing is the record that would permit it; nil if there is no such.
	Missing *Record
	// Note says what else there is to know; it may be empty.
	Note string
}

// Client asks ACME servers that some authorities certify; the system's if nil.
func Client(roots *x509.CertPool) *http.Client {
	return &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
}

// Permission finds whether CAA records permit an ACME server, which is asked by which names it goes, to
// issue for a host. What cannot be found out is a note.
func (r Resolver) Permission(ctx context.Context, host string, client *http.Client, acme string) Permission {
	policy, err := r.CAA(ctx, host)
	if err != nil {
		return Permission{Note: err.Error()}
	}
	if policy.At == "" {
		return Permission{}
	}
	if policy.Unknown != "" {
		return Permission{Wrong: fmt.Sprintf("%s has a CAA record with the critical property %q, which authorities may not know, and then issue nothing: remove it", policy.At, policy.Unknown)}
	}
	identities, err := Identities(ctx, client, acme)
	switch {
	case err == nil && len(identities) == 0:
		return Permission{Note: fmt.Sprintf("%s has CAA records; whether they permit the issuer is unknown: its ACME server does not say by which name it goes", policy.At)}
	case err != nil:
		return Permission{Note: fmt.Sprintf("%s has CAA records; whether they permit the issuer is unknown: %s", policy.At, err)}
	case policy.Permits(identities):
		permitted := slices.DeleteFunc(slices.Clone(identities), func(identity string) bool { return !slices.Contains(policy.Issuers, identity) })
		if slices.ContainsFunc(permitted, func(identity string) bool { return !slices.Contains(policy.Restricted, identity) }) {
			return Permission{}
		}
		return Permission{Note: fmt.Sprintf("the CAA records of %s permit %s for some accounts or methods only: see that the issuer's are among them", policy.At, permitted[0])}
	case host != policy.At && !strings.HasSuffix(host, "."+policy.At):
		return Permission{Wrong: fmt.Sprintf("%s, to which %s is an alias, has CAA records that do not permit %s: have its owner add it, or use addresses in place of the alias", policy.At, host, identities[0])}
	}
	return Permission{
		Wrong:   fmt.Sprintf("%s has CAA records that do not permit %s to issue: add CAA 0 issue %q", policy.At, identities[0], identities[0]),
		Missing: &Record{Name: policy.At, Type: "CAA", Value: fmt.Sprintf("0 issue %q", identities[0]), TTL: DefaultTTL},
	}
}

// ACME is the address of the ACME server of an issuer of cert-manager's, and whether that proves a host of
// a Certificate with some labels by DNS; empty if it is another kind of issuer.
func ACME(issuer *unstructured.Unstructured, host string, has map[string]string) (server string, dns01 bool) {
	server, _, _ = unstructured.NestedString(issuer.Object, "spec", "acme", "server")
	solvers, _, _ := unstructured.NestedSlice(issuer.Object, "spec", "acme", "solvers")
	return server, provenByDNS(solvers, host, has)
}

// provenByDNS reports whether cert-manager proves a host of a Certificate with some labels by DNS. Of the
// solvers whose selector matches in all its parts, it takes one that names the host, then one with the
// longest zone, then one by labels, then one without a selector.
func provenByDNS(solvers []any, host string, has map[string]string) bool {
	best, dns01 := -1, false
	for _, solver := range solvers {
		of, _ := solver.(map[string]any)
		wanted, _, _ := unstructured.NestedStringMap(of, "selector", "matchLabels")
		names, _, _ := unstructured.NestedStringSlice(of, "selector", "dnsNames")
		zones, _, _ := unstructured.NestedStringSlice(of, "selector", "dnsZones")
		zones = slices.DeleteFunc(slices.Clone(zones), func(zone string) bool { return host != zone && !strings.HasSuffix(host, "."+zone) })
		_, zoned, _ := unstructured.NestedSlice(of, "selector", "dnsZones")
		if !labels.SelectorFromSet(wanted).Matches(labels.Set(has)) || len(names) > 0 && !slices.Contains(names, host) || zoned && len(zones) == 0 {
			continue
		}
		match := min(1, len(wanted))
		for _, zone := range zones {
			match = max(match, 1+len(zone))
		}
		if len(names) > 0 {
			match = 2 + len(host)
		}
		if match > best {
			_, dns01 = of["dns01"]
			best = match
		}
	}
	return dns01
}

// Server is the address of a DNS server, by its address with or without a port; the system's if none is
// named.
func Server(named string) (string, error) {
	if named != "" {
		server, err := probe.ParseAddress(named)
		if err != nil {
			return "", err
		}
		port := server.Port()
		if port == 0 {
			port = 53
		}
		return netip.AddrPortFrom(server.Addr(), port).String(), nil
	}
	config, err := dns.ClientConfigFromFile("/etc/resolv.conf")
	if err == nil && len(config.Servers) == 0 {
		err = errors.New("/etc/resolv.conf names no server")
	}
	if err != nil {
		return "", fmt.Errorf("%w: name a DNS server with --dns-server", err)
	}
	return net.JoinHostPort(config.Servers[0], config.Port), nil
}
