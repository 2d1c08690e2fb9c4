package cli

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/miekg/dns"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/fleet"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/probe"
	"github.com/dispel/partner-operator/internal/records"
	"github.com/dispel/partner-operator/internal/target"
)

func (p *plugin) newDNSCommand() *cobra.Command {
	flags := checkFlags{output: choice{value: "table", values: []string{"table", "json", "yaml", "zone"}}}
	cmd := &cobra.Command{
		Use:   "dns NAME",
		Short: "Show the DNS records that a partner has to set, and what is wrong with those that are there",
		Long: `Show the DNS records that a partner has to set in its own zone for the route of its sub-domain as it is served now, and
what is still wrong, from where you are: where the name leads, and whether CAA records permit the certificate authority.
The exit status is 1 if something is wrong.`,
		Example: `  # What to tell the partner
  kubectl partner dns acme

  # As lines of a zone file
  kubectl partner dns acme -o zone`,
		Args:              arguments(cobra.ExactArgs(1)),
		ValidArgsFunction: p.completePartner,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.dns(cmd.Context(), args[0], flags)
		},
	}
	flags.add(cmd)
	return cmd
}

// needed are the records that a partner has to set.
type needed struct {
	Partner string           `json:"partner"`
	Host    string           `json:"host"`
	Records []records.Record `json:"records"`
	// Notes say what else there is to know.
	Notes []string `json:"notes,omitempty"`
	// Reason and Message are those of SubdomainReachable for what is found at the name; Missing are records
	// without which no certificate is issued.
	Reason  probe.Reason     `json:"reason"`
	Message string           `json:"message"`
	Missing []records.Record `json:"missing,omitempty"`
	// Wrong is what is wrong with the records that are there; absent if nothing is.
	Wrong []string `json:"wrong,omitempty"`
}

func (p *plugin) dns(ctx context.Context, name string, flags checkFlags) error {
	prober, err := flags.prober()
	if err != nil {
		return err
	}
	c, partner, err := p.partnerNamed(ctx, name)
	if err != nil {
		return err
	}
	probed, found, err := target.With(ctx, partner, c.partner)
	if err != nil {
		return err
	}
	if !found {
		return notServed(partner)
	}
	if len(partner.Status.Subdomain.Addresses) == 0 {
		return fmt.Errorf("the route of %s has no address yet, to which a record could lead: see that its controller serves it, and writes addresses into the status of the %s", probed.Host, partner.Status.Subdomain.Route)
	}
	asking := p.terminal.startProgress("Asking for " + probed.Host)
	of := needed{Partner: partner.Name, Host: probed.Host, Records: []records.Record{}}
	of.Records, of.Notes = records.Of(probed.Host, partner.Status.Subdomain.Addresses, records.TTLOf(partner))
	if former := partner.Status.Subdomain.FormerAddresses; len(former) > 0 {
		of.Notes = append(of.Notes, fmt.Sprintf("for visitors with the former record, the host is still served at %s for a while", strings.Join(former, ", ")))
	}
	probed.Addresses, probed.Former = partner.Status.Subdomain.Addresses, nil // to which the record is to lead
	result := prober.Probe(ctx, probed)
	of.Reason, of.Message = result.Reason, result.Message
	if result.Reason == probe.NameNotResolved || result.Reason == probe.AddressNotTheRoutes {
		of.Wrong = append(of.Wrong, result.Message)
	}
	c.certification(ctx, partner, prober, flags.dnsServer, &of)
	asking.finish()
	switch flags.output.value {
	case "zone":
		p.terminal.printZone(of)
	default:
		if err := p.terminal.print(flags.output.value, of, func() { p.terminal.printNeeded(of) }); err != nil {
			return err
		}
	}
	if len(of.Wrong) > 0 {
		return errViolations
	}
	return nil
}

// certification finds what the issuer of a partner's certificate needs in DNS. What cannot be read is
// noted.
func (c *cluster) certification(ctx context.Context, partner *v1alpha1.Partner, prober *probe.Prober, server string, of *needed) {
	acme, dns01 := c.acmeOf(ctx, partner, of.Host)
	if dns01 {
		of.Notes = append(of.Notes, fmt.Sprintf("cert-manager proves the host by TXT records of _acme-challenge.%s: let it write them, or set a CNAME there to a zone in which it may", of.Host))
	}
	if acme == "" {
		return
	}
	address, err := dnsServer(server)
	if err != nil {
		of.Notes = append(of.Notes, "CAA records were not looked at: "+err.Error())
		return
	}
	within, end := context.WithTimeout(ctx, 2*probe.DefaultTimeout)
	defer end()
	policy, err := records.Resolver{Server: address}.CAA(within, of.Host)
	if err != nil {
		of.Notes = append(of.Notes, clean(err.Error()))
		return
	}
	if policy.At == "" {
		return
	}
	authority := &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: prober.Roots, MinVersion: tls.VersionTLS12}}}
	identities, err := records.Identities(within, authority, acme)
	switch {
	case policy.Unknown != "":
		of.Wrong = append(of.Wrong, fmt.Sprintf("%s has a CAA record with the critical property %q, which authorities may not know, and then issue nothing: remove it", policy.At, policy.Unknown))
	case err == nil && len(identities) == 0:
		of.Notes = append(of.Notes, fmt.Sprintf("%s has CAA records; whether they permit the issuer is unknown: its ACME server does not say by which name it goes", policy.At))
	case err != nil:
		of.Notes = append(of.Notes, fmt.Sprintf("%s has CAA records; whether they permit the issuer is unknown: %s", policy.At, clean(err.Error())))
	case policy.Permits(identities):
		permitted := slices.DeleteFunc(slices.Clone(identities), func(identity string) bool { return !slices.Contains(policy.Issuers, identity) })
		if !slices.ContainsFunc(permitted, func(identity string) bool { return !slices.Contains(policy.Restricted, identity) }) {
			of.Notes = append(of.Notes, fmt.Sprintf("the CAA records of %s permit %s for some accounts or methods only: see that the issuer's are among them", policy.At, permitted[0]))
		}
	case of.Host != policy.At && !strings.HasSuffix(of.Host, "."+policy.At):
		of.Wrong = append(of.Wrong, fmt.Sprintf("%s, to which %s is an alias, has CAA records that do not permit %s: have its owner add it, or use addresses in place of the alias", policy.At, of.Host, identities[0]))
	default:
		of.Wrong = append(of.Wrong, fmt.Sprintf("%s has CAA records that do not permit %s to issue: add CAA 0 issue %q", policy.At, identities[0], identities[0]))
		of.Missing = append(of.Missing, records.Record{Name: policy.At, Type: "CAA", Value: fmt.Sprintf("0 issue %q", identities[0]), TTL: records.DefaultTTL})
	}
}

// acmeOf is the address of the ACME server from which the certificate of a host comes, and whether it is
// proven by DNS; empty if it comes from elsewhere, or that cannot be read.
func (c *cluster) acmeOf(ctx context.Context, partner *v1alpha1.Partner, host string) (server string, dns01 bool) {
	certificate := c.certificate(ctx, partner, host)
	if certificate == nil {
		return "", false
	}
	ref, _, _ := unstructured.NestedStringMap(certificate.Object, "spec", "issuerRef")
	issuer := &unstructured.Unstructured{}
	issuer.SetGroupVersionKind(schema.GroupVersionKind{Group: kinds.CertificateGVK.Group, Version: kinds.CertificateGVK.Version, Kind: ref["kind"]})
	key := client.ObjectKey{Namespace: certificate.GetNamespace(), Name: ref["name"]}
	if ref["kind"] == string(v1alpha1.ClusterIssuer) {
		key.Namespace = ""
	}
	if c.reader.Get(ctx, key, issuer) != nil {
		return "", false
	}
	server, _, _ = unstructured.NestedString(issuer.Object, "spec", "acme", "server")
	solvers, _, _ := unstructured.NestedSlice(issuer.Object, "spec", "acme", "solvers")
	return server, provenByDNS(solvers, host, certificate.GetLabels())
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

// dnsServer is the address of a DNS server, the system's if none is named.
func dnsServer(named string) (string, error) {
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

func (t *Terminal) printNeeded(of needed) {
	w := t.newTable("name", "type", "value", "ttl")
	for _, r := range append(slices.Clone(of.Records), of.Missing...) {
		w.AppendRow([]any{r.Name, r.Type, clean(r.Value), r.TTL})
	}
	t.fit(w, nil, []string{"ttl"})
	fmt.Fprintln(t.Out)
	line := func(state fleet.State, text string) {
		fmt.Fprintf(t.Out, "%s %s\n", t.paint(marks[state].colour, marks[state].mark), t.wrap(text, 2))
	}
	for _, wrong := range of.Wrong {
		line(fleet.Broken, wrong)
	}
	for _, note := range of.Notes {
		line(fleet.Idle, note)
	}
	switch {
	case len(of.Wrong) > 0:
	case of.Reason == probe.Reachable:
		line(fleet.Fine, of.Message)
	default:
		line(fleet.Strained, fmt.Sprintf("%s: %s", of.Reason, of.Message))
	}
}

// printZone prints lines of a zone file.
func (t *Terminal) printZone(of needed) {
	fmt.Fprintf(t.Out, "; %s, for Partner %s\n", of.Host, of.Partner)
	for _, comment := range append(slices.Clone(of.Wrong), of.Notes...) {
		fmt.Fprintf(t.Out, "; %s\n", clean(comment))
	}
	for _, r := range append(slices.Clone(of.Records), of.Missing...) {
		fmt.Fprintln(t.Out, clean(r.Line()))
	}
}
