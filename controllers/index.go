package controllers

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/tenant"
)

// Indexes of the cache, by which related objects find each other without a walk
// over all of them.
const (
	partnerByPlan       = "partner/plan"
	partnerByHost       = "partner/host"
	allocationByPartner = "allocation/partner"
	claimByPartner      = "claim/partner"
)

// Index adds the indexes that the controllers look things up by. Call it before
// the manager starts.
func Index(ctx context.Context, indexer client.FieldIndexer) error {
	for _, index := range []struct {
		object client.Object
		name   string
		keys   client.IndexerFunc
	}{
		{&v1alpha1.Partner{}, partnerByPlan, func(o client.Object) []string {
			return []string{tenant.PlanName(o.(*v1alpha1.Partner))}
		}},
		{&v1alpha1.Partner{}, partnerByHost, func(o client.Object) []string {
			if subdomain := o.(*v1alpha1.Partner).Spec.Subdomain; subdomain != nil {
				return []string{string(subdomain.Host)}
			}
			return nil
		}},
		{&v1alpha1.PCSMAllocation{}, allocationByPartner, func(o client.Object) []string {
			return []string{string(o.(*v1alpha1.PCSMAllocation).Spec.PartnerRef.Name)}
		}},
		{&v1alpha1.SubdomainClaim{}, claimByPartner, func(o client.Object) []string {
			return []string{string(o.(*v1alpha1.SubdomainClaim).Spec.PartnerRef.Name)}
		}},
	} {
		if err := indexer.IndexField(ctx, index.object, index.name, index.keys); err != nil {
			return err
		}
	}
	return nil
}
