package staffing

import (
	"fmt"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// Verdict is what P-CSM staffing is worth for a number of customers
// ("Customer Success Manager (P-CSM)", Minimum Staffing Requirements). The zero
// Allocated means that no P-CSM is contracted: the partner staffs its own
// support, and the rest of the verdict says what it would take.
type Verdict struct {
	// Customers is how many the partner has.
	Customers int64
	// Allocated is the active FTE.
	Allocated v1alpha1.FTE
	// Terms are the plan's.
	Terms v1alpha1.EffectiveStaffing
	// Comfortable and Maximum are the customers that Allocated supports
	// comfortably and at most.
	Comfortable, Maximum int64
	// Required is the least FTE that misses neither the plan's minimum nor the
	// customers; Recommended supports the customers comfortably.
	Required, Recommended v1alpha1.FTE
}

// Judge sets FTE against customers under a plan's terms. The counts may not be
// negative.
func Judge(customers int64, allocated v1alpha1.FTE, terms v1alpha1.EffectiveStaffing) Verdict {
	perFTE, comfortablePerFTE := int64(terms.MaximumCustomersPerFTE), int64(terms.RecommendedCustomersPerFTE)
	return Verdict{
		Customers:   customers,
		Allocated:   allocated,
		Terms:       terms,
		Comfortable: int64(allocated) * comfortablePerFTE / int64(v1alpha1.OneFTE),
		Maximum:     int64(allocated) * perFTE / int64(v1alpha1.OneFTE),
		Required:    max(terms.MinimumFTE, fteFor(customers, perFTE)),
		Recommended: max(terms.MinimumFTE, fteFor(customers, comfortablePerFTE)),
	}
}

// fteFor is customers/perFTE, rounded up to the next half unit.
func fteFor(customers, perFTE int64) v1alpha1.FTE {
	return v1alpha1.FTE((customers*int64(v1alpha1.OneFTE) + perFTE - 1) / perFTE) //nolint:gosec // the schema bounds customers at a million
}

// Contracted reports whether any P-CSM is active.
func (v Verdict) Contracted() bool {
	return v.Allocated > 0
}

// Exceeded reports whether there are more customers than the FTE support.
// Customers are whole, so the rounding of Maximum hides nothing.
func (v Verdict) Exceeded() bool {
	return v.Contracted() && v.Customers > v.Maximum
}

// BelowMinimum reports whether the FTE are below what the plan asks for in any
// case. It can hold together with Exceeded.
func (v Verdict) BelowMinimum() bool {
	return v.Contracted() && v.Allocated < v.Terms.MinimumFTE
}

// KeepsWidgetOff reports whether the plan keeps the support widget off for want of
// staff.
func (v Verdict) KeepsWidgetOff() bool {
	return v.Terms.Enforcement == v1alpha1.Required && v.BelowMinimum()
}

// Near reports whether there are more customers than the FTE support comfortably,
// but not more than they support at most.
func (v Verdict) Near() bool {
	return v.Contracted() && v.Customers > v.Comfortable && !v.Exceeded()
}

// UntilBreach is how many customers may still come; negative once there are too
// many.
func (v Verdict) UntilBreach() int64 {
	return v.Maximum - v.Customers
}

// UtilizationPercent is the share of the maximum that is taken, rounded down.
// It is 0 without P-CSMs.
func (v Verdict) UtilizationPercent() int64 {
	return Utilization(v.Customers, v.ExactCapacity())
}

// ExactCapacity is the FTE times the customers that one supports at most, in customers times
// v1alpha1.OneFTE: half a P-CSM supports half a customer more than Maximum, which counts whole ones.
func (v Verdict) ExactCapacity() int64 {
	return int64(v.Allocated) * int64(v.Terms.MaximumCustomersPerFTE)
}

// Utilization is the share in percent of a capacity, or of the sum of some, that customers take,
// rounded down; 0 without any.
func Utilization(customers, capacity int64) int64 {
	if capacity == 0 {
		return 0
	}
	return customers * int64(v1alpha1.OneFTE) * 100 / capacity
}

// Missing is the FTE to add so that neither the minimum nor the customers are
// missed.
func (v Verdict) Missing() v1alpha1.FTE {
	return max(0, v.Required-v.Allocated)
}

// Reason is the verdict in a word: of StaffingSufficient, or NoPCSMAllocation.
func (v Verdict) Reason() v1alpha1.Reason {
	switch {
	case !v.Contracted():
		return v1alpha1.ReasonNoPCSMAllocation
	case v.Exceeded() && v.BelowMinimum():
		return v1alpha1.ReasonBelowTierMinimumAndCapacityExceeded
	case v.Exceeded():
		return v1alpha1.ReasonCapacityExceeded
	case v.BelowMinimum():
		return v1alpha1.ReasonBelowTierMinimum
	case v.Near():
		return v1alpha1.ReasonNearCapacity
	}
	return v1alpha1.ReasonWithinCapacity
}

// Message is the verdict in a sentence: what is wrong, by how much, and what to
// do about it.
func (v Verdict) Message() string {
	limit := fmt.Sprintf("%d customers, and %s FTE of P-CSMs support at most %d (%d per FTE)",
		v.Customers, v.Allocated, v.Maximum, v.Terms.MaximumCustomersPerFTE)
	minimum := fmt.Sprintf("%s FTE of P-CSMs are allocated, and the plan asks for at least %s", v.Allocated, v.Terms.MinimumFTE)
	switch v.Reason() {
	case v1alpha1.ReasonBelowTierMinimumAndCapacityExceeded:
		return fmt.Sprintf("%s; %s: add %s FTE", minimum, limit, v.Missing())
	case v1alpha1.ReasonCapacityExceeded:
		return fmt.Sprintf("%s: add %s FTE", limit, v.Missing())
	case v1alpha1.ReasonBelowTierMinimum:
		return fmt.Sprintf("%s: add %s FTE", minimum, v.Missing())
	case v1alpha1.ReasonNearCapacity:
		return fmt.Sprintf("%s, comfortably %d: %d more can come; %s FTE are recommended", limit, v.Comfortable, v.UntilBreach(), v.Recommended)
	case v1alpha1.ReasonWithinCapacity:
		return fmt.Sprintf("%s: %d more can come", limit, v.UntilBreach())
	}
	return "no P-CSM is allocated: the partner staffs its own support"
}

// CapacityMessage is about the customers alone, for the CapacityExceeded
// condition.
func (v Verdict) CapacityMessage() string {
	if !v.Exceeded() {
		return fmt.Sprintf("%d customers of at most %d with %s FTE", v.Customers, v.Maximum, v.Allocated)
	}
	return fmt.Sprintf("%d customers exceed the %d that %s FTE support (%d per FTE) by %d: add %s FTE",
		v.Customers, v.Maximum, v.Allocated, v.Terms.MaximumCustomersPerFTE, -v.UntilBreach(), v.Missing())
}

// Capacity is "<customers>/<maximum>".
func (v Verdict) Capacity() string {
	return fmt.Sprintf("%d/%d", v.Customers, v.Maximum)
}
