// Package fleet looks at all partners together: what the operator's objects, from
// a cluster or from files, say of each and of all. It reads nothing itself.
package fleet

import (
	"context"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/gather"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/snapshot"
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
	APIs kinds.APIs

	// Isolation is the condition that says whether NetworkPolicies are enforced (package
	// isolation); nil if nothing shows it.
	Isolation *metav1.Condition

	// CertificateEnds are when the certificates of hosts end, by host, as far as that was read.
	CertificateEnds map[string]time.Time
	// Probed is since when every sub-domain has been probed, and ProbesLate after how long that is too long ago;
	// zero if nothing shows it.
	Probed     time.Time
	ProbesLate time.Duration
	// Manager is the version of the manager; empty if nothing shows it.
	Manager string

	// Namespaces are by name.
	Namespaces map[string]*corev1.Namespace

	allocations map[string][]string // names, by partner
	objects     store
}

// New makes an empty fleet.
func New() *Fleet {
	return &Fleet{
		Partners:    map[string]*v1alpha1.Partner{},
		Plans:       map[string]*v1alpha1.SupportPlan{},
		Allocations: map[string]*v1alpha1.PCSMAllocation{},
		Claims:      map[string]*v1alpha1.SubdomainClaim{},
		Namespaces:  map[string]*corev1.Namespace{},
		allocations: map[string][]string{},
		objects:     newStore(),
	}
}

// Agreed is a fleet of the same Partners, plans and allocations, to which others can be added:
// what contracts are judged by. It makes no snapshots.
func (f *Fleet) Agreed() *Fleet {
	agreed := New()
	agreed.Partners, agreed.Plans, agreed.Allocations = maps.Clone(f.Partners), maps.Clone(f.Plans), maps.Clone(f.Allocations)
	for partner, names := range f.allocations {
		agreed.allocations[partner] = slices.Clone(names)
	}
	return agreed
}

// Add adds an object, or puts it in the place of one of the same kind and name.
// Its kind must be set. Of Secrets, and of Services with no name that the operator gives,
// the metadata suffices.
func (f *Fleet) Add(object kinds.Object) {
	f.objects.add(object)
	switch object := object.(type) {
	case *v1alpha1.Partner:
		f.Partners[object.Name] = object
	case *v1alpha1.SupportPlan:
		f.Plans[object.Name] = object
	case *v1alpha1.PCSMAllocation:
		if old := f.Allocations[object.Name]; old != nil {
			of := string(old.Spec.PartnerRef.Name)
			f.allocations[of] = slices.DeleteFunc(f.allocations[of], func(name string) bool { return name == old.Name })
		}
		f.Allocations[object.Name] = object
		of := string(object.Spec.PartnerRef.Name)
		f.allocations[of] = append(f.allocations[of], object.Name)
	case *v1alpha1.SubdomainClaim:
		f.Claims[object.Name] = object
	case *corev1.Namespace:
		f.Namespaces[object.Name] = object
	}
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

// Snapshot is what Evaluate decides from about a partner of the fleet.
func (f *Fleet) Snapshot(ctx context.Context, partner *v1alpha1.Partner, settings objects.Settings, now time.Time) (*snapshot.Snapshot, error) {
	all := func(yield func(*kinds.Kind) bool) {
		for i := range kinds.All {
			if !yield(&kinds.All[i]) {
				return
			}
		}
	}
	return (&gather.Gatherer{Reader: f.objects, Order: (*snapshot.Snapshot).OrderHeld, APIs: f.APIs, Kinds: all, Settings: settings, Now: now}).Partner(ctx, partner)
}
