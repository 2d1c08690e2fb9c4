package gather

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/agnivade/levenshtein"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/contract"
	"github.com/dispel/partner-operator/internal/index"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/snapshot"
)

// Gatherer reads objects by their names, and finds them by the indexes of package index.
type Gatherer struct {
	// Reader has the objects. It is asked for nothing that belongs to an optional API which is
	// not installed.
	Reader client.Reader
	// Live has what no cache holds, the authorities of engines' certificates, at one request
	// each; nil if they are not looked at.
	Live client.Reader
	// Order tells why the certificate of a snapshot is not to be ordered yet; nil if that is not
	// looked at.
	Order func(*snapshot.Snapshot) *snapshot.Order
	// Hold tells why a change of the operator's defaults does not reach the Partner of a snapshot yet; nil if
	// it does, or if all reach all at once.
	Hold func(*snapshot.Snapshot, objects.Change) *snapshot.HeldChange
	// APIs are the optional APIs that are installed.
	APIs kinds.APIs
	// Kinds are those of kinds.All that can be read.
	Kinds iter.Seq[*kinds.Kind]
	// Settings are the operator's defaults.
	Settings objects.Settings
	// Now is the time of the snapshot.
	Now time.Time
	// Deleted reports whether an object that the reader may still show was deleted; nil if
	// the reader shows none such.
	Deleted func(uid types.UID) bool
	// Ignored are the objects of a namespace that the reader leaves out; nil if it has all.
	Ignored func(namespace string) []kinds.Ignored
}

// Named begins a snapshot of a partner of which only the name matters.
func (g *Gatherer) Named(partner string) *snapshot.Snapshot {
	return &snapshot.Snapshot{
		Partner:  &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: partner}},
		Platform: snapshot.Platform{APIs: g.APIs}, Settings: g.Settings, Now: g.Now,
	}
}

// Partner reads all that an evaluation of a Partner needs.
func (g *Gatherer) Partner(ctx context.Context, partner *v1alpha1.Partner) (*snapshot.Snapshot, error) {
	s := g.Named(partner.Name)
	s.Partner = partner
	var err error
	if s.Plan, err = Found(ctx, g.Reader, contract.PlanName(s.Partner), &v1alpha1.SupportPlan{}); err != nil {
		return nil, err
	}
	if s.Plan == nil {
		if s.NearPlan, err = g.nearPlan(ctx, contract.PlanName(s.Partner)); err != nil {
			return nil, err
		}
	}
	var allocations v1alpha1.PCSMAllocationList
	// Specs alone matter, which this process never writes: there is no write to wait for.
	if err := g.Reader.List(ctx, &allocations, index.AllocationByPartner.Is(partner.Name), client.DisableReadYourWritesConsistency); err != nil {
		return nil, err
	}
	s.Allocations = allocations.Items
	if err := g.handOver(ctx, s); err != nil {
		return nil, err
	}
	if err := g.tenant(ctx, s); err != nil {
		return nil, err
	}
	if err := g.defaults(ctx, s); err != nil {
		return nil, err
	}
	if err := g.gateways(ctx, s); err != nil {
		return nil, err
	}
	return s, g.subdomain(ctx, s)
}

// defaults reads the ingress classes, and finds by which defaults the Partner is to be served: while a
// change of them is held, by those of before.
func (g *Gatherer) defaults(ctx context.Context, s *snapshot.Snapshot) error {
	if s.Partner.Spec.Subdomain == nil {
		return nil
	}
	var classes networkingv1.IngressClassList
	if err := g.Reader.List(ctx, &classes); err != nil {
		return err
	}
	s.IngressClasses = classes.Items
	var change *objects.Change
	change, s.Reached = objects.Builder{Partner: s.Partner, Settings: s.Settings, Classes: s.IngressClasses}.ChangeOf(s.Children)
	if change == nil {
		return nil
	}
	if g.Hold != nil {
		s.HeldChange = g.Hold(s, *change)
	}
	if s.HeldChange != nil {
		s.Settings = change.Kept(s.Settings)
	} else {
		s.Reached = s.Now
	}
	return nil
}

// nearPlan is the plan whose name is within two slips of the pen of a name; empty if there is none.
func (g *Gatherer) nearPlan(ctx context.Context, name string) (string, error) {
	var plans v1alpha1.SupportPlanList
	// Names alone matter: there is no write to wait for.
	if err := g.Reader.List(ctx, &plans, client.DisableReadYourWritesConsistency); err != nil {
		return "", err
	}
	near, least := "", 3
	for i := range plans.Items {
		other := plans.Items[i].Name
		slips := levenshtein.ComputeDistance(name, other)
		if slips < least && slips < len(other) || slips == least && near != "" && other < near {
			near, least = other, slips
		}
	}
	return near, nil
}

// tenant reads the namespace that the Partner declares, who else does, what is
// the operator's in it, the partner's claims, and what routes their hosts.
func (g *Gatherer) tenant(ctx context.Context, s *snapshot.Snapshot) error {
	namespace := objects.NamespaceOf(s.Partner)
	var err error
	if s.Namespace, err = Found(ctx, g.Reader, namespace, &corev1.Namespace{}); err != nil {
		return err
	}
	if g.Ignored != nil {
		s.Ignored = g.Ignored(namespace)
	}
	labelled, err := g.Labelled(ctx, s.Partner.Name)
	if err != nil {
		return err
	}
	for i := range labelled {
		if name := labelled[i].Name; name != namespace {
			s.Undeclared = append(s.Undeclared, name)
		}
	}
	slices.Sort(s.Undeclared)
	var declaring v1alpha1.PartnerList
	if err := g.Declaring(ctx, &declaring, index.PartnerByNamespace.Is(namespace)); err != nil {
		return err
	}
	for i := range declaring.Items {
		if rival := &declaring.Items[i]; rival.Name != s.Partner.Name {
			s.Rivals = append(s.Rivals, metav1.ObjectMeta{Name: rival.Name, CreationTimestamp: rival.CreationTimestamp})
		}
	}
	slices.SortFunc(s.Rivals, func(a, b metav1.ObjectMeta) int { return cmp.Compare(a.Name, b.Name) })
	return g.Held(ctx, s, namespace)
}

// Held reads what is the operator's for the partner in some namespaces, the
// partner's claims, and what routes their hosts. Of a Partner that is gone, the snapshot has
// only the name.
func (g *Gatherer) Held(ctx context.Context, s *snapshot.Snapshot, namespaces ...string) error {
	if err := g.Claims(ctx, s); err != nil {
		return err
	}
	declared, held := objects.HostOf(s.Partner), s.Claimed()
	s.Wanted = sets.New[string]()
	for _, host := range held {
		if host == declared {
			continue
		}
		var declaring v1alpha1.PartnerList
		if err := g.Declaring(ctx, &declaring, index.PartnerByHost.Is(host)); err != nil {
			return err
		}
		if len(declaring.Items) > 0 {
			s.Wanted.Insert(host)
		}
	}
	concerned := held
	if handed := s.Partner.Spec.HandOver; handed != nil && !slices.Contains(held, string(handed.Host)) && s.HandsOver() {
		concerned = append(concerned, string(handed.Host)) // which its target may hold already
	}
	if declared != "" && !slices.Contains(held, declared) {
		concerned = append(concerned, declared)
	}
	for _, namespace := range namespaces {
		if err := g.children(ctx, s, namespace, concerned); err != nil {
			return err
		}
	}
	return g.routes(ctx, s, concerned)
}

// Claims reads the partner's claims.
func (g *Gatherer) Claims(ctx context.Context, s *snapshot.Snapshot) error {
	var claims v1alpha1.SubdomainClaimList
	if err := g.Reader.List(ctx, &claims, index.ClaimByPartner.Is(s.Partner.Name)); err != nil {
		return err
	}
	for i := range claims.Items {
		g.addChild(s, v1alpha1.GroupVersion.WithKind("SubdomainClaim"), &claims.Items[i])
	}
	return nil
}

// Declaring lists Partners by what their specs declare, to be read only. This process never
// writes a spec, so there is no write to wait for.
func (g *Gatherer) Declaring(ctx context.Context, list *v1alpha1.PartnerList, options ...client.ListOption) error {
	return g.Reader.List(ctx, list, append(options, client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency)...)
}

func (g *Gatherer) deleted(object client.Object) bool {
	return g.Deleted != nil && g.Deleted(object.GetUID())
}

// gone reports whether an object was deleted, although it was read from a cache which does not
// show that yet. One with finalizers is not gone: it gets the time of its deletion.
func (g *Gatherer) gone(object client.Object, now time.Time) bool {
	if !g.deleted(object) {
		return false
	}
	if len(object.GetFinalizers()) == 0 {
		return true
	}
	object.SetDeletionTimestamp(cmp.Or(object.GetDeletionTimestamp(), &metav1.Time{Time: now}))
	return false
}

// addChild adds an object of a kind to the snapshot, unless it is gone.
func (g *Gatherer) addChild(s *snapshot.Snapshot, kind schema.GroupVersionKind, child client.Object) {
	if g.gone(child, s.Now) {
		return
	}
	child.GetObjectKind().SetGroupVersionKind(kind)
	s.Children = append(s.Children, child)
}

// children reads the objects in a namespace of the partner's that are the
// operator's, but for claims: by the names that it gives. ReferenceGrants are in the widget
// server's namespace, or in one where it was before.
func (g *Gatherer) children(ctx context.Context, s *snapshot.Snapshot, namespace string, hosts []string) error {
	for kind := range g.Kinds {
		if !kind.Made && kind.Exposure != kinds.ByCertificateKey || kind.Relation == kinds.ByHolder {
			continue
		}
		for _, name := range kind.Names {
			child := kind.New()
			switch err := g.Reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, child); {
			case err == nil:
				g.addChild(s, kind.GroupVersionKind, child)
			case !apierrors.IsNotFound(err):
				return err
			}
		}
		if len(kind.Names) > 0 {
			continue
		}
		var in client.ListOption = client.InNamespace(namespace)
		if kind.Relation == kinds.ByName {
			in = index.GrantByName.Is(namespace)
		}
		list := kind.NewList()
		if err := g.Reader.List(ctx, list, in); err != nil {
			return err
		}
		if err := meta.EachListItem(list, func(item runtime.Object) error {
			child := item.(kinds.Object)
			child.GetObjectKind().SetGroupVersionKind(kind.GroupVersionKind)
			if kinds.Owned(child, s.Partner.Name, hosts) {
				g.addChild(s, kind.GroupVersionKind, child)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// routes finds what routes some hosts in the namespaces of all tenants, the
// declared one included, whose label may be missing.
func (g *Gatherer) routes(ctx context.Context, s *snapshot.Snapshot, hosts []string) error {
	for kind := range g.Kinds {
		if !kind.TakesHosts() {
			continue
		}
		for _, host := range hosts {
			list := kind.NewList()
			// The snapshot's children already have this process's own writes.
			if err := g.Reader.List(ctx, list, index.RouteByHost.Is(host), client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency); err != nil {
				return err
			}
			if err := meta.EachListItem(list, func(item runtime.Object) error {
				route := item.(client.Object)
				if g.deleted(route) && len(route.GetFinalizers()) == 0 {
					return nil
				}
				holder, err := g.Holder(ctx, route.GetNamespace())
				if s.Namespace != nil && s.Namespace.Name == route.GetNamespace() {
					holder = s.Partner.Name
				}
				if holder == "" || err != nil {
					return err
				}
				ref := snapshot.RouteRef{
					Host: host, Kind: kind.Kind, Namespace: route.GetNamespace(), Name: route.GetName(), Partner: holder,
					Created: route.GetCreationTimestamp(), Own: kinds.Marked(route), Solver: kinds.Solver(route),
				}
				if slices.Contains(s.Sources, holder) {
					ref.Gateway, ref.Addresses, err = g.whereServed(ctx, route)
				}
				s.Routes = append(s.Routes, ref)
				return err
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// whereServed is the Gateway that a route of a Partner which hands a host over is attached to,
// and where it is served.
func (g *Gatherer) whereServed(ctx context.Context, route client.Object) (gateway string, addresses []string, err error) {
	attached := kinds.AttachedTo(route)
	if http, ok := route.(*gatewayv1.HTTPRoute); ok && len(attached) == 0 && g.APIs.ListenerSets {
		var set gatewayv1.ListenerSet // which is named as the route
		if err := g.Reader.Get(ctx, client.ObjectKeyFromObject(http), &set, client.DisableReadYourWritesConsistency); client.IgnoreNotFound(err) != nil {
			return "", nil, err
		}
		attached = kinds.AttachedTo(&set)
	}
	if len(attached) == 0 {
		return "", objects.AddressesOf(route, nil), nil
	}
	namespace, name, _ := strings.Cut(attached[0], "/")
	var served gatewayv1.Gateway
	if err := g.Reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, &served, client.DisableReadYourWritesConsistency); err != nil {
		return attached[0], nil, client.IgnoreNotFound(err)
	}
	return attached[0], objects.AddressesOf(route, &served), nil
}

// handOver reads to whom the Partner hands a host over, and from whom it gets one.
func (g *Gatherer) handOver(ctx context.Context, s *snapshot.Snapshot) error {
	var err error
	if handed := s.Partner.Spec.HandOver; handed != nil {
		if s.Target, err = Found(ctx, g.Reader, string(handed.PartnerRef.Name), &v1alpha1.Partner{}); err != nil {
			return err
		}
		if s.Handed, err = Found(ctx, g.Reader, string(handed.Host), &v1alpha1.SubdomainClaim{}); err != nil {
			return err
		}
		if s.Handed != nil && g.gone(s.Handed, s.Now) {
			s.Handed = nil
		}
	}
	host := objects.HostOf(s.Partner)
	if host == "" {
		return nil
	}
	var sources v1alpha1.PartnerList
	if err := g.Declaring(ctx, &sources, index.PartnerByHandOver.Is(host)); err != nil {
		return err
	}
	for i := range sources.Items {
		if source := &sources.Items[i]; string(source.Spec.HandOver.PartnerRef.Name) == s.Partner.Name {
			s.Sources = append(s.Sources, source.Name)
		}
	}
	return nil
}

// gateways reads the Gateways that serve the partner's routes, or are to.
func (g *Gatherer) gateways(ctx context.Context, s *snapshot.Snapshot) error {
	if !s.APIs.Gateway || s.Partner.Spec.Subdomain == nil && s.Partner.Spec.HandOver == nil {
		return nil
	}
	for _, key := range s.GatewayKeys() {
		var gateway gatewayv1.Gateway
		switch err := g.Reader.Get(ctx, key, &gateway); {
		case err == nil:
			s.Gateways = append(s.Gateways, gateway)
		case !apierrors.IsNotFound(err):
			return err
		}
	}
	var classes gatewayv1.GatewayClassList
	err := g.Reader.List(ctx, &classes)
	s.GatewayClasses = classes.Items
	return err
}

// subdomain reads what the sub-domain hangs on.
func (g *Gatherer) subdomain(ctx context.Context, s *snapshot.Snapshot) error {
	subdomain := s.Partner.Spec.Subdomain
	if subdomain == nil {
		return nil
	}
	var err error
	if s.Claim, err = Found(ctx, g.Reader, string(subdomain.Host), &v1alpha1.SubdomainClaim{}); err != nil {
		return err
	}
	if s.Claim != nil && g.gone(s.Claim, s.Now) {
		s.Claim = nil
	}
	if s.Claim == nil {
		if s.Noted, err = g.noted(ctx, s.Partner); err != nil {
			return err
		}
	}
	if s.Claim != nil && string(s.Claim.Spec.PartnerRef.Name) != s.Partner.Name {
		if s.Holder, err = Found(ctx, g.Reader, string(s.Claim.Spec.PartnerRef.Name), &v1alpha1.Partner{}); err != nil {
			return err
		}
	}
	namespace := objects.NamespaceOf(s.Partner)
	if service := subdomain.Backend.Service; service != nil {
		var engine corev1.Service
		err = g.Reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: service.Name}, &engine, client.UnsafeDisableDeepCopy)
		if client.IgnoreNotFound(err) != nil {
			return err
		}
		s.BackendFound = err == nil
		for _, port := range engine.Spec.Ports {
			s.BackendPorts = append(s.BackendPorts, port.Port)
		}
	}
	if s.BackendCA, err = g.backendCA(ctx, s); err != nil {
		return err
	}
	if tls := subdomain.TLS; tls != nil && tls.SecretName != "" {
		err = g.Reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: tls.SecretName}, kinds.Named("Secret").New())
		if client.IgnoreNotFound(err) != nil {
			return err
		}
		s.SecretFound = err == nil
	}
	if s.APIs.CertManager {
		if s.CertificateRequest, err = g.lastRequest(ctx, namespace, string(subdomain.Host)); err != nil {
			return err
		}
	}
	if g.Order != nil {
		s.Order = g.Order(s)
	}
	return nil
}

// backendCA reads the object with the authorities of the engine's certificate; nil if there is
// none to read. Of a Secret, nothing but the certificates is kept.
func (g *Gatherer) backendCA(ctx context.Context, s *snapshot.Snapshot) (*snapshot.CAObject, error) {
	kind, name := objects.Builder{Partner: s.Partner}.CAObject()
	if kind == "" || g.Live == nil {
		return nil, nil
	}
	key := client.ObjectKey{Namespace: objects.NamespaceOf(s.Partner), Name: name}
	var pem []byte
	var err error
	if kind == kinds.Secret {
		var secret corev1.Secret
		err = g.Live.Get(ctx, key, &secret)
		pem = secret.Data[objects.CAKey]
	} else {
		var configMap corev1.ConfigMap
		err = g.Live.Get(ctx, key, &configMap)
		pem = []byte(configMap.Data[objects.CAKey])
	}
	if client.IgnoreNotFound(err) != nil {
		return nil, err
	}
	return &snapshot.CAObject{Found: err == nil, PEM: pem}, nil
}

// noted is another partner on whose namespace the declared host is noted; empty if it is
// on none.
func (g *Gatherer) noted(ctx context.Context, partner *v1alpha1.Partner) (string, error) {
	var namespaces corev1.NamespaceList
	// A note is taken off by the one who has the namespace; there is no write of this
	// reconcile to wait for.
	err := g.Reader.List(ctx, &namespaces, index.NamespaceByHost.Is(string(partner.Spec.Subdomain.Host)), client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency)
	if err != nil {
		return "", err
	}
	for i := range namespaces.Items {
		if holder := objects.ReservedBy(&namespaces.Items[i], partner.Name); holder != "" {
			return holder, nil
		}
	}
	return "", nil
}

// lastRequest is the newest CertificateRequest for a Certificate; nil if there is none.
func (g *Gatherer) lastRequest(ctx context.Context, namespace, certificate string) (*unstructured.Unstructured, error) {
	requests := kinds.Named(kinds.CertificateRequestGVK.Kind).NewList().(*unstructured.UnstructuredList)
	if err := g.Reader.List(ctx, requests, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	var last *unstructured.Unstructured
	for i := range requests.Items {
		request := &requests.Items[i]
		if request.GetAnnotations()[kinds.CertificateNameAnnotation] != certificate {
			continue
		}
		if last == nil || cmp.Or(request.GetCreationTimestamp().Compare(last.GetCreationTimestamp().Time), cmp.Compare(request.GetName(), last.GetName())) > 0 {
			last = request
		}
	}
	return last, nil
}

// Holder is the partner whose tenant namespace one is, by its label; empty if it is
// none's.
func (g *Gatherer) Holder(ctx context.Context, namespace string) (string, error) {
	var read corev1.Namespace
	err := g.Reader.Get(ctx, client.ObjectKey{Name: namespace}, &read, client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency)
	return objects.HolderOf(&read), client.IgnoreNotFound(err)
}

// Found reads a cluster-scoped object into the one given; nil if there is none.
func Found[T client.Object](ctx context.Context, reader client.Reader, name string, into T) (T, error) {
	err := reader.Get(ctx, client.ObjectKey{Name: name}, into)
	if err != nil {
		var none T
		return none, client.IgnoreNotFound(err)
	}
	return into, nil
}

// Labelled are the namespaces that are a partner's by their label, to be read only: the one
// that its Partner declares, and any that an earlier Partner of its name left. One that the
// cache does not show yet comes with an event of its own.
func (g *Gatherer) Labelled(ctx context.Context, partner string) ([]corev1.Namespace, error) {
	var namespaces corev1.NamespaceList
	err := g.Reader.List(ctx, &namespaces, index.NamespaceByPartner.Is(partner), client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency)
	for i := range namespaces.Items {
		namespaces.Items[i].SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Namespace"))
	}
	return namespaces.Items, err
}
