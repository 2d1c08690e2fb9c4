package hosts

import (
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"
	"k8s.io/utils/ptr"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/objects"
)

func (p *planner) modelWithoutSubdomain() *conditions.Finding {
	if p.whiteLabelled() {
		return nil
	}
	return broken(v1alpha1.ReasonChannelModelWithoutSubdomain, conditions.Stalled,
		"a %s does not white-label the engine, so %s is not served: remove spec.subdomain, or set spec.channelModel to OEM or MSP",
		p.Partner.Spec.ChannelModel, p.Partner.Spec.Subdomain.Host)
}

func (p *planner) hostReserved() *conditions.Finding {
	host := p.Partner.Spec.Subdomain.Host
	suffix, reserved := p.reserved(string(host))
	if !reserved {
		return nil
	}
	return broken(v1alpha1.ReasonHostReserved, conditions.Stalled,
		"%s is under the reserved domain %s: use a host under the partner's own domain", host, suffix)
}

func (p *planner) hostPublic() *conditions.Finding {
	suffix := publicSuffix(string(p.Partner.Spec.Subdomain.Host))
	if suffix != string(p.Partner.Spec.Subdomain.Host) {
		return nil
	}
	return broken(v1alpha1.ReasonHostReserved, conditions.Stalled,
		"%s is a public suffix, under which anyone can register names: use a host under the partner's own domain, such as remote.acmecorp.com", suffix)
}

// hostTaken finds that another partner holds the host, and does not hand it over to this one.
func (p *planner) hostTaken() *conditions.Finding {
	if !p.taken() {
		return nil
	}
	return p.heldByAnother()
}

func (p *planner) taken() bool {
	return p.Claim != nil && string(p.Claim.Spec.PartnerRef.Name) != p.Partner.Name && !p.handedToUs(p.Claim)
}

// contested reports whether another partner holds the declared host, and may let go of it
// once this one lets go of another: if the holder declares the host, or hands it over, nothing
// is to be had by that.
func (p *planner) contested() bool {
	return p.Partner.Spec.Subdomain != nil && p.taken() && !p.declaredRefused() &&
		!p.holderDeclares() && objects.HandOverOf(p.Holder).Host != p.Partner.Spec.Subdomain.Host
}

// declaredRefused reports whether the partner may not have the declared host, even if it holds it.
func (p *planner) declaredRefused() bool {
	return firstBroken(p.modelWithoutSubdomain, p.hostReserved, p.hostPublic) != nil
}

func (p *planner) claimReleasing() *conditions.Finding {
	if p.Claim == nil || p.Claim.DeletionTimestamp.IsZero() {
		return nil
	}
	return broken(v1alpha1.ReasonHostReleasing, conditions.Waiting,
		"an earlier claim on %s is being deleted; the host is claimed anew once it is gone", p.Partner.Spec.Subdomain.Host)
}

// hostNoted finds a host that nobody claims and that is noted as another partner's, whose
// claim or Partner a restore may bring.
func (p *planner) hostNoted() *conditions.Finding {
	if p.Claim != nil || p.Noted == "" {
		return nil
	}
	return broken(v1alpha1.ReasonHostReleasing, conditions.Waiting,
		"%s has no claim, but is reserved for Partner %q, which a restore may bring back: wait, or remove the annotation %s from that Partner's namespace to release it",
		p.Partner.Spec.Subdomain.Host, p.Noted, v1alpha1.HostsAnnotation)
}

// heldByAnother says who has the declared host, and what keeps it there.
func (p *planner) heldByAnother() *conditions.Finding {
	host, holder := p.Partner.Spec.Subdomain.Host, string(p.Claim.Spec.PartnerRef.Name)
	if p.holderDeclares() {
		return broken(v1alpha1.ReasonHostClaimedByAnotherPartner, conditions.Stalled,
			"%s is held by Partner %q: write another host, or remove it from that partner", host, holder)
	}
	if handing := objects.HandOverOf(p.Holder); handing.Host == host {
		if string(handing.PartnerRef.Name) == p.Partner.Name && !p.judged.InForce() {
			return broken(v1alpha1.ReasonHostReleasing, conditions.Waiting,
				"Partner %q hands over %s, which this Partner takes once its contract is in force: %s", holder, host, p.judged.Window.Message)
		}
		if string(handing.PartnerRef.Name) == p.Partner.Name {
			return broken(v1alpha1.ReasonHostReleasing, conditions.Waiting,
				"waiting for Partner %q to hand over %s, which it does unless its spec.suspend is true", holder, host)
		}
		return broken(v1alpha1.ReasonHostClaimedByAnotherPartner, conditions.Stalled,
			"%s is held by Partner %q, which hands it over to Partner %q: write another host", host, holder, handing.PartnerRef.Name)
	}
	why := "which no longer declares it"
	switch {
	case p.Holder == nil:
		why = "which does not exist"
	case !p.Holder.DeletionTimestamp.IsZero():
		why = "which is being deleted"
	case ptr.Deref(p.Holder.Spec.Suspend, false):
		return broken(v1alpha1.ReasonHostClaimedByAnotherPartner, conditions.Stalled,
			"%s is still held for Partner %q, %s and is suspended: set its spec.suspend to false, so that it lets go", host, holder, why)
	}
	var refs []string
	reason, progress := v1alpha1.ReasonHostReleasing, conditions.Waiting
	for _, ref := range p.Routes {
		if ref.Host != string(host) || ref.Partner != holder {
			continue
		}
		refs = append(refs, ref.String())
		if !ref.Own || ref.Named() != string(host) { // the operator deletes its own
			reason, progress = v1alpha1.ReasonHostClaimedByAnotherPartner, conditions.Stalled
		}
	}
	if len(refs) == 0 {
		return broken(reason, progress, "%s is still held for Partner %q, %s, and about to be released", host, holder, why)
	}
	slices.Sort(refs)
	return broken(reason, progress,
		"%s is still held for Partner %q, %s, because it is still routed by %s: delete that, and remove any finalizer that blocks its deletion", host, holder, why, strings.Join(refs, ", "))
}

// holderDeclares reports whether the Partner that holds the declared host, another
// one, declares it, too.
func (p *planner) holderDeclares() bool {
	return p.Holder != nil && p.Holder.DeletionTimestamp.IsZero() && objects.HostOf(p.Holder) == objects.HostOf(p.Partner)
}

// reserved reports whether a host is under a suffix that no partner may have.
func (p *planner) reserved(host string) (suffix string, reserved bool) {
	i := slices.IndexFunc(p.Settings.ReservedHostSuffixes, func(suffix string) bool {
		return host == suffix || strings.HasSuffix(host, "."+suffix)
	})
	if i < 0 {
		return "", false
	}
	return p.Settings.ReservedHostSuffixes[i], true
}

// publicSuffix is the part of a host under which anybody can have names, such as com
// or co.uk; the last label of a host that is in no public domain.
func publicSuffix(host string) string {
	suffix, _ := publicsuffix.PublicSuffix(host)
	return suffix
}

// handedToUs reports whether a claim may be taken over by the Partner, which is to serve it
// then.
func (p *planner) handedToUs(claim *v1alpha1.SubdomainClaim) bool {
	return p.judged.InForce() && claim != nil && claim.Spec.HandOverTo != nil && string(claim.Spec.HandOverTo.Name) == p.Partner.Name
}
