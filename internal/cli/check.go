package cli

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/fleet"
	"github.com/dispel/partner-operator/internal/manifests"
	"github.com/dispel/partner-operator/internal/probe"
	"github.com/dispel/partner-operator/internal/target"
)

// checkFlags are the flags of the check command.
type checkFlags struct {
	dnsServer, connectTo, caFile string
	output                       choice
}

func (p *plugin) newCheckCommand() *cobra.Command {
	flags := checkFlags{output: newOutput()}
	cmd := &cobra.Command{
		Use:   "check NAME",
		Short: "Walk from DNS to the support widget of a partner, from where you are",
		Long: `Walk the chain that an end customer's browser walks, from where you are: name resolution, connection, certificate,
engine, support widget. It ends at the first broken link, with what to do. The exit status is 1 if a link is broken.`,
		Example: `  # What end customers meet
  kubectl partner check acme

  # Before the DNS record is moved: by the address of the new load balancer
  kubectl partner check acme --connect-to 192.0.2.10

  # By the DNS server of a partner's network, and its own certificate authority
  kubectl partner check acme --dns-server 192.0.2.53 --ca-file acme-ca.pem`,
		Args:              arguments(cobra.ExactArgs(1)),
		ValidArgsFunction: p.completePartner,
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.check(cmd.Context(), args[0], flags)
		},
	}
	flags.add(cmd)
	f := cmd.Flags()
	f.StringVar(&flags.connectTo, "connect-to", "", "IP address to connect to, with a port if need be, in place of what the name resolves to")
	return cmd
}

// add adds the flags that check has in common with dns.
func (f *checkFlags) add(cmd *cobra.Command) {
	of := cmd.Flags()
	of.StringVar(&f.dnsServer, "dns-server", "", "IP address of the DNS server to ask, with a port if it is not 53 (default the system's)")
	of.StringVar(&f.caFile, "ca-file", "", "file with PEM certificates of authorities to trust beside the system's")
	last := len(f.output.values) - 1
	of.VarP(&f.output, "output", "o", strings.Join(f.output.values[:last], ", ")+" or "+f.output.values[last])
	completeChoices(cmd, "output", f.output.values)
}

// prober is what the flags ask for. Whoever runs the plugin may reach private addresses
// from where they are.
func (f checkFlags) prober() (*probe.Prober, error) {
	if f.dnsServer != "" && f.connectTo != "" {
		return nil, usageError{errors.New("--dns-server and --connect-to: give one of them; no name is resolved with --connect-to")}
	}
	prober := &probe.Prober{Allowed: probe.Anywhere}
	if f.dnsServer != "" {
		server, err := probe.ParseAddress(f.dnsServer)
		if err != nil {
			return nil, usageError{fmt.Errorf("--dns-server: %w", err)}
		}
		prober.Resolver = probe.ResolverAt(server)
	}
	if f.connectTo != "" {
		var err error
		if prober.ConnectTo, err = probe.ParseAddress(f.connectTo); err != nil {
			return nil, usageError{fmt.Errorf("--connect-to: %w", err)}
		}
	}
	if f.caFile != "" {
		data, err := manifests.ReadFile(f.caFile)
		if err != nil {
			return nil, usageError{fmt.Errorf("--ca-file: %w", err)}
		}
		if prober.Roots, err = probe.Trust(data); err != nil {
			return nil, usageError{fmt.Errorf("--ca-file %q: %w", f.caFile, err)}
		}
	}
	return prober, nil
}

// checked is what was found at a partner's sub-domain.
type checked struct {
	Partner string `json:"partner"`
	Host    string `json:"host"`
	probe.Result
}

func (p *plugin) check(ctx context.Context, name string, flags checkFlags) error {
	prober, err := flags.prober()
	if err != nil {
		return err
	}
	c, partner, err := p.partnerNamed(ctx, name)
	if err != nil {
		return err
	}
	name = partner.Name
	probed, found, err := target.With(ctx, partner, c.partner)
	if err != nil {
		return err
	}
	if !found {
		return notServed(partner)
	}
	checking := p.terminal.startProgress("Checking " + probed.Host)
	of := checked{name, probed.Host, prober.Probe(ctx, probed)}
	checking.finish()
	if err := p.terminal.print(flags.output.value, of, func() { p.terminal.printChecked(of) }); err != nil {
		return err
	}
	if of.Broken() {
		return errViolations
	}
	return nil
}

// partnerNamed reads the partner of a name, or of a host.
func (p *plugin) partnerNamed(ctx context.Context, name string) (*cluster, *v1alpha1.Partner, error) {
	c, err := connect(p.terminal, p.connection, p.version)
	if err != nil {
		return nil, nil, err
	}
	partner, err := c.partner(ctx, name)
	if err == nil && partner == nil {
		all := &v1alpha1.PartnerList{}
		err = c.explain(c.reader.List(ctx, all))
		partner = byHost(pointers(all.Items), name)
	}
	if err == nil && partner == nil {
		err = noPartner(name, c.origin())
	}
	return c, partner, err
}

// partner reads the partner of a name; nil if there is none. Whoever may use the plugin may list
// partners, and perhaps not get one.
func (c *cluster) partner(ctx context.Context, name string) (*v1alpha1.Partner, error) {
	partners := &v1alpha1.PartnerList{}
	if failed := c.explain(c.reader.List(ctx, partners, client.MatchingFields{metav1.ObjectNameField: name})); failed != nil || len(partners.Items) == 0 {
		return nil, failed
	}
	return &partners.Items[0], nil
}

// notServed says why a partner has no sub-domain to check.
func notServed(partner *v1alpha1.Partner) error {
	why := "the operator has not reconciled it yet: see that its manager runs"
	ready := meta.FindStatusCondition(partner.Status.Conditions, string(v1alpha1.ConditionSubdomainReady))
	active := meta.FindStatusCondition(partner.Status.Conditions, string(v1alpha1.ConditionContractActive))
	switch {
	case !partner.DeletionTimestamp.IsZero():
		why = "it is being deleted"
	case partner.Spec.Subdomain == nil:
		why = "it declares none"
	case active != nil && active.Status == metav1.ConditionFalse:
		why = active.Message
	case ready != nil:
		why = ready.Message
	}
	return fmt.Errorf("Partner %q has no sub-domain to check: %s", partner.Name, why) //nolint:staticcheck // a kind's name
}

// pointers are those to the items of a list.
func pointers(items []v1alpha1.Partner) iter.Seq[*v1alpha1.Partner] {
	return func(yield func(*v1alpha1.Partner) bool) {
		for i := range items {
			if !yield(&items[i]) {
				return
			}
		}
	}
}

func (t *Terminal) printChecked(of checked) {
	w := t.newTable("", "step", "took", "seen")
	for i, step := range of.Steps {
		mark, seen := marks[fleet.Fine], step.Seen
		if of.Broken() && i == len(of.Steps)-1 {
			// What is wrong is told below, where there is room.
			mark, seen = marks[fleet.Broken], string(of.Reason)
		}
		w.AppendRow([]any{t.paint(mark.colour, mark.mark), string(step.Step), step.Took.Duration, clean(seen)})
	}
	t.fit(w, nil, nil)
	fmt.Fprintf(t.Out, "\n%s\n", t.wrap(of.Message, 0))
}
