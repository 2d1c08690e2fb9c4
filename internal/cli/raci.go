package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/contract"
	"github.com/dispel/partner-operator/internal/fleet"
	"github.com/dispel/partner-operator/internal/support"
)

// raciTask is a task with the order of its contacts.
type raciTask struct {
	support.Task `json:",inline"`
	// Contacts are in the order in which to turn to them; the first FirstContacts of
	// them alike.
	Contacts      []support.Contact `json:"contacts"`
	FirstContacts int               `json:"firstContacts"`
	// AboutService says what the service type is.
	AboutService string `json:"aboutServiceType"`
	// Materials are the training materials that the plan lists for the task.
	Materials []v1alpha1.TrainingMaterial `json:"trainingMaterials,omitempty"`
}

// raci is what the command prints.
type raci struct {
	Partner      string                `json:"partner"`
	ChannelModel v1alpha1.ChannelModel `json:"channelModel"`
	// PCSM reports whether P-CSMs are active, Widget whether end customers reach them.
	PCSM   bool       `json:"pcsm"`
	Widget bool       `json:"widget"`
	Tasks  []raciTask `json:"tasks"`
	// Severity is that which was asked for; 0 for none. Within is how soon Dispel
	// answers, empty if the plan does not say.
	Severity int32  `json:"severity,omitempty"`
	Within   string `json:"within,omitempty"`
	// Clock is which time counts for it.
	Clock v1alpha1.ResponseClock `json:"clock,omitempty"`
	// ServiceHours are the hours a month of Customer Success that are contracted with
	// Dispel at least; 0 for none.
	ServiceHours int32 `json:"serviceHours,omitempty"`
	// Hours are when P-CSMs are at work; empty if the plan cannot be used.
	Hours string `json:"hours,omitempty"`
	// HoursLimited tells that there are fewer P-CSMs than the plan requires for them.
	HoursLimited bool `json:"hoursLimited,omitempty"`
	// Covered are those of a week in which somebody is on duty, such as 112/168h, if that is not all.
	Covered string `json:"covered,omitempty"`
	// Inactive says why nothing of it holds now: the contract has ended, or not begun.
	Inactive string `json:"inactive,omitempty"`
	// PolicyURL is Dispel's Support Policy, if the plan links to it.
	PolicyURL string `json:"policyURL,omitempty"`
	// SharedResponsibilityURL is a page on who is responsible for what, if the plan
	// links to one.
	SharedResponsibilityURL string `json:"sharedResponsibilityURL,omitempty"`
	// WithoutMaterials are the tasks for which Dispel owes training materials and the
	// plan lists none.
	WithoutMaterials []v1alpha1.TaskName `json:"withoutMaterials,omitempty"`
}

func (p *plugin) newRACICommand() *cobra.Command {
	output := newOutput()
	var task string
	var severity int32
	cmd := &cobra.Command{
		Use:   "raci NAME [--task TASK [--severity N]]",
		Short: "Show who does what for a partner's customers, and whom to contact first",
		Long: `Show who does what for a partner's customers: who is Primary and owns a task, who is Secondary and helps when the
primary cannot resolve it, who supplies documentation and training, and whom to contact first.`,
		Example: `  # All tasks
  kubectl partner raci acme

  # A grave fault in the network
  kubectl partner raci acme --task network --severity 1`,
		Args:              arguments(cobra.ExactArgs(1)),
		ValidArgsFunction: p.completePartner,
		RunE: func(cmd *cobra.Command, args []string) error {
			wanted, err := findTask(task)
			if err != nil {
				return usageError{err}
			}
			if given := cmd.Flags().Changed("severity"); given && (severity < 1 || severity > 4) {
				return usageError{fmt.Errorf("--severity %d: write 1 (the gravest) to 4, or leave it out where nothing is impaired", severity)}
			} else if given && task == "" {
				return usageError{errors.New("--severity is of a task: say which with --task")}
			}
			c, f, err := p.readFleet(cmd.Context())
			if err != nil {
				return err
			}
			partner, err := find(f, args[0], c.origin())
			if err != nil {
				return err
			}
			answer := raciOf(f, partner, wanted, severity, p.terminal.now())
			return p.terminal.print(output.value, answer, func() { p.terminal.printRACI(answer, task != "") })
		},
	}
	cmd.Flags().StringVar(&task, "task", "", "task category, or an unambiguous part of its name")
	cmd.Flags().Int32Var(&severity, "severity", 0, "severity of the fault, 1 to 4; none where nothing is impaired")
	cmd.Flags().VarP(&output, "output", "o", "table, json or yaml")
	completeChoices(cmd, "task", taskNames())
	completeChoices(cmd, "severity", []string{"1", "2", "3", "4"})
	completeChoices(cmd, "output", output.values)
	return cmd
}

func taskNames() []string {
	var names []string
	for _, task := range support.Tasks(v1alpha1.OEM, false) {
		names = append(names, task.Name)
	}
	return names
}

// findTask finds the tasks that a text is a part of. The error names all tasks
// unless it is one.
func findTask(text string) ([]string, error) {
	var found []string
	for _, task := range support.Tasks(v1alpha1.OEM, false) {
		name := task.Name
		if strings.EqualFold(name, text) || strings.EqualFold(string(task.ID), text) {
			return []string{name}, nil
		}
		if strings.Contains(strings.ToLower(name), strings.ToLower(text)) {
			found = append(found, name)
		}
	}
	switch {
	case text == "" || len(found) == 1:
		return found, nil
	case len(found) > 1:
		return nil, fmt.Errorf("--task %q may be any of: %s", text, strings.Join(found, "; "))
	}
	return nil, fmt.Errorf("--task %q is none of: %s", text, strings.Join(taskNames(), "; "))
}

func raciOf(f *fleet.Fleet, partner *v1alpha1.Partner, tasks []string, severity int32, now time.Time) raci {
	plan := f.Plans[contract.PlanName(partner)]
	judged := contract.Judge(partner, plan, f.AllocationsOf(partner.Name), now)
	answer := raci{Partner: partner.Name, ChannelModel: partner.Spec.ChannelModel, PCSM: judged.Allocated > 0, Severity: severity}
	answer.Widget = meta.IsStatusConditionTrue(partner.Status.Conditions, string(v1alpha1.ConditionSupportWidgetEnabled))
	for _, task := range support.Tasks(partner.Spec.ChannelModel, answer.PCSM) {
		if slices.Contains(tasks, task.Name) {
			answer.Tasks = append(answer.Tasks, raciTask{
				Task: task, Contacts: task.Contacts(partner.Spec.ChannelModel), FirstContacts: task.FirstContacts(), AboutService: support.AboutService(task.ServiceType),
			})
		}
	}
	if addOns := partner.Spec.AddOns; addOns != nil && addOns.CustomerSuccess != nil {
		answer.ServiceHours = addOns.CustomerSuccess.MonthlyRetainerHours
	}
	if !judged.InForce() {
		answer.Inactive = judged.Window.Message
	}
	if judged.Terms != nil {
		answer.Hours, answer.PolicyURL = support.Describe(judged.Terms.OperatingHours), plan.Spec.PolicyURL
		answer.SharedResponsibilityURL, answer.WithoutMaterials = plan.Spec.SharedResponsibilityURL, support.WithoutMaterials(plan)
		for i := range answer.Tasks {
			answer.Tasks[i].Materials = support.Materials(plan, answer.Tasks[i].ID)
		}
		answer.HoursLimited = judged.HoursLimited()
		if v := judged.Forecast.Coverage; v != nil && v.Declared && v.Uncovered > 0 {
			answer.Covered = v.Summary()
		}
		for _, target := range plan.Spec.ResponseTargets {
			if target.Severity == severity {
				answer.Within, answer.Clock = target.Within, contract.ClockOf(target)
			}
		}
	}
	return answer
}

// dispelRoles writes Dispel's roles.
func dispelRoles(roles []support.Role) string {
	var words []string
	for _, role := range roles {
		words = append(words, roleName(role))
	}
	return strings.Join(words, ", ")
}

func roleName(role support.Role) string {
	if role == support.DocumentationAndTraining {
		return "Documentation and Training"
	}
	return string(role)
}

func (t *Terminal) printRACI(answer raci, one bool) {
	if answer.Inactive != "" {
		fmt.Fprintf(t.Out, "%s\n\n", t.wrap("The contract is not in force: "+clean(answer.Inactive), 0))
	}
	if one {
		t.printTask(answer)
		return
	}
	w := t.newTable("task", "service type", "customer", "partner", "dispel", "contact first")
	for _, task := range answer.Tasks {
		w.AppendRow([]any{task.Name, task.ServiceType, roleName(task.Customer), partnerRole(task.Task), dispelRoles(task.Dispel), task.first()})
	}
	t.fit(w, nil, []string{"service type"})
	if answer.ServiceHours > 0 {
		fmt.Fprintf(t.Out, "\n%s\n", t.wrap(fmt.Sprintf("Dispel does agreed Implementation, Customer Success and Maintenance by the hour, %d hours a month at least; the partner stays the first contact.", answer.ServiceHours), 0))
	}
}

// first names those to turn to at first.
func (t raciTask) first() string {
	return strings.Join(contactNames(t.Contacts[:t.FirstContacts]), " or ")
}

func contactNames(contacts []support.Contact) []string {
	var names []string
	for _, contact := range contacts {
		if contact == support.ContactPCSM {
			contact = "Dispel P-CSM"
		}
		names = append(names, string(contact))
	}
	return names
}

func partnerRole(task support.Task) string {
	role := roleName(task.Partner)
	if task.WithPCSM {
		role += ", with Dispel P-CSM"
	}
	return role
}

// printTask explains one task.
func (t *Terminal) printTask(answer raci) {
	task := answer.Tasks[0]
	fmt.Fprintf(t.Out, "%s\n\n", t.wrap(fmt.Sprintf("%s (%s), for customers of %s (%s)", t.paint(text.Bold, task.Name), task.ServiceType, answer.Partner, answer.ChannelModel), 0))
	fmt.Fprintf(t.Out, "%s\n%s\n\n", t.wrap(sentence(task.About), 0), t.wrap(fmt.Sprintf("%s: %s.", task.ServiceType, task.AboutService), 0))
	w := t.newTable("", "")
	w.ResetHeaders()
	holders := func(role support.Role) string {
		var parties []string
		if task.Customer == role {
			parties = append(parties, string(v1alpha1.PartyCustomer))
		}
		if task.Partner == role {
			name := string(v1alpha1.PartyPartner)
			if task.WithPCSM {
				name += ", with Dispel P-CSM"
			}
			parties = append(parties, name)
		}
		if slices.Contains(task.Dispel, role) {
			parties = append(parties, string(v1alpha1.PartyDispel))
		}
		if len(parties) == 0 {
			return "nobody"
		}
		return strings.Join(parties, ", ")
	}
	for _, role := range []support.Role{support.Primary, support.Secondary, support.DocumentationAndTraining} {
		w.AppendRow([]any{roleName(role), holders(role)})
	}
	w.AppendRow([]any{"Contact first", task.first()})
	if then := contactNames(task.Contacts[task.FirstContacts:]); len(then) > 0 {
		w.AppendRow([]any{"Then", strings.Join(then, ", then ")})
	}
	t.fit(w, nil, nil)
	fmt.Fprintln(t.Out)
	for _, line := range answer.advice() {
		fmt.Fprintln(t.Out, t.wrap(line, 0))
	}
}

// advice is what else there is to know about a task.
func (r raci) advice() []string {
	var lines []string
	first := r.Tasks[0].Contacts[0] == support.Contact(v1alpha1.PartyDispel)
	switch {
	case r.Severity == 0 && r.Tasks[0].Name != support.EndUserSupport:
	case r.Severity == 0:
		lines = append(lines, "A request without a performance impact has no severity, and counts as End-user support.")
	case first && support.Prioritised(r.Severity):
		lines = append(lines, fmt.Sprintf("Severity %d: Dispel handles it with priority.", r.Severity))
	case first:
		lines = append(lines, fmt.Sprintf("Severity %d: severities 1 and 2 come first.", r.Severity))
	case support.Prioritised(r.Severity):
		lines = append(lines, fmt.Sprintf("Severity %d: Dispel handles it with priority once the first contact cannot resolve it.", r.Severity))
	default:
		lines = append(lines, fmt.Sprintf("Severity %d: Dispel helps when the first contact cannot resolve it, after severities 1 and 2.", r.Severity))
	}
	if r.Within != "" {
		clock := "of operating hours"
		if r.Clock == v1alpha1.ClockAlways {
			clock = "around the clock"
		}
		lines = append(lines, fmt.Sprintf("Dispel answers within %s %s.", r.Within, clock))
	} else if r.Severity > 0 && r.Hours != "" {
		lines = append(lines, "The plan names no response target: Dispel's Support Policy does.")
	}
	switch {
	case r.Widget && r.HoursLimited:
		lines = append(lines, fmt.Sprintf("End customers reach P-CSMs in the support widget, which promises no hours: there are fewer P-CSMs than the plan requires for %s.", r.Hours))
	case r.Widget && r.Covered != "":
		lines = append(lines, fmt.Sprintf("Of the plan's hours (%s), %s a week have a P-CSM on duty; end customers reach P-CSMs in the support widget.", r.Hours, r.Covered))
	case r.Widget && r.Hours != "":
		lines = append(lines, fmt.Sprintf("P-CSMs answer %s; end customers reach them in the support widget.", r.Hours))
	}
	if r.ServiceHours > 0 && r.Tasks[0].Partner == support.Primary {
		lines = append(lines, fmt.Sprintf("Dispel does agreed work of this kind by the hour, %d hours a month at least; the partner stays the first contact.", r.ServiceHours))
	}
	for _, material := range r.Tasks[0].Materials {
		lines = append(lines, fmt.Sprintf("Training material: %s, %s", material.Title, material.URL))
	}
	if slices.Contains(r.WithoutMaterials, r.Tasks[0].ID) {
		lines = append(lines, "Dispel supplies training materials for this task, and the plan lists none.")
	}
	if r.SharedResponsibilityURL != "" {
		lines = append(lines, "Who is responsible for what: "+r.SharedResponsibilityURL)
	}
	if r.PolicyURL != "" {
		lines = append(lines, "Dispel's Support Policy: "+r.PolicyURL)
	}
	return lines
}
