package tenant

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/sets"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
)

// Object is an object of the API, with its kind set.
type Object interface {
	metav1.Object
	runtime.Object
}

// Settings are the operator's defaults, given by its flags.
type Settings struct {
	// IngressClassName is for routes that name none; if it is empty too, the
	// cluster's default class serves them.
	IngressClassName string
	// IngressAnnotations are on every Ingress, under the Partner's own.
	IngressAnnotations map[string]string
	// ProxyNamespaces are from where ingress and Gateway controllers reach the
	// tenants' pods.
	ProxyNamespaces []string
	// DefaultIssuer signs for sub-domains that say nothing about TLS; nil for
	// none.
	DefaultIssuer *v1alpha1.IssuerReference
	// ReservedHostSuffixes are domains that no partner may have a host under.
	ReservedHostSuffixes []string
	// BackendHostSuffixes are domains that external backends may be under although
	// they are no public ones.
	BackendHostSuffixes []string
	// Gateway serves sub-domains that say nothing about their route; nil for an
	// Ingress to do so.
	Gateway *v1alpha1.GatewayReference
	// RouteOverlap is how long a route keeps serving once another has taken its
	// place, since resolvers and controllers take that long to follow. A TTL that is
	// known of its DNS record comes on top. If negative, it goes at once.
	RouteOverlap time.Duration
	// WidgetBackend is where the widget server answers.
	WidgetBackend v1alpha1.ExternalBackend
	// WithoutGatewayAPI and WithoutCertManager leave those APIs alone even where
	// they are installed, so that no right to them is needed.
	WithoutGatewayAPI, WithoutCertManager bool
}

// Uses reports whether the operator is to use an optional API where it is installed.
func (s Settings) Uses(api API) bool {
	if api == CertManager {
		return !s.WithoutCertManager
	}
	return !s.WithoutGatewayAPI // the others are parts of it
}

// Use returns those of the installed APIs that the operator is to use.
func (s Settings) Use(installed APIs) APIs {
	installed.CertManager = installed.CertManager && s.Uses(CertManager)
	installed.Gateway = installed.Gateway && s.Uses(GatewayAPI)
	installed.ReferenceGrants = installed.ReferenceGrants && s.Uses(ReferenceGrants)
	installed.ListenerSets = installed.ListenerSets && s.Uses(ListenerSets)
	return installed
}

// APIs tells which APIs that a cluster may lack are installed.
type APIs struct {
	// CertManager is cert-manager's.
	CertManager bool `json:"certManager"`
	// Gateway is the Gateway API: Gateways and HTTPRoutes.
	Gateway bool `json:"gateway"`
	// ReferenceGrants are the Gateway API's, in the version that is used here.
	ReferenceGrants bool `json:"referenceGrants"`
	// ListenerSets are the Gateway API's, which older releases lack.
	ListenerSets bool `json:"listenerSets"`
}

// Snapshot is all that Evaluate decides from.
type Snapshot struct {
	// Partner is the Partner as last read.
	Partner *v1alpha1.Partner
	// Plan is the plan that it names; nil if there is none.
	Plan *v1alpha1.SupportPlan
	// Allocations are those that name the Partner.
	Allocations []v1alpha1.PCSMAllocation
	// Namespace is the namespace that the Partner declares, whoever made it; nil if
	// there is none.
	Namespace *corev1.Namespace
	// Rivals are the other Partners that declare the same namespace, by name. Only their
	// names and times of creation matter.
	Rivals []metav1.ObjectMeta
	// Claim is the claim on the host that the Partner wants, whoever holds it;
	// nil if there is none.
	Claim *v1alpha1.SubdomainClaim
	// Noted is the partner on whose namespace that host is noted, although nobody claims
	// it; empty if it is on none. After a restore, its claim may come later.
	Noted string
	// Holder is the Partner that holds that host, if it is another one; nil if there
	// is none.
	Holder *v1alpha1.Partner
	// Target is the Partner to which this one hands a host over, and Handed the claim
	// on that host, whoever holds it; nil if there is none.
	Target *v1alpha1.Partner
	Handed *v1alpha1.SubdomainClaim
	// Sources are the names of the Partners that hand the declared host over to this one.
	Sources []string
	// Children are the objects that are the operator's for the Partner, without
	// the namespace: those in it that Owned names, and all claims of the Partner.
	Children []Object
	// Routes are the routes in tenants' namespaces, whoever made them, with a host
	// that the Partner declares, holds or hands over.
	Routes []RouteRef
	// Wanted has the hosts that the Partner holds and does not declare, and that
	// another Partner declares.
	Wanted sets.Set[string]
	// CertificateRequest is the last one that cert-manager made for the Certificate of
	// the declared host; nil if there is none.
	CertificateRequest *unstructured.Unstructured
	// BackendFound and SecretFound tell whether the Service and the Secret that
	// the sub-domain names are there; of no meaning if it names none.
	BackendFound, SecretFound bool
	// IngressClasses are those of the cluster.
	IngressClasses []networkingv1.IngressClass
	// Gateways are those that GatewayKeys names, as far as they are there.
	Gateways []gatewayv1.Gateway
	// GatewayClasses are all of the cluster, or at least those of Gateways.
	GatewayClasses []gatewayv1.GatewayClass
	// APIs are the optional APIs that are installed.
	APIs APIs
	// Ignored are the objects in the namespace that were not read, or not whole, by kind.
	Ignored []Ignored
	// Undeclared are the namespaces, other than the declared one, that are the partner's by
	// their label.
	Undeclared []string
	// Failures are the writes that failed since the snapshot was taken.
	Failures []Failure
	// Settings are the operator's defaults.
	Settings Settings
	// Now is the time.
	Now time.Time
}

// Ignored are objects of one kind that were not read, or not whole, since they exceed what
// is read of a namespace.
type Ignored struct {
	// Kind is theirs.
	Kind string `json:"kind"`
	// Example is the name of one of them; it may be empty.
	Example string `json:"example,omitempty"`
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

// String names the object as messages do.
func (r RouteRef) String() string {
	return r.Kind + " " + r.Namespace + "/" + r.Name
}

// Failure is a write or a deletion that failed.
type Failure struct {
	// Object is what was to be written, or deleted.
	Object Object
	// Delete tells that it was to be deleted.
	Delete bool
	// Refused tells that the API server will not do it as things are.
	Refused bool
	// Message is the API server's word: of a refusal in full, else nothing that
	// differs from one try to the next.
	Message string
}

// Error is the message.
func (f *Failure) Error() string {
	return f.Message
}

// Outcome is what Evaluate decides.
type Outcome struct {
	// Objects are the objects to have, in the order in which to write them.
	Objects []Object
	// Prune are objects to delete, in this order, once Objects are in place.
	Prune []Object
	// Status is the Partner's status.
	Status v1alpha1.PartnerStatus
	// Events tell of the conditions that changed.
	Events []conditions.Event
	// RequeueAt is when time alone changes the outcome; zero if it never does.
	RequeueAt time.Time
}

// child finds the observed object by its kind and name; nil if there is none. All
// children that are looked up so are in one namespace, or cluster-scoped.
func (s *Snapshot) child(kind, name string) Object {
	for _, object := range s.Children {
		if nameOfKind(object) == kind && object.GetName() == name {
			return object
		}
	}
	return nil
}

// Observed returns what the snapshot has in an object's place; nil if nothing.
func (s *Snapshot) Observed(object Object) Object {
	kind := nameOfKind(object)
	if kind == namespaceKind {
		if s.Namespace == nil {
			return nil
		}
		return s.Namespace
	}
	for _, child := range s.Children {
		if sameObject(child, object) {
			return child
		}
	}
	if s.Claim != nil && kind == claimKind && s.Claim.Name == object.GetName() {
		return s.Claim // another's, which is handed over
	}
	return nil
}

// Observe puts a written object in its place in the snapshot.
func (s *Snapshot) Observe(written Object) {
	switch written := written.(type) {
	case *corev1.Namespace:
		s.Namespace = written
		return
	case *v1alpha1.SubdomainClaim:
		if HostOf(s.Partner) == written.Name {
			s.Claim = written
		} else {
			s.Handed = written
		}
	}
	for i, object := range s.Children {
		if sameObject(object, written) {
			s.Children[i] = written
			return
		}
	}
	s.Children = append(s.Children, written)
}

// Remove forgets a deleted object, unless it has finalizers to wait for.
func (s *Snapshot) Remove(deleted Object) {
	if len(deleted.GetFinalizers()) > 0 {
		going := deleted.DeepCopyObject().(Object)
		going.SetDeletionTimestamp(&metav1.Time{Time: s.Now})
		if i := slices.IndexFunc(s.Children, func(o Object) bool { return sameObject(o, deleted) }); i >= 0 {
			s.Children[i] = going
		}
		return
	}
	s.Children = slices.DeleteFunc(s.Children, func(o Object) bool { return sameObject(o, deleted) })
	s.Routes = slices.DeleteFunc(slices.Clone(s.Routes), func(ref RouteRef) bool {
		return ref.Namespace == deleted.GetNamespace() && ref.Name == deleted.GetName() && ref.Kind == nameOfKind(deleted)
	})
	if s.Claim != nil && sameObject(s.Claim, deleted) {
		s.Claim = nil
	}
	if s.Handed != nil && sameObject(s.Handed, deleted) {
		s.Handed = nil
	}
}

// sameObject reports whether two objects have the same kind, namespace and name.
func sameObject(a, b Object) bool {
	return a.GetName() == b.GetName() && a.GetNamespace() == b.GetNamespace() &&
		nameOfKind(a) == nameOfKind(b)
}
