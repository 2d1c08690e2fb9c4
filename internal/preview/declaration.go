package preview

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/kinds"
)

// Declaration is a Partner, SupportPlan or PCSMAllocation of the manifests.
type Declaration struct {
	// Action is what applying the manifest does with it; empty without a cluster to compare with.
	Action Action `json:"action,omitempty"`
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	// Differences are the fields of its spec that are changed, each as "customerCount: 28 -> 46",
	// in order.
	Differences []string `json:"differences,omitempty"`
}

// declare compares an object of the manifests with the one of the cluster, if there is one.
func (p *Plan) declare(object judged) (Declaration, error) {
	declared := Declaration{Kind: object.key.kind, Name: object.key.name}
	if !p.Against {
		return declared, nil
	}
	var old kinds.Object
	switch object.typed.(type) {
	case *v1alpha1.Partner:
		old = there(p.before.Partners, declared.Name)
	case *v1alpha1.SupportPlan:
		old = there(p.before.Plans, declared.Name)
	case *v1alpha1.PCSMAllocation:
		old = there(p.before.Allocations, declared.Name)
	default:
		return declared, nil
	}
	if old == nil {
		declared.Action = Create
		return declared, nil
	}
	var was, is map[string]any
	if err := convert(old, &was); err != nil {
		return declared, err
	}
	if err := convert(object.typed, &is); err != nil {
		return declared, err
	}
	before, _ := was["spec"].(map[string]any)
	after, _ := is["spec"].(map[string]any)
	declared.Action = Keep
	if declared.Differences = differences("", before, withNothing(before, after)); len(declared.Differences) > 0 {
		declared.Action = Change
	}
	return declared, nil
}

// told are the conditions whose change of reason is an effect worth telling first.
var told = []v1alpha1.ConditionType{v1alpha1.ConditionContractActive, v1alpha1.ConditionStaffingSufficient, v1alpha1.ConditionHoursCovered, v1alpha1.ConditionShortfallExpected}

// effects are the reasons of conditions that a plan changes, each as
// "WithinCapacity -> CapacityExceeded".
func effects(before, after []metav1.Condition) []string {
	of := told
	if meta.IsStatusConditionTrue(after, string(v1alpha1.ConditionStalled)) {
		of = append(slices.Clone(of), v1alpha1.ConditionReady)
	}
	var found []string
	for _, condition := range of {
		was, is := reasonOf(before, condition), reasonOf(after, condition)
		if was != "" && is != "" && was != is {
			found = append(found, was+" -> "+is)
		}
	}
	return found
}

func reasonOf(conditions []metav1.Condition, of v1alpha1.ConditionType) string {
	if condition := meta.FindStatusCondition(conditions, string(of)); condition != nil {
		return condition.Reason
	}
	if of == v1alpha1.ConditionContractActive && len(conditions) > 0 {
		return string(v1alpha1.ReasonWithinContractWindow) // of a contract without a window
	}
	return ""
}

// String is the declaration for people, without its action.
func (d Declaration) String() string {
	var changes []string
	for _, difference := range d.Differences {
		changes = append(changes, strings.Replace(difference, ": ", " ", 1))
	}
	line := d.Kind + " " + d.Name
	if len(changes) > 0 {
		line += ": " + strings.Join(changes, ", ")
	}
	return line
}
