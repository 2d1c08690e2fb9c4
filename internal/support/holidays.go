package support

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/rickar/cal/v2"
	"github.com/rickar/cal/v2/ar"
	"github.com/rickar/cal/v2/at"
	"github.com/rickar/cal/v2/be"
	"github.com/rickar/cal/v2/bg"
	"github.com/rickar/cal/v2/br"
	"github.com/rickar/cal/v2/ca"
	"github.com/rickar/cal/v2/ch"
	"github.com/rickar/cal/v2/cz"
	"github.com/rickar/cal/v2/de"
	"github.com/rickar/cal/v2/dk"
	"github.com/rickar/cal/v2/es"
	"github.com/rickar/cal/v2/fr"
	"github.com/rickar/cal/v2/gb"
	"github.com/rickar/cal/v2/gr"
	"github.com/rickar/cal/v2/hr"
	"github.com/rickar/cal/v2/ie"
	"github.com/rickar/cal/v2/it"
	"github.com/rickar/cal/v2/jp"
	"github.com/rickar/cal/v2/lt"
	"github.com/rickar/cal/v2/lv"
	"github.com/rickar/cal/v2/mw"
	"github.com/rickar/cal/v2/nc"
	"github.com/rickar/cal/v2/nl"
	"github.com/rickar/cal/v2/no"
	"github.com/rickar/cal/v2/nz"
	"github.com/rickar/cal/v2/pl"
	"github.com/rickar/cal/v2/ro"
	"github.com/rickar/cal/v2/ru"
	"github.com/rickar/cal/v2/se"
	"github.com/rickar/cal/v2/si"
	"github.com/rickar/cal/v2/sk"
	"github.com/rickar/cal/v2/ua"
	"github.com/rickar/cal/v2/us"
	"github.com/rickar/cal/v2/za"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// Holiday is a day off for a public holiday.
type Holiday struct {
	// Date is the day off.
	Date v1alpha1.Date `json:"date"`
	// Name is the holiday's name, that of USFederal in English and all others in a language of
	// their country.
	Name string `json:"name,omitempty"`
}

// calendars are the public holidays by their calendar: those that 5 U.S.C. 6103(a) names, and the
// national ones of countries by their ISO 3166 code.
var calendars = map[v1alpha1.HolidayCalendar][]*cal.Holiday{
	v1alpha1.USFederal: {
		us.NewYear, us.MlkDay, us.PresidentsDay, us.MemorialDay, us.Juneteenth, us.IndependenceDay,
		us.LaborDay, us.ColumbusDay, us.VeteransDay, us.ThanksgivingDay, us.ChristmasDay,
	},
	"AR": ar.Holidays, "AT": at.Holidays, "BE": be.Holidays, "BG": bg.Holidays, "BR": br.Holidays, "CA": ca.Holidays, "CH": ch.Holidays,
	"CZ": cz.Holidays, "DE": de.Holidays, "DK": dk.Holidays, "ES": es.Holidays, "FR": fr.Holidays, "GB": gb.Holidays, "GR": gr.Holidays,
	"HR": hr.Holidays, "IE": ie.Holidays, "IT": it.Holidays, "JP": jp.Holidays, "LT": lt.Holidays, "LV": lv.Holidays, "MW": mw.Holidays,
	"NC": nc.Holidays, "NL": nl.Holidays, "NO": no.Holidays, "NZ": nz.Holidays, "PL": pl.Holidays, "RO": ro.Holidays, "RU": ru.Holidays,
	"SE": se.Holidays, "SI": si.Holidays, "SK": sk.Holidays, "UA": ua.Holidays, "ZA": za.Holidays,
}

// HolidayCalendars are the names of all calendars, in order.
func HolidayCalendars() []v1alpha1.HolidayCalendar {
	return slices.Sorted(maps.Keys(calendars))
}

// Workdays are days of the week, from Monday on.
type Workdays [7]bool

// WorkdaysOf are some days of the week.
func WorkdaysOf(days []v1alpha1.DayOfWeek) Workdays {
	var works Workdays
	for i, day := range Week {
		works[i] = slices.Contains(days, day)
	}
	return works
}

// Union are the days of the week of either.
func (w Workdays) Union(others Workdays) Workdays {
	for day, works := range others {
		w[day] = w[day] || works
	}
	return w
}

// HolidaysOf returns the days off in a year for the public holidays of operating hours, in order:
// the holiday itself if it is on one of their days of the week, else the day on which it is
// observed. So a federal holiday on a Saturday is the Friday before for whoever works Monday to
// Friday, and New Year's Day can be on 31 December.
func HolidaysOf(effective v1alpha1.OperatingHours, year int) []Holiday {
	var works Workdays
	for _, window := range Windows(effective) {
		works = works.Union(WorkdaysOf(window.Days))
	}
	return slices.Clone(holidaysIn(effective.Holidays, year, works).holidays)
}

// DaysOff are the days from one to another, both included, on which operating hours do not open for a
// public holiday, a closure or a special day without times, in order. Special days go before holidays.
func DaysOff(effective v1alpha1.OperatingHours, first, last Day) []Holiday {
	names := map[Day]string{}
	for year := first.in(time.UTC).Year(); year <= last.in(time.UTC).Year(); year++ {
		for _, holiday := range HolidaysOf(effective, year) {
			if day, ok := ParseDay(holiday.Date); ok {
				names[day] = holiday.Name
			}
		}
	}
	for _, date := range effective.Closures {
		if day, ok := ParseDay(date); ok {
			names[day] += "" // which keeps the name of a holiday
		}
	}
	for _, special := range effective.SpecialDays {
		begins, ok := ParseDay(special.From)
		ends, alsoOK := ParseDay(cmp.Or(special.Until, special.From))
		for day := max(begins, first); ok && alsoOK && day <= min(ends, last); day++ {
			if special.Opens == "" {
				names[day] += ""
			} else {
				delete(names, day)
			}
		}
	}
	var off []Holiday
	for _, day := range slices.Sorted(maps.Keys(names)) {
		if day >= first && day <= last {
			off = append(off, Holiday{Date: day.Date(), Name: names[day]})
		}
	}
	return off
}

// PublicHolidays are the days from one to another, both included, on which a calendar has a holiday
// for those who work on the given days of the week.
func PublicHolidays(calendar v1alpha1.HolidayCalendar, works Workdays, first, last Day) []Day {
	var found []Day
	for year := first.in(time.UTC).Year(); year <= last.in(time.UTC).Year(); year++ {
		for day := range holidaysIn(calendar, year, works).days {
			if day >= first && day <= last {
				found = append(found, day)
			}
		}
	}
	return found
}

// holidayYear are the public holidays of a calendar in a year.
type holidayYear struct {
	holidays []Holiday
	days     map[Day]bool
}

func holidaysIn(calendar v1alpha1.HolidayCalendar, year int, works Workdays) holidayYear {
	key := yearKey{calendar, year, works}
	if known, ok := knownYears.Load(key); ok {
		return known.(holidayYear)
	}
	found := holidayYear{days: map[Day]bool{}}
	for _, holiday := range calendars[calendar] {
		for _, of := range []int{year - 1, year, year + 1} {
			day, observed := holiday.Calc(of)
			if !day.IsZero() && !works[(int(day.Weekday())+6)%7] {
				day = observed
			}
			if day.IsZero() || day.Year() != year {
				continue
			}
			date := v1alpha1.Date(day.Format(time.DateOnly))
			number, _ := ParseDay(date)
			found.days[number] = true
			found.holidays = append(found.holidays, Holiday{Date: date, Name: holiday.Name})
		}
	}
	slices.SortFunc(found.holidays, func(a, b Holiday) int { return cmp.Or(cmp.Compare(a.Date, b.Date), cmp.Compare(a.Name, b.Name)) })
	// Two on one day are one day off.
	found.holidays = slices.CompactFunc(found.holidays, func(a, b Holiday) bool { return a.Date == b.Date })
	knownYears.Store(key, found)
	return found
}

// knownYears keeps what holidaysIn worked out, by yearKey: it is asked for every partner, and the
// answer is the same.
var knownYears sync.Map

type yearKey struct {
	calendar v1alpha1.HolidayCalendar
	year     int
	works    Workdays
}

// IsHoliday reports whether a day is one off for a holiday of a calendar.
func IsHoliday(calendar v1alpha1.HolidayCalendar, day Day, works Workdays) bool {
	if calendar == "" || calendar == v1alpha1.NoHolidays {
		return false
	}
	return holidaysIn(calendar, day.in(time.UTC).Year(), works).days[day]
}
