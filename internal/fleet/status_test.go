package fleet_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/fleet"
)

var now = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

// outcome reads a golden case of Evaluate: the fleet that it was given, with the
// status that came of it.
func outcome(input string) (*fleet.Fleet, *v1alpha1.Partner) {
	GinkgoHelper()
	f := fleet.New()
	var partner *v1alpha1.Partner
	for _, document := range documents(input) {
		var kind metav1.TypeMeta
		Expect(yaml.Unmarshal(document, &kind)).To(Succeed())
		switch kind.Kind {
		case "Partner":
			partner = read(document, &v1alpha1.Partner{})
			f.Add(partner)
		case "SupportPlan":
			f.Add(read(document, &v1alpha1.SupportPlan{}))
		case "PCSMAllocation":
			f.Add(read(document, &v1alpha1.PCSMAllocation{}))
		}
	}
	var out struct{ Status v1alpha1.PartnerStatus }
	Expect(yaml.Unmarshal(documents(strings.Replace(input, ".in.", ".out.", 1))[0], &out)).To(Succeed())
	partner.Status = out.Status
	partner.Generation = out.Status.ObservedGeneration
	return f, partner
}

func documents(file string) [][]byte {
	GinkgoHelper()
	data, err := os.ReadFile(file)
	Expect(err).NotTo(HaveOccurred())
	var documents [][]byte
	for document := range strings.SplitSeq(string(data), "\n---\n") {
		documents = append(documents, []byte(document))
	}
	return documents
}

func read[T any](document []byte, into T) T {
	GinkgoHelper()
	Expect(yaml.Unmarshal(document, into)).To(Succeed())
	return into
}

// last is the part at which a tree ends.
func last(part fleet.Part) fleet.Part {
	if len(part.Parts) == 0 {
		return part
	}
	return last(part.Parts[len(part.Parts)-1])
}

var _ = Describe("Tree, with what was read beside the operator's kinds", func() {
	part := func(tree *fleet.Part, what string) fleet.Part {
		GinkgoHelper()
		at := slices.IndexFunc(tree.Parts, func(p fleet.Part) bool { return strings.HasPrefix(p.What, what) })
		Expect(at).To(BeNumerically(">=", 0), "%+v", tree)
		return tree.Parts[at]
	}

	It("tells the end of the certificate, the manager's version, and since when end customers reach it", func() {
		f, partner := outcome("../tenant/testdata/certificate-issued.in.yaml")
		f.Manager, f.CertificateEnds = "v1.2.3", map[string]time.Time{string(partner.Spec.Subdomain.Host): now.AddDate(0, 0, 10)}
		meta.SetStatusCondition(&partner.Status.Conditions, metav1.Condition{
			Type: string(v1alpha1.ConditionSubdomainReachable), Status: metav1.ConditionFalse, Reason: "NameNotResolved", Message: "no record", LastTransitionTime: metav1.NewTime(now.Add(-time.Hour)),
		})
		tree := f.Tree(partner.Name, now)
		Expect(part(tree, "Certificate of").Note).To(HaveSuffix(", until 2026-12-11 (10d from now)"))
		f.CertificateEnds[string(partner.Spec.Subdomain.Host)] = now.AddDate(0, 0, -1)
		Expect(part(f.Tree(partner.Name, now), "Certificate of")).To(And(
			HaveField("State", fleet.Broken), HaveField("Note", HaveSuffix(", until 2026-11-30 (ended)")), HaveField("Runbook", "PartnerCertificateExpiring")))
		meta.SetStatusCondition(&partner.Status.Conditions, metav1.Condition{
			Type: string(v1alpha1.ConditionSubdomainReady), Status: metav1.ConditionFalse, Reason: string(v1alpha1.ReasonCertificatePending), Message: "not renewed",
		})
		Expect(part(f.Tree(partner.Name, now), "Certificate of")).To(And(
			HaveField("State", fleet.Broken), HaveField("Note", And(HavePrefix("not renewed; the certificate is from"), HaveSuffix("(ended)"))), HaveField("Runbook", "PartnerCertificateExpiring")))
		Expect(part(tree, "Manager").What).To(Equal("Manager v1.2.3"))
		Expect(part(tree, "Reachability")).To(Equal(fleet.Part{
			What: "Reachability NameNotResolved", State: fleet.Broken, Note: "no record; so since 2026-12-01 11:00 UTC", Runbook: "PartnerSubdomainUnreachable",
		}))
	})
})

var _ = Describe("Tree", func() {
	inputs, err := filepath.Glob("../tenant/testdata/*.in.yaml")
	if err != nil || len(inputs) == 0 {
		panic("no golden cases of Evaluate")
	}
	for _, input := range inputs {
		It("explains the outcome of "+strings.TrimSuffix(filepath.Base(input), ".in.yaml"), func() {
			f, partner := outcome(input)
			tree := f.Tree(partner.Name, now)
			ready := meta.FindStatusCondition(partner.Status.Conditions, string(v1alpha1.ConditionReady))
			if ready.Status == metav1.ConditionTrue {
				Expect(tree.State).To(BeElementOf(fleet.Fine, fleet.Idle))
				for _, part := range tree.Parts {
					if !strings.HasPrefix(part.What, "PCSMAllocation") {
						Expect(part.State).NotTo(BeElementOf(fleet.Broken, fleet.Pending), part.What)
					}
				}
				return
			}
			Expect(tree.State).To(BeElementOf(fleet.Broken, fleet.Pending))
			if ready.Reason == string(v1alpha1.ReasonSuspendedBySpec) {
				Expect(tree.Note).To(ContainSubstring("suspended by spec.suspend"))
				return
			}
			var broken []fleet.Part
			for _, part := range tree.Parts {
				if (part.State == fleet.Broken || part.State == fleet.Pending) && !strings.HasPrefix(part.What, "PCSMAllocation") {
					broken = append(broken, part)
				}
			}
			Expect(broken).NotTo(BeEmpty(), "the tree shows what Ready is about")
			Expect(broken[0].Note).To(Equal(ready.Message))
			if strings.HasPrefix(broken[0].What, "SupportPlan") {
				return // what runs is left as it is, so the tree goes on
			}
			Expect(last(*tree)).To(Equal(broken[0]), "it ends at the first broken link")
		})
	}

	DescribeTable("says what a former host waits for", func(of, what string, state fleet.State) {
		f, partner := outcome("../tenant/testdata/" + of + ".in.yaml")
		Expect(f.Tree(partner.Name, now).Parts).To(ContainElement(And(HaveField("What", what), HaveField("State", state))))
	},
		Entry("its target", "hand-over-offered", "Hand-over TargetNotServing", fleet.Idle),
		Entry("a route that somebody else made", "host-release-blocked", "Former host RouteRemains", fleet.Strained),
	)

	It("ends with what end customers meet, where a prober runs", func() {
		f, partner := outcome("../tenant/testdata/gateway-accepted.in.yaml")
		reachable := func(status metav1.ConditionStatus, reason v1alpha1.Reason) {
			meta.SetStatusCondition(&partner.Status.Conditions, metav1.Condition{
				Type: string(v1alpha1.ConditionSubdomainReachable), Status: status, Reason: string(reason), Message: "what was seen", LastTransitionTime: metav1.NewTime(now),
			})
		}
		reachable(metav1.ConditionTrue, v1alpha1.ReasonReachable)
		Expect(last(*f.Tree(partner.Name, now))).To(Equal(fleet.Part{What: "Reachability Reachable", State: fleet.Fine, Note: "what was seen; so since 2026-12-01 12:00 UTC"}))
		reachable(metav1.ConditionFalse, v1alpha1.ReasonNameNotResolved)
		Expect(last(*f.Tree(partner.Name, now))).To(Equal(fleet.Part{
			What: "Reachability NameNotResolved", State: fleet.Broken, Note: "what was seen; so since 2026-12-01 12:00 UTC", Runbook: "PartnerSubdomainUnreachable",
		}))
		Expect(f.Overview(now)).To(ConsistOf(And(HaveField("State", fleet.Broken), HaveField("Reason", "NameNotResolved"), HaveField("Message", "what was seen"))))
	})

	It("says that the operator has not looked yet", func() {
		f := fleet.New()
		f.Add(&v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "acme", Generation: 1}})
		Expect(f.Tree("acme", now).Note).To(ContainSubstring("see that its manager runs"))
		Expect(f.Overview(time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC))).To(ConsistOf(And(HaveField("State", fleet.Pending), HaveField("Reason", "NotReconciled"))))
	})

	It("says that the operator has not taken up a change", func() {
		f, partner := outcome("../tenant/testdata/within-capacity.in.yaml")
		partner.Generation++
		Expect(f.Tree(partner.Name, now).Note).To(ContainSubstring("has not taken up the last change"))
		Expect(f.Overview(time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC))).To(ConsistOf(HaveField("State", fleet.Pending)))
	})

	It("does not fail at what a newer operator says", func() {
		f, partner := outcome("../tenant/testdata/within-capacity.in.yaml")
		partner.Spec.Subdomain = &v1alpha1.Subdomain{Host: "remote.acmecorp.com", TLS: &v1alpha1.TLS{}}
		Expect(f.Tree(partner.Name, now).State).To(Equal(fleet.Fine))
		for i := range partner.Status.Conditions {
			if condition := &partner.Status.Conditions[i]; condition.Type == "SubdomainReady" || condition.Type == "Ready" {
				condition.Status, condition.Reason, condition.Message = metav1.ConditionFalse, "PolicyViolation", "why"
			}
		}
		Expect(last(*f.Tree(partner.Name, now))).To(And(HaveField("State", fleet.Pending), HaveField("Note", "why")))
	})

	It("is nil without such a partner", func() {
		Expect(fleet.New().Tree("nobody", now)).To(BeNil())
	})
})

var _ = Describe("Overview", func() {
	It("has problems first", func() {
		f := fleet.New()
		inputs, err := filepath.Glob("../tenant/testdata/*.in.yaml")
		Expect(err).NotTo(HaveOccurred())
		for _, input := range inputs {
			_, partner := outcome(input)
			partner.Name = strings.TrimSuffix(filepath.Base(input), ".in.yaml")
			f.Add(partner)
		}
		order := map[fleet.State]int{fleet.Broken: 0, fleet.Pending: 1, fleet.Strained: 2, fleet.Foreseen: 3, fleet.Idle: 4, fleet.Fine: 5}
		seen := map[fleet.State]bool{}
		worst := 0
		for _, status := range f.Overview(time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)) {
			Expect(order[status.State]).To(BeNumerically(">=", worst), status.Partner)
			worst = order[status.State]
			seen[status.State] = true
			if status.State != fleet.Fine {
				Expect(status.Message).NotTo(BeEmpty(), status.Partner)
				Expect(status.Reason).NotTo(BeEmpty(), status.Partner)
			} else {
				Expect(status.Ready).To(Equal(metav1.ConditionTrue))
			}
		}
		Expect(seen).To(HaveLen(len(order)), "every state is among the cases")
	})
})
