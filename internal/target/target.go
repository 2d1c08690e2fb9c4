// Package target says what to probe of a Partner, by its status.
package target

import (
	"context"
	"net/url"
	"slices"

	"k8s.io/utils/ptr"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/probe"
)

// Of is the sub-domain that end customers of a partner reach. A partner may have none.
func Of(partner *v1alpha1.Partner) (target probe.Target, found bool) {
	if partner.Status.Subdomain == nil {
		return probe.Target{}, false
	}
	address, err := url.Parse(partner.Status.Subdomain.URL)
	if err != nil || address.Hostname() == "" {
		return probe.Target{}, false
	}
	target = probe.Target{
		Host: address.Hostname(), TLS: address.Scheme == "https",
		Addresses: slices.Clone(partner.Status.Subdomain.Addresses), Former: partner.Status.Subdomain.FormerAddresses,
	}
	for _, former := range target.Former {
		if !slices.Contains(target.Addresses, former) {
			target.Addresses = append(target.Addresses, former)
		}
	}
	if widget := partner.Status.SupportWidget; widget != nil && ptr.Deref(widget.Enabled, false) {
		target.Partner = partner.Spec.DisplayName
	}
	return target, true
}

// With is what Of is, with the Partner that takes the host over meanwhile, if there is one. find
// returns the Partner of a name; nil if there is none.
func With(ctx context.Context, partner *v1alpha1.Partner, find func(context.Context, string) (*v1alpha1.Partner, error)) (target probe.Target, found bool, err error) {
	target, found = Of(partner)
	handed := partner.Spec.HandOver
	if !found || handed == nil || string(handed.Host) != target.Host {
		return target, found, nil
	}
	recipient, err := find(ctx, string(handed.PartnerRef.Name))
	if err == nil && recipient != nil {
		target.Next = recipient.Spec.DisplayName
	}
	return target, found, err
}
