package isolation

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "isolation")
}

// What a round finds: b is a blocked path to a canary that runs, o an open one, and u an unreachable canary.
var rounds = map[rune][2]bool{'b': {true, false}, 'o': {true, true}, 'c': {false, true}, 'u': {false, false}}

var _ = DescribeTable("The verdict",
	func(found string, wanted metav1.ConditionStatus) {
		var v verdict
		for _, round := range found {
			v.note(rounds[round][0], rounds[round][1])
		}
		Expect(v.status).To(Equal(wanted))
	},
	Entry("is True after one round", "b", metav1.ConditionTrue),
	Entry("is nothing at first, while a new Pod has no policies yet", "oo", metav1.ConditionStatus("")),
	Entry("is False after three", "ooo", metav1.ConditionFalse),
	Entry("is False, whether or not the open port answers", "bcoc", metav1.ConditionFalse),
	Entry("stays through moments", "boobuub", metav1.ConditionTrue),
	Entry("stays while Pods are replaced again and again", "buoboubuoubuu", metav1.ConditionTrue),
	Entry("is Unknown without a canary", "buuu", metav1.ConditionUnknown),
	Entry("is Unknown without one from the start", "uuu", metav1.ConditionUnknown),
	Entry("is False until the path is blocked again", "ooouu", metav1.ConditionFalse),
	Entry("is True at once then", "oooub", metav1.ConditionTrue),
)

var _ = DescribeTable("The canary's name",
	func(text, wanted string) {
		canary, err := ParseCanary(text)
		if wanted == "" {
			Expect(err).To(MatchError(ContainSubstring("write the canary's Service as namespace/name")))
			return
		}
		Expect(err).NotTo(HaveOccurred())
		Expect(canary.String()).To(Equal(wanted))
	},
	Entry("is read", "a/b", "a/b"),
	Entry("needs a namespace", "b", ""),
	Entry("needs a name", "a/", ""),
)
