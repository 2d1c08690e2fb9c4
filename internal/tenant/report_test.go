package tenant_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/tenant"
)

var _ = Describe("The hosts in the status", func() {
	It("are those that are declared or held, whatever else is in the namespace", func() {
		s := readSnapshot("testdata/host-changed.in.yaml")
		going := metav1.ObjectMeta{Namespace: "partner-acme", Name: kinds.EngineServiceName, Labels: objects.Labels("acme"), DeletionTimestamp: &metav1.Time{Time: goldenNow}, Finalizers: []string{"example.com/keep"}}
		key := going
		key.Name, key.DeletionTimestamp = "no.host!", nil
		s.Children = append(s.Children,
			&networkingv1.Ingress{TypeMeta: kinds.TypeMeta(kinds.Ingress), ObjectMeta: going},
			&metav1.PartialObjectMetadata{TypeMeta: metav1.TypeMeta{APIVersion: corev1.SchemeGroupVersion.String(), Kind: kinds.Secret}, ObjectMeta: key},
		)
		outcome := tenant.Settle(s)
		Expect(outcome.Status.Hosts).To(HaveExactElements(
			And(HaveField("Host", v1alpha1.Host("new.acmecorp.com")), HaveField("Phase", v1alpha1.HostServing)),
			And(HaveField("Host", v1alpha1.Host("remote.acmecorp.com")), HaveField("Phase", v1alpha1.HostDraining), HaveField("WaitsFor", "visitors with the former DNS record")),
		))
		Expect(outcome.Prune).To(ContainElement(HaveField("Name", "no.host!")))
	})

	It("have the declared one once, though the channel model has none", func() {
		s := readSnapshot("testdata/host-release-blocked.in.yaml")
		s.Partner.Spec.ChannelModel = v1alpha1.Reseller
		for _, claim := range s.Claimed() {
			s.Partner.Spec.Subdomain = &v1alpha1.Subdomain{Host: v1alpha1.Host(claim), Backend: v1alpha1.Backend{Service: &v1alpha1.ServiceBackend{Name: "zte", Port: 80}}}
		}
		outcome := tenant.Settle(s)
		Expect(outcome.Status.Hosts).To(HaveExactElements(HaveField("Phase", v1alpha1.HostReleasing)))
	})
})
