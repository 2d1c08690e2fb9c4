package hosts

import "github.com/dispel/partner-operator/api/v1alpha1"

// Facts are what the phase of a host follows from.
type Facts struct {
	// Declared reports that spec.subdomain names the host, and Handed that spec.handOver does,
	// and that the hand-over is not done; a host that is neither is a former one.
	Declared, Handed bool
	// Claimed reports that the partner holds the claim on the host.
	Claimed bool
	// Refused reports that the partner may not have the host: its name is reserved, its
	// channel model has no sub-domains, or none is declared, or another partner gets the host in
	// exchange.
	Refused bool
	// InForce reports that the contract is in force.
	InForce bool
	// Served reports that a route of the partner's leads end customers to the host.
	Served bool
	// Succeeded reports that what takes the host's place is ready: of a former host the declared
	// one, or its claim while the contract is not in force; of a host that is handed over the
	// target's route.
	Succeeded bool
	// Overlap reports that the time is not over in which both are served.
	Overlap bool
}

// PhaseOf decides the phase of a host, here alone. It does not depend on the phase before, so that
// a host goes on from wherever it is found. A declared host that the partner can never have has
// no phase.
func PhaseOf(f Facts) v1alpha1.HostPhase {
	switch {
	case f.Handed:
		return handedPhase(f)
	case f.Declared:
		return declaredPhase(f)
	}
	return formerPhase(f)
}

func declaredPhase(f Facts) v1alpha1.HostPhase {
	switch {
	case f.Refused && f.Claimed:
		return v1alpha1.HostReleasing
	case f.Refused:
		return "" // it is not the partner's, and will not be
	case !f.Claimed:
		return v1alpha1.HostClaiming
	case !f.InForce:
		return v1alpha1.HostDormant
	case f.Served:
		return v1alpha1.HostServing
	}
	return v1alpha1.HostPreparing
}

func handedPhase(f Facts) v1alpha1.HostPhase {
	switch {
	case f.Claimed:
		return v1alpha1.HostOffered
	case f.Refused, !f.InForce, f.Succeeded && !f.Overlap:
		return v1alpha1.HostReleasing
	case f.Succeeded:
		return v1alpha1.HostDraining
	}
	return v1alpha1.HostHandingOver
}

func formerPhase(f Facts) v1alpha1.HostPhase {
	switch {
	case f.Refused, !f.Claimed:
		return v1alpha1.HostReleasing
	case !f.InForce && !f.Succeeded:
		return v1alpha1.HostDormant // not given up for a host that cannot be had
	case f.InForce && f.Succeeded && f.Overlap:
		return v1alpha1.HostDraining
	case f.InForce && !f.Succeeded && f.Served:
		return v1alpha1.HostServing
	}
	return v1alpha1.HostReleasing
}
