package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of all kinds of this package.
var GroupVersion = schema.GroupVersion{Group: "partner.dispel.com", Version: "v1alpha1"}

var (
	schemeBuilder = runtime.NewSchemeBuilder(func(scheme *runtime.Scheme) error {
		scheme.AddKnownTypes(GroupVersion,
			&Partner{}, &PartnerList{},
			&SupportPlan{}, &SupportPlanList{},
			&PCSMAllocation{}, &PCSMAllocationList{},
			&SubdomainClaim{}, &SubdomainClaimList{},
		)
		metav1.AddToGroupVersion(scheme, GroupVersion)
		return nil
	})

	// AddToScheme registers the kinds of this package.
	AddToScheme = schemeBuilder.AddToScheme
)

// SchemaRevision counts the changes of the CRDs that the manager depends on.
// Each CRD carries the revision that it was generated with in the annotation
// SchemaRevisionAnnotation, and the manager refuses to start on a lower one.
const SchemaRevision = 3

// Names that the operator puts on objects or reads from them.
const (
	// PartnerLabel is on every object of a partner's tenant; its value is the
	// Partner's name.
	PartnerLabel = "partner.dispel.com/partner"
	// ManagedByLabel, with the value FieldManager, is on every object that the
	// operator makes.
	ManagedByLabel = "app.kubernetes.io/managed-by"
	// FieldManager is the operator's name in server-side apply.
	FieldManager = "partner-operator"

	// ProberFieldManager is the prober's name there. It owns ProberConditions of each
	// Partner, and nothing else.
	ProberFieldManager = "partner-operator-prober"
	// AdoptAnnotation on an existing namespace allows the Partner that it names
	// to take the namespace over.
	AdoptAnnotation = "partner.dispel.com/adopt"
	// HostsAnnotation on a tenant namespace lists the hosts that the partner
	// holds, joined by commas. The admission policies in config/admission keep
	// the routes in the namespace to them.
	HostsAnnotation = "partner.dispel.com/hosts"
	// AppliedAnnotation is a digest of what the operator last applied to an
	// object. A different one means that the object is due to be applied again.
	AppliedAnnotation = "partner.dispel.com/applied"
	// ReplacedAnnotation on a route is when another took its place, as RFC 3339. The
	// route serves for a while longer, and external-dns no longer reads it.
	ReplacedAnnotation = "partner.dispel.com/replaced-at"
	// DefaultsAnnotation is on a route: the operator's defaults that it was made with, as JSON. It is
	// written with other changes of the route, and never for its own sake.
	DefaultsAnnotation = "partner.dispel.com/defaults"

	// ChangesAnnotation on a Partner, with the value at-once, has changes of the operator's defaults reach it
	// without waiting for its wave, a change window or other partners.
	ChangesAnnotation = "partner.dispel.com/changes"
	// ChangesAtOnce is that value.
	ChangesAtOnce = "at-once"

	// SchemaRevisionAnnotation on a CRD is the SchemaRevision that it was
	// generated with.
	SchemaRevisionAnnotation = "partner.dispel.com/schema-revision"
)
