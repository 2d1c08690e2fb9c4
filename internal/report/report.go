// Package report puts a fleet on one page, for people who would rather look than
// read tables: how full each partner is, the headroom of each tier, the contract
// windows on a time line, and what is wrong.
package report

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/coverage"
	"github.com/dispel/partner-operator/internal/fleet"
	"github.com/dispel/partner-operator/internal/records"
	"github.com/dispel/partner-operator/internal/staffing"
	"github.com/dispel/partner-operator/internal/target"
)

// Report is what there is to know about a fleet on a day.
type Report struct {
	// At is the day.
	At v1alpha1.Date `json:"at"`
	// Summary counts.
	Summary Summary `json:"summary"`
	// Isolation says whether NetworkPolicies are enforced; nil if nothing shows it.
	Isolation *metav1.Condition `json:"isolation,omitempty"`
	// Tasks are what there is to do, the most urgent of each kind first.
	Tasks []Task `json:"tasks"`
	// Capacity is the staffing of each OEM and MSP, those that miss the most FTE now or later
	// first, then the fullest.
	Capacity []fleet.Staffing `json:"capacity"`
	// Tiers are its totals.
	Tiers []fleet.Total `json:"tiers"`
	// Coverage is how the operating hours of each partner with P-CSMs are covered, those with
	// the most uncovered hours first, and those of which nothing is known last.
	Coverage []Coverage `json:"coverage"`
	// Windows are the contract windows that open or close within Horizon, and the signed deals
	// that begin in it, the first one first.
	Windows []Window `json:"windows"`
	// Conditions are how each partner is, problems first.
	Conditions []Conditions `json:"conditions"`
	// Records are the DNS records that partners have to set for routes with addresses.
	Records []Record `json:"records,omitempty"`

	today, day  time.Time
	from, until time.Time
	names       map[string]string
	// plain are the partners without TLS, as Display has them.
	plain []string
}

// Display is what a partner is called for people.
func (r *Report) Display(partner string) string {
	return cmp.Or(r.names[partner], partner)
}

// Summary counts what is in a fleet.
type Summary struct {
	Partners     int          `json:"partners"`
	Customers    int64        `json:"customers"`
	AllocatedFTE v1alpha1.FTE `json:"allocatedFTE"`
	// Insufficient counts the partners whose P-CSMs do not suffice.
	Insufficient int `json:"insufficient"`
	// NotReady counts the partners that are not provisioned as declared.
	NotReady int `json:"notReady"`
	// PlainHTTP counts the sub-domains that are served without TLS.
	PlainHTTP int `json:"plainHTTP"`
	// OpenEnded counts the allocations that neither open nor close within Horizon.
	OpenEnded int `json:"openEnded"`
}

// Horizon is how far the time line reaches; Past how far back.
const (
	Horizon = 365 * 24 * time.Hour
	Past    = 31 * 24 * time.Hour
)

// Window is the contract window of an allocation or of a Partner, whole days in UTC, or a signed deal, which
// has Customers from its first day on. Only an allocation's has a name of one.
type Window struct {
	Partner    string        `json:"partner"`
	Allocation string        `json:"allocation,omitempty"`
	FTE        v1alpha1.FTE  `json:"fte,omitempty"`
	Customers  *int32        `json:"customers,omitempty"`
	ValidFrom  v1alpha1.Date `json:"validFrom,omitempty"`
	ValidUntil v1alpha1.Date `json:"validUntil,omitempty"`
	// Afterwards is the verdict on the partner's staffing on the day after the end,
	// if it is worse than on the last day; empty otherwise.
	Afterwards v1alpha1.Reason `json:"afterwards,omitempty"`

	window staffing.Window
}

// Coverage is how the operating hours of a regular week are covered.
type Coverage struct {
	Partner string `json:"partner"`
	// Undeclared reports that no P-CSM of the partner declares shifts, so that nothing is known.
	Undeclared bool `json:"undeclared,omitempty"`
	// Summary is covered and operating hours, such as 112/168h.
	Summary string `json:"summary,omitempty"`
	// UncoveredMinutes is how long nobody is on duty in the week.
	UncoveredMinutes int `json:"uncoveredMinutesPerWeek"`
	// Uncovered lists these times; empty if there are none.
	Uncovered string `json:"uncovered,omitempty"`
	// NextGap is the next thirty days' first time in which nobody is on duty although the weekly
	// shifts cover it; empty if there is none.
	NextGap string `json:"nextGap,omitempty"`
	// Members are the allocations with shifts, with the next thirty days' absences.
	Members []coverage.Member `json:"allocations,omitempty"`

	week coverage.Week
	zone *time.Location
	// gap is the day on which it begins; empty if it is under way.
	gap v1alpha1.Date
}

// Record is a DNS record that a partner has to set.
type Record struct {
	Partner string `json:"partner"`
	records.Record
}

// Conditions are how a partner is.
type Conditions struct {
	fleet.Status `json:",inline"`
	// Conditions are those that are as they should not be.
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// New makes a report of a fleet on a day, which is today or to come: signed deals that begin until then count.
func New(f *fleet.Fleet, today, day time.Time) *Report {
	r := &Report{At: v1alpha1.Date(day.UTC().Format(time.DateOnly)), Capacity: f.Capacity(today, day), today: today, day: day, from: day.Add(-Past), until: day.Add(Horizon), Isolation: f.Isolation,
		Coverage: []Coverage{}, Windows: []Window{}, Conditions: []Conditions{}, names: map[string]string{}}
	slices.SortStableFunc(r.Capacity, func(a, b fleet.Staffing) int {
		return cmp.Or(cmp.Compare(missing(b), missing(a)), cmp.Compare(expected(b), expected(a)))
	})
	r.Tiers = fleet.Totals(r.Capacity)
	for _, name := range f.Names() {
		if count := f.Partners[name].Spec.CustomerCount; count != nil {
			r.Summary.Customers += int64(*count)
		}
	}
	for _, name := range f.Names() {
		partner := f.Partners[name]
		r.names[name] = partner.Spec.DisplayName
		if served := partner.Status.Subdomain; served != nil && strings.HasPrefix(served.URL, "http://") {
			r.plain = append(r.plain, r.Display(name))
		}
	}
	r.Summary.PlainHTTP = len(r.plain)
	r.addRecords(f)
	for _, s := range r.Capacity {
		r.Summary.AllocatedFTE += s.AllocatedFTE
		if s.Insufficient() {
			r.Summary.Insufficient++
		}
	}
	for _, status := range f.Overview(day) {
		r.Conditions = append(r.Conditions, conditionsOf(f.Partners[status.Partner], status))
		if status.Ready != metav1.ConditionTrue {
			r.Summary.NotReady++
		}
	}
	r.Summary.Partners = len(r.Conditions)
	r.addWindows(f, day)
	r.addCoverage(f, day)
	r.Tasks = r.tasks(f)
	return r
}

// missing is the FTE that a partner misses now.
func missing(s fleet.Staffing) v1alpha1.FTE {
	if s.Verdict == nil || !s.Contracted() {
		return 0
	}
	return s.Verdict.MissingFTE
}

// expected is the FTE that a partner will miss.
func expected(s fleet.Staffing) v1alpha1.FTE {
	if s.NextShortfall == nil {
		return 0
	}
	return s.NextShortfall.MissingFTE
}

// conditionsOf picks the conditions that are as they should not be, and say what no
// other does.
func conditionsOf(partner *v1alpha1.Partner, status fleet.Status) Conditions {
	c := Conditions{Status: status}
	insufficient := meta.IsStatusConditionFalse(partner.Status.Conditions, string(v1alpha1.ConditionStaffingSufficient))
	for _, condition := range partner.Status.Conditions {
		switch kind := v1alpha1.ConditionType(condition.Type); {
		case kind == v1alpha1.ConditionReady, kind == v1alpha1.ConditionReconciling, kind == v1alpha1.ConditionStalled:
			continue // they repeat the others
		case kind == v1alpha1.ConditionCapacityExceeded && insufficient:
			continue
		}
		switch v1alpha1.Reason(condition.Reason) {
		case v1alpha1.ReasonNoPCSMAllocation, v1alpha1.ReasonSubdomainNotReady, v1alpha1.ReasonShiftsNotDeclared:
			continue // as it is meant, or what SubdomainReady says
		}
		if condition.Status != conditions.Wished(v1alpha1.ConditionType(condition.Type)) {
			c.Conditions = append(c.Conditions, condition)
		}
	}
	return c
}

func (r *Report) addWindows(f *fleet.Fleet, now time.Time) {
	for _, allocation := range f.Allocations {
		partner := f.Partners[string(allocation.Spec.PartnerRef.Name)]
		if partner == nil || fleet.AllocationReady(allocation, partner, now).Status != metav1.ConditionTrue {
			continue // there is a task about it
		}
		window, err := staffing.WindowOf(allocation)
		opens, closes := r.shows(window.From), r.shows(window.Until)
		if err != nil || !opens && !closes {
			r.Summary.OpenEnded++
			continue
		}
		w := Window{
			Partner: string(allocation.Spec.PartnerRef.Name), Allocation: allocation.Name, FTE: allocation.Spec.FTE,
			ValidFrom: allocation.Spec.ValidFrom, ValidUntil: allocation.Spec.ValidUntil, window: window,
		}
		if closes {
			allocations := f.AllocationsOf(w.Partner)
			last, after := f.StaffingOf(partner, allocations, r.today, window.Until.Add(-time.Second)), f.StaffingOf(partner, allocations, r.today, window.Until)
			if (after.Reason != last.Reason || missing(after) > missing(last)) && (after.Insufficient() || !after.Contracted()) {
				w.Afterwards = after.Reason
			}
		}
		r.Windows = append(r.Windows, w)
	}
	for _, name := range f.Names() {
		partner := f.Partners[name]
		if window, err := staffing.PartnerWindow(partner); err == nil && (r.shows(window.From) || r.shows(window.Until)) {
			r.Windows = append(r.Windows, Window{Partner: name, ValidFrom: partner.Spec.ValidFrom, ValidUntil: partner.Spec.ValidUntil, window: window})
		}
		for _, deal := range f.Partners[name].Spec.ExpectedCustomers {
			if on, err := deal.On.Time(time.UTC); err == nil && on.After(now) && r.shows(on) {
				r.Windows = append(r.Windows, Window{Partner: name, Customers: deal.Count, ValidFrom: deal.On, window: staffing.Window{From: on}})
			}
		}
	}
	slices.SortFunc(r.Windows, func(a, b Window) int {
		return cmp.Or(a.next(r.from).Compare(b.next(r.from)), cmp.Compare(a.Partner, b.Partner), cmp.Compare(a.Allocation, b.Allocation))
	})
}

func (r *Report) addCoverage(f *fleet.Fleet, now time.Time) {
	var undeclared []Coverage
	for _, name := range f.Names() {
		verdict := f.CoverageOf(name, now)
		switch {
		case verdict == nil:
			continue
		case !verdict.Declared:
			if len(verdict.Undeclared) > 0 {
				undeclared = append(undeclared, Coverage{Partner: name, Undeclared: true})
			}
			continue
		}
		c := Coverage{Partner: name, Summary: verdict.Summary(), UncoveredMinutes: verdict.Uncovered, week: verdict.Week}
		if verdict.Uncovered > 0 {
			c.Uncovered = verdict.Which(verdict.Zone)
		}
		if gap := verdict.NextGap; gap != nil {
			c.NextGap = gap.Describe(verdict.Zone)
			if gap.From.After(now) {
				c.gap = v1alpha1.Date(gap.From.In(verdict.Zone).Format(time.DateOnly))
			}
		}
		if roster, fault := f.RosterOf(f.Partners[name]); fault == nil {
			c.Members = roster.Members(now.Truncate(time.Minute), now.Truncate(time.Minute).Add(coverage.Foresight))
			c.zone = roster.Zone()
		}
		r.Coverage = append(r.Coverage, c)
	}
	slices.SortStableFunc(r.Coverage, func(a, b Coverage) int { return cmp.Compare(b.UncoveredMinutes, a.UncoveredMinutes) })
	r.Coverage = append(r.Coverage, undeclared...)
}

func (r *Report) addRecords(f *fleet.Fleet) {
	for _, name := range f.Names() {
		probed, found := target.Of(f.Partners[name])
		if !found {
			continue
		}
		all, _ := records.Of(probed.Host, f.Partners[name].Status.Subdomain.Addresses, records.TTLOf(f.Partners[name]))
		for _, record := range all {
			r.Records = append(r.Records, Record{name, record})
		}
	}
}

// shows reports whether an instant is on the time line.
func (r *Report) shows(at time.Time) bool {
	return !at.IsZero() && at.After(r.from) && at.Before(r.until)
}

// What is what has the window: an allocation, a signed deal or the contract with the partner.
func (w Window) What() string {
	switch {
	case w.Allocation != "":
		return w.Allocation
	case w.Customers != nil:
		return "signed deal"
	}
	return "contract with the partner"
}

// Size is what What brings; empty of the contract itself.
func (w Window) Size() string {
	switch {
	case w.Allocation != "":
		return w.FTE.String() + " FTE"
	case w.Customers != nil:
		return plural(int(*w.Customers), "customer")
	}
	return ""
}

// next is the first boundary of the window after an instant.
func (w Window) next(after time.Time) time.Time {
	if w.window.From.After(after) {
		return w.window.From
	}
	return w.window.Until
}
