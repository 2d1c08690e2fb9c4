package controllers_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

var _ = Describe("A host that is handed over", func() {
	claimOn := func(ctx SpecContext, host string) v1alpha1.SubdomainClaimSpec {
		GinkgoHelper()
		return get(ctx, &v1alpha1.SubdomainClaim{}, host).Spec
	}
	const host = "source.example.com"

	It("stays with its holder until the target declares it, passes to nobody else, and goes back if the holder changes its mind", func(ctx SpecContext) {
		startManager()
		applyYAML(ctx, partnerYAML("source", ""))
		eventually(ctx, "source", "Ready=True/Provisioned")
		uid := get(ctx, &v1alpha1.SubdomainClaim{}, host).UID

		By("handing it over to a Partner that does not exist, and then to one that does not declare it")
		patchPartner(ctx, "source", `spec: {subdomain: null, handOver: {host: `+host+`, partnerRef: {name: taker}}}`)
		eventually(ctx, "source", "Ready=True/Provisioned", "HandOverPending=True/TargetNotFound")
		Expect(message(ctx, "source", v1alpha1.ConditionHandOverPending)).To(Equal(
			host + ` is handed over to Partner "taker", which does not exist: create it, or correct spec.handOver.partnerRef; until then it is served here`))
		Expect(partner(ctx, "source").Status.Subdomain).To(HaveField("URL", "http://"+host))
		applyYAML(ctx, partnerYAML("taker", "").replacing("host: taker.example.com", "host: elsewhere.example.com"))
		eventually(ctx, "taker", "Ready=True/Provisioned")
		Eventually(func() string { return message(ctx, "source", v1alpha1.ConditionHandOverPending) }).Should(Equal(
			host + ` is handed over to Partner "taker", which does not declare it: write it in that Partner's spec.subdomain; until then it is served here`))

		By("refusing it to a third, who declares it")
		applyYAML(ctx, partnerYAML("third", "").replacing("host: third.example.com", "host: "+host))
		eventually(ctx, "third", "Ready=False/HostClaimedByAnotherPartner")
		Expect(message(ctx, "third", v1alpha1.ConditionReady)).To(Equal(
			host + ` is held by Partner "source", which hands it over to Partner "taker": write another host`))

		By("taking it back")
		patchPartner(ctx, "source", `spec: {handOver: null, subdomain: {host: `+host+`, backend: {external: {host: engine.example.net, port: 8080}}}}`)
		eventually(ctx, "source", "Ready=True/Provisioned", "SubdomainReady=True/RouteAccepted")
		Eventually(claimOn).WithArguments(ctx, host).Should(Equal(v1alpha1.SubdomainClaimSpec{PartnerRef: v1alpha1.PartnerReference{Name: "source"}}))

		By("handing it over while the target has another host, which it gives up")
		patchPartner(ctx, "source", `spec: {subdomain: {host: new.example.com}, handOver: {host: `+host+`, partnerRef: {name: taker}}}`)
		patchPartner(ctx, "taker", `spec: {subdomain: {host: `+host+`}}`)
		eventually(ctx, "taker", "Ready=True/Provisioned", "SubdomainReady=True/RouteAccepted")
		eventually(ctx, "source", "Ready=True/Provisioned", "SubdomainReady=True/RouteAccepted")
		Expect(claimOn(ctx, host)).To(Equal(v1alpha1.SubdomainClaimSpec{PartnerRef: v1alpha1.PartnerReference{Name: "taker"}}))
		Expect(get(ctx, &v1alpha1.SubdomainClaim{}, host).UID).To(Equal(uid), "it was never free")
		eventuallyGone(ctx, ingressOf("source", host))
		eventuallyGone(ctx, ingressOf("taker", "elsewhere.example.com"))
		Expect(message(ctx, "third", v1alpha1.ConditionReady)).To(Equal(host + ` is held by Partner "taker": write another host, or remove it from that partner`))

		By("deleting the source, with which nothing of the target's goes")
		Expect(direct.Delete(ctx, &v1alpha1.Partner{ObjectMeta: partner(ctx, "source").ObjectMeta})).To(Succeed())
		eventuallyGone(ctx, ingressOf("source", "new.example.com"))
		Expect(direct.Get(ctx, client.ObjectKeyFromObject(ingressOf("taker", host)), &networkingv1.Ingress{})).To(Succeed())
		Expect(claimOn(ctx, host).PartnerRef.Name).To(BeEquivalentTo("taker"))
	})
})
