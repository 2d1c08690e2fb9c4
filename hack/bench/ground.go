package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sync/errgroup"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/dispel/partner-operator/config/plans"
	"github.com/dispel/partner-operator/internal/controlplane"
	"github.com/dispel/partner-operator/internal/scheme"
	"github.com/dispel/partner-operator/internal/testing/partners"
)

// workers is how many requests the plain client has under way, how many Partners
// the manager reconciles at once, and how many people write YAML.
const workers = 16

// bench is what all measurements have in common.
type bench struct {
	operator string
}

// ground is a control plane with the operator's CRDs and plans in it, that notes
// every request but kube-controller-manager's in its audit log.
type ground struct {
	*bench
	cluster *controlplane.ControlPlane
	dir     string
	// user writes as people do.
	user client.WithWatch
	// audit is how far the audit log was read.
	audit int64
	// manager is the operator's; nil before its start.
	manager *controlplane.Process
}

// auditPolicy notes what each request was, and who asked, without bodies.
const auditPolicy = `
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- {level: None, users: [system:kube-controller-manager, system:apiserver]}
- {level: Metadata}
`

// on runs a measurement on a control plane of its own.
func (b *bench) on(ctx context.Context, measure func(*ground) error) (err error) {
	g := &ground{bench: b}
	if g.dir, err = os.MkdirTemp("", "bench-*"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(g.dir)) }()
	policy := filepath.Join(g.dir, "policy.yaml")
	if err = os.WriteFile(policy, []byte(auditPolicy), 0o600); err != nil {
		return err
	}
	g.cluster, err = controlplane.StartWith(ctx, controlplane.Arguments{
		Etcd:      []string{"--quota-backend-bytes=8589934592"},
		APIServer: []string{"--audit-policy-file=" + policy, "--audit-log-path=" + g.auditLog(), "--audit-log-maxsize=1000000"},
		// What Kubernetes does by itself is not to be what is waited for.
		ControllerManager: []string{"--kube-api-qps=5000", "--kube-api-burst=5000", "--concurrent-gc-syncs=40"},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, g.manager.Stop(), g.cluster.Stop()) }()
	if _, err = envtest.InstallCRDs(g.cluster.Config(), envtest.CRDInstallOptions{
		Scheme: scheme.New(), Paths: []string{"config/crd/bases"}, ErrorIfPathMissing: true, MaxTime: time.Minute,
	}); err != nil {
		return err
	}
	if g.user, err = g.connect("user"); err != nil {
		return err
	}
	shipped, err := plans.Shipped()
	if err != nil {
		return err
	}
	for _, plan := range shipped {
		if plan.Name == "premium" {
			plan.Spec.OperatingHours = partners.ByDay()
		}
		if err := g.user.Create(ctx, plan); err != nil {
			return err
		}
	}
	if err := g.user.Create(ctx, partners.IngressClass()); err != nil {
		return err
	}
	return measure(g)
}

func (g *ground) connect(agent string) (client.WithWatch, error) {
	config := g.cluster.Config()
	config.UserAgent = agent
	return client.NewWithWatch(config, client.Options{Scheme: scheme.New()})
}

func (g *ground) auditLog() string { return filepath.Join(g.dir, "audit.log") }

// startManager starts the manager and waits until its caches are full.
func (g *ground) startManager(ctx context.Context, arguments ...string) error {
	ports, err := controlplane.FreePorts(1)
	if err != nil {
		return err
	}
	address := "127.0.0.1:" + ports[0]
	g.manager, err = g.cluster.Run(g.operator, append([]string{
		"manager", "--kubeconfig=" + g.cluster.Kubeconfig(), fmt.Sprint("--workers=", workers),
		"--health-probe-bind-address=" + address, "--metrics-bind-address=0",
		// Before the manager counts as idle, the totals are written.
		"--plan-totals-interval=2s", "--shutdown-delay=0",
	}, arguments...)...)
	if err != nil {
		return err
	}
	return poll(ctx, 10*time.Millisecond, func() (bool, error) {
		select {
		case <-g.manager.Exited():
			return false, fmt.Errorf("the manager ended by itself:\n%s", g.manager.Log())
		default:
			return answers(ctx, "http://"+address+"/readyz"), nil
		}
	})
}

func (g *ground) stopManager() error {
	err := g.manager.Stop()
	g.manager = nil
	return err
}

// usage is what a process has used.
type usage struct {
	// CPU is in seconds.
	CPU float64 `json:"cpuSeconds"`
	// Memory is what it has, Peak the most that it had, both in bytes.
	Memory uint64 `json:"memoryBytes"`
	Peak   uint64 `json:"peakMemoryBytes"`
}

func usageOf(pid int) (usage, error) {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return usage{}, err
	}
	stat, err := proc.Stat()
	if err != nil {
		return usage{}, err
	}
	status, err := proc.NewStatus()
	return usage{stat.CPUTime(), status.VmRSS, status.VmHWM}, err
}

// forgetPeak has the kernel measure the most memory of a process anew.
func forgetPeak(process *controlplane.Process) error {
	return os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", process.PID()), []byte("5"), 0)
}

// idle is how long the manager has to do next to nothing to count as idle.
const idle = 3 * time.Second

// settle waits until the manager is idle and nobody but Kubernetes itself asks the
// API server for anything, and returns when that began.
func (g *ground) settle(ctx context.Context) (time.Time, error) {
	const step = 100 * time.Millisecond
	var last usage
	var asked int64
	var busy time.Time
	err := poll(ctx, step, func() (bool, error) {
		now, err := usageOf(g.manager.PID())
		if err != nil {
			return false, err
		}
		log, err := os.Stat(g.auditLog())
		if err != nil {
			return false, err
		}
		// A clock tick of the kernel, ten milliseconds, may be anything.
		if now.CPU-last.CPU > 0.021 || log.Size() != asked {
			busy = time.Now()
		}
		last, asked = now, log.Size()
		return time.Since(busy) > idle, nil
	})
	return busy, err
}

// requests are counts of requests by verb and resource, such as "apply namespaces".
type requests map[string]int

// total sums up those of some verbs.
func (r requests) total(verbs ...string) int {
	sum := 0
	for request, count := range r {
		for _, verb := range verbs {
			if strings.HasPrefix(request, verb+" ") {
				sum += count
			}
		}
	}
	return sum
}

// writes are what changes objects, and reads what reads them once: what starts a
// watch, or goes on with one, is neither. Events are apart.
func (r requests) writes() int {
	return r.total("create", "apply", "patch", "update", "delete", "deletecollection") - r.events()
}

func (r requests) reads() int { return r.total("get", "list") }

func (r requests) events() int {
	return r["create events.events.k8s.io"] + r["patch events.events.k8s.io"] + r["update events.events.k8s.io"]
}

// requested are the requests since it was last called, of those whose user agent
// begins so.
func (g *ground) requested(agent string) (requests, error) {
	counts := requests{}
	file, err := os.Open(g.auditLog())
	if err != nil {
		return nil, err
	}
	defer file.Close()
	if _, err := file.Seek(g.audit, 0); err != nil {
		return nil, err
	}
	lines := bufio.NewReaderSize(file, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return counts, nil // the rest of the line comes later
		}
		g.audit += int64(len(line))
		if !bytes.Contains(line, []byte(`"userAgent":"`+agent)) {
			continue
		}
		var event auditv1.Event
		if err := json.Unmarshal(line, &event); err != nil {
			return nil, err
		}
		request, counted := requestOf(&event)
		if !counted {
			continue
		}
		counts[request]++
	}
}

// requestOf tells what a request was. Discovery and the leader's lease are none.
func requestOf(event *auditv1.Event) (string, bool) {
	ref := event.ObjectRef
	if ref == nil || ref.Resource == "" || ref.Resource == "leases" {
		return "", false
	}
	verb := event.Verb
	if verb == "watch" && event.Stage != auditv1.StageResponseStarted {
		return "", false // its end
	}
	if verb == "patch" && strings.Contains(event.RequestURI, "fieldManager=") {
		verb = "apply"
	}
	if verb == "list" && strings.Contains(event.RequestURI, "resourceVersion=") {
		verb = "watch" // what starts one
	}
	resource := ref.Resource
	if ref.Subresource != "" {
		resource += "/" + ref.Subresource
	}
	if ref.APIGroup != "" {
		resource += "." + ref.APIGroup
	}
	return verb + " " + resource, true
}

// each does something for each of some numbers, as many at once as there are workers.
func each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(workers)
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error { return do(ctx, i) })
	}
	return group.Wait()
}

// patience is how long anything may take.
const patience = 30 * time.Minute

func poll(ctx context.Context, interval time.Duration, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(interval):
		}
	}
}
