package support

import (
	"strconv"
	"time"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// Day is a day of the calendar, counted from 1970-01-01. It is in no time zone: it is what a
// calendar on a wall shows.
type Day int

// Minutes of a day.
const minutesPerDay = 24 * 60

// DayOf is the day that the calendar shows at an instant, which is in the zone of that calendar.
func DayOf(local time.Time) Day {
	const seconds = 24 * 60 * 60
	_, offset := local.Zone()
	read := local.Unix() + int64(offset)
	day := read / seconds
	if read%seconds < 0 {
		day--
	}
	return Day(day)
}

// ParseDay reads a date; ok is false only for one that the schema refuses.
func ParseDay(date v1alpha1.Date) (day Day, ok bool) {
	at, err := date.Time(time.UTC)
	return DayOf(at), err == nil
}

// Date is the day as it is written.
func (d Day) Date() v1alpha1.Date {
	return v1alpha1.Date(d.in(time.UTC).Format(time.DateOnly))
}

// Weekday is its day of the week, from Monday as 0.
func (d Day) Weekday() int {
	return ((int(d)+thursday)%7 + 7) % 7
}

// Week counts weeks, each from Monday on.
func (d Day) Week() int {
	return (int(d) + thursday - d.Weekday()) / 7
}

// MondayOf is the first day of a week, as Week counts them.
func MondayOf(week int) Day {
	return Day(7*week - thursday)
}

// thursday is the day of the week of 1970-01-01.
const thursday = 3

// Noon is an instant of the day in a zone that no change of the clocks leaves out.
func (d Day) Noon(zone *time.Location) time.Time {
	return d.in(zone).Add(minutesPerDay / 2 * time.Minute)
}

func (d Day) in(zone *time.Location) time.Time {
	return time.Date(1970, time.January, 1+int(d), 0, 0, 0, 0, zone)
}

// MinuteOf is the minute of the day that a clock on a wall shows.
func MinuteOf(local time.Time) int {
	return local.Hour()*60 + local.Minute()
}

// InHours writes minutes as hours, with at most two decimals.
func InHours(minutes int) string {
	return strconv.FormatFloat(float64(minutes*100/60)/100, 'f', -1, 64)
}

// NextMark is the first instant after another at which the clock of its zone reads one of some
// minutes of the day, which are sorted, or midnight, or is put forward or back.
func NextMark(at time.Time, marks []int) time.Time {
	read := time.Duration(MinuteOf(at))*time.Minute + time.Duration(at.Second())*time.Second + time.Duration(at.Nanosecond())
	ahead := time.Duration(minutesPerDay) * time.Minute
	for _, minute := range marks {
		if mark := time.Duration(minute) * time.Minute; mark > read {
			ahead = min(ahead, mark)
			break
		}
	}
	next := at.Add(ahead - read)
	if end := OffsetEnds(at); !end.IsZero() && end.Before(next) {
		return end
	}
	return next
}

// OffsetEnds is the first instant after another at which the clock of its zone may be put forward or
// back; zero if it never is.
func OffsetEnds(at time.Time) time.Time {
	_, end := at.ZoneBounds()
	if !end.IsZero() && !end.After(at) {
		// On the last day of a leap year, Go takes the year to be over.
		_, end = at.AddDate(0, 0, 1).ZoneBounds()
	}
	return end
}
