package target_test

import (
	"context"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/conditions"
	"github.com/dispel/partner-operator/internal/probe"
	"github.com/dispel/partner-operator/internal/target"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "target")
}

var _ = Describe("What is probed", func() {
	const host = "remote.acmecorp.com"
	DescribeTable("is of the sub-domain that the status has",
		func(status v1alpha1.PartnerStatus, wanted *probe.Target) {
			partner := &v1alpha1.Partner{Spec: v1alpha1.PartnerSpec{DisplayName: "Acme Corp"}, Status: status}
			probed, found := target.Of(partner)
			Expect(found).To(Equal(wanted != nil))
			if wanted != nil {
				Expect(probed).To(Equal(*wanted))
			}
		},
		Entry("with a widget", v1alpha1.PartnerStatus{
			Subdomain:     &v1alpha1.SubdomainStatus{URL: "https://" + host, Addresses: []string{"192.0.2.1"}},
			SupportWidget: &v1alpha1.SupportWidgetStatus{Enabled: new(true)},
		}, &probe.Target{Host: host, TLS: true, Addresses: []string{"192.0.2.1"}, Partner: "Acme Corp"}),
		Entry("without one", v1alpha1.PartnerStatus{
			Subdomain: &v1alpha1.SubdomainStatus{URL: "http://" + host}, SupportWidget: &v1alpha1.SupportWidgetStatus{Enabled: new(false)},
		}, &probe.Target{Host: host}),
		Entry("with none yet", v1alpha1.PartnerStatus{}, nil),
		Entry("with no URL yet", v1alpha1.PartnerStatus{Subdomain: &v1alpha1.SubdomainStatus{}}, nil),
	)

	DescribeTable("has whom the host is handed over to",
		func(handed v1alpha1.Host, next string) {
			partner := &v1alpha1.Partner{
				Spec:   v1alpha1.PartnerSpec{HandOver: &v1alpha1.HandOver{Host: handed, PartnerRef: v1alpha1.PartnerReference{Name: "globex"}}},
				Status: v1alpha1.PartnerStatus{Subdomain: &v1alpha1.SubdomainStatus{URL: "https://" + host}},
			}
			probed, found, err := target.With(context.Background(), partner, func(_ context.Context, name string) (*v1alpha1.Partner, error) {
				Expect(name).To(Equal("globex"))
				return &v1alpha1.Partner{Spec: v1alpha1.PartnerSpec{DisplayName: "Globex"}}, nil
			})
			Expect(err).NotTo(HaveOccurred())
			Expect(found).To(BeTrue())
			Expect(probed.Next).To(Equal(next))
		},
		Entry("of the host that is served", v1alpha1.Host(host), "Globex"),
		Entry("and not of another", v1alpha1.Host("old.acmecorp.com"), ""),
	)

	It("gets verdicts that a condition can have", func() {
		for _, reason := range []probe.Reason{
			probe.Reachable, probe.NameNotResolved, probe.AddressNotTheRoutes, probe.TargetNotAllowed, probe.ConnectionFailed,
			probe.CertificateInvalid, probe.CertificateExpired, probe.EngineFailed, probe.WidgetFailed, probe.WidgetOfAnotherPartner,
		} {
			status := metav1.ConditionFalse
			if reason == probe.Reachable {
				status = metav1.ConditionTrue
			}
			Expect(conditions.CaseOf("Partner", metav1.Condition{Type: string(v1alpha1.ConditionSubdomainReachable), Status: status, Reason: string(reason)}).Remedy).NotTo(BeEmpty(), string(reason))
		}
	})
})
