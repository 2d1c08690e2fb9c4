package snapshot

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
)

// Snapshot is all that decisions about a Partner are made from, in groups by what they are
// about.
type Snapshot struct {
	// Partner is the Partner as last read.
	Partner *v1alpha1.Partner
	Agreed
	Space
	Rights
	Passing
	Platform
	// Children are the objects that are the operator's for the Partner, without
	// the namespace: those in it that kinds.Owned names, and all claims of the Partner.
	Children []kinds.Object
	// Failures are the writes that failed since the snapshot was taken.
	Failures []Failure
	// Settings are the operator's defaults.
	Settings objects.Settings
	// Now is the time.
	Now time.Time
}

// Agreed is what is agreed with the partner.
type Agreed struct {
	// Plan is the plan that the Partner names; nil if there is none.
	Plan *v1alpha1.SupportPlan
	// NearPlan is, if there is no such plan, the one whose name is the nearest by spelling;
	// empty if none is near.
	NearPlan string
	// Allocations are those that name the Partner.
	Allocations []v1alpha1.PCSMAllocation
}

// Space is the tenant's namespace, and who else wants it.
type Space struct {
	// Namespace is the namespace that the Partner declares, whoever made it; nil if
	// there is none.
	Namespace *corev1.Namespace
	// Rivals are the other Partners that declare the same namespace, by name. Only their
	// names and times of creation matter.
	Rivals []metav1.ObjectMeta
	// Ignored are the objects in the namespace that were not read, or not whole, by kind.
	Ignored []kinds.Ignored
	// Undeclared are the namespaces, other than the declared one, that are the partner's by
	// their label.
	Undeclared []string
}

// Rights are who holds and who routes the hosts that the Partner declares or holds.
type Rights struct {
	// Claim is the claim on the host that the Partner declares, whoever holds it;
	// nil if there is none.
	Claim *v1alpha1.SubdomainClaim
	// Noted is the partner on whose namespace that host is noted, although nobody claims
	// it; empty if it is on none. After a restore, its claim may come later.
	Noted string
	// Holder is the Partner that holds that host, if it is another one; nil if there
	// is none.
	Holder *v1alpha1.Partner
	// Wanted has the hosts that the Partner holds and does not declare, and that
	// another Partner declares.
	Wanted sets.Set[string]
	// Routes are the routes in tenants' namespaces, whoever made them, with a host
	// that the Partner declares, holds or hands over.
	Routes []RouteRef
}

// Passing are hosts that pass from one Partner to another.
type Passing struct {
	// Target is the Partner to which this one hands a host over, and Handed the claim
	// on that host, whoever holds it; nil if there is none.
	Target *v1alpha1.Partner
	Handed *v1alpha1.SubdomainClaim
	// Sources are the names of the Partners that hand the declared host over to this one.
	Sources []string
}

// Platform is what the cluster has for the declared sub-domain.
type Platform struct {
	// APIs are the optional APIs that are installed.
	APIs kinds.APIs
	// IngressClasses are those of the cluster.
	IngressClasses []networkingv1.IngressClass
	// Gateways are those that GatewayKeys names, as far as they are there.
	Gateways []gatewayv1.Gateway
	// GatewayClasses are all of the cluster, or at least those of Gateways.
	GatewayClasses []gatewayv1.GatewayClass
	// CertificateRequest is the last one that cert-manager made for the Certificate of
	// the declared host; nil if there is none.
	CertificateRequest *unstructured.Unstructured
	// BackendFound and SecretFound report whether the Service and the Secret that
	// the sub-domain names are there; of no meaning if it names none.
	BackendFound, SecretFound bool
	// BackendPorts are the ports of that Service.
	BackendPorts []int32
	// BackendCA is the object with the authorities of the engine's certificate; nil if the
	// sub-domain names none, or it was not read.
	BackendCA *CAObject
	// Order says why a certificate is not to be ordered yet, the first or one of another issuer; nil if it
	// may be.
	Order *Order
	// Reached is when a change of the operator's defaults reached the Partner last; zero if none did. HeldChange
	// says why one has to wait, for which the snapshot's Settings are as the Partner is served; nil if none has.
	Reached    time.Time
	HeldChange *HeldChange
}

// HeldChange is why a change of the operator's defaults does not reach the Partner yet.
type HeldChange struct {
	Reason  v1alpha1.Reason
	Message string
	// Again is when to look again.
	Again time.Time
}

// Finding says so in a condition.
func (h *HeldChange) Finding() conditions.Finding {
	return conditions.True(v1alpha1.ConditionChangeHeld, h.Reason, h.Message)
}

// Order is why a certificate of the declared host is not ordered yet.
type Order struct {
	Reason  v1alpha1.Reason
	Message string
	// AwaitsRoute tells that nothing is in the way but that its route has no address yet.
	AwaitsRoute bool
	// Again is when to look again.
	Again time.Time
}

// Error is the message, where the order is refused as it is to be written.
func (o *Order) Error() string { return o.Message }

// heldPrefix begins what the condition says of a certificate that is not ordered yet, and HeldRemedy, with
// the name of the Partner, what to do about it.
const (
	heldPrefix = "no certificate is ordered for %s yet: "
	HeldRemedy = ". `kubectl partner dns "
)

// Held says in a condition that the certificate of a host is not ordered yet.
func (o *Order) Held(host string) conditions.Finding {
	return conditions.False(v1alpha1.ConditionSubdomainReady, o.Reason, conditions.Waiting, fmt.Sprintf(heldPrefix, host)+o.Message)
}

// OrdersAlways reports whether the Partner asks for its certificate to be ordered without looking at DNS.
func (s *Snapshot) OrdersAlways() bool {
	subdomain := s.Partner.Spec.Subdomain
	return subdomain != nil && subdomain.TLS != nil && subdomain.TLS.Order == v1alpha1.OrderAlways
}

// OrderHeld is why, by its status, the certificate of the declared host was not ordered when the Partner was
// looked at last; nil if it was, or is to be ordered in any case.
func (s *Snapshot) OrderHeld() *Order {
	if s.Partner.Spec.Subdomain == nil || s.OrdersAlways() {
		return nil
	}
	ready := meta.FindStatusCondition(s.Partner.Status.Conditions, string(v1alpha1.ConditionSubdomainReady))
	if ready == nil || ready.Reason != string(v1alpha1.ReasonDNSNotReady) && ready.Reason != string(v1alpha1.ReasonOrdersPaced) {
		return nil
	}
	why, held := strings.CutPrefix(ready.Message, fmt.Sprintf(heldPrefix, objects.HostOf(s.Partner)))
	if !held {
		return nil
	}
	why, _, _ = strings.Cut(why, "; until then ")
	return &Order{Reason: v1alpha1.Reason(ready.Reason), Message: why}
}

// CAObject is what an object with certificates of authorities has.
type CAObject struct {
	// Found reports that the object is there.
	Found bool
	// PEM are the certificates.
	PEM []byte
}

// RouteRef names an object that leads a host somewhere.
type RouteRef struct {
	Host, Kind, Namespace, Name string
	// Partner is the partner whose tenant namespace the object is in.
	Partner string
	// Created is when the object was created; zero if it was not yet.
	Created metav1.Time
	// Own reports that the operator made the object, by its mark.
	Own bool
	// Gateway is the one that a ListenerSet is attached to, as namespace/name.
	Gateway string
	// Addresses are where a route of a Partner that hands the host over is served.
	Addresses []string
	// Solver reports that the object only answers an authority that asks for a proof that the
	// host is the partner's.
	Solver bool
}

// Named is the host after which the object is named, if it is after one.
func (r RouteRef) Named() string { return kinds.HostNamed(&metav1.ObjectMeta{Name: r.Name}) }

// String names the object as messages do.
func (r RouteRef) String() string {
	return r.Kind + " " + r.Namespace + "/" + r.Name
}

// Failure is a write or a deletion that failed.
type Failure struct {
	// Object is what was to be written, or deleted.
	Object kinds.Object
	// Delete tells that it was to be deleted.
	Delete bool
	// Refused tells that the API server will not do it as things are.
	Refused bool
	// Message is the API server's word: of a refusal in full, else nothing that
	// differs from one try to the next.
	Message string
}

// Finding says in a condition that the write failed.
func (f *Failure) Finding(condition v1alpha1.ConditionType) conditions.Finding {
	what := kinds.Describe(f.Object)
	if f.Refused {
		if f.Delete {
			what = "the deletion of " + what
		}
		return conditions.False(condition, v1alpha1.ReasonObjectRefused, conditions.Stalled,
			fmt.Sprintf("the API server refuses %s; the operator retries within two minutes. Change what the Partner declares for it, or what refuses it: %s", what, f.Message))
	}
	verb := "writing "
	if f.Delete {
		verb = "deleting "
	}
	return conditions.False(condition, v1alpha1.ReasonApplyFailed, conditions.Waiting,
		fmt.Sprintf("%s failed temporarily (%s), and the operator retries it; its log has the complete error", verb+what, f.Message))
}

// Error is the message.
func (f *Failure) Error() string {
	return f.Message
}

// Child finds the observed object by its kind and name; nil if there is none. All
// children that are looked up so are in one namespace, or cluster-scoped.
func (s *Snapshot) Child(kind, name string) kinds.Object {
	for _, object := range s.Children {
		if kinds.Name(object) == kind && object.GetName() == name {
			return object
		}
	}
	return nil
}

// Observed returns what the snapshot has in an object's place; nil if nothing.
func (s *Snapshot) Observed(object kinds.Object) kinds.Object {
	kind := kinds.Name(object)
	if kind == kinds.Namespace {
		if s.Namespace == nil {
			return nil
		}
		return s.Namespace
	}
	for _, child := range s.Children {
		if kinds.Same(child, object) {
			return child
		}
	}
	if s.Claim != nil && kind == kinds.SubdomainClaim && s.Claim.Name == object.GetName() {
		return s.Claim // another's, which is handed over
	}
	return nil
}

// Observe puts a written object in its place in the snapshot.
func (s *Snapshot) Observe(written kinds.Object) {
	switch written := written.(type) {
	case *corev1.Namespace:
		s.Namespace = written
		return
	case *v1alpha1.SubdomainClaim:
		if objects.HostOf(s.Partner) == written.Name {
			s.Claim = written
		} else {
			s.Handed = written
		}
	}
	for i, object := range s.Children {
		if kinds.Same(object, written) {
			s.Children[i] = written
			return
		}
	}
	s.Children = append(s.Children, written)
}

// Remove forgets a deleted object, unless it has finalizers to wait for.
func (s *Snapshot) Remove(deleted kinds.Object) {
	if len(deleted.GetFinalizers()) > 0 {
		going := deleted.DeepCopyObject().(kinds.Object)
		going.SetDeletionTimestamp(&metav1.Time{Time: s.Now})
		if i := slices.IndexFunc(s.Children, func(o kinds.Object) bool { return kinds.Same(o, deleted) }); i >= 0 {
			s.Children[i] = going
		}
		return
	}
	s.Children = slices.DeleteFunc(s.Children, func(o kinds.Object) bool { return kinds.Same(o, deleted) })
	s.Routes = slices.DeleteFunc(slices.Clone(s.Routes), func(ref RouteRef) bool {
		return ref.Namespace == deleted.GetNamespace() && ref.Name == deleted.GetName() && ref.Kind == kinds.Name(deleted)
	})
	if s.Claim != nil && kinds.Same(s.Claim, deleted) {
		s.Claim = nil
	}
	if s.Handed != nil && kinds.Same(s.Handed, deleted) {
		s.Handed = nil
	}
}

// Claimed are the hosts of the partner's claims, those that are being deleted included.
func (s *Snapshot) Claimed() []string {
	var hosts []string
	for _, claim := range s.Claims() {
		hosts = append(hosts, claim.GetName())
	}
	return hosts
}

// Held are the hosts of the partner's claims that are not being deleted.
func (s *Snapshot) Held() []string {
	var hosts []string
	for _, claim := range s.Claims() {
		if claim.GetDeletionTimestamp().IsZero() {
			hosts = append(hosts, claim.GetName())
		}
	}
	return hosts
}

// Claims are those of the partner.
func (s *Snapshot) Claims() []kinds.Object {
	var claims []kinds.Object
	for _, child := range s.Children {
		if kinds.Name(child) == kinds.SubdomainClaim {
			claims = append(claims, child)
		}
	}
	return claims
}

// Routing are the objects in the partner's namespaces that lead a host somewhere,
// those that are being deleted included, in order.
func (s *Snapshot) Routing(host string) []RouteRef {
	var refs []RouteRef
	for _, child := range s.Children {
		kind := kinds.Of(child)
		if kind.Exposure <= kinds.ByListener && (kinds.HostNamed(child) == host || slices.Contains(kinds.Hosts(child), host)) {
			refs = append(refs, RouteRef{
				Host: host, Kind: kind.Kind, Namespace: child.GetNamespace(), Name: child.GetName(), Partner: s.Partner.Name, Created: child.GetCreationTimestamp(),
			})
		}
	}
	for _, ref := range s.Routes {
		if ref.Host == host && ref.Partner == s.Partner.Name && !slices.ContainsFunc(refs, func(r RouteRef) bool { return r.String() == ref.String() }) {
			refs = append(refs, ref)
		}
	}
	slices.SortFunc(refs, func(a, b RouteRef) int { return cmp.Compare(a.String(), b.String()) })
	return refs
}

// OwnRoutes are the routes of the partner that are not being deleted.
func (s *Snapshot) OwnRoutes() []objects.Route {
	var routes []objects.Route
	for _, child := range s.Children {
		if kinds.Of(child).Exposure == kinds.ByRoute && child.GetDeletionTimestamp().IsZero() {
			routes = append(routes, objects.Route{Object: child, Kind: v1alpha1.RouteKind(kinds.Name(child))})
		}
	}
	return routes
}

// Gateway is the Gateway of a name; nil if the snapshot has none.
func (s *Snapshot) Gateway(key types.NamespacedName) *gatewayv1.Gateway {
	for i := range s.Gateways {
		if s.Gateways[i].Namespace == key.Namespace && s.Gateways[i].Name == key.Name {
			return &s.Gateways[i]
		}
	}
	return nil
}

// GatewayKeys are the Gateways to have in the snapshot: the one that is to serve
// the sub-domain, and those that do.
func (s *Snapshot) GatewayKeys() []types.NamespacedName {
	var keys []types.NamespacedName
	if s.Partner.Spec.Subdomain != nil {
		if ref := (objects.Builder{Partner: s.Partner, Settings: s.Settings}).GatewayRef(); ref != nil {
			keys = append(keys, types.NamespacedName{Namespace: ref.Namespace, Name: string(ref.Name)})
		}
	}
	for _, route := range s.OwnRoutes() {
		if key, ok := s.GatewayOf(route); ok && !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

// GatewayOf is the Gateway that a route is attached to, by a ListenerSet or at
// once; false if it is to none.
func (s *Snapshot) GatewayOf(route objects.Route) (types.NamespacedName, bool) {
	attached, ok := route.Object.(*gatewayv1.HTTPRoute)
	if !ok || len(attached.Spec.ParentRefs) == 0 {
		return types.NamespacedName{}, false
	}
	parent := attached.Spec.ParentRefs[0]
	if set, ok := s.Child(kinds.ListenerSet, string(parent.Name)).(*gatewayv1.ListenerSet); ok && ptr.Deref(parent.Kind, "") == kinds.ListenerSet {
		ref := set.Spec.ParentRef
		return types.NamespacedName{Namespace: string(ptr.Deref(ref.Namespace, gatewayv1.Namespace(set.Namespace))), Name: string(ref.Name)}, true
	}
	return types.NamespacedName{Namespace: string(ptr.Deref(parent.Namespace, gatewayv1.Namespace(attached.Namespace))), Name: string(parent.Name)}, true
}

// AddressesOf are where a route is served, as far as its controller says: IP addresses or host names,
// sorted.
func (s *Snapshot) AddressesOf(route objects.Route) []string {
	var gateway *gatewayv1.Gateway
	if key, attached := s.GatewayOf(route); attached {
		gateway = s.Gateway(key)
	}
	return objects.AddressesOf(route.Object, gateway)
}

// HandedHolder is the partner that holds the host which is handed over; empty if none does.
func (s *Snapshot) HandedHolder() string {
	if s.Handed == nil {
		return ""
	}
	return string(s.Handed.Spec.PartnerRef.Name)
}

// HandsOver reports whether the Partner may hand its host over, if it declares
// so: nobody holds that but itself or the target, and its namespace is not another's.
func (s *Snapshot) HandsOver() bool {
	if s.Namespace != nil && !slices.Contains([]string{"", s.Partner.Name}, objects.HolderOf(s.Namespace)) {
		return false
	}
	return slices.Contains([]string{"", s.Partner.Name, string(objects.HandOverOf(s.Partner).PartnerRef.Name)}, s.HandedHolder())
}
