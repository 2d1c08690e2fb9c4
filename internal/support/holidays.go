package support

import (
	"slices"
	"sync"
	"time"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/us"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// Holiday is a public holiday on the day on which it is observed.
type Holiday struct {
	// Date is the day off, which is not the holiday's own if that is at a
	// weekend.
	Date v1alpha1.Date `json:"date"`
	// Name is the holiday's name in English.
	Name string `json:"name,omitempty"`
}

// federal are the holidays that 5 U.S.C. 6103(a) names.
var federal = []*cal.Holiday{
	us.NewYear, us.MlkDay, us.PresidentsDay, us.MemorialDay, us.Juneteenth, us.IndependenceDay,
	us.LaborDay, us.ColumbusDay, us.VeteransDay, us.ThanksgivingDay, us.ChristmasDay,
}

// FederalHolidays returns the U.S. federal holidays observed in a year, in
// order. New Year's Day of the next year is among them if it is observed on 31
// December.
func FederalHolidays(year int) []Holiday {
	if known, ok := federalByYear.Load(year); ok {
		return known.([]Holiday)
	}
	var holidays []Holiday
	for _, holiday := range federal {
		for _, of := range []int{year, year + 1} {
			if _, observed := holiday.Calc(of); observed.Year() == year {
				holidays = append(holidays, Holiday{Date: v1alpha1.Date(observed.Format(time.DateOnly)), Name: holiday.Name})
			}
		}
	}
	slices.SortFunc(holidays, func(a, b Holiday) int {
		if a.Date < b.Date {
			return -1
		}
		return 1
	})
	federalByYear.Store(year, holidays)
	return holidays
}

// federalByYear keeps what FederalHolidays worked out: it is asked for every
// partner, and the answer is the same.
var federalByYear sync.Map

// isFederalHoliday tells whether a federal holiday is observed on the day that
// an instant is in, in the instant's own zone.
func isFederalHoliday(t time.Time) bool {
	date := v1alpha1.Date(t.Format(time.DateOnly))
	return slices.ContainsFunc(FederalHolidays(t.Year()), func(h Holiday) bool { return h.Date == date })
}
