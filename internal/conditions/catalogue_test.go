package conditions_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/testing/states"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "conditions")
}

func kindOf(name string) conditions.Kind {
	GinkgoHelper()
	i := slices.IndexFunc(conditions.Catalogue, func(kind conditions.Kind) bool { return kind.Name == name })
	Expect(i).To(BeNumerically(">=", 0), name)
	return conditions.Catalogue[i]
}

func conditionsOf(object *unstructured.Unstructured) []metav1.Condition {
	GinkgoHelper()
	list, _, err := unstructured.NestedSlice(object.Object, "status", "conditions")
	Expect(err).NotTo(HaveOccurred())
	var found []metav1.Condition
	for _, item := range list {
		var condition metav1.Condition
		Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(item.(map[string]any), &condition)).To(Succeed())
		found = append(found, condition)
	}
	return found
}

var _ = Describe("The catalogue", func() {
	It("allows every condition that golden files show, and expects of Ready what they show", func() {
		for _, state := range states.Settled() {
			if state.Object.GetKind() == "SubdomainClaim" {
				continue // it has no status
			}
			kind := kindOf(state.Object.GetKind())
			of := conditionsOf(state.Object)
			Expect(of).NotTo(BeEmpty(), state.Name)
			ready := meta.FindStatusCondition(of, string(v1alpha1.ConditionReady))
			for _, condition := range of {
				Expect(kind.Legal(condition)).To(BeTrue(), "%s: %v", state.Name, condition)
				progress := kind.ProgressOf(condition)
				if progress == conditions.Done || ready.Reason != condition.Reason {
					continue
				}
				Expect(meta.IsStatusConditionTrue(of, string(v1alpha1.ConditionStalled))).To(Equal(progress == conditions.Stalled), "%s: %v", state.Name, condition)
				Expect(meta.IsStatusConditionTrue(of, string(v1alpha1.ConditionReconciling))).To(Equal(progress == conditions.Waiting), "%s: %v", state.Name, condition)
			}
		}
	})

	It("refuses what is not in it", func() {
		partner := kindOf("Partner")
		for _, condition := range []metav1.Condition{
			{Type: "Ready", Status: metav1.ConditionTrue, Reason: "CapacityExceeded"},
			{Type: "Ready", Status: metav1.ConditionFalse, Reason: "Provisioned"},
			{Type: "CapacityExceeded", Status: metav1.ConditionFalse, Reason: "CustomersExceedFTECapacity"},
			{Type: "Stalled", Status: metav1.ConditionTrue, Reason: "Provisioned"},
			{Type: "Accepted", Status: metav1.ConditionTrue, Reason: "Accepted"},
		} {
			Expect(partner.Legal(condition)).To(BeFalse(), "%v", condition)
		}
	})

	It("has the conditions that the API lists for each kind", func() {
		for name, types := range map[string][]v1alpha1.ConditionType{
			"Partner": slices.Concat(v1alpha1.PartnerConditions, v1alpha1.ProberConditions), "PCSMAllocation": v1alpha1.PCSMAllocationConditions, "SupportPlan": v1alpha1.SupportPlanConditions,
		} {
			listed := []v1alpha1.ConditionType{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled}
			for _, condition := range kindOf(name).Conditions {
				listed = append(listed, condition.Type)
			}
			Expect(listed).To(ConsistOf(types), name)
		}
	})

	It("knows for each reason of SubdomainReady which link it breaks, and where to look", func() {
		partner := kindOf("Partner")
		i := slices.IndexFunc(partner.Conditions, func(c conditions.Condition) bool { return c.Type == v1alpha1.ConditionSubdomainReady })
		for _, c := range partner.Conditions[i].Cases {
			if c.Status == metav1.ConditionTrue {
				Expect(c.Link).To(BeZero(), "%v", c.Reasons)
				continue
			}
			Expect(c.Link).NotTo(BeZero(), "%v", c.Reasons)
			Expect(c.Field).NotTo(BeEmpty(), "%v", c.Reasons)
		}
	})

	It("has a tree that the page draws", func() {
		page, err := os.ReadFile("../../docs/conditions.md")
		Expect(err).NotTo(HaveOccurred())
		_, tree, found := strings.Cut(string(page), "```\nReady\n")
		Expect(found).To(BeTrue())
		tree, _, _ = strings.Cut(tree, "```")
		drawn := map[v1alpha1.ConditionType]v1alpha1.ConditionType{}
		for line := range strings.Lines(tree) {
			under := v1alpha1.ConditionType("")
			switch {
			case strings.HasPrefix(line, "   |- "), strings.HasPrefix(line, "   `- "):
				under = v1alpha1.ConditionSubdomainReady
			case strings.HasPrefix(line, "|- "), strings.HasPrefix(line, "`- "):
				under = v1alpha1.ConditionReady
			}
			names, _, _ := strings.Cut(strings.TrimLeft(line, " |`-"), "  ")
			for name := range strings.SplitSeq(names, ", ") {
				drawn[v1alpha1.ConditionType(strings.TrimSpace(name))] = under
			}
		}
		delete(drawn, "the SupportPlan") // has no condition of its own
		declared := map[v1alpha1.ConditionType]v1alpha1.ConditionType{}
		for _, c := range kindOf("Partner").Conditions {
			if c.Type != v1alpha1.ConditionReady && c.Type != v1alpha1.ConditionSuspended {
				declared[c.Type] = c.Under
			}
		}
		Expect(drawn).To(Equal(declared))
	})

	DescribeTable("weighs", func(condition, status, reason string, severity conditions.Severity) {
		Expect(conditions.SeverityOf(metav1.Condition{Type: condition, Status: metav1.ConditionStatus(status), Reason: reason})).To(Equal(severity))
	},
		Entry("what is as one wishes", "Ready", "True", "Provisioned", conditions.Fine),
		Entry("what is True and should not be", "CustomerCountStale", "True", "CountTooOld", conditions.Warning),
		Entry("what comes by itself", "Ready", "False", "HostReleasing", conditions.Notice),
		Entry("what somebody has to act on", "SubdomainReady", "False", "HostReserved", conditions.Error),
		Entry("what is True and still a cause for worry", "StaffingSufficient", "True", "NearCapacity", conditions.Warning),
		Entry("what somebody decided", "Ready", "False", "SuspendedBySpec", conditions.Notice),
		Entry("a reason of another version", "SubdomainReady", "False", "Unheard", conditions.Warning),
	)
})

var _ = Describe("The alert of a condition", func() {
	It("is there for whatever of the staff is not as it should be", func() {
		for _, condition := range kindOf("Partner").Conditions {
			if condition.Type != v1alpha1.ConditionStaffingSufficient {
				continue
			}
			for _, of := range condition.Cases {
				for _, reason := range of.Reasons {
					alert := conditions.AlertOf(metav1.Condition{Type: string(condition.Type), Status: of.Status, Reason: string(reason)})
					if of.Severity < conditions.Warning {
						Expect(alert).To(BeEmpty(), string(reason))
					} else {
						Expect(alert).NotTo(BeEmpty(), string(reason))
					}
				}
			}
		}
	})
})
