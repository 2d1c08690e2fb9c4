package cli_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/internal/isolation"
)

var _ = Describe("What the canary shows", Serial, func() {
	It("ends the overview, and is part of a partner and of the report", func(ctx SpecContext) {
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "canaries"}}
		Expect(direct.Create(ctx, namespace)).To(Succeed())
		service := &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Namespace: "canaries", Name: "canary", Labels: map[string]string{"app.kubernetes.io/component": isolation.Component}},
			Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 8080}}},
		}
		Expect(direct.Create(ctx, service)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(direct.Delete(ctx, service)).To(Succeed()) })
		say := func(status metav1.ConditionStatus, reason, message string) {
			service.Status.Conditions = []metav1.Condition{{Type: isolation.Enforced, Status: status, Reason: reason, Message: message, LastTransitionTime: metav1.NewTime(time.Unix(0, 0))}}
			Expect(direct.Status().Update(ctx, service)).To(Succeed())
		}
		Expect(run(ctx, "status").out).NotTo(ContainSubstring("Isolation"))

		say(metav1.ConditionTrue, isolation.PathBlocked, "all is well")
		Expect(run(ctx, "status").out).To(HaveSuffix("\n\n✓ Isolation of tenants: all is well\n"))
		Expect(run(ctx, "status acme").out).NotTo(ContainSubstring("all is well"))

		say(metav1.ConditionFalse, isolation.PathOpen, "the path is open")
		Expect(run(ctx, "status").out).To(HaveSuffix("\n\n✗ Isolation of tenants: the path is open\n"))
		Expect(run(ctx, "status acme").out).To(MatchRegexp(`! Namespace partner-acme\n.*the path is open`))
		Expect(run(ctx, "report -o markdown").out).To(ContainSubstring("\nIsolation of tenants: PathOpen: the path is open\n"))
		Expect(run(ctx, "report").out).To(ContainSubstring(`<span class="badge broken">PathOpen</span> the path is open`))

		say(metav1.ConditionUnknown, isolation.CanaryUnreachable, "nobody knows")
		Expect(run(ctx, "status").out).To(HaveSuffix("\n\n… Isolation of tenants: nobody knows\n"))
	})
})
