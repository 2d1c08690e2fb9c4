package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/fleet"
	"github.com/dispel/partner-operator/internal/staffing"
	"github.com/dispel/partner-operator/internal/support"
)

// Work is a kind of task.
type Work string

// The kinds of tasks, in the order in which they are told.
const (
	// Hire is to add P-CSMs now.
	Hire Work = "Hire"
	// Cover is to have somebody on duty in hours that have nobody.
	Cover Work = "Cover"
	// Repair is what the operator cannot do, or what end customers do not reach.
	Repair Work = "Repair"
	// Secure is what is served in clear text, or tenants that are not isolated.
	Secure Work = "Secure"
	// Update is a count of customers that is too old.
	Update Work = "Update"
	// Plan is to add P-CSMs, or to replace one who is away, by a day to come.
	Plan Work = "Plan"
)

// works are all kinds of tasks, each with its title for people.
var works = []struct {
	Work  Work
	Title string
}{
	{Hire, "Add P-CSMs"}, {Cover, "Cover hours"}, {Repair, "Repair"}, {Secure, "Secure"}, {Update, "Update customer counts"}, {Plan, "Plan ahead"},
}

// Task is something that somebody has to do for a partner.
type Task struct {
	Work Work `json:"work"`
	// Partner is its name; empty if the task is for all.
	Partner     string `json:"partner,omitempty"`
	DisplayName string `json:"displayName,omitempty"`
	// What is the task in a few words, such as "add 0.5 FTE".
	What string `json:"what"`
	// FTE are those to add.
	FTE v1alpha1.FTE `json:"fte,omitempty"`
	// By is the day by which it is due; empty if it is due now.
	By v1alpha1.Date `json:"by,omitempty"`
	// Why has the numbers, and the remedy.
	Why string `json:"why"`

	// minutes a week have nobody on duty.
	minutes int
}

// tasks are what a report tells to do, the most urgent first.
func (r *Report) tasks(f *fleet.Fleet) []Task {
	tasks := []Task{}
	add := func(task Task) {
		if p := f.Partners[task.Partner]; p != nil {
			task.DisplayName = p.Spec.DisplayName
		}
		tasks = append(tasks, task)
	}
	for _, s := range r.Capacity {
		partner := f.Partners[s.Partner]
		if !fleet.Active(partner, r.day) {
			window, err := staffing.PartnerWindow(partner)
			if begins := err == nil && !window.Begun(r.day) && fleet.Active(partner, window.From); begins && s.Verdict != nil && s.Insufficient() {
				add(Task{Work: Plan, Partner: s.Partner, What: fmt.Sprintf("add %s FTE", s.Verdict.MissingFTE), Why: "the contract starts: " + s.Message, By: partner.Spec.ValidFrom, FTE: s.Verdict.MissingFTE})
			}
			continue
		}
		if closes := fleet.ClosesSoon(partner, r.day); closes != "" {
			add(Task{Work: Plan, Partner: s.Partner, What: "extend the contract", By: partner.Spec.ValidUntil, Why: closes})
		}
		if s.Verdict != nil && s.Insufficient() {
			add(Task{Work: Hire, Partner: s.Partner, What: fmt.Sprintf("add %s FTE", s.Verdict.MissingFTE), Why: s.Message, FTE: s.Verdict.MissingFTE})
		}
		if next := s.NextShortfall; next != nil {
			more, what := next.MissingFTE, "add %s FTE"
			if s.Insufficient() {
				more, what = more-s.Verdict.MissingFTE, "add %s more FTE"
			}
			add(Task{Work: Plan, Partner: s.Partner, What: fmt.Sprintf(what, more), Why: s.ShortfallMessage, By: next.On, FTE: more})
		}
	}
	var unknown []string
	for _, c := range r.Coverage {
		if !fleet.Active(f.Partners[c.Partner], r.day) {
			continue
		}
		if c.Undeclared {
			unknown = append(unknown, r.Display(c.Partner))
		}
		if c.NextGap != "" {
			work := Plan
			if c.gap == "" {
				work = Cover
			}
			add(Task{Work: work, Partner: c.Partner, What: "find a replacement", Why: c.NextGap, By: c.gap})
		}
		if c.UncoveredMinutes > 0 {
			add(Task{Work: Cover, Partner: c.Partner, What: support.InHours(c.UncoveredMinutes) + " hours a week", Why: c.Uncovered, minutes: c.UncoveredMinutes})
		}
	}
	if len(unknown) > 0 {
		add(Task{Work: Cover, What: "declare the shifts of " + plural(len(unknown), "partner"), Why: "their hours are unknown without spec.shifts of the PCSMAllocations: " + conditions.Listed(unknown, mostNames)})
	}
	for _, c := range r.Conditions {
		before := len(tasks)
		for _, condition := range c.Conditions {
			switch kind := v1alpha1.ConditionType(condition.Type); {
			case kind == v1alpha1.ConditionCustomerCountStale && fleet.Active(f.Partners[c.Partner], r.day):
				add(Task{Work: Update, Partner: c.Partner, What: "report customers", Why: condition.Message})
			case kind == v1alpha1.ConditionCustomerCountStale, kind == v1alpha1.ConditionStaffingSufficient, kind == v1alpha1.ConditionCapacityExceeded, kind == v1alpha1.ConditionHoursCovered:
			case kind == v1alpha1.ConditionSubdomainReachable && condition.Status == metav1.ConditionFalse, conditions.SeverityOf(condition) == conditions.Error:
				add(Task{Work: Repair, Partner: c.Partner, What: condition.Reason, Why: condition.Message})
			}
		}
		if c.State == fleet.Broken && !slices.ContainsFunc(tasks[before:], func(task Task) bool { return task.Work == Repair }) {
			add(Task{Work: Repair, Partner: c.Partner, What: c.Reason, Why: c.Message})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Allocations)) {
		if allocation := f.Allocations[name]; f.Partners[string(allocation.Spec.PartnerRef.Name)] == nil {
			ready := fleet.AllocationReady(allocation, nil, r.day)
			add(Task{Work: Repair, What: ready.Reason, Why: fmt.Sprintf("PCSMAllocation %q: %s", name, ready.Message)})
		}
	}
	if r.Isolation != nil && r.Isolation.Status == metav1.ConditionFalse {
		add(Task{Work: Secure, What: r.Isolation.Reason, Why: r.Isolation.Message})
	}
	if len(r.plain) > 0 {
		add(Task{Work: Secure, What: "set TLS for " + plural(len(r.plain), "sub-domain"), Why: "in clear text to end customers without spec.subdomain.tls or the operator's --default-issuer: " + conditions.Listed(r.plain, mostNames)})
	}
	slices.SortStableFunc(tasks, func(a, b Task) int {
		return cmp.Or(cmp.Compare(a.Work.order(), b.Work.order()), cmp.Compare(a.By, b.By), cmp.Compare(b.FTE, a.FTE), cmp.Compare(b.minutes, a.minutes))
	})
	return tasks
}

// mostNames is how many partners a task for all names.
const mostNames = 20

func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

func (w Work) order() int {
	for i, work := range works {
		if work.Work == w {
			return i
		}
	}
	return len(works)
}

// TaskGroup are the tasks of a kind.
type TaskGroup struct {
	Title string
	Tasks []Task
}

// TaskGroups are the tasks by their kind, those without any left out.
func (r *Report) TaskGroups() []TaskGroup {
	var groups []TaskGroup
	for _, work := range works {
		group := TaskGroup{Title: work.Title}
		for _, task := range r.Tasks {
			if task.Work == work.Work {
				group.Tasks = append(group.Tasks, task)
			}
		}
		if len(group.Tasks) > 0 {
			groups = append(groups, group)
		}
	}
	return groups
}

// Tile is a figure at the head of a report, and those whom it counts.
type Tile struct {
	Title, Figure string
	// Partners are the first of those counted, More is how many others there are.
	Partners []string
	More     int
	// Bad reports whether somebody has to act.
	Bad bool
}

// Tiles are the figures at the head.
func (r *Report) Tiles() []Tile {
	var now, later, hours, broken []string
	var missing, expected v1alpha1.FTE
	uncovered := 0
	for _, task := range r.Tasks {
		switch {
		case task.Work == Hire:
			now, missing = append(now, task.DisplayName), missing+task.FTE
		case task.Work == Plan && task.FTE > 0:
			later, expected = append(later, fmt.Sprintf("%s, %s", task.DisplayName, task.By)), expected+task.FTE
		case task.Work == Cover && task.Partner != "":
			uncovered += task.minutes
			if !slices.Contains(hours, task.DisplayName) {
				hours = append(hours, task.DisplayName)
			}
		case task.Work == Repair && !slices.Contains(broken, task.DisplayName):
			broken = append(broken, task.DisplayName)
		}
	}
	tile := func(title, figure string, partners []string, bad bool) Tile {
		const most = 3
		shown := partners[:min(most, len(partners))]
		return Tile{title, figure, shown, len(partners) - len(shown), bad && len(partners) > 0}
	}
	tiles := []Tile{
		tile("FTE to add now", missing.String(), now, true),
		tile("FTE to add later", expected.String(), later, false),
		tile("Uncovered hours a week", support.InHours(uncovered), hours, true),
		tile("Broken", fmt.Sprint(len(broken)), broken, true),
	}
	if len(r.plain) > 0 {
		tiles = append(tiles, tile("Without TLS", fmt.Sprint(len(r.plain)), r.plain, true))
	}
	return tiles
}
