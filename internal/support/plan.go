package support

import (
	"fmt"

	"k8s.io/utils/ptr"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// Defect is what makes a plan unfit for use. Error is a sentence with a remedy.
type Defect struct {
	Reason  v1alpha1.Reason
	Message string
}

func (d *Defect) Error() string {
	return d.Message
}

// Customers that one FTE supports comfortably and at most ("Customer Success
// Manager (P-CSM)", Minimum Staffing Requirements).
const (
	recommendedCustomersPerFTE = 10
	maximumCustomersPerFTE     = 15
)

// minimumFTE is the least staffing of a tier ("Customer Success Manager
// (P-CSM)", Minimum Staffing Requirements).
func minimumFTE(tier v1alpha1.Tier) v1alpha1.FTE {
	if tier == v1alpha1.Basic {
		return v1alpha1.HalfFTE
	}
	return 3 * v1alpha1.OneFTE
}

// tierHours are the operating hours of a tier ("Customer Success Manager
// (P-CSM)", Service Level Agreements). The document's "EST" is read as Eastern
// Time, daylight saving included.
func tierHours(tier v1alpha1.Tier) v1alpha1.OperatingHours {
	if tier != v1alpha1.Basic {
		return v1alpha1.OperatingHours{AlwaysOn: new(true)}
	}
	return v1alpha1.OperatingHours{
		TimeZone: "America/New_York",
		Days:     []v1alpha1.DayOfWeek{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday"},
		Opens:    "09:00",
		Closes:   "17:00",
		Holidays: v1alpha1.USFederal,
	}
}

// Effective fills in from the tier what a plan leaves out. The error is a
// *Defect: the API server refuses most of what is wrong with a plan, but does
// not know the time zones.
func Effective(spec v1alpha1.SupportPlanSpec) (v1alpha1.EffectivePlan, error) {
	plan := v1alpha1.EffectivePlan{
		OperatingHours: effectiveHours(spec),
		Staffing: v1alpha1.EffectiveStaffing{
			MinimumFTE:                 minimumFTE(spec.Tier),
			RecommendedCustomersPerFTE: recommendedCustomersPerFTE,
			MaximumCustomersPerFTE:     maximumCustomersPerFTE,
			Enforcement:                v1alpha1.Advisory,
		},
	}
	if given := spec.Staffing; given != nil {
		staffing := &plan.Staffing
		staffing.MinimumFTE = ptr.Deref(given.MinimumFTE, staffing.MinimumFTE)
		if per := given.CustomersPerFTE; per != nil {
			staffing.RecommendedCustomersPerFTE = ptr.Deref(per.Recommended, staffing.RecommendedCustomersPerFTE)
			staffing.MaximumCustomersPerFTE = ptr.Deref(per.Maximum, staffing.MaximumCustomersPerFTE)
		}
		if given.Enforcement != "" {
			staffing.Enforcement = given.Enforcement
		}
	}
	if s := plan.Staffing; s.RecommendedCustomersPerFTE < 1 || s.RecommendedCustomersPerFTE > s.MaximumCustomersPerFTE {
		return v1alpha1.EffectivePlan{}, &Defect{v1alpha1.ReasonPlanInconsistent, fmt.Sprintf(
			"spec.staffing.customersPerFTE: recommended is %d and maximum %d: write a recommended that is at least 1 and at most maximum",
			s.RecommendedCustomersPerFTE, s.MaximumCustomersPerFTE)}
	}
	if _, err := NewHours(plan.OperatingHours); err != nil {
		return v1alpha1.EffectivePlan{}, err
	}
	return plan, nil
}

func effectiveHours(spec v1alpha1.SupportPlanSpec) v1alpha1.OperatingHours {
	hours := tierHours(spec.Tier)
	given := spec.OperatingHours
	switch {
	case given == nil:
		return hours
	case ptr.Deref(given.AlwaysOn, false):
		return v1alpha1.OperatingHours{AlwaysOn: new(true)}
	case ptr.Deref(hours.AlwaysOn, false):
		// The schema asks for a whole window here, so nothing is left to fill in
		// but the holidays, which a tier around the clock does not have.
		hours = v1alpha1.OperatingHours{Holidays: v1alpha1.NoHolidays}
	}
	if given.TimeZone != "" {
		hours.TimeZone = given.TimeZone
	}
	if len(given.Windows) > 0 {
		hours.Windows, hours.Days, hours.Opens, hours.Closes = given.Windows, nil, "", ""
	}
	if len(given.Days) > 0 {
		hours.Days = given.Days
	}
	if given.Opens != "" {
		hours.Opens = given.Opens
	}
	if given.Closes != "" {
		hours.Closes = given.Closes
	}
	if given.Holidays != "" {
		hours.Holidays = given.Holidays
	}
	hours.Closures, hours.SpecialDays = given.Closures, given.SpecialDays
	return hours
}
