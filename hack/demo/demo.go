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
	// look says what to look for.
	look, command string
	// shows is in what the command prints.
	shows string
}

var tries = []try{
	{
		look:    "All partners, problems first: vandelay's says who has its host",
		command: `kubectl partner status`,
		shows:   `portal.stark.com is held by Partner "stark": write another host, or remove it from that partner`,
	},
	{
		look:    "Which of acme's P-CSMs are on duty when: from midnight to seven nobody is",
		command: `kubectl partner coverage acme --days 1`,
		shows:   "00:00",
	},
	{
		look: "What a pull request would bring about: the second line has the effect",
		command: `sed 's/Count: 28/Count: 46/' config/samples/partners/acme.yaml | ` +
			`kubectl partner plan --against-cluster -f -`,
		shows: "~ Partner acme: customerCount 28 -> 46, WithinCapacity -> CapacityExceeded",
	},
	{
		look:    "That effect, for real: acme is over 100 % now",
		command: `kubectl patch partner acme --type merge -p '{"spec":{"customerCount":46}}' && kubectl partner capacity`,
		shows:   "CapacityExceeded",
	},
	{
		look:    "What half a P-CSM more would be worth, without hiring anybody",
		command: `kubectl partner capacity acme --fte 3.5`,
		shows:   "NearCapacity",
	},
	{
		look:    "A route that is deleted returns",
		command: `kubectl delete ingress -n partner-acme --all && kubectl wait ingress remote.acmecorp.com -n partner-acme --for create`,
		shows:   "remote.acmecorp.com condition met",
	},
}

// Run starts everything, applies the samples, prints, and waits. The error tells
// what did not come about.
func (d *Demo) Run(ctx context.Context) (err error) {
	if d.Current {
		err = d.useCurrent(ctx)
	} else {
		d.say("Starting etcd, kube-apiserver and kube-controller-manager, then the operator")
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

	d.say("Applying config/samples, and waiting for the partners to reach their states")
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
	p := preview{widget: d.widgetURL, report: func(ctx context.Context) (string, error) { return d.shell(ctx, "kubectl partner report") }}
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
	out, err := d.kubectl(ctx, "get", "partners")
	if err != nil {
		return err
	}
	fmt.Fprintf(d.Out, "\n$ kubectl get partners\n%s", out)
	fmt.Fprintf(d.Out, "\nThe report, and each partner's page as its end customers see it: %s\n", d.Preview)
	fmt.Fprintf(d.Out, "\nPaste these lines into a second terminal, in this folder:\n\nexport KUBECONFIG=%s\nexport PATH=%s:$PATH\n",
		d.cluster.Kubeconfig(), d.path())
	for _, try := range tries {
		fmt.Fprintf(d.Out, "# %s\n%s\n", try.look, try.command)
	}
	return nil
}

// tryPreview looks at the pages of a partner with the widget and of one without.
func (d *Demo) tryPreview(ctx context.Context) error {
	var errs []error
	for path, want := range map[string]int{
		"": http.StatusOK, "report": http.StatusOK, "acme/": http.StatusOK, "acme/.dispel/support/widget.js": http.StatusOK, "acme/.dispel/support/config.json": http.StatusOK,
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
		out, err := d.shell(ctx, try.command)
		// A finding is an answer of plan, and no fault of the demo.
		if exit, ok := errors.AsType[*exec.ExitError](err); err != nil && (!ok || exit.ExitCode() != 1) {
			return fmt.Errorf("%s (%s): %w\n%s", try.command, try.look, err, out)
		}
		if !strings.Contains(out, try.shows) {
			return fmt.Errorf("%s (%s)\nshows, without %q:\n%s", try.command, try.look, try.shows, out)
		}
	}
	return nil
}

// shell runs a command as in a second terminal, and returns all that it prints.
func (d *Demo) shell(ctx context.Context, command string) (string, error) {
	cmd := exec.CommandContext(ctx, "bash", "-c", command)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+d.cluster.Kubeconfig(), "PATH="+d.path()+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (d *Demo) apply(ctx context.Context, folder string) error {
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
