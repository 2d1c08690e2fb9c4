package fleet

import (
	"cmp"
	"slices"
	"time"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/contract"
	"github.com/dispel/partner-operator/internal/staffing"
)

// Staffing is an OEM's or MSP's staffing on a day. The other channel models hold
// no P-CSMs.
type Staffing struct {
	Partner      string                `json:"partner"`
	DisplayName  string                `json:"displayName"`
	ChannelModel v1alpha1.ChannelModel `json:"channelModel"`
	SupportPlan  string                `json:"supportPlan"`
	// Tier is empty if the plan is missing.
	Tier v1alpha1.Tier `json:"tier,omitempty"`
	// Customers are those of the day: those that signed deals bring until then, too.
	Customers int64 `json:"customers"`
	// AllocatedFTE counts the allocations that are accepted and in their contract
	// window.
	AllocatedFTE v1alpha1.FTE `json:"allocatedFTE"`
	// Verdict is nil if the plan is missing or cannot be used: Reason and Message
	// say so then. Without P-CSMs it says what it would take.
	Verdict *Verdict `json:"verdict,omitempty"`
	// Reason is that of the condition StaffingSufficient, or NoPCSMAllocation.
	Reason  v1alpha1.Reason `json:"reason"`
	Message string          `json:"message"`
	// Changes is when a contract window opens or closes next; zero if none does.
	Changes time.Time `json:"changes,omitzero"`
	// NextShortfall is the first day after it on which more FTE are missing; nil if
	// there is none.
	NextShortfall *v1alpha1.NextShortfall `json:"nextShortfall,omitempty"`
	// ShortfallMessage says what will be missing, and what to do.
	ShortfallMessage string `json:"shortfallMessage,omitempty"`
}

// Verdict is what the P-CSMs of a partner, or of several, are worth.
type Verdict struct {
	MinimumFTE           v1alpha1.FTE `json:"minimumFTE"`
	RequiredFTE          v1alpha1.FTE `json:"requiredFTE"`
	RecommendedFTE       v1alpha1.FTE `json:"recommendedFTE"`
	MissingFTE           v1alpha1.FTE `json:"missingFTE"`
	ComfortableCustomers int64        `json:"comfortableCustomers"`
	MaximumCustomers     int64        `json:"maximumCustomers"`
	UtilizationPercent   int64        `json:"utilizationPercent"`
	CustomersUntilBreach int64        `json:"customersUntilBreach"`
	// KeepsWidgetOff reports whether the plan keeps the support widget off for want of
	// staff.
	KeepsWidgetOff bool `json:"keepsWidgetOff,omitempty"`

	capacity int64 // as staffing.Verdict has it
}

// Contracted reports whether any P-CSM is active.
func (s Staffing) Contracted() bool {
	return s.AllocatedFTE > 0
}

// Insufficient reports whether the P-CSMs do not suffice.
func (s Staffing) Insufficient() bool {
	switch s.Reason {
	case v1alpha1.ReasonCapacityExceeded, v1alpha1.ReasonBelowTierMinimum, v1alpha1.ReasonBelowTierMinimumAndCapacityExceeded:
		return true
	}
	return false
}

// StaffingOf judges a partner's staffing on a day, which is now or to come, as the
// operator does.
func (f *Fleet) StaffingOf(partner *v1alpha1.Partner, allocations []v1alpha1.PCSMAllocation, now, day time.Time) Staffing {
	s := Staffing{
		Partner: partner.Name, DisplayName: partner.Spec.DisplayName, ChannelModel: partner.Spec.ChannelModel,
		SupportPlan: contract.PlanName(partner), Customers: staffing.CustomersOn(partner, now, day),
	}
	s.AllocatedFTE, _, s.Changes = staffing.Sum(partner, allocations, day)
	plan := f.Plans[s.SupportPlan]
	if plan != nil {
		s.Tier = plan.Spec.Tier
	}
	effective, fault := contract.Terms(partner, plan)
	if fault != nil {
		s.Reason, s.Message = fault.Reason, fault.Message
		return s
	}
	verdict := staffing.Judge(s.Customers, s.AllocatedFTE, effective.Staffing)
	s.Reason, s.Message = verdict.Reason(), verdict.Message()
	s.Verdict = &Verdict{
		MinimumFTE: verdict.Terms.MinimumFTE, RequiredFTE: verdict.Required, RecommendedFTE: verdict.Recommended, MissingFTE: verdict.Missing(),
		ComfortableCustomers: verdict.Comfortable, MaximumCustomers: verdict.Maximum,
		UtilizationPercent: verdict.UtilizationPercent(), CustomersUntilBreach: verdict.UntilBreach(), KeepsWidgetOff: verdict.KeepsWidgetOff(),
		capacity: verdict.ExactCapacity(),
	}
	if shortfall := staffing.ShortfallAfter(partner, allocations, effective.Staffing, now, day); shortfall != nil && s.Contracted() {
		s.NextShortfall, s.ShortfallMessage = shortfall.Status(), shortfall.Message()
	}
	return s
}

// Capacity is the staffing of all OEMs and MSPs on a day, which is now or to come, the
// fullest first, then those without P-CSMs and those whose plan cannot be used.
func (f *Fleet) Capacity(now, day time.Time) []Staffing {
	all := []Staffing{}
	for _, name := range f.Names() {
		if partner := f.Partners[name]; partner.Spec.ChannelModel.WhiteLabels() {
			all = append(all, f.StaffingOf(partner, f.AllocationsOf(name), now, day))
		}
	}
	slices.SortStableFunc(all, func(a, b Staffing) int {
		return cmp.Or(cmp.Compare(b.fullness(), a.fullness()), cmp.Compare(a.until(), b.until()))
	})
	return all
}

// fullness orders partners: by utilisation, then without P-CSMs, then without a
// plan.
func (s Staffing) fullness() int64 {
	switch {
	case s.Verdict == nil:
		return -2
	case !s.Contracted():
		return -1
	}
	return s.Verdict.UtilizationPercent
}

func (s Staffing) until() int64 {
	if s.Verdict == nil {
		return 0
	}
	return s.Verdict.CustomersUntilBreach
}

// Total sums up the partners of a tier that have P-CSMs.
type Total struct {
	Tier     v1alpha1.Tier `json:"tier"`
	Partners int           `json:"partners"`
	// Without counts the OEMs and MSPs without P-CSMs, which are in no other figure.
	Without              int          `json:"withoutPCSMs"`
	Customers            int64        `json:"customers"`
	AllocatedFTE         v1alpha1.FTE `json:"allocatedFTE"`
	ComfortableCustomers int64        `json:"comfortableCustomers"`
	MaximumCustomers     int64        `json:"maximumCustomers"`
	// Headroom is how many customers may still come, where any may.
	Headroom int64 `json:"headroom"`
	// MissingFTE are those to add, where any are.
	MissingFTE   v1alpha1.FTE `json:"missingFTE"`
	Insufficient int          `json:"insufficient"`

	// Capacity is the sum of staffing.Verdict's exact ones, of which MaximumCustomers has the
	// whole customers of each partner.
	Capacity int64 `json:"-"`
}

// UtilizationPercent is the share that customers take of what all FTE support at most, rounded
// down.
func (t Total) UtilizationPercent() int64 {
	return staffing.Utilization(t.Customers, t.Capacity)
}

// Totals sums up staffing by tier, in the order of the tiers.
func Totals(all []Staffing) []Total {
	totals := []Total{}
	for _, tier := range []v1alpha1.Tier{v1alpha1.Basic, v1alpha1.Premium, v1alpha1.MissionCritical} {
		total := Total{Tier: tier}
		for _, s := range all {
			switch {
			case s.Tier != tier || s.Verdict == nil:
			case !s.Contracted():
				total.Without++
			default:
				total.add(s)
			}
		}
		if total.Partners+total.Without > 0 {
			totals = append(totals, total)
		}
	}
	return totals
}

func (t *Total) add(s Staffing) {
	t.Partners++
	t.Customers += s.Customers
	t.AllocatedFTE += s.AllocatedFTE
	t.ComfortableCustomers += s.Verdict.ComfortableCustomers
	t.MaximumCustomers += s.Verdict.MaximumCustomers
	t.Capacity += s.Verdict.capacity
	t.Headroom += max(0, s.Verdict.CustomersUntilBreach)
	t.MissingFTE += s.Verdict.MissingFTE
	if s.Insufficient() {
		t.Insufficient++
	}
}
