package support

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/us"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// Holiday is a day off for a public holiday.
type Holiday struct {
	// Date is the day off.
	Date v1alpha1.Date `json:"date"`
	// Name is the holiday's name in English.
	Name string `json:"name,omitempty"`
}

// federal are the holidays that 5 U.S.C. 6103(a) names.
var federal = []*cal.Holiday{
	us.NewYear, us.MlkDay, us.PresidentsDay, us.MemorialDay, us.Juneteenth, us.IndependenceDay,
	us.LaborDay, us.ColumbusDay, us.VeteransDay, us.ThanksgivingDay, us.ChristmasDay,
}

// FederalHolidays returns the days off in a year for U.S. federal holidays, in order,
// of those who work on the given days of the week: the holiday itself if it is on one
// of them, else the day on which it is observed. So a holiday on a Saturday is the
// Friday before for whoever works Monday to Friday, and New Year's Day can be on 31
// December.
func FederalHolidays(year int, days []v1alpha1.DayOfWeek) []Holiday {
	return federalHolidays(year, workdaysOf(days))
}

func federalHolidays(year int, works workdays) []Holiday {
	key := federalKey{year, works}
	if known, ok := knownFederal.Load(key); ok {
		return known.([]Holiday)
	}
	var holidays []Holiday
	for _, holiday := range federal {
		for _, of := range []int{year, year + 1} {
			off, observed := holiday.Calc(of)
			if !works[off.Weekday()] {
				off = observed
			}
			if off.Year() == year {
				holidays = append(holidays, Holiday{Date: v1alpha1.Date(off.Format(time.DateOnly)), Name: holiday.Name})
			}
		}
	}
	slices.SortFunc(holidays, func(a, b Holiday) int { return cmp.Compare(a.Date, b.Date) })
	knownFederal.Store(key, holidays)
	return holidays
}

// knownFederal keeps what federalHolidays worked out, by federalKey: it is asked for
// every partner, and the answer is the same.
var knownFederal sync.Map

type federalKey struct {
	year  int
	works workdays
}

// isFederalHoliday reports whether a date of a year is a day off for a federal
// holiday.
func isFederalHoliday(date v1alpha1.Date, year int, works workdays) bool {
	return slices.ContainsFunc(federalHolidays(year, works), func(h Holiday) bool { return h.Date == date })
}
