package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"k8s.io/utils/ptr"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/controlplane"
)

// Demo is one run of the demonstration.
type Demo struct {
	// Binaries is the folder of partner-operator and of the kubectl plugin.
	Binaries string
	// Out is where people read.
	Out io.Writer
	// Once ends the demo after printing.
	Once bool
	// Current runs the demo on the cluster of the current kubeconfig instead of the
	// embedded control plane, if Confirm agrees to the question, and removes from it
	// what the demo made there.
	Current bool
	Confirm func(ctx context.Context, question, name string) error
	// RunTries does what the demo proposes, looking at the preview included, and
	// checks what that leads to.
	RunTries bool

	cluster *controlplane.ControlPlane
	manager *controlplane.Process
	// widget is the widget server, at the address widgetURL.
	widget    *controlplane.Process
	widgetURL *url.URL
	// Preview is the address of the preview once the demo runs.
	Preview string
}

// expected are the tables of partners and of plans that the samples lead to, without ages.
//
//go:embed expected.txt
var expected string

// patience is how long the samples may take to reach their states.
const patience = time.Minute

// try is something for the reader to do next.
type try struct {
	title    string
	commands []string
	// lastLine is that of what the last command prints.
	lastLine string
}

var tries = []try{
	{
		title: "Ask what holds up the one partner that is not ready:",
		commands: []string{
			`kubectl partner status vandelay`,
		},
		lastLine: `portal.stark.com is held by Partner "stark": write another host, or remove it from that partner`,
	},
	{
		title: "See what a pull request would change, before it is applied:",
		commands: []string{
			`sed 's/customerCount: 28/customerCount: 46/' config/samples/partners/acme.yaml | kubectl partner plan --against-cluster -f - | tail -n 1`,
		},
		lastLine: "1 partner: 0 to create, 0 to change, 0 to remove, 9 as they are. 1 error, 1 warning, 1 notice.",
	},
	{
		title: "Give acme more customers than its P-CSMs support, and watch the condition come:",
		commands: []string{
			`kubectl patch partner acme --type merge -p '{"spec":{"customerCount":46}}'`,
			`kubectl wait partner acme --for condition=CapacityExceeded --timeout 20s`,
			`kubectl get partner acme -o jsonpath='{.status.conditions[?(@.type=="CapacityExceeded")].message}{"\n"}'`,
		},
		lastLine: "46 customers exceed the 45 that 3 FTE support (15 per FTE) by 1: add 0.5 FTE",
	},
	{
		title: "Add half a P-CSM, and watch it go:",
		commands: []string{
			`kubectl create -f - <<< '{"apiVersion":"partner.dispel.com/v1alpha1","kind":"PCSMAllocation","metadata":{"name":"acme-extra"},"spec":{"partnerRef":{"name":"acme"},"fte":0.5}}'`,
			`kubectl wait partner acme --for condition=CapacityExceeded=false --timeout 20s`,
			`kubectl get partner acme -o jsonpath='{.status.staffing.capacity}{"\n"}'`,
		},
		lastLine: "46/52",
	},
	{
		title: "Ask when initech's P-CSMs will no longer suffice, by the deals that are signed:",
		commands: []string{
			`kubectl get partner initech -o jsonpath='{.status.conditions[?(@.type=="ShortfallExpected")].message}{"\n"}'`,
		},
		lastLine: "from 2030-03-01 on 20 customers are expected, and 1 FTE of P-CSMs support at most 15: add 0.5 FTE by then",
	},
	{
		title: "Delete a child, and see it return:",
		commands: []string{
			`kubectl delete ingress --namespace partner-acme remote.acmecorp.com`,
			`kubectl wait ingress --namespace partner-acme remote.acmecorp.com --for create --timeout 20s`,
			`kubectl get ingress --namespace partner-acme --output name`,
		},
		lastLine: "ingress.networking.k8s.io/remote.acmecorp.com",
	},
}

// Run starts everything, applies the samples, prints, and waits. The error tells
// what did not come about.
func (d *Demo) Run(ctx context.Context) (err error) {
	if d.Current {
		err = d.useCurrent(ctx)
	} else {
		d.say("Starting etcd, kube-apiserver and kube-controller-manager")
		d.cluster, err = controlplane.Start(ctx)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.cluster.Stop()) }()

	if d.Current {
		// Whatever ends the demo, what it made goes.
		defer func() { err = errors.Join(err, d.removeAll(context.WithoutCancel(ctx))) }()
	}
	if err = d.apply(ctx, "config/crd"); err != nil {
		return err
	}
	if d.Current {
		if _, err = d.kubectlWith(ctx, classManifest, "apply", "--server-side", "--filename=-"); err != nil {
			return err
		}
	}
	if _, err = d.kubectl(ctx, "wait", "--for=condition=Established", "--timeout=30s", "--filename=config/crd/bases"); err != nil {
		return err
	}
	if err = d.startOperator(); err != nil {
		return err
	}
	defer func() {
		if d.Current {
			// The manager releases what it holds.
			err = errors.Join(err, d.removePartners(context.WithoutCancel(ctx)))
		}
		err = errors.Join(err, d.manager.Stop(), d.widget.Stop())
	}()

	// The rival comes last, so that it is always the same partner that loses.
	if err := d.apply(ctx, "config/samples"); err != nil {
		return err
	}
	if err := d.wait(ctx, "claims", func() (bool, error) {
		claims, err := d.kubectl(ctx, "get", "subdomainclaims", "portal.stark.com", "--ignore-not-found", "--output=name")
		return claims != "", err
	}); err != nil {
		return err
	}
	if err := d.apply(ctx, "config/samples/rival"); err != nil {
		return err
	}
	if err := d.reached(ctx); err != nil {
		return err
	}
	ctx, stopPreview := context.WithCancel(ctx)
	defer stopPreview()
	if err := d.startPreview(ctx); err != nil {
		return err
	}
	if err := d.show(ctx); err != nil {
		return err
	}
	if d.RunTries {
		if err := errors.Join(d.tryPreview(ctx), d.runTries(ctx)); err != nil {
			return err
		}
	}
	if d.Once {
		return nil
	}
	d.say("\nThe demo stays up until you interrupt it.")
	select {
	case <-ctx.Done():
		d.say("Stopping")
		return nil
	case <-d.manager.Exited():
	case <-d.widget.Exited():
	}
	return d.ended()
}

func (d *Demo) operator() string {
	return filepath.Join(d.Binaries, "partner-operator")
}

// path finds our kubectl and its plugin, before whatever there is.
func (d *Demo) path() string {
	if d.Current {
		return d.Binaries // kubectl is on the reader's own
	}
	return filepath.Dir(d.cluster.Kubectl()) + ":" + d.Binaries
}

// startOperator runs the manager and the widget server beside the control plane,
// as they run in a cluster but for the ports.
func (d *Demo) startOperator() error {
	ports, err := controlplane.FreePorts(1)
	if err != nil {
		return err
	}
	d.widgetURL = &url.URL{Scheme: "http", Host: "127.0.0.1:" + ports[0]}
	d.say("Starting partner-operator manager and partner-operator widget")
	manager := []string{"manager", "--kubeconfig=" + d.cluster.Kubeconfig(),
		"--health-probe-bind-address=0", "--metrics-bind-address=0", "--plan-totals-interval=1s", "--shutdown-delay=0"}
	if d.Current {
		manager = append(manager, "--ingress-class="+currentClass)
	}
	d.manager, err = d.cluster.Run(d.operator(), manager...)
	if err != nil {
		return err
	}
	d.widget, err = d.cluster.Run(d.operator(), "widget", "--kubeconfig="+d.cluster.Kubeconfig(),
		"--health-probe-bind-address=0", "--metrics-bind-address=0", "--bind-address="+d.widgetURL.Host, "--support-email=support@example.com", "--shutdown-delay=0")
	if err != nil {
		return errors.Join(err, d.manager.Stop())
	}
	return nil
}

// ended tells which part of the operator ended by itself; nil if none did.
func (d *Demo) ended() error {
	for name, process := range map[string]*controlplane.Process{"manager": d.manager, "widget server": d.widget} {
		select {
		case <-process.Exited():
			return fmt.Errorf("the %s ended by itself:\n%s", name, process.Log())
		default:
		}
	}
	return nil
}

// startPreview serves the preview of the sample partners.
func (d *Demo) startPreview(ctx context.Context) error {
	out, err := d.kubectl(ctx, "get", "partners", "--output=json")
	if err != nil {
		return err
	}
	var partners v1alpha1.PartnerList
	if err = json.Unmarshal([]byte(out), &partners); err != nil {
		return err
	}
	p := preview{widget: d.widgetURL}
	for _, partner := range partners.Items {
		if partner.Status.Subdomain != nil {
			p.samples = append(p.samples, sample{
				Name: partner.Name, DisplayName: partner.Spec.DisplayName, Host: string(partner.Spec.Subdomain.Host),
				Widget: partner.Status.SupportWidget != nil && ptr.Deref(partner.Status.SupportWidget.Enabled, false),
			})
		}
	}
	d.Preview, err = p.start(ctx)
	return err
}

// reached waits until all samples are in their expected states.
func (d *Demo) reached(ctx context.Context) error {
	d.say("Waiting for the samples to reach their states")
	var table string
	err := d.wait(ctx, "the samples' states", func() (bool, error) {
		partners, err := d.kubectl(ctx, "get", "partners", "--no-headers")
		if err != nil {
			return false, err
		}
		plans, err := d.kubectl(ctx, "get", "supportplans", "--no-headers")
		table = withoutAges(partners + plans)
		return table == expected, err
	})
	if err != nil {
		return fmt.Errorf("%w\nexpected:\n%s\nfound:\n%s", err, expected, table)
	}
	return nil
}

// withoutAges drops the last column and evens the blanks.
func withoutAges(table string) string {
	var lines []string
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		lines = append(lines, strings.Join(fields[:len(fields)-1], " ")+"\n")
	}
	return strings.Join(lines, "")
}

func (d *Demo) show(ctx context.Context) error {
	for _, args := range [][]string{
		{"get", "partners"},
		{"get", "supportplans"},
		{"get", "pcsmallocations"},
		{"get", "subdomainclaims"},
		{"get", "namespaces", "--selector=app.kubernetes.io/managed-by=partner-operator"},
		{"get", "ingress,service,configmap,networkpolicy,resourcequota,rolebinding", "--namespace=partner-acme", "--selector=app.kubernetes.io/managed-by=partner-operator"},
	} {
		out, err := d.kubectl(ctx, args...)
		if err != nil {
			return err
		}
		fmt.Fprintf(d.Out, "\n$ kubectl %s\n%s", strings.Join(args, " "), out)
	}
	fmt.Fprintf(d.Out, "\nThe support widget, as end customers of the sample partners see it:\n\n  %s\n", d.Preview)
	fmt.Fprintf(d.Out, "\nIn a second terminal:\n\n  export KUBECONFIG=%s\n  export PATH=%s:$PATH\n",
		d.cluster.Kubeconfig(), d.path())
	for _, try := range tries {
		fmt.Fprintf(d.Out, "\n%s\n\n  %s\n", try.title, strings.Join(try.commands, "\n  "))
	}
	return nil
}

// tryPreview looks at the pages of a partner with the widget and of one without.
func (d *Demo) tryPreview(ctx context.Context) error {
	var errs []error
	for path, want := range map[string]int{
		"": http.StatusOK, "acme/": http.StatusOK, "acme/.dispel/support/widget.js": http.StatusOK, "acme/.dispel/support/config.json": http.StatusOK,
		"soylent/": http.StatusOK, "soylent/.dispel/support/widget.js": http.StatusNotFound,
	} {
		// The widget server is told of a partner by its own watch.
		errs = append(errs, d.wait(ctx, "the preview at "+path, func() (bool, error) {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.Preview+path, nil)
			if err != nil {
				return false, err
			}
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				return false, err
			}
			return response.StatusCode == want, response.Body.Close()
		}))
	}
	return errors.Join(errs...)
}

// runTries does what the demo proposes, as a reader's shell would.
func (d *Demo) runTries(ctx context.Context) error {
	for _, try := range tries {
		var out string
		for _, command := range try.commands {
			cmd := exec.CommandContext(ctx, "bash", "-c", command)
			cmd.Env = append(os.Environ(), "KUBECONFIG="+d.cluster.Kubeconfig(),
				"PATH="+d.path()+":"+os.Getenv("PATH"))
			combined, err := cmd.CombinedOutput()
			if err != nil {
				return fmt.Errorf("%s: %w\n%s", command, err, combined)
			}
			out = strings.TrimSpace(string(combined))
		}
		if lastLine := strings.TrimSpace(out[strings.LastIndex(out, "\n")+1:]); lastLine != try.lastLine {
			return fmt.Errorf("%s\nshows %q, the last line of which is not %q", try.title, out, try.lastLine)
		}
	}
	return nil
}

func (d *Demo) apply(ctx context.Context, folder string) error {
	d.say("Applying " + folder)
	objects, err := d.kubectl(ctx, "kustomize", folder)
	if err != nil {
		return err
	}
	if d.Current {
		objects = withoutClasses(objects)
	}
	_, err = d.kubectlWith(ctx, objects, "apply", "--server-side", "--filename=-")
	return err
}

func (d *Demo) kubectl(ctx context.Context, args ...string) (string, error) {
	return d.kubectlWith(ctx, "", args...)
}

// kubectlWith runs kubectl with something to read.
func (d *Demo) kubectlWith(ctx context.Context, stdin string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, d.cluster.Kubectl(), append([]string{"--kubeconfig=" + d.cluster.Kubeconfig()}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	// An interrupt that is typed is for the demo, which still removes what it made.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}

// wait asks until the answer is yes.
func (d *Demo) wait(ctx context.Context, what string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		if err := d.ended(); err != nil {
			return err
		}
		ok, err := done()
		if err != nil || ok {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (d *Demo) say(line string) {
	fmt.Fprintln(d.Out, line)
}
