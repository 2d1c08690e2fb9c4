package tenant_test

import (
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/snapshot"
	"github.com/dispel/partner-operator/internal/tenant"
)

// found is a condition of an outcome; the zero value if it has none.
func found(outcome tenant.Outcome, condition v1alpha1.ConditionType) metav1.Condition {
	if c := meta.FindStatusCondition(outcome.Status.Conditions, string(condition)); c != nil {
		return *c
	}
	return metav1.Condition{}
}

var _ = Describe("A host on its way from one Partner to another", func() {
	const host = "remote.acmecorp.com"
	sourceRoute := snapshot.RouteRef{Host: host, Kind: "Ingress", Namespace: "partner-globex", Name: host, Partner: "globex", Own: true, Addresses: []string{"192.0.2.7", "192.0.2.3"}}

	Context("seen by the target", func() {
		var s snapshot.Snapshot
		BeforeEach(func() {
			s = readSnapshot("testdata/hand-over-target.in.yaml")
			s.Sources = []string{"globex"}
			s.Routes = []snapshot.RouteRef{sourceRoute}
		})

		It("is served at the former addresses, too, while the source's route is there", func() {
			outcome := tenant.Settle(s)
			Expect(outcome.Status.Subdomain.FormerAddresses).To(Equal([]string{"192.0.2.3", "192.0.2.7"}))

			By("forgetting them with the route")
			s.Routes = nil
			Expect(tenant.Settle(s).Status.Subdomain.FormerAddresses).To(BeEmpty())
		})

		It("may be routed by what renews the source's certificate, and by nothing else", func() {
			solver := snapshot.RouteRef{Host: host, Kind: "Ingress", Namespace: "partner-globex", Name: "cm-acme-http-solver-x", Partner: "globex", Solver: true}
			s.Routes = append(s.Routes, solver)
			Expect(found(tenant.Settle(s), v1alpha1.ConditionSubdomainReady).Reason).To(Equal("RouteAccepted"))
			solver.Partner, solver.Namespace = "third", "partner-third"
			s.Routes = []snapshot.RouteRef{sourceRoute, solver}
			Expect(found(tenant.Settle(s), v1alpha1.ConditionSubdomainReady).Reason).To(Equal("HostRoutedElsewhere"), "it is not part of the hand-over")
		})

		It("names the way out where the controller takes no second route", func() {
			s.Failures = []snapshot.Failure{{Object: tenant.Settle(s).Objects[slices.IndexFunc(tenant.Settle(s).Objects, func(o kinds.Object) bool {
				_, ingress := o.(*networkingv1.Ingress)
				return ingress
			})], Refused: true, Message: "host and path are already defined"}}
			ready := found(tenant.Evaluate(s), v1alpha1.ConditionSubdomainReady)
			Expect(ready.Reason).To(Equal("ObjectRefused"))
			Expect(ready.Message).To(HaveSuffix("host and path are already defined; the host is also routed by Ingress partner-globex/" + host +
				": if the ingress controller lets only one route have a host, delete that one first"))
		})

		It("waits for its own contract, and says so", func() {
			s.Partner.Spec.ValidFrom = "2027-01-01"
			s.Claim = &v1alpha1.SubdomainClaim{ObjectMeta: metav1.ObjectMeta{Name: host}, Spec: v1alpha1.SubdomainClaimSpec{
				PartnerRef: v1alpha1.PartnerReference{Name: "globex"}, HandOverTo: &v1alpha1.PartnerReference{Name: v1alpha1.PartnerName(s.Partner.Name)},
			}}
			s.Children = slices.DeleteFunc(s.Children, func(o kinds.Object) bool { _, claim := o.(*v1alpha1.SubdomainClaim); return claim })
			s.Holder = &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "globex"}, Spec: v1alpha1.PartnerSpec{HandOver: &v1alpha1.HandOver{
				Host: host, PartnerRef: v1alpha1.PartnerReference{Name: v1alpha1.PartnerName(s.Partner.Name)},
			}}}
			Expect(found(tenant.Settle(s), v1alpha1.ConditionSubdomainReady).Message).To(Equal(
				`Partner "globex" hands over ` + host + ", which this Partner takes once its contract is in force: the contract starts on 2027-01-01, and the sub-domain is served from then on: set spec.validFrom to an earlier day to serve it before"))
		})
	})

	Context("seen by the source", func() {
		served := func(reason string, status metav1.ConditionStatus) *v1alpha1.Partner {
			target := &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "globex", Generation: 3}, Spec: v1alpha1.PartnerSpec{Subdomain: &v1alpha1.Subdomain{Host: host}}}
			target.Status.Conditions = []metav1.Condition{{Type: "SubdomainReady", Status: status, Reason: reason, ObservedGeneration: 3, LastTransitionTime: metav1.NewTime(goldenNow.Add(-time.Minute))}}
			if status == metav1.ConditionTrue {
				target.Status.Subdomain = &v1alpha1.SubdomainStatus{URL: "https://" + host}
			}
			return target
		}
		var s snapshot.Snapshot
		BeforeEach(func() {
			s = readSnapshot("testdata/hand-over-settling.in.yaml")
			s.Routes = nil
			s.Routes = append(s.Routes, snapshot.RouteRef{
				Host: host, Kind: "Ingress", Namespace: "partner-globex", Name: host, Partner: "globex", Created: metav1.NewTime(goldenNow.Add(-time.Minute)),
			})
		})

		It("is served here until the target serves, whose it is from then on, although the route stays", func() {
			s.Target = served("CertificatePending", metav1.ConditionFalse)
			Expect(tenant.Settle(s).Status.Subdomain).To(HaveField("URL", "http://"+host))
			s.Target = served("RouteAccepted", metav1.ConditionTrue)
			outcome := tenant.Settle(s)
			Expect(outcome.Status.Subdomain).To(BeNil())
			Expect(outcome.Status.SupportWidget).To(BeNil())
			Expect(outcome.Prune).NotTo(ContainElement(HaveField("Name", host)))
		})

		It("ends at once where the target's listener can only take the place of this one", func() {
			s.Target = served("ListenerConflict", metav1.ConditionFalse)
			outcome := tenant.Settle(s)
			Expect(outcome.Prune).To(ContainElement(And(BeAssignableToTypeOf(&networkingv1.Ingress{}), HaveField("Name", host))))
			s = readSnapshot("testdata/hand-over-settling.in.yaml")
			s.Target = served("ListenerConflict", metav1.ConditionFalse)
			s.Target.Generation = 4
			Expect(tenant.Settle(s).Prune).NotTo(ContainElement(HaveField("Name", host)), "it may have another Gateway by now")
		})

		It("does not wait for an address that never comes", func() {
			s.Target = served("RouteAccepted", metav1.ConditionTrue)
			for _, child := range s.Children {
				if ingress, ok := child.(*networkingv1.Ingress); ok {
					ingress.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{{IP: "192.0.2.1"}}
				}
			}
			outcome := tenant.Settle(s)
			Expect(outcome.Prune).NotTo(ContainElement(HaveField("Name", host)))
			Expect(outcome.RequeueAt).To(Equal(goldenNow.Add(time.Minute)), "two overlaps after it was ready")
			s.Now = outcome.RequeueAt
			Expect(tenant.Settle(s).Prune).To(ContainElement(HaveField("Name", host)))
		})

		It("names the contract that keeps the target from it", func() {
			s.Target = served("HostReleasing", metav1.ConditionFalse)
			s.Target.Status.Conditions = append(s.Target.Status.Conditions, metav1.Condition{Type: "ContractActive", Status: metav1.ConditionFalse, Reason: "ContractNotStarted"})
			Expect(found(tenant.Settle(s), v1alpha1.ConditionHandOverPending).Message).To(Equal(
				host + ` is handed over to Partner "globex", whose contract is not in force (ContractNotStarted), so that it takes no host yet: correct its spec.validFrom or spec.validUntil; until then it is served here`))
		})
	})
})

var _ = Describe("A listener of a host that is handed over", func() {
	It("says that it conflicts with the source's, as the Gateway API prescribes", func() {
		s := readSnapshot("testdata/gateway-own-listener.in.yaml")
		host := string(s.Partner.Spec.Subdomain.Host)
		for i, child := range s.Children {
			if set, ok := child.(*gatewayv1.ListenerSet); ok {
				refused := set.DeepCopy()
				refused.Status.Conditions = []metav1.Condition{
					{Type: "Accepted", Status: metav1.ConditionFalse, Reason: "ListenersNotValid"}, {Type: "Programmed", Status: metav1.ConditionFalse, Reason: "Invalid"},
				}
				refused.Status.Listeners = []gatewayv1.ListenerEntryStatus{{Name: "https", Conditions: []metav1.Condition{
					{Type: "Conflicted", Status: metav1.ConditionTrue, Reason: "HostnameConflict", ObservedGeneration: 1}, {Type: "Accepted", Status: metav1.ConditionFalse, Reason: "HostnameConflict"},
				}}}
				s.Children[i] = refused
			}
		}
		Expect(found(tenant.Evaluate(s), v1alpha1.ConditionSubdomainReady).Reason).To(Equal("RouteNotAccepted"), "somebody else's is no hand-over")
		s.Sources = []string{"globex"}
		set := snapshot.RouteRef{Host: host, Kind: "ListenerSet", Namespace: "partner-globex", Name: host, Partner: "globex", Own: true, Gateway: "infra/other"}
		s.Routes = []snapshot.RouteRef{set}
		Expect(found(tenant.Evaluate(s), v1alpha1.ConditionSubdomainReady).Reason).To(Equal("RouteNotAccepted"), "it is at another Gateway")
		set.Gateway = "infra/public"
		s.Routes = []snapshot.RouteRef{set}
		ready := found(tenant.Evaluate(s), v1alpha1.ConditionSubdomainReady)
		Expect(ready.Reason).To(Equal("ListenerConflict"))
		for _, child := range s.Children {
			if route, ok := child.(*gatewayv1.HTTPRoute); ok {
				meta.SetStatusCondition(&route.Status.Parents[0].Conditions, metav1.Condition{Type: "ResolvedRefs", Status: metav1.ConditionFalse, Reason: "BackendNotFound"})
			}
		}
		Expect(found(tenant.Evaluate(s), v1alpha1.ConditionSubdomainReady).Reason).NotTo(Equal("ListenerConflict"), "more is in its way")
		Expect(ready.Message).To(HavePrefix("ListenerSet partner-acme/" + host + ` conflicts with that of Partner "globex" at the same Gateway, which is handing the host over and is removing its listener`))
	})
})

var _ = Describe("A former host", func() {
	It("stays for the overlap from when it became one, however long the declared one is ready", func() {
		s := readSnapshot("testdata/host-changed-done.in.yaml")
		long := metav1.NewTime(goldenNow.Add(-30 * 24 * time.Hour))
		for _, child := range s.Children {
			if ingress, ok := child.(*networkingv1.Ingress); ok {
				ingress.CreationTimestamp = long
				delete(ingress.Annotations, v1alpha1.ReplacedAnnotation)
				if ingress.Name == "remote.acmecorp.com" { // which the Partner declared for some minutes
					ingress.CreationTimestamp = metav1.NewTime(goldenNow.Add(-3 * time.Minute))
				}
			}
		}
		outcome := tenant.Settle(s)
		Expect(outcome.Prune).To(BeEmpty())
		Expect(outcome.RequeueAt).To(Equal(goldenNow.Add(10 * time.Second)))
		Expect(tenant.Evaluate(s).Objects).To(ContainElement(And(
			HaveField("Name", "remote.acmecorp.com"), HaveField("Annotations", HaveKeyWithValue(v1alpha1.ReplacedAnnotation, goldenNow.Format(time.RFC3339))))))
	})
})

var _ = Describe("A solver's route", func() {
	ingress := func(label string, paths ...string) *networkingv1.Ingress {
		o := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{label: "true"}}}
		rule := networkingv1.IngressRule{Host: "a.example.com", IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{}}}
		for _, path := range paths {
			rule.HTTP.Paths = append(rule.HTTP.Paths, networkingv1.HTTPIngressPath{Path: path})
		}
		o.Spec.Rules = []networkingv1.IngressRule{rule}
		return o
	}
	DescribeTable("is known by its label, and by leading nothing else anywhere", func(of *networkingv1.Ingress, solver bool) {
		Expect(kinds.Solver(of)).To(Equal(solver))
	},
		Entry("cert-manager's", ingress(kinds.SolverLabel, "/.well-known/acme-challenge/x"), true),
		Entry("without its label", ingress("x", "/.well-known/acme-challenge/x"), false),
		Entry("one that takes more", ingress(kinds.SolverLabel, "/.well-known/acme-challenge/x", "/"), false),
		Entry("one without a path", ingress(kinds.SolverLabel), false),
		Entry("a regular expression", ingress(kinds.SolverLabel, "/.well-known/acme-challenge/x|/"), false),
	)
})
