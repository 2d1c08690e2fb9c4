package changes

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/snapshot"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "changes")
}

var now = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

var _ = Describe("The next wave", func() {
	waiting := func(names ...string) (fleet []member) {
		for _, name := range names {
			fleet = append(fleet, member{name: name, tier: v1alpha1.Premium, pending: true, waits: true, open: true})
		}
		return fleet
	}
	gate := func() *Gate {
		return New(Options{Share: 0.2, Pause: time.Minute, MaxUnreachable: 1})
	}

	It("is a share of those that are served, those on Basic plans first", func() {
		fleet := waiting("a", "b", "c", "d")
		fleet[3].tier = v1alpha1.Basic
		g := gate()
		Expect(g.next(fleet, 10, now)).To(Equal([]string{"d", "a"}))
		Expect(g.next(fleet, 10, now.Add(time.Second))).To(BeEmpty(), "the first is on its way")
	})

	It("is one partner at least, and none outside of its window", func() {
		fleet := waiting("a", "b")
		fleet[0].open = false
		Expect(gate().next(fleet, 2, now)).To(Equal([]string{"b"}))
	})

	It("waits for the pause since the last change of any", func() {
		fleet := append(waiting("a"), member{name: "done", reached: now.Add(-30 * time.Second)})
		g := gate()
		Expect(g.next(fleet, 2, now)).To(BeEmpty())
		Expect(g.next(fleet, 2, now.Add(time.Minute))).To(Equal([]string{"a"}))
	})

	It("does not begin while too many are on their way, or failed, even before the change is on a route of theirs", func() {
		g := gate()
		fleet := waiting("a", "b", "c", "d", "e", "f", "g", "h", "i", "j")
		Expect(g.next(fleet, 10, now)).To(Equal([]string{"a", "b"}))
		for i := range 2 { // the API server refuses it
			fleet[i].waits, fleet[i].unserved = false, true
		}
		Expect(g.next(fleet, 10, now.Add(2*time.Minute))).To(BeEmpty())
		for i := range 2 {
			fleet[i].failed = true
		}
		Expect(g.next(fleet, 10, now.Add(3*time.Minute))).To(ConsistOf("c", "d", "e", "f", "g", "h", "i", "j"), "they are told why")
		Expect(g.next(fleet, 10, now.Add(time.Hour))).To(BeEmpty())
		Expect(g.failing).To(Equal("a, b"))

		By("going on once they are served")
		for i := range 2 {
			fleet[i] = member{name: fleet[i].name, reached: now.Add(time.Hour)}
		}
		Expect(g.next(fleet, 10, now.Add(2*time.Hour))).To(ContainElements("c", "d"))
		Expect(g.failing).To(BeEmpty())
		Expect(g.turns).To(HaveLen(2))
	})
})

var _ = DescribeTable("A Partner whose sub-domain is not ready",
	func(ago, reachedAgo time.Duration, holds, isUnserved, isFailed bool) {
		partner := &v1alpha1.Partner{Status: v1alpha1.PartnerStatus{Subdomain: &v1alpha1.SubdomainStatus{}, Conditions: []metav1.Condition{
			{Type: string(v1alpha1.ConditionSubdomainReady), Status: metav1.ConditionFalse, LastTransitionTime: metav1.NewTime(now.Add(-ago))},
		}}}
		var reached time.Time
		if reachedAgo > 0 {
			reached = now.Add(-reachedAgo)
		}
		Expect(waits(partner, reached, now)).To(Equal(holds), "waits")
		unserved, failed := unserved(partner, reached, now)
		Expect(fmt.Sprint(unserved, failed)).To(Equal(fmt.Sprint(isUnserved, isFailed)))
	},
	Entry("for a moment, before any change", time.Second, time.Duration(0), true, false, false),
	Entry("for long", time.Hour, time.Duration(0), false, false, false),
	Entry("since a change reached it", time.Minute, 2*time.Minute, false, true, false),
	Entry("for a while since a change reached it", 3*time.Minute, 4*time.Minute, false, true, true),
	Entry("since long after a change", time.Second, time.Hour, true, false, false),
	Entry("since before a change, which is to put it right", time.Hour, time.Minute, false, false, false),
)

var _ = Describe("A class that is gone", func() {
	held := func(g *Gate, at time.Time) *snapshot.HeldChange {
		return g.Hold(&snapshot.Snapshot{Partner: &v1alpha1.Partner{Status: v1alpha1.PartnerStatus{Subdomain: &v1alpha1.SubdomainStatus{}}}, Now: at},
			objects.Change{From: objects.Defaults{IngressClass: "traefik"}})
	}

	It("keeps its routes for a minute, in which its chart may bring it back", func() {
		g := New(Options{Share: 0.1, Clock: clocktesting.NewFakePassiveClock(now)})
		Expect(held(g, now)).To(And(HaveField("Reason", v1alpha1.ReasonIngressClassGone), HaveField("Again", now.Add(time.Minute))))
		Expect(held(g, now.Add(59*time.Second))).NotTo(BeNil())
		Expect(held(g, now.Add(time.Minute))).To(BeNil())
		By("going again another day")
		Expect(held(g, now.AddDate(0, 0, 1))).NotTo(BeNil())
		By("coming back, and going once more within the minute")
		g.notice([]networkingv1.IngressClass{{ObjectMeta: metav1.ObjectMeta{Name: "traefik"}}})
		Expect(held(g, now.AddDate(0, 0, 1).Add(50*time.Second))).To(HaveField("Again", now.AddDate(0, 0, 1).Add(110*time.Second)))
	})
})
