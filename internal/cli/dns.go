package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/fleet"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/probe"
	"github.com/dispel/partner-operator/internal/records"
	"github.com/dispel/partner-operator/internal/snapshot"
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
	addresses := ptr.Deref(partner.Status.Subdomain, v1alpha1.SubdomainStatus{}).Addresses
	held := (&snapshot.Snapshot{Partner: partner}).OrderHeld()
	switch {
	case held != nil: // while a former host may still be served
		probed = probe.Target{Host: string(partner.Spec.Subdomain.Host), TLS: true}
		addresses = c.addressesOf(ctx, partner, probed.Host)
	case !found:
		return notServed(partner)
	}
	if len(addresses) == 0 && held == nil {
		return fmt.Errorf("the route of %s has no address yet, to which a record could lead: see that its controller serves it, and writes addresses into the status of the %s", probed.Host, partner.Status.Subdomain.Route)
	}
	asking := p.terminal.startProgress("Asking for " + probed.Host)
	of := needed{Partner: partner.Name, Host: probed.Host, Records: []records.Record{}}
	if made, notes := records.Of(probed.Host, addresses, records.TTLOf(partner)); len(made) > 0 {
		of.Records, of.Notes = made, notes
	}
	if former := probed.Former; len(former) > 0 {
		of.Notes = append(of.Notes, fmt.Sprintf("for visitors with the former record, the host is still served at %s for a while", strings.Join(former, ", ")))
	}
	probed.Addresses, probed.Former = addresses, nil // to which the record is to lead
	result := prober.Probe(ctx, probed)
	of.Reason, of.Message = result.Reason, result.Message
	if result.Reason == probe.NameNotResolved || result.Reason == probe.AddressNotTheRoutes {
		of.Wrong = append(of.Wrong, result.Message)
	}
	c.certification(ctx, partner, prober, flags.dnsServer, &of)
	if held != nil && len(of.Wrong) == 0 {
		why, _, _ := strings.Cut(held.Message, snapshot.HeldRemedy)
		of.Wrong = append(of.Wrong, "no certificate is ordered yet: "+clean(why))
	}
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
	address, err := records.Server(server)
	if err != nil {
		of.Notes = append(of.Notes, "CAA records were not looked at: "+err.Error())
		return
	}
	within, end := context.WithTimeout(ctx, 2*probe.DefaultTimeout)
	defer end()
	permission := records.Resolver{Server: address}.Permission(within, of.Host, records.Client(prober.Roots), acme)
	if permission.Wrong != "" {
		of.Wrong = append(of.Wrong, clean(permission.Wrong))
	}
	if permission.Note != "" {
		of.Notes = append(of.Notes, clean(permission.Note))
	}
	if permission.Missing != nil {
		of.Missing = append(of.Missing, *permission.Missing)
	}
}

// acmeOf is the address of the ACME server from which the certificate of a host comes, and whether it is
// proven by DNS; empty if it comes from elsewhere, or that cannot be read.
func (c *cluster) acmeOf(ctx context.Context, partner *v1alpha1.Partner, host string) (server string, dns01 bool) {
	ref := v1alpha1.IssuerReference{}
	has := objects.Labels(partner.Name)
	if tls := partner.Spec.Subdomain.TLS; tls != nil && tls.IssuerRef != nil {
		ref = *tls.IssuerRef
	}
	if certificate := c.certificate(ctx, partner, host); certificate != nil { // also by the operator's default issuer
		of, _, _ := unstructured.NestedStringMap(certificate.Object, "spec", "issuerRef")
		ref, has = v1alpha1.IssuerReference{Kind: v1alpha1.IssuerKind(of["kind"]), Name: v1alpha1.ObjectName(of["name"])}, certificate.GetLabels()
	}
	if ref.Name == "" {
		return "", false
	}
	issuer := &unstructured.Unstructured{}
	issuer.SetGroupVersionKind(schema.GroupVersionKind{Group: kinds.CertificateGVK.Group, Version: kinds.CertificateGVK.Version, Kind: string(cmp.Or(ref.Kind, v1alpha1.ClusterIssuer))})
	key := client.ObjectKey{Name: string(ref.Name)}
	if ref.Kind == v1alpha1.Issuer {
		key.Namespace = objects.NamespaceOf(partner)
	}
	if c.reader.Get(ctx, key, issuer) != nil {
		return "", false
	}
	return records.ACME(issuer, host, has)
}

// addressesOf are where the routes of a host are served that no status has yet; none if they cannot be read.
func (c *cluster) addressesOf(ctx context.Context, partner *v1alpha1.Partner, host string) (addresses []string) {
	for _, name := range []string{kinds.Ingress, kinds.HTTPRoute} {
		list := kinds.Named(name).NewList()
		if c.reader.List(ctx, list, client.InNamespace(objects.NamespaceOf(partner)), client.MatchingFields{metav1.ObjectNameField: host}) != nil {
			continue
		}
		_ = meta.EachListItem(list, func(item runtime.Object) error {
			route := item.(kinds.Object)
			var gateway *gatewayv1.Gateway
			attached := kinds.AttachedTo(route)
			if sets := (&gatewayv1.ListenerSetList{}); name == kinds.HTTPRoute && len(attached) == 0 &&
				c.reader.List(ctx, sets, client.InNamespace(route.GetNamespace()), client.MatchingFields{metav1.ObjectNameField: host}) == nil && len(sets.Items) > 0 {
				attached = kinds.AttachedTo(&sets.Items[0])
			}
			if len(attached) > 0 {
				namespace, name, _ := strings.Cut(attached[0], "/")
				gateway = &gatewayv1.Gateway{} // without addresses, if it cannot be read
				_ = c.reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, gateway)
			}
			addresses = append(addresses, objects.AddressesOf(route, gateway)...)
			return nil
		})
	}
	return addresses
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
