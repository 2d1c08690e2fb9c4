// Package index has the indexes of the caches, by which related objects find
// each other without a walk over all of them.
package index

import (
	"context"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/contract"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
)

// Index is a way to look up objects of one kind by something other than their
// name.
type Index struct {
	name   string
	object client.Object
	keys   func(client.Object) []string
}

// The indexes.
var (
	PartnerByPlan = Index{"partner/plan", &v1alpha1.Partner{}, func(o client.Object) []string {
		return []string{contract.PlanName(o.(*v1alpha1.Partner))}
	}}
	PartnerByHost = Index{"partner/host", &v1alpha1.Partner{}, func(o client.Object) []string {
		if host := objects.HostOf(o.(*v1alpha1.Partner)); host != "" {
			return []string{host}
		}
		return nil
	}}
	// PartnerByHandOver has the partners that hand a host over, by the host.
	PartnerByHandOver = Index{"partner/hand-over", &v1alpha1.Partner{}, func(o client.Object) []string {
		if handOver := o.(*v1alpha1.Partner).Spec.HandOver; handOver != nil {
			return []string{string(handOver.Host)}
		}
		return nil
	}}
	// PartnerByTarget has them by the Partner that is to have it.
	PartnerByTarget = Index{"partner/target", &v1alpha1.Partner{}, func(o client.Object) []string {
		if handOver := o.(*v1alpha1.Partner).Spec.HandOver; handOver != nil {
			return []string{string(handOver.PartnerRef.Name)}
		}
		return nil
	}}
	PartnerByNamespace = Index{"partner/namespace", &v1alpha1.Partner{}, func(o client.Object) []string {
		return []string{objects.NamespaceOf(o.(*v1alpha1.Partner))}
	}}
	// PartnerByReference has the Services and Secrets that sub-domains name, as
	// namespace/name.
	PartnerByReference = Index{"partner/reference", &v1alpha1.Partner{}, func(o client.Object) []string {
		partner := o.(*v1alpha1.Partner)
		var names []string
		if subdomain := partner.Spec.Subdomain; subdomain != nil && subdomain.Backend.Service != nil {
			names = append(names, objects.NamespaceOf(partner)+"/"+subdomain.Backend.Service.Name)
		}
		if subdomain := partner.Spec.Subdomain; subdomain != nil && subdomain.TLS != nil && subdomain.TLS.SecretName != "" {
			names = append(names, objects.NamespaceOf(partner)+"/"+subdomain.TLS.SecretName)
		}
		if kind, name := (objects.Builder{Partner: partner}).CAObject(); kind == kinds.Secret {
			names = append(names, objects.NamespaceOf(partner)+"/"+name)
		}
		return names
	}}
	// PartnerByGateway has a Gateway as namespace/name, and an empty key for the
	// partners whose sub-domain says nothing about its route.
	PartnerByGateway = Index{"partner/gateway", &v1alpha1.Partner{}, func(o client.Object) []string {
		subdomain := o.(*v1alpha1.Partner).Spec.Subdomain
		switch {
		case subdomain == nil:
			return nil
		case subdomain.Route != nil && subdomain.Route.GatewayRef != nil:
			return []string{subdomain.Route.GatewayRef.Namespace + "/" + string(subdomain.Route.GatewayRef.Name)}
		case subdomain.Route != nil && subdomain.Route.IngressClassName != "":
			return nil
		}
		return []string{""}
	}}
	AllocationByPartner = Index{"allocation/partner", &v1alpha1.PCSMAllocation{}, func(o client.Object) []string {
		return []string{string(o.(*v1alpha1.PCSMAllocation).Spec.PartnerRef.Name)}
	}}
	// GrantByName has ReferenceGrants by their name alone, in whatever namespace.
	GrantByName = Index{"grant/name", nil, func(o client.Object) []string {
		return []string{o.GetName()}
	}}
	// NamespaceByPartner has the namespaces that are a partner's by their label.
	NamespaceByPartner = Index{"namespace/partner", &corev1.Namespace{}, func(o client.Object) []string {
		if holder := objects.HolderOf(o); holder != "" {
			return []string{holder}
		}
		return nil
	}}
	// NamespaceByHost has the namespaces of tenants by the hosts that they note.
	NamespaceByHost = Index{"namespace/host", &corev1.Namespace{}, func(o client.Object) []string {
		return objects.NotedHosts(o)
	}}
	// RouteByHost has what takes a host, in whatever namespace. It is of one of several
	// kinds.
	RouteByHost = Index{"route/host", nil, func(o client.Object) []string {
		return kinds.Hosts(o)
	}}
	// RouteByGateway has the operator's HTTPRoutes and ListenerSets by the Gateway that
	// they are attached to, as namespace/name.
	RouteByGateway = Index{"route/gateway", nil, func(o client.Object) []string {
		return kinds.AttachedTo(o)
	}}
	ClaimByPartner = Index{"claim/partner", &v1alpha1.SubdomainClaim{}, func(o client.Object) []string {
		return []string{string(o.(*v1alpha1.SubdomainClaim).Spec.PartnerRef.Name)}
	}}
)

var own = []Index{
	PartnerByPlan, PartnerByHost, PartnerByHandOver, PartnerByTarget, PartnerByNamespace, PartnerByReference, PartnerByGateway,
	AllocationByPartner, ClaimByPartner, NamespaceByPartner, NamespaceByHost,
}

// Own are the indexes of the operator's own kinds and of namespaces; those of the kinds that a
// Partner becomes are from OfKind.
func Own() []Index { return slices.Clone(own) }

// Of are those of Own that an object's type has.
func Of(object client.Object) []Index {
	var indexes []Index
	for _, index := range own {
		if reflect.TypeOf(index.object) == reflect.TypeOf(object) {
			indexes = append(indexes, index)
		}
	}
	return indexes
}

// Indexers are indexes as a store of client-go takes them.
func Indexers(indexes ...Index) cache.Indexers {
	indexers := cache.Indexers{}
	for _, index := range indexes {
		indexers[index.name] = func(object any) ([]string, error) { return index.keys(object.(client.Object)), nil }
	}
	return indexers
}

// Add adds indexes to a cache, before the cache holds their kind. Those of several
// kinds come from OfKind.
func Add(ctx context.Context, to client.FieldIndexer, indexes ...Index) error {
	for _, index := range indexes {
		if err := to.IndexField(ctx, index.object, index.name, index.keys); err != nil {
			return err
		}
	}
	return nil
}

// OfKind are the indexes for a kind that a Partner becomes, or hangs on.
func OfKind(kind kinds.Kind) []Index {
	var indexes []Index
	if kind.TakesHosts() {
		indexes = append(indexes, RouteByHost)
	}
	if kind.Attaches() {
		indexes = append(indexes, RouteByGateway)
	}
	if kind.Relation == kinds.ByName {
		indexes = append(indexes, GrantByName)
	}
	for i := range indexes {
		indexes[i].object = kind.New()
	}
	return indexes
}

// Is selects the objects that an index has under a key.
func (i Index) Is(key string) client.MatchingFields {
	return client.MatchingFields{i.name: key}
}
