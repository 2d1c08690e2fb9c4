package controllers_test

import (
	"context"
	"net/http"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/controlplane"
	"github.com/dispel/partner-operator/internal/manager"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/testing/cluster"
	"github.com/dispel/partner-operator/internal/testing/partners"
	"github.com/dispel/partner-operator/internal/testing/rights"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	ctrl.SetLogger(logs())
	RunSpecs(t, "controllers")
}

var (
	controlPlane *controlplane.ControlPlane
	// direct talks to the API server as an administrator, without a cache.
	direct client.Client
	// asManager is the connection of the manager's own service account, so that
	// every spec shows that its rights suffice.
	asManager *rest.Config
	// used are the rights that managers use.
	used rights.Recorder
)

// told counts what is told again of the same version of an object: the recorder
// needs the right for it, and only a fault could bring it about.
const told = "patch events.events.k8s.io"

var _ = ReportAfterSuite("The manager's rights are those that it uses", func(report Report) {
	Expect(used.Refused()).To(BeEmpty())
	if report.SuiteSucceeded && report.PreRunStats.SpecsThatWillRun == report.PreRunStats.TotalSpecs {
		Expect(used.Unused(cluster.Rules("config/rbac/role.yaml"))).To(ConsistOf(append(rights.OfInstallation, told)))
	}
})

var _ = BeforeSuite(func(ctx SpecContext) {
	controlPlane, direct = cluster.Start(ctx)
	asManager = cluster.AsServiceAccount(ctx, controlPlane, direct, "manager", "config/rbac/role.yaml", "config/rbac/role_binding.yaml")
	for _, tier := range []struct {
		name string
		tier v1alpha1.Tier
	}{{"basic", v1alpha1.Basic}, {"premium", v1alpha1.Premium}} {
		Expect(direct.Create(ctx, &v1alpha1.SupportPlan{
			ObjectMeta: metav1.ObjectMeta{Name: tier.name}, Spec: v1alpha1.SupportPlanSpec{Tier: tier.tier},
		})).To(Succeed())
	}
	Expect(direct.Create(ctx, &networkingv1.IngressClass{
		ObjectMeta: metav1.ObjectMeta{Name: "traefik"}, Spec: networkingv1.IngressClassSpec{Controller: "example.net/test"},
	})).To(Succeed())
})

// requests counts what a manager sends to the API server.
type requests struct {
	mu sync.Mutex
	// writes are "VERB resource", reads are reads of single objects and lists
	// that no watch follows.
	writes, reads []string
	// refuse, if set, is asked before each write whether it is to fail.
	refuse func(write string) error
}

func (r *requests) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(request *http.Request) (*http.Response, error) {
		name := path.Base(request.URL.Path)
		what := request.Method + " " + strings.TrimPrefix(request.URL.Path, "/apis/")
		query := request.URL.Query()
		switch {
		case strings.Contains(request.URL.Path, "/leases"), strings.HasPrefix(name, "openapi"):
		case request.Method != http.MethodGet:
			r.mu.Lock()
			refuse := r.refuse
			r.mu.Unlock()
			if refuse != nil {
				if err := refuse(what); err != nil {
					return nil, err
				}
			}
			r.mu.Lock()
			r.writes = append(r.writes, what)
			r.mu.Unlock()
		case query.Has("watch"), query.Has("limit"), query.Has("resourceVersion"), strings.HasSuffix(request.URL.Path, "/v1alpha1"),
			request.URL.Path == "/api", request.URL.Path == "/apis", strings.Count(request.URL.Path, "/") <= 3:
			// watches, the lists that start them, and discovery
		default:
			r.mu.Lock()
			r.reads = append(r.reads, what)
			r.mu.Unlock()
		}
		return next.RoundTrip(request)
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// reset forgets what was counted.
func (r *requests) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes, r.reads = nil, nil
}

// Writes are the writes so far that are about something of a name; all without
// one. Events are not counted with a name.
func (r *requests) Writes(name string) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var found []string
	for _, write := range r.writes {
		if strings.Contains(write, name) {
			found = append(found, write)
		}
	}
	return found
}

// Reads are the reads so far.
func (r *requests) Reads() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string(nil), r.reads...)
}

// options are those of a manager in a test: as in a cluster, but for the ports
// and the waiting.
func options() manager.Options {
	return manager.Options{
		Settings: objects.Settings{
			IngressClassName:     "traefik",
			ProxyNamespaces:      []string{"traefik"},
			ReservedHostSuffixes: []string{"dispel.example"},
			RouteOverlap:         time.Second,
			WidgetBackend:        v1alpha1.ExternalBackend{Host: "widget.system.svc.cluster.local", Port: 8082},
		},
		Workers:         8,
		TotalsInterval:  200 * time.Millisecond,
		ResyncPeriod:    10 * time.Hour,
		HealthAddress:   "0",
		MetricsAddress:  "0",
		ShutdownTimeout: 10 * time.Second,
		Unnamed:         true,
	}
}

// running is a manager that runs.
type running struct {
	requests
	stop func()
	// cache is what it holds.
	cache cache.Cache
}

// startManager runs a manager until the spec ends, or until it is stopped.
func startManager(change ...func(*manager.Options)) *running {
	GinkgoHelper()
	given := options()
	for _, change := range change {
		change(&given)
	}
	r := &running{}
	config := rest.CopyConfig(asManager)
	config.Wrap(used.Wrap)
	config.Wrap(r.wrap)
	ctx, cancel := context.WithCancel(context.Background())
	mgr, err := manager.New(ctx, config, given)
	Expect(err).NotTo(HaveOccurred())
	ended := make(chan error, 1)
	go func() {
		defer GinkgoRecover()
		ended <- mgr.Start(ctx)
	}()
	var once sync.Once
	r.stop = func() {
		once.Do(func() {
			cancel()
			Expect(<-ended).To(Succeed())
		})
	}
	DeferCleanup(r.stop)
	r.cache = mgr.GetCache()
	Expect(r.cache.WaitForCacheSync(ctx)).To(BeTrue())
	r.reset()
	return r
}

// offsetClock runs like the system's, from another time on.
type offsetClock struct {
	clock.PassiveClock
	offset time.Duration
}

func (c offsetClock) Now() time.Time                  { return c.PassiveClock.Now().Add(c.offset) }
func (c offsetClock) Since(t time.Time) time.Duration { return c.Now().Sub(t) }

// clockAt makes a clock that shows a time now.
func clockAt(t time.Time) clock.PassiveClock {
	return offsetClock{clock.RealClock{}, time.Until(t)}
}

// yamlText is one or more manifests.
type yamlText string

// replacing exchanges a piece of the text, which must be there.
func (y yamlText) replacing(old, by string) yamlText {
	GinkgoHelper()
	Expect(string(y)).To(ContainSubstring(old))
	return yamlText(strings.ReplaceAll(string(y), old, by))
}

// withRoute and withTLS set what partnerYAML leaves out of the sub-domain.
func (y yamlText) withRoute(route string) yamlText {
	return y.replacing("    backend:", "    route: "+route+"\n    backend:")
}

func (y yamlText) withTLS(tls string) yamlText {
	return y.replacing("    backend:", "    tls: "+tls+"\n    backend:")
}

func jsonPatch(data string) client.Patch {
	return client.RawPatch(types.MergePatchType, []byte(data))
}

// applyYAML creates or changes objects, as kubectl does.
func applyYAML(ctx context.Context, manifests yamlText) {
	GinkgoHelper()
	for _, object := range cluster.ParseObjects([]byte(manifests)) {
		Expect(direct.Apply(ctx, client.ApplyConfigurationFromUnstructured(object), client.FieldOwner("kubectl"), client.ForceOwnership)).To(Succeed())
	}
}

// deleting tells that what is declared goes at the end.
var deleting bool

// deleteAtEnd deletes all Partners and allocations when the spec, or the container that
// declares them, is over. The namespaces stay: to empty one takes more requests than
// most specs do, and no two specs have partners of the same name.
func deleteAtEnd() {
	if deleting {
		return
	}
	deleting = true
	DeferCleanup(func(ctx SpecContext) {
		deleting = false
		Expect(direct.DeleteAllOf(ctx, &v1alpha1.Partner{})).To(Succeed())
		Expect(direct.DeleteAllOf(ctx, &v1alpha1.PCSMAllocation{})).To(Succeed())
	})
}

// namedIn has the files whose specs use a Partner's name. Namespaces outlive the specs.
var namedIn = map[string]string{}

// partnerYAML is an OEM on the host <name>.example.com with an external backend;
// more is appended to its spec.
func partnerYAML(name, more string) yamlText {
	GinkgoHelper()
	deleteAtEnd()
	file := path.Base(CurrentSpecReport().FileName())
	Expect(namedIn[name]).To(BeElementOf("", file), "what an earlier spec left of Partner %q can be in the way: give it another name", name)
	namedIn[name] = file
	return yamlText(`
apiVersion: partner.dispel.com/v1alpha1
kind: Partner
metadata: {name: ` + name + `}
spec:
  displayName: ` + name + `
  channelModel: OEM
  customerCount: 5
  subdomain:
    host: ` + name + `.example.com
    backend:
      external: {host: engine.example.net, port: 8080}
` + more + "\n---\n")
}

// allocationYAML is an allocation for a partner of the same name.
func allocationYAML(partner, fte, more string) yamlText {
	return yamlText(`
apiVersion: partner.dispel.com/v1alpha1
kind: PCSMAllocation
metadata: {name: ` + partner + `}
spec:
  partnerRef: {name: ` + partner + `}
  fte: ` + fte + "\n" + more + "\n---\n")
}

// get reads a cluster-scoped object, or one of a tenant namespace.
func get[T client.Object](ctx context.Context, into T, name string, namespace ...string) T {
	GinkgoHelper()
	Expect(direct.Get(ctx, key(name, namespace...), into)).To(Succeed())
	return into
}

func key(name string, namespace ...string) client.ObjectKey {
	return client.ObjectKey{Namespace: strings.Join(namespace, ""), Name: name}
}

func partner(ctx context.Context, name string) *v1alpha1.Partner {
	GinkgoHelper()
	return get(ctx, &v1alpha1.Partner{}, name)
}

// patch merges YAML into an object.
func patch(ctx context.Context, object client.Object, change string) {
	GinkgoHelper()
	data, err := yaml.YAMLToJSON([]byte(change))
	Expect(err).NotTo(HaveOccurred())
	Expect(direct.Patch(ctx, object, client.RawPatch(types.MergePatchType, data))).To(Succeed())
}

func patchPartner(ctx context.Context, name, change string) {
	GinkgoHelper()
	patch(ctx, &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: name}}, change)
}

// children are all objects that the operator makes for a partner, as fresh ones
// to read into, the namespace first.
func children(name string) []client.Object {
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: objects.DefaultNamespace(name)}}
	return append([]client.Object{namespace}, partners.Children(name)...)
}

// made are those of a partner's children that are there, as it declares them.
func made(ctx context.Context, name string) []client.Object {
	GinkgoHelper()
	var there []client.Object
	for _, child := range children(name) {
		err := direct.Get(ctx, client.ObjectKeyFromObject(child), child)
		Expect(client.IgnoreNotFound(err)).To(Succeed())
		if err == nil {
			there = append(there, child)
		}
	}
	Expect(there).NotTo(BeEmpty())
	return there
}

// everything makes a partner have one object of each kind in children. The
// quantities are not in the form in which the API server keeps them.
const everything = `
  tenant:
    administrators: [{kind: Group, name: admins}]
    resourceQuota: {pods: "5", requests.cpu: 1500m, requests.memory: 1024Mi}
`

// eventuallyForgetsHosts expects a namespace to be free of the hosts that its
// Partner held, which is gone.
func eventuallyForgetsHosts(ctx context.Context, namespace string) {
	GinkgoHelper()
	Eventually(func() map[string]string { return get(ctx, &corev1.Namespace{}, namespace).Annotations }).Should(HaveKeyWithValue(v1alpha1.HostsAnnotation, ""))
}
