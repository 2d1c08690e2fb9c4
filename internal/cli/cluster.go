package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/url"
	"strconv"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/controllers"
	"github.com/dispel/partner-operator/internal/fleet"
	"github.com/dispel/partner-operator/internal/isolation"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/prober"
	"github.com/dispel/partner-operator/internal/scheme"
)

// crdKind is that of CustomResourceDefinitions.
var crdKind = apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition")

// cluster reads from a cluster. It writes nothing.
type cluster struct {
	terminal *Terminal
	reader   client.Client
	host     string
	read     int
}

// errNoCluster says that there is none to ask.
var errNoCluster = errors.New("no cluster is configured: set KUBECONFIG, or give --kubeconfig or --server")

// connect finds the cluster by kubectl's own flags.
func connect(terminal *Terminal, flags *genericclioptions.ConfigFlags, agent string) (*cluster, error) {
	config, err := flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the cluster: %w", err)
	}
	raw, err := flags.ToRawKubeConfigLoader().RawConfig()
	// Where nothing is configured, kubectl's library makes up a server on this machine.
	if madeUp := clientcmd.ClusterDefaults.Server; err == nil && clientcmdapi.IsConfigEmpty(&raw) && strings.HasSuffix(config.Host, madeUp) && *flags.APIServer == "" {
		return nil, errNoCluster
	}
	config = rest.CopyConfig(config)
	config.UserAgent = "kubectl-partner/" + agent
	// The API server's own fairness limits the rate.
	config.QPS = -1
	c := &cluster{terminal: terminal, host: config.Host}
	c.reader, err = client.New(config, client.Options{Scheme: scheme.New()})
	return c, c.explain(err)
}

// explain says what to do about an error of the API server.
func (c *cluster) explain(err error) error {
	if err == nil {
		return nil
	}
	_, unreachable := errors.AsType[*url.Error](err)
	unknown, _ := errors.AsType[*meta.NoKindMatchError](err)
	switch {
	case unknown != nil && unknown.GroupKind.Group != v1alpha1.GroupVersion.Group:
		return fmt.Errorf("the cluster at %s does not know %s: %w", c.host, unknown.GroupKind, err)
	case unknown != nil, apierrors.IsNotFound(err):
		return fmt.Errorf("the cluster at %s does not know Partners: install the operator's CustomResourceDefinitions (config/crd), or name another cluster with --context", c.host)
	case apierrors.IsForbidden(err):
		return fmt.Errorf("the cluster at %s refuses: %w: have an administrator bind the operator's ClusterRole for viewers to you (partner-operator-viewer in an installation of that name), and for `plan --against-cluster` one that lists what the error names", c.host, err)
	case apierrors.ReasonForError(err) != metav1.StatusReasonUnknown:
		return fmt.Errorf("the cluster at %s refuses: %w", c.host, err)
	case unreachable:
		return fmt.Errorf("cannot reach the cluster at %s: %w: see that it runs, and that --context names the right one", c.host, err)
	}
	return fmt.Errorf("what the cluster at %s answers cannot be read: %w: see that this plugin is as new as the operator", c.host, err)
}

// fleet reads the operator's own kinds.
func (c *cluster) fleet(ctx context.Context) (*fleet.Fleet, error) {
	f := fleet.New()
	reading := c.terminal.startProgress("Reading partners")
	defer reading.finish()
	c.checkRevision(ctx)
	for _, list := range []client.ObjectList{
		&v1alpha1.PartnerList{}, &v1alpha1.SupportPlanList{}, &v1alpha1.PCSMAllocationList{}, &v1alpha1.SubdomainClaimList{},
	} {
		if err := c.list(ctx, f, reading, list); err != nil {
			return nil, c.explain(err)
		}
	}
	return f, nil
}

// everything reads what partners have become, too, and what they hang on.
func (c *cluster) everything(ctx context.Context) (*fleet.Fleet, error) {
	f, err := c.fleet(ctx)
	if err != nil {
		return nil, err
	}
	reading := c.terminal.startProgress("Reading what partners have become")
	defer reading.finish()
	apis, err := controllers.DetectOptionalAPIs(c.reader.RESTMapper(), objects.Settings{})
	if err != nil {
		return nil, c.explain(err)
	}
	f.APIs = apis.Installed()
	for _, list := range []client.ObjectList{&corev1.NamespaceList{}, &networkingv1.IngressClassList{}} {
		if err = c.list(ctx, f, reading, list); err != nil {
			return nil, c.explain(err)
		}
	}
	for kind := range apis.Kinds() {
		// By the names that the operator gives, whoever made them.
		for _, name := range kind.Names {
			if err = c.list(ctx, f, reading, kind.NewList(), client.MatchingFields{"metadata.name": name}); err != nil {
				return nil, c.explain(err)
			}
		}
		if len(kind.Names) > 0 || kind.Relation == kinds.ByReference || kind.Relation == kinds.ByHolder {
			continue // claims were read, and other Secrets and Services follow
		}
		err = c.each(ctx, kind.NewList(), reading, func(object kinds.Object) { f.Add(withoutRequest(object)) })
		switch {
		case apierrors.IsForbidden(err) && !kind.Made && kind.Relation != kinds.ByGateway && kind.Relation != kinds.ByGatewayClass:
			fmt.Fprintf(c.terminal.Err, "warning: you may not list %ss, so that the plan does not take them into account\n", kind.Kind)
		case err != nil:
			return nil, c.explain(err)
		}
	}
	// Of other Services and Secrets only the names matter, and a user may not see them.
	for _, kind := range kinds.All {
		if kind.Relation != kinds.ByReference {
			continue
		}
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
		others := fields.Everything()
		for _, name := range kind.Names { // which were read
			others = fields.AndSelectors(others, fields.OneTermNotEqualSelector("metadata.name", name))
		}
		switch err := c.list(ctx, f, reading, list, client.MatchingFieldsSelector{Selector: others}); {
		case apierrors.IsForbidden(err):
			fmt.Fprintf(c.terminal.Err, "warning: you may not list %ss: those that partners name count as missing\n", kind.Kind)
		case err != nil:
			return nil, c.explain(err)
		}
	}
	return f, nil
}

// withoutRequest takes off a CertificateRequest what nobody judges, which is the most of it.
func withoutRequest(object kinds.Object) kinds.Object {
	if request, ok := object.(*unstructured.Unstructured); ok && request.GetKind() == kinds.CertificateRequestGVK.Kind {
		for _, field := range [][]string{{"spec", "request"}, {"status", "certificate"}, {"status", "ca"}} {
			unstructured.RemoveNestedField(request.Object, field...)
		}
	}
	return object
}

// isolation reads what the canary shows, if there is one: that is no reason to fail.
func (c *cluster) isolation(ctx context.Context) *metav1.Condition {
	var services corev1.ServiceList
	if c.reader.List(ctx, &services, client.MatchingLabels{"app.kubernetes.io/component": isolation.Component}) != nil {
		return nil
	}
	for _, service := range services.Items {
		if found := meta.FindStatusCondition(service.Status.Conditions, isolation.Enforced); found != nil {
			return found
		}
	}
	return nil
}

// surroundings reads what there is about a partner beside the operator's own kinds: the end of its
// certificate, the last probes, and the manager's version. What cannot be read is left out.
func (c *cluster) surroundings(ctx context.Context, f *fleet.Fleet, partner *v1alpha1.Partner) {
	if subdomain := partner.Spec.Subdomain; subdomain != nil {
		if certificate := c.certificate(ctx, partner, string(subdomain.Host)); certificate != nil {
			text, _, _ := unstructured.NestedString(certificate.Object, "status", "notAfter")
			if ends, err := time.Parse(time.RFC3339, text); err == nil {
				f.CertificateEnds = map[string]time.Time{certificate.GetName(): ends}
			}
		}
	}
	tenants := sets.New[string]() // whose administrators may name their objects as they like
	for _, other := range f.Partners {
		tenants.Insert(objects.NamespaceOf(other))
	}
	var services corev1.ServiceList
	_ = c.reader.List(ctx, &services, client.MatchingLabels{"app.kubernetes.io/name": "partner-operator", "app.kubernetes.io/component": "manager"})
	for _, service := range services.Items {
		if !tenants.Has(service.Namespace) {
			f.Manager = cmp.Or(f.Manager, service.Labels["app.kubernetes.io/version"])
		}
	}
	var leases coordinationv1.LeaseList
	_ = c.reader.List(ctx, &leases, client.MatchingFields{metav1.ObjectNameField: prober.LeaseName})
	for _, lease := range leases.Items {
		if renewed := lease.Spec.RenewTime; renewed != nil && !tenants.Has(lease.Namespace) && renewed.After(f.Probed) {
			f.Probed, f.ProbesLate = renewed.Time, time.Duration(ptr.Deref(lease.Spec.LeaseDurationSeconds, 0))*time.Second
		}
	}
}

// certificate is the Certificate that the operator makes for a host, which is named by it; nil if there is
// none, or it cannot be read. Others in the namespace can be for the host, too.
func (c *cluster) certificate(ctx context.Context, partner *v1alpha1.Partner, host string) *unstructured.Unstructured {
	list := kinds.Named(kinds.CertificateGVK.Kind).NewList().(*unstructured.UnstructuredList)
	if c.reader.List(ctx, list, client.InNamespace(objects.NamespaceOf(partner)), client.MatchingFields{metav1.ObjectNameField: host}) != nil || len(list.Items) == 0 {
		return nil
	}
	return &list.Items[0]
}

// pageSize is how many objects are read at once, as kubectl does it.
const pageSize = 500

// list adds all objects of a list to a fleet.
func (c *cluster) list(ctx context.Context, f *fleet.Fleet, reading *progress, list client.ObjectList, options ...client.ListOption) error {
	return c.each(ctx, list, reading, f.Add, options...)
}

// each reads all objects of a list.
func (c *cluster) each(ctx context.Context, list client.ObjectList, reading *progress, read func(kinds.Object), options ...client.ListOption) error {
	next := ""
	for {
		page := append([]client.ListOption{client.Limit(pageSize), client.Continue(next)}, options...)
		if err := c.reader.List(ctx, list, page...); err != nil {
			return err
		}
		err := meta.EachListItem(list, func(item runtime.Object) error {
			object := item.DeepCopyObject().(kinds.Object)
			gvk, err := apiutil.GVKForObject(object, c.reader.Scheme())
			if err != nil {
				return err
			}
			object.GetObjectKind().SetGroupVersionKind(gvk)
			read(object)
			c.read++
			return nil
		})
		if err != nil {
			return err
		}
		reading.update(c.read, c.read)
		if next = list.GetContinue(); next == "" {
			return nil
		}
	}
}

// checkRevision warns of CRDs that are not of this version. Who may not read them
// is not warned.
func (c *cluster) checkRevision(ctx context.Context) {
	crd := &metav1.PartialObjectMetadata{}
	crd.SetGroupVersionKind(crdKind)
	if c.reader.Get(ctx, client.ObjectKey{Name: "partners." + v1alpha1.GroupVersion.Group}, crd) != nil {
		return
	}
	revision, _ := strconv.Atoi(crd.Annotations[v1alpha1.SchemaRevisionAnnotation])
	remedy := "upgrade the operator"
	switch {
	case revision == v1alpha1.SchemaRevision:
		return
	case revision > v1alpha1.SchemaRevision:
		remedy = "upgrade this plugin"
	}
	fmt.Fprintf(c.terminal.Err, "warning: the CustomResourceDefinitions at %s are of schema revision %d, and this plugin is of %d, so that fields may be missing: %s\n",
		c.host, revision, v1alpha1.SchemaRevision, remedy)
}

// origin ends an error about a Partner that the cluster does not have.
func (c *cluster) origin() string {
	return "at " + c.host + ": kubectl partner status lists those that are there"
}

// find finds a Partner of a fleet by its name, or by its host. origin is where the fleet was read.
func find(f *fleet.Fleet, name, origin string) (*v1alpha1.Partner, error) {
	if partner := f.Partners[name]; partner != nil {
		return partner, nil
	}
	if partner := byHost(maps.Values(f.Partners), name); partner != nil {
		return partner, nil
	}
	return nil, noPartner(name, origin)
}

// byHost is the Partner that serves a host, else one that holds it otherwise, else one that declares it; of
// several the first by name, and nil if none does.
func byHost(partners iter.Seq[*v1alpha1.Partner], host string) (found *v1alpha1.Partner) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	best := 0
	for partner := range partners {
		rank := 0
		if objects.HostOf(partner) == host {
			rank = 1
		}
		for _, h := range partner.Status.Hosts {
			switch {
			case string(h.Host) != host || h.Phase == v1alpha1.HostClaiming:
			case h.Phase == v1alpha1.HostServing:
				rank = max(rank, 3)
			default:
				rank = max(rank, 2)
			}
		}
		if rank > best || rank > 0 && rank == best && partner.Name < found.Name {
			found, best = partner, rank
		}
	}
	return found
}

func noPartner(name, origin string) error {
	return fmt.Errorf("there is no Partner %q %s", name, origin)
}
