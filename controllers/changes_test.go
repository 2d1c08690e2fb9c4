package controllers_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/apply"
	"github.com/dispel/partner-operator/internal/manager"
)

var _ = Describe("A change of a default", func() {
	const count = 20
	name := func(i int) string { return fmt.Sprintf("waved-%02d", i) }
	now := &steppedClock{}
	under := func(class string) func(*manager.Options) {
		return func(o *manager.Options) {
			o.Settings.IngressClassName, o.Clock = class, now
			o.WaveShare, o.WavePause, o.MaxUnreachable = 0.1, time.Minute, 1
		}
	}
	class := func(ctx SpecContext, name string) string {
		GinkgoHelper()
		return ptr.Deref(get(ctx, &networkingv1.Ingress{}, name+".example.com", "partner-"+name).Spec.IngressClassName, "")
	}
	moved := func(ctx SpecContext) func() []string {
		return func() (names []string) {
			var ingresses networkingv1.IngressList
			Expect(direct.List(ctx, &ingresses)).To(Succeed())
			for i := range ingresses.Items {
				if name, ours := ingresses.Items[i].Labels[v1alpha1.PartnerLabel]; ours && strings.HasPrefix(name, "waved-") && ptr.Deref(ingresses.Items[i].Spec.IngressClassName, "") == "waves-after" {
					names = append(names, name)
				}
			}
			slices.Sort(names)
			return names
		}
	}
	names := func(of ...int) (names []string) {
		for _, i := range of {
			names = append(names, name(i))
		}
		return names
	}
	// probed writes what the prober says of a Partner.
	probed := func(ctx SpecContext, name string, status metav1.ConditionStatus) {
		GinkgoHelper()
		condition := metav1.Condition{Type: string(v1alpha1.ConditionSubdomainReachable), Status: status, Reason: "Reachable", LastTransitionTime: metav1.NewTime(now.Now())}
		if status == metav1.ConditionFalse {
			condition.Reason = "ConnectionFailed"
		}
		Expect(apply.Applier{Client: direct, StatusManager: v1alpha1.ProberFieldManager}.Status(ctx, partner(ctx, name),
			v1alpha1.PartnerStatus{Conditions: []metav1.Condition{condition}}, []v1alpha1.ConditionType{v1alpha1.ConditionSubdomainReachable})).To(Succeed())
	}
	classes := func(ctx SpecContext) {
		GinkgoHelper()
		for _, name := range []string{"waves-before", "waves-after"} {
			made := &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: networkingv1.IngressClassSpec{Controller: "example.net/" + name}}
			Expect(direct.Create(ctx, made)).To(Succeed())
			DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(direct.Delete(ctx, made))).To(Succeed()) })
		}
	}
	held := func(ctx SpecContext, name string) func() string {
		return func() string {
			found := meta.FindStatusCondition(partner(ctx, name).Status.Conditions, string(v1alpha1.ConditionChangeHeld))
			if found == nil {
				return ""
			}
			return found.Reason + ": " + found.Message
		}
	}
	const what = "the operator's defaults change the route from ingress class waves-before to ingress class waves-after, which does not reach this Partner yet: "

	It("waits for a class that is gone, as while its chart is installed anew", func(ctx SpecContext) {
		classes(ctx)
		mark := func(name string) {
			GinkgoHelper()
			of := get(ctx, &networkingv1.IngressClass{}, name, "")
			of.Annotations = map[string]string{networkingv1.AnnotationIsDefaultIngressClass: "true"}
			Expect(direct.Update(ctx, of)).To(Succeed())
		}
		mark("waves-before")
		running := startManager(under(""))
		defer running.stop()
		applyYAML(ctx, partnerYAML("waved-gone", ""))
		eventually(ctx, "waved-gone", "SubdomainReady=True/RouteAccepted")
		Expect(class(ctx, "waved-gone")).To(Equal("waves-before"))
		mark("waves-after")
		for range 2 {
			Expect(direct.Delete(ctx, get(ctx, &networkingv1.IngressClass{}, "waves-before", ""))).To(Succeed())
			eventually(ctx, "waved-gone", "ChangeHeld=True/IngressClassGone")
			Expect(direct.Create(ctx, &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "waves-before"}, Spec: networkingv1.IngressClassSpec{Controller: "example.net/waves-before"}})).To(Succeed())
			Eventually(held(ctx, "waved-gone")).Should(BeEmpty())
			Expect(class(ctx, "waved-gone")).To(Equal("waves-before"))
		}
		By("moving on if it does not come back")
		Expect(direct.Delete(ctx, get(ctx, &networkingv1.IngressClass{}, "waves-before", ""))).To(Succeed())
		eventually(ctx, "waved-gone", "ChangeHeld=True/IngressClassGone")
		now.step(time.Minute)
		patchPartner(ctx, "waved-gone", `spec: {displayName: Moved}`)
		Eventually(moved(ctx)).Should(ConsistOf("waved-gone"))
	})

	It("reaches partners in waves, and no further than they are served", func(ctx SpecContext) {
		classes(ctx)
		first := startManager(under("waves-before"))
		yaml := partnerYAML(name(0), "  supportPlanRef: {name: premium}\n")
		for i := 1; i < count; i++ {
			plan := "premium"
			if i%4 == 3 {
				plan = "basic"
			}
			yaml += partnerYAML(name(i), "  supportPlanRef: {name: "+plan+"}\n")
		}
		applyYAML(ctx, yaml)
		for i := range count {
			eventually(ctx, name(i), "SubdomainReady=True/RouteAccepted")
		}
		first.stop()

		By("beginning with those whose plans promise least")
		second := startManager(under("waves-after"))
		Eventually(moved(ctx)).Should(Equal(names(3, 7)))
		Eventually(held(ctx, name(0))).Should(Equal("WaitsForWave: " + what + "its wave has not begun (--wave)"))
		eventually(ctx, name(0), "Ready=True/Provisioned", "ChangeHeld=True/WaitsForWave")
		Consistently(moved(ctx)).WithTimeout(5 * time.Second).Should(Equal(names(3, 7)))

		By("keeping the pause across a restart")
		second.stop()
		second = startManager(under("waves-after"))
		Consistently(moved(ctx)).WithTimeout(5 * time.Second).Should(Equal(names(3, 7)))
		now.step(time.Minute)
		Eventually(moved(ctx)).Should(Equal(names(3, 7, 11, 15)))

		By("taking a Partner's own change at once, and putting right what somebody changed")
		patchPartner(ctx, name(1), `spec: {subdomain: {route: {ingressClassName: waves-after}}}`)
		Eventually(moved(ctx)).Should(Equal(names(1, 3, 7, 11, 15)))
		ingress := get(ctx, &networkingv1.Ingress{}, name(2)+".example.com", "partner-"+name(2))
		ingress.Spec.IngressClassName = new("traefik")
		Expect(direct.Update(ctx, ingress)).To(Succeed())
		Eventually(func() string { return class(ctx, name(2)) }).Should(Equal("waves-before"))
		patchPartner(ctx, name(5), `metadata: {annotations: {partner.dispel.com/changes: at-once}}`)
		Eventually(moved(ctx)).Should(Equal(names(1, 3, 5, 7, 11, 15)))

		By("stopping while those that it reached are not served")
		now.step(10 * time.Second)
		probed(ctx, name(3), metav1.ConditionFalse)
		probed(ctx, name(7), metav1.ConditionFalse)
		now.step(time.Minute)
		eventually(ctx, name(0), "Ready=True/Provisioned", "ChangeHeld=True/ChangesFailing")
		Expect(held(ctx, name(0))()).To(Equal("ChangesFailing: " + what + "too many that it reached are not served any more, such as waved-03, waved-07; the rollout resumes once they are; to skip the wait for this Partner, annotate it with partner.dispel.com/changes=at-once"))
		now.step(time.Hour)
		second.stop()
		second = startManager(under("waves-after"))
		Consistently(moved(ctx)).WithTimeout(5 * time.Second).Should(HaveLen(6))

		By("taking it back at once from those that it failed, and from the others in waves")
		second.stop()
		startManager(under("waves-before"))
		Eventually(moved(ctx)).Should(Equal(names(1, 11, 15)), "1 by its own spec")
		Eventually(held(ctx, name(11))).Should(HavePrefix("WaitsForWave: "))
		for _, i := range []int{3, 7} {
			probed(ctx, name(i), metav1.ConditionTrue)
		}
		now.step(time.Minute)
		Eventually(moved(ctx)).Should(Equal(names(1)))
		Eventually(held(ctx, name(11))).Should(BeEmpty())
	})

	It("waits for the change window of the plan", func(ctx SpecContext) {
		classes(ctx)
		day := func(in int) string { return now.Now().UTC().AddDate(0, 0, in).Weekday().String() }
		applyYAML(ctx, yamlText(fmt.Sprintf(`
apiVersion: partner.dispel.com/v1alpha1
kind: SupportPlan
metadata: {name: waved-at-night}
spec: {tier: MissionCritical, changeWindows: [{days: [%s], opens: "02:00", closes: "04:00"}]}
---
`, day(3)))+partnerYAML("waved-window", "  supportPlanRef: {name: waved-at-night}\n"))
		DeferCleanup(func(ctx SpecContext) {
			Expect(direct.Delete(ctx, &v1alpha1.SupportPlan{ObjectMeta: metav1.ObjectMeta{Name: "waved-at-night"}})).To(Succeed())
		})
		first := startManager(under("waves-before"))
		eventually(ctx, "waved-window", "SubdomainReady=True/RouteAccepted")
		first.stop()
		startManager(under("waves-after"))
		opens := now.Now().UTC().AddDate(0, 0, 3).Truncate(24 * time.Hour).Add(2 * time.Hour)
		Eventually(held(ctx, "waved-window")).Should(Equal("OutsideChangeWindow: " + what + `the change windows of SupportPlan "waved-at-night" open next at ` + opens.Format("2006-01-02 15:04") + " UTC"))
		eventually(ctx, "waved-window", "Ready=True/Provisioned", "ChangeHeld=True/OutsideChangeWindow")
		now.step(opens.Sub(now.Now()) + time.Minute)
		Eventually(func() v1alpha1.ObjectName { return partner(ctx, "waved-window").Status.Subdomain.IngressClass }).Should(Equal(v1alpha1.ObjectName("waves-after")))
		Eventually(held(ctx, "waved-window")).Should(BeEmpty())
	})
})
