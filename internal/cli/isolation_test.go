package cli_test

import (
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/cli"
	"github.com/dispel/partner-operator/internal/isolation"
	"github.com/dispel/partner-operator/internal/prober"
	"github.com/dispel/partner-operator/internal/testing/cluster"
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

var _ = Describe("When sub-domains were last probed", Serial, func() {
	It("is told with the verdict, to who may see partners", func(ctx SpecContext) {
		Expect(direct.Create(ctx, cluster.Object(`
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: probed-viewer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: viewer}
subjects: [{kind: ServiceAccount, namespace: system, name: probed-viewer}]
`))).To(Succeed())
		viewer := cluster.Kubeconfig(cluster.AsServiceAccount(ctx, controlPlane, direct, "probed-viewer", "config/rbac/viewer.yaml"))
		seen := func() string { return runOn(ctx, &cli.Terminal{}, "status acme --kubeconfig "+viewer).out }
		var partner v1alpha1.Partner
		Expect(direct.Get(ctx, client.ObjectKey{Name: "acme"}, &partner)).To(Succeed())
		before := partner.DeepCopy()
		meta.SetStatusCondition(&partner.Status.Conditions, metav1.Condition{Type: string(v1alpha1.ConditionSubdomainReachable), Status: metav1.ConditionTrue, Reason: "Reachable", Message: "the support widget answers"})
		Expect(direct.Status().Update(ctx, &partner)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) {
			Expect(direct.Get(ctx, client.ObjectKey{Name: "acme"}, &partner)).To(Succeed())
			partner.Status = before.Status
			Expect(direct.Status().Update(ctx, &partner)).To(Succeed())
		})
		Expect(seen()).To(And(MatchRegexp("✓ Reachability Reachable .*the support widget answers; so since"), Not(ContainSubstring("probed within"))))

		lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "system", Name: prober.LeaseName}}
		lease.Spec.LeaseDurationSeconds = new(int32(120))
		lease.Spec.RenewTime = new(metav1.NewMicroTime(today.Add(-50 * time.Second)))
		Expect(direct.Create(ctx, lease)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(direct.Delete(ctx, lease)).To(Succeed()) })
		Expect(seen()).To(MatchRegexp("✓ Reachability Reachable .*; probed within the last 50s"))

		By("a prober that has stopped")
		lease.Spec.RenewTime = new(metav1.NewMicroTime(today.Add(-3 * time.Hour)))
		Expect(direct.Update(ctx, lease)).To(Succeed())
		Expect(seen()).To(MatchRegexp("! Reachability Reachable\n.*; perhaps no more, as it was last probed more than 3h ago: see whether the prober runs"))
	})
})
