// Package fleet looks at all partners together: what the operator's objects, from
// a cluster or from files, say of each and of all. It reads nothing itself.
package fleet

import (
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
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

	namespaces     map[string]*corev1.Namespace
	allocations    map[string][]string        // names, by partner
	children       map[string][]tenant.Object // by partner
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
		namespaces:  map[string]*corev1.Namespace{},
		allocations: map[string][]string{},
		children:    map[string][]tenant.Object{},
		gateways:    map[types.NamespacedName]gatewayv1.Gateway{},
		references:  map[reference]bool{},
	}
}

// Clone is a fleet of the same objects, to which others can be added.
func (f *Fleet) Clone() *Fleet {
	clone := *f
	clone.Partners, clone.Plans = maps.Clone(f.Partners), maps.Clone(f.Plans)
	clone.Allocations, clone.Claims = maps.Clone(f.Allocations), maps.Clone(f.Claims)
	clone.namespaces, clone.references, clone.gateways = maps.Clone(f.namespaces), maps.Clone(f.references), maps.Clone(f.gateways)
	clone.classes, clone.gatewayClasses = slices.Clone(f.classes), slices.Clone(f.gatewayClasses)
	clone.allocations, clone.children = map[string][]string{}, map[string][]tenant.Object{}
	for partner, names := range f.allocations {
		clone.allocations[partner] = slices.Clone(names)
	}
	for partner, children := range f.children {
		clone.children[partner] = slices.Clone(children)
	}
	return &clone
}

// Add adds an object, or puts it in the place of one of the same kind and name.
// Its kind must be set. What carries the operator's labels in a tenant namespace, or
// is a ReferenceGrant with them, counts as made by the operator.
func (f *Fleet) Add(object tenant.Object) {
	switch object := object.(type) {
	case *v1alpha1.Partner:
		f.Partners[object.Name] = object
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
		f.addChild(string(object.Spec.PartnerRef.Name), object)
		return
	case *corev1.Namespace:
		f.namespaces[object.Name] = object
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
	labels, kind := object.GetLabels(), tenant.KindOf(object)
	partner := labels[v1alpha1.PartnerLabel]
	switch managed := labels[v1alpha1.ManagedByLabel] == v1alpha1.FieldManager; {
	case kind.Exposure == tenant.ByCertificateKey:
		if object.GetNamespace() == tenant.NamespaceName(partner) && tenant.OwnedSecret(object, partner) {
			f.addChild(partner, object)
		}
	case managed && (object.GetNamespace() == tenant.NamespaceName(partner) || kind.Relation == tenant.ByName):
		f.addChild(partner, object)
		return
	case managed:
		return
	}
	f.references[reference{kind.Kind, types.NamespacedName{Namespace: object.GetNamespace(), Name: object.GetName()}}] = true
}

func (f *Fleet) addChild(partner string, child tenant.Object) {
	kind := func(o tenant.Object) string { return o.GetObjectKind().GroupVersionKind().Kind }
	f.children[partner] = append(slices.DeleteFunc(f.children[partner], func(old tenant.Object) bool {
		return kind(old) == kind(child) && old.GetName() == child.GetName()
	}), child)
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
		if partner.Spec.Subdomain != nil && string(partner.Spec.Subdomain.Host) == host {
			return true
		}
	}
	return false
}

// Snapshot is what Evaluate decides from about a partner of the fleet.
func (f *Fleet) Snapshot(partner *v1alpha1.Partner, settings tenant.Settings, now time.Time) tenant.Snapshot {
	namespace := tenant.NamespaceName(partner.Name)
	snapshot := tenant.Snapshot{
		Partner:        partner,
		Plan:           f.Plans[tenant.PlanName(partner)],
		Allocations:    f.AllocationsOf(partner.Name),
		Namespace:      f.namespaces[namespace],
		Children:       f.children[partner.Name],
		IngressClasses: f.classes,
		APIs:           f.APIs,
		Settings:       settings,
		Now:            now,
	}
	subdomain := partner.Spec.Subdomain
	for _, child := range snapshot.Children {
		if claim, ok := child.(*v1alpha1.SubdomainClaim); ok && (subdomain == nil || claim.Name != string(subdomain.Host)) && f.declares(claim.Name) {
			if snapshot.Wanted == nil {
				snapshot.Wanted = map[string]bool{}
			}
			snapshot.Wanted[claim.Name] = true
		}
	}
	if subdomain == nil {
		return snapshot
	}
	snapshot.Claim = f.Claims[string(subdomain.Host)]
	if snapshot.Claim != nil {
		snapshot.Holder = f.Partners[string(snapshot.Claim.Spec.PartnerRef.Name)]
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
