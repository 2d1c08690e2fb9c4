// Package fleet looks at all partners together: what the operator's objects, from
// a cluster or from files, say of each and of all. It reads nothing itself.
package fleet

import (
	"cmp"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/contract"
	"github.com/dispel/partner-operator/internal/tenant"
)

// Fleet is a set of objects that say what partners are and become. Make it with
// New, fill it with Add.
type Fleet struct {
	// Partners, Plans, Allocations and Claims are by name.
	Partners    map[string]*v1alpha1.Partner
	Plans       map[string]*v1alpha1.SupportPlan
	Allocations map[string]*v1alpha1.PCSMAllocation
	Claims      map[string]*v1alpha1.SubdomainClaim
	// APIs are the optional APIs that are installed.
	APIs tenant.APIs

	// Namespaces are by name.
	Namespaces map[string]*corev1.Namespace

	noted          map[string][]string        // names of namespaces, by the hosts that they note, or once did
	declaring      map[string][]string        // names of Partners, by the namespace that they declare
	allocations    map[string][]string        // names, by partner
	claims         map[string][]tenant.Object // by partner
	objects        map[string][]tenant.Object // by namespace; ReferenceGrants by the namespace that they are for
	classes        []networkingv1.IngressClass
	gateways       map[types.NamespacedName]gatewayv1.Gateway
	gatewayClasses []gatewayv1.GatewayClass
	references     map[reference]bool
}

// reference is a Service or a Secret that a sub-domain may name.
type reference struct {
	kind string
	types.NamespacedName
}

// New makes an empty fleet.
func New() *Fleet {
	return &Fleet{
		Partners:    map[string]*v1alpha1.Partner{},
		Plans:       map[string]*v1alpha1.SupportPlan{},
		Allocations: map[string]*v1alpha1.PCSMAllocation{},
		Claims:      map[string]*v1alpha1.SubdomainClaim{},
		Namespaces:  map[string]*corev1.Namespace{},
		noted:       map[string][]string{},
		declaring:   map[string][]string{},
		allocations: map[string][]string{},
		claims:      map[string][]tenant.Object{},
		objects:     map[string][]tenant.Object{},
		gateways:    map[types.NamespacedName]gatewayv1.Gateway{},
		references:  map[reference]bool{},
	}
}

// Clone is a fleet of the same objects, to which others can be added.
func (f *Fleet) Clone() *Fleet {
	clone := *f
	clone.Partners, clone.Plans = maps.Clone(f.Partners), maps.Clone(f.Plans)
	clone.Allocations, clone.Claims = maps.Clone(f.Allocations), maps.Clone(f.Claims)
	clone.Namespaces, clone.references, clone.gateways = maps.Clone(f.Namespaces), maps.Clone(f.references), maps.Clone(f.gateways)
	clone.classes, clone.gatewayClasses = slices.Clone(f.classes), slices.Clone(f.gatewayClasses)
	clone.noted = cloned(f.noted)
	clone.declaring, clone.allocations = cloned(f.declaring), cloned(f.allocations)
	clone.claims, clone.objects = cloned(f.claims), cloned(f.objects)
	return &clone
}

func cloned[T any](lists map[string][]T) map[string][]T {
	clone := make(map[string][]T, len(lists))
	for key, list := range lists {
		clone[key] = slices.Clone(list)
	}
	return clone
}

// Add adds an object, or puts it in the place of one of the same kind and name.
// Its kind must be set. Of Secrets, and of Services with no name that the operator gives,
// the metadata suffices.
func (f *Fleet) Add(object tenant.Object) {
	switch object := object.(type) {
	case *v1alpha1.Partner:
		if old := f.Partners[object.Name]; old != nil {
			of := tenant.NamespaceOf(old)
			f.declaring[of] = slices.DeleteFunc(f.declaring[of], func(name string) bool { return name == old.Name })
		}
		f.Partners[object.Name] = object
		of := tenant.NamespaceOf(object)
		f.declaring[of] = append(f.declaring[of], object.Name)
		return
	case *v1alpha1.SupportPlan:
		f.Plans[object.Name] = object
		return
	case *v1alpha1.PCSMAllocation:
		if old := f.Allocations[object.Name]; old != nil {
			of := string(old.Spec.PartnerRef.Name)
			f.allocations[of] = slices.DeleteFunc(f.allocations[of], func(name string) bool { return name == old.Name })
		}
		f.Allocations[object.Name] = object
		of := string(object.Spec.PartnerRef.Name)
		f.allocations[of] = append(f.allocations[of], object.Name)
		return
	case *v1alpha1.SubdomainClaim:
		f.Claims[object.Name] = object
		put(f.claims, string(object.Spec.PartnerRef.Name), object)
		return
	case *corev1.Namespace:
		f.Namespaces[object.Name] = object
		for _, host := range tenant.NotedHosts(object) {
			if !slices.Contains(f.noted[host], object.Name) {
				f.noted[host] = append(f.noted[host], object.Name)
			}
		}
		return
	case *networkingv1.IngressClass:
		f.classes = append(slices.DeleteFunc(f.classes, func(c networkingv1.IngressClass) bool { return c.Name == object.Name }), *object)
		return
	case *gatewayv1.GatewayClass:
		f.gatewayClasses = append(slices.DeleteFunc(f.gatewayClasses, func(c gatewayv1.GatewayClass) bool { return c.Name == object.Name }), *object)
		return
	case *gatewayv1.Gateway:
		f.gateways[types.NamespacedName{Namespace: object.Namespace, Name: object.Name}] = *object
		return
	}
	kind := tenant.KindOf(object)
	_, onlyMetadata := object.(*metav1.PartialObjectMetadata)
	switch {
	case kind.Exposure == tenant.ByCertificateKey:
		if tenant.Owned(object, object.GetLabels()[v1alpha1.PartnerLabel], nil) {
			put(f.objects, object.GetNamespace(), object)
		}
	case kind.Relation == tenant.ByName:
		put(f.objects, object.GetName(), object)
	case !onlyMetadata:
		put(f.objects, object.GetNamespace(), object)
	}
	if kind.Relation == tenant.ByReference {
		f.references[reference{kind.Kind, types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()}}] = true
	}
}

// put adds an object to a list, in the place of one of the same kind, namespace and name.
func put(lists map[string][]tenant.Object, key string, object tenant.Object) {
	name := tenant.NameOf(object)
	lists[key] = append(slices.DeleteFunc(lists[key], func(old tenant.Object) bool { return tenant.NameOf(old) == name }), object)
}

// children are the objects that are the operator's for a partner, as the controller
// knows them.
func (f *Fleet) children(partner *v1alpha1.Partner) []tenant.Object {
	var hosts []string
	if host := tenant.HostOf(partner); host != "" {
		hosts = append(hosts, host)
	}
	if handed := partner.Spec.HandOver; handed != nil {
		of := tenant.Snapshot{Partner: partner, Namespace: f.Namespaces[tenant.NamespaceOf(partner)], Handed: f.Claims[string(handed.Host)]}
		if tenant.HandsOver(&of) {
			hosts = append(hosts, string(handed.Host))
		}
	}
	children := slices.Clone(f.claims[partner.Name])
	for _, claim := range children {
		hosts = append(hosts, claim.GetName())
	}
	for _, object := range f.objects[tenant.NamespaceOf(partner)] {
		if tenant.Owned(object, partner.Name, hosts) {
			children = append(children, object)
		}
	}
	return children
}

// Names are the names of all partners, in order.
func (f *Fleet) Names() []string {
	return slices.Sorted(maps.Keys(f.Partners))
}

// AllocationsOf are the allocations that name a partner, by name.
func (f *Fleet) AllocationsOf(partner string) []v1alpha1.PCSMAllocation {
	names := slices.Clone(f.allocations[partner])
	slices.Sort(names)
	allocations := make([]v1alpha1.PCSMAllocation, 0, len(names))
	for _, name := range names {
		allocations = append(allocations, *f.Allocations[name])
	}
	return allocations
}

// declares reports whether a Partner of the fleet declares a host.
func (f *Fleet) declares(host string) bool {
	for _, partner := range f.Partners {
		if tenant.HostOf(partner) == host {
			return true
		}
	}
	return false
}

// sources are the names of the Partners that hand the declared host over to another and
// hold it: those that did before are of no account to it.
func (f *Fleet) sources(to *v1alpha1.Partner) []string {
	claim := f.Claims[string(to.Spec.Subdomain.Host)]
	if claim == nil {
		return nil
	}
	holder := f.Partners[string(claim.Spec.PartnerRef.Name)]
	if holder != nil && holder.Spec.HandOver != nil && holder.Spec.HandOver.Host == to.Spec.Subdomain.Host && string(holder.Spec.HandOver.PartnerRef.Name) == to.Name {
		return []string{holder.Name}
	}
	return nil
}

// notedBy is another partner on whose namespace the declared host is noted; empty if it is on
// none.
func (f *Fleet) notedBy(partner *v1alpha1.Partner) string {
	host := tenant.HostOf(partner)
	for _, name := range f.noted[host] {
		namespace := f.Namespaces[name]
		if holder := tenant.ReservedBy(namespace, partner.Name); holder != "" && slices.Contains(tenant.NotedHosts(namespace), host) {
			return holder
		}
	}
	return ""
}

// Snapshot is what Evaluate decides from about a partner of the fleet.
func (f *Fleet) Snapshot(partner *v1alpha1.Partner, settings tenant.Settings, now time.Time) tenant.Snapshot {
	namespace := tenant.NamespaceOf(partner)
	snapshot := tenant.Snapshot{
		Partner:        partner,
		Plan:           f.Plans[contract.PlanName(partner)],
		Allocations:    f.AllocationsOf(partner.Name),
		Namespace:      f.Namespaces[namespace],
		Children:       f.children(partner),
		IngressClasses: f.classes,
		APIs:           f.APIs,
		Settings:       settings,
		Now:            now,
	}
	for _, name := range f.declaring[namespace] {
		if name != partner.Name {
			snapshot.Rivals = append(snapshot.Rivals, metav1.ObjectMeta{Name: name, CreationTimestamp: f.Partners[name].CreationTimestamp})
		}
	}
	slices.SortFunc(snapshot.Rivals, func(a, b metav1.ObjectMeta) int { return cmp.Compare(a.Name, b.Name) })
	if handed := partner.Spec.HandOver; handed != nil {
		snapshot.Target, snapshot.Handed = f.Partners[string(handed.PartnerRef.Name)], f.Claims[string(handed.Host)]
	}
	subdomain := partner.Spec.Subdomain
	snapshot.Wanted = sets.New[string]()
	for _, host := range snapshot.Claimed() {
		if host != tenant.HostOf(partner) && f.declares(host) {
			snapshot.Wanted.Insert(host)
		}
	}
	if subdomain == nil {
		return snapshot
	}
	snapshot.Sources = f.sources(partner)
	snapshot.Claim = f.Claims[string(subdomain.Host)]
	if snapshot.Claim == nil {
		snapshot.Noted = f.notedBy(partner)
	} else if holder := string(snapshot.Claim.Spec.PartnerRef.Name); holder != partner.Name {
		snapshot.Holder = f.Partners[holder]
	}
	there := func(kind, name string) bool {
		return f.references[reference{kind, types.NamespacedName{Namespace: namespace, Name: name}}]
	}
	if service := subdomain.Backend.Service; service != nil {
		snapshot.BackendFound = there("Service", service.Name)
	}
	if tls := subdomain.TLS; tls != nil && tls.SecretName != "" {
		snapshot.SecretFound = there("Secret", tls.SecretName)
	}
	snapshot.GatewayClasses = f.gatewayClasses
	for _, key := range snapshot.GatewayKeys() {
		if gateway, found := f.gateways[key]; found {
			snapshot.Gateways = append(snapshot.Gateways, gateway)
		}
	}
	return snapshot
}
