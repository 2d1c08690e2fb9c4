package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/yaml"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/contract"
	"github.com/dispel/partner-operator/internal/coverage"
	"github.com/dispel/partner-operator/internal/fleet"
	"github.com/dispel/partner-operator/internal/staffing"
	"github.com/dispel/partner-operator/internal/support"
)

// proposal is what coverage --propose prints for programs.
type proposal struct {
	Partner string `json:"partner"`
	// ActiveFTE are those of now, ProposedFTE those of the proposal, and FewestFTE the least for which
	// no proof is known that they do not suffice. MinimumFTE are the plan's.
	ActiveFTE   v1alpha1.FTE `json:"activeFTE"`
	ProposedFTE v1alpha1.FTE `json:"proposedFTE"`
	FewestFTE   v1alpha1.FTE `json:"fewestFTE,omitempty"`
	MinimumFTE  v1alpha1.FTE `json:"minimumFTE"`
	// ReplacedShifts is how many of the shifts that are there are replaced or removed.
	ReplacedShifts int `json:"replacedShifts"`
	// OperatingMinutes and UncoveredMinutes are those of a regular week, the weakest of the year.
	OperatingMinutes int `json:"operatingMinutes"`
	UncoveredMinutes int `json:"uncoveredMinutes"`
	// AtLeastUncoveredMinutes are those that stay uncovered with these FTE whoever works when.
	AtLeastUncoveredMinutes int `json:"atLeastUncoveredMinutes"`
	// Notes say what the proposal leaves out, or depends on.
	Notes []string `json:"notes,omitempty"`
	// Allocations are to be applied.
	Allocations []v1alpha1.PCSMAllocation `json:"allocations"`
}

// wish reads what the flags ask a proposal for; nil if they ask for none.
func (f *coverageFlags) wish(named bool) (*coverage.Wish, error) {
	if !f.propose && f.withFTE == "" {
		if len(f.zones) > 0 {
			return nil, usageError{errors.New("--zones is about a proposal: write --propose or --with-fte besides")}
		}
		return nil, nil
	}
	if !named || f.now || f.output.value == "ics" || !f.from.day.IsZero() || f.days != defaultDays || f.timeZone != "" || f.propose && f.withFTE != "" {
		return nil, usageError{errors.New("--propose and --with-fte are about the regular week of one partner: write its name, one of the two, no --now, --from, --days and --time-zone, and no -o ics")}
	}
	var wish coverage.Wish
	if f.withFTE != "" {
		fte, err := v1alpha1.ParseFTE(f.withFTE)
		if err == nil && fte < v1alpha1.HalfFTE {
			err = errors.New("the least is 0.5: write 0.5, 1, 1.5 and so on")
		}
		if err != nil {
			return nil, usageError{fmt.Errorf("--with-fte %s: %w", f.withFTE, err)}
		}
		wish.FTE = fte
	}
	for _, name := range f.zones {
		zone, err := support.LoadZone(v1alpha1.TimeZone(name))
		if err != nil {
			return nil, usageError{fmt.Errorf("--zones: %w", err)}
		}
		wish.Zones = append(wish.Zones, zone)
	}
	return &wish, nil
}

// propose prints the shifts that suffice for a partner.
func (p *plugin) propose(ctx context.Context, f *fleet.Fleet, partner *v1alpha1.Partner, wish coverage.Wish, output string, now time.Time) error {
	roster, fault := f.RosterOf(partner)
	if fault != nil {
		return fmt.Errorf("nothing can be proposed for %q: %s", partner.Name, fault.Message)
	}
	if !partner.Spec.ChannelModel.WhiteLabels() {
		return fmt.Errorf("%q is a %s: only an OEM or MSP can have P-CSMs", partner.Name, partner.Spec.ChannelModel)
	}
	wish.Taken = sets.KeySet(f.Allocations)
	found, err := roster.Propose(ctx, partner, now, wish)
	if err != nil {
		return fmt.Errorf("nothing can be proposed for %q: %w", partner.Name, err)
	}
	terms, fault := contract.Terms(partner, f.Plans[contract.PlanName(partner)])
	if fault != nil {
		return fmt.Errorf("nothing can be proposed for %q: %s", partner.Name, fault.Message)
	}
	result := proposal{
		Partner: partner.Name, ActiveFTE: found.Before, ProposedFTE: found.After, FewestFTE: found.FewestFTE, MinimumFTE: terms.Staffing.MinimumFTE,
		ReplacedShifts: found.Replaced, OperatingMinutes: found.Operating, UncoveredMinutes: found.Uncovered, AtLeastUncoveredMinutes: found.AtLeast, Allocations: []v1alpha1.PCSMAllocation{},
	}
	for _, a := range found.Allocations {
		annotations := map[string]string{}
		for key, value := range a.Annotations {
			if key != corev1.LastAppliedConfigAnnotation {
				annotations[key] = value
			}
		}
		result.Allocations = append(result.Allocations, v1alpha1.PCSMAllocation{
			TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "PCSMAllocation"},
			ObjectMeta: metav1.ObjectMeta{Name: a.Name, Labels: a.Labels, Annotations: annotations},
			Spec:       a.Spec,
		})
	}
	result.Notes = notesOn(f, partner, now)
	if found.Untried {
		result.Notes = append(result.Notes, "not all ways to spread people over the time zones were tried: name fewer with --zones")
	}
	var failed error
	return errors.Join(p.terminal.print(output, result, func() { failed = p.terminal.printProposal(result, contract.PlanName(partner)) }), failed)
}

// notesOn says of which allocations a proposal knows nothing, or only for a while.
func notesOn(f *fleet.Fleet, partner *v1alpha1.Partner, now time.Time) []string {
	var notes []string
	for _, a := range f.AllocationsOf(partner.Name) {
		window, err := staffing.WindowOf(&a)
		if err != nil || window.Ended(now) {
			continue
		}
		switch refused := staffing.Accept(&a, partner); {
		case !a.DeletionTimestamp.IsZero():
			notes = append(notes, fmt.Sprintf("PCSMAllocation %s is being deleted, and left out", a.Name))
		case refused != nil:
			notes = append(notes, fmt.Sprintf("PCSMAllocation %s is not accepted, and left out: %s", a.Name, refused))
		case !window.Begun(now):
			notes = append(notes, fmt.Sprintf("PCSMAllocation %s begins on %s, and is left out", a.Name, a.Spec.ValidFrom))
		case !window.Until.IsZero() && window.Until.Before(now.AddDate(1, 0, 0)):
			notes = append(notes, fmt.Sprintf("PCSMAllocation %s ends on %s, until when this holds", a.Name, a.Spec.ValidUntil))
		}
	}
	return notes
}

// printProposal prints manifests to apply, below what they are worth.
func (t *Terminal) printProposal(r proposal, plan string) error {
	const perPerson = 40 * 60
	comment := func(format string, args ...any) {
		for line := range strings.Lines(t.wrap(fmt.Sprintf(format, args...), 2)) {
			fmt.Fprintf(t.Out, "# %s\n", strings.TrimSpace(line))
		}
	}
	if r.UncoveredMinutes == 0 {
		comment("With %s FTE of P-CSMs, all %s operating hours of a regular week of %s have somebody on duty, through the year's changes of the clocks.", r.ProposedFTE, support.InHours(r.OperatingMinutes), r.Partner)
	} else {
		comment("With %s FTE of P-CSMs, %s of %s operating hours of a regular week of %s have nobody on duty.", r.ProposedFTE, support.InHours(r.UncoveredMinutes), support.InHours(r.OperatingMinutes), r.Partner)
	}
	added := int((r.ProposedFTE - r.ActiveFTE) / v1alpha1.HalfFTE)
	switch {
	case added > 0:
		comment("That is %s FTE more than now: %s, each with 0.5 FTE. Of the shifts that are there, %d are replaced.", r.ProposedFTE-r.ActiveFTE, people(added), r.ReplacedShifts)
	case len(r.Allocations) > 0:
		comment("It takes nobody more than now. Of the shifts that are there, %d are replaced.", r.ReplacedShifts)
	default:
		comment("Nothing is to be changed.")
	}
	if r.FewestFTE > 0 && r.FewestFTE < r.ProposedFTE {
		comment("Perhaps %s FTE suffice: as clocks change on different days, no proof was found that they do not.", r.FewestFTE)
	}
	if r.AtLeastUncoveredMinutes < r.UncoveredMinutes {
		comment("Perhaps as few as %s hours: as clocks change on different days, no proof was found that it has to be more.", support.InHours(r.AtLeastUncoveredMinutes))
	}
	persons := int(r.MinimumFTE+v1alpha1.OneFTE-1) / int(v1alpha1.OneFTE)
	minimum := fmt.Sprintf("The minimum of SupportPlan %q is %s FTE.", plan, r.MinimumFTE)
	if covered := persons * perPerson; covered < r.OperatingMinutes {
		minimum += fmt.Sprintf(" As %s of 8 hours a day, 40 a week, they cover %s of the %s hours; the hours take %d people.",
			people(persons), support.InHours(covered), support.InHours(r.OperatingMinutes), (r.OperatingMinutes+perPerson-1)/perPerson)
	}
	if r.ProposedFTE < r.MinimumFTE {
		minimum += fmt.Sprintf(" That is %s more than proposed: raise spec.fte of allocations to meet it.", r.MinimumFTE-r.ProposedFTE)
	}
	comment("%s", minimum)
	for _, note := range r.Notes {
		comment("%s", sentence(note))
	}
	for i, a := range r.Allocations {
		if i > 0 {
			fmt.Fprintln(t.Out, "---")
		}
		data, err := yaml.Marshal(a)
		if err != nil {
			return err
		}
		fmt.Fprintf(t.Out, "%s", data)
	}
	return nil
}

func people(n int) string {
	if n == 1 {
		return "1 person"
	}
	return fmt.Sprintf("%d people", n)
}
