package fleet

import (
	"time"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/contract"
	"github.com/dispel/partner-operator/internal/coverage"
)

// RosterOf is who is on duty when for a partner, with all its allocations, and its
// plan's hours. If there is no plan that can be used, the finding says why.
func (f *Fleet) RosterOf(partner *v1alpha1.Partner) (*coverage.Roster, *conditions.Finding) {
	effective, fault := contract.Terms(partner, f.Plans[contract.PlanName(partner)])
	if fault != nil {
		return nil, fault
	}
	roster, err := coverage.New(effective.OperatingHours, partner, f.AllocationsOf(partner.Name))
	if err != nil { // a usable plan has hours that can be read
		return nil, new(conditions.False("", v1alpha1.ReasonSupportPlanNotReady, conditions.Stalled, err.Error()))
	}
	return roster, nil
}

// CoverageOf judges the regular week of a partner; nil if there is no such partner, or it
// has no plan that can be used.
func (f *Fleet) CoverageOf(name string, now time.Time) *coverage.Verdict {
	partner := f.Partners[name]
	if partner == nil {
		return nil
	}
	roster, fault := f.RosterOf(partner)
	if fault != nil {
		return nil
	}
	return new(roster.Judge(now))
}
