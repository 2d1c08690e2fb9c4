package controlplane_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/dispel/partner-operator/internal/controlplane"
	"github.com/dispel/partner-operator/internal/testing/commands"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	SetDefaultEventuallyTimeout(60 * time.Second)
	RunSpecs(t, "controlplane")
}

var _ = Describe("A control plane", func() {
	It("answers, survives a restart of its API server, and leaves nothing behind", func(ctx SpecContext) {
		controlPlane, err := controlplane.Start(ctx)
		Expect(err).NotTo(HaveOccurred())
		dir := filepath.Dir(controlPlane.Kubeconfig())
		set, err := kubernetes.NewForConfig(controlPlane.Config())
		Expect(err).NotTo(HaveOccurred())
		namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}
		_, err = set.CoreV1().Namespaces().Create(ctx, namespace, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())

		Expect(controlPlane.StopAPIServer()).To(Succeed())
		_, err = set.CoreV1().Namespaces().Get(ctx, "kept", metav1.GetOptions{})
		Expect(err).To(HaveOccurred())
		Expect(controlPlane.StartAPIServer(ctx)).To(Succeed())
		_, err = set.CoreV1().Namespaces().Get(ctx, "kept", metav1.GetOptions{})
		Expect(err).NotTo(HaveOccurred())

		By("having kube-controller-manager at work")
		Eventually(func() error {
			_, failure := set.CoreV1().ServiceAccounts("kept").Get(ctx, "default", metav1.GetOptions{})
			return failure
		}).Should(Succeed())

		out, err := exec.Command(controlPlane.Kubectl(), "--kubeconfig", controlPlane.Kubeconfig(), "get", "namespaces").CombinedOutput()
		Expect(err).NotTo(HaveOccurred())
		Expect(string(out)).To(ContainSubstring("kept"))

		Expect(controlPlane.Stop()).To(Succeed())
		Expect(dir).NotTo(BeADirectory())
	})

	DescribeTable("leaves nothing behind",
		func(ctx SpecContext, signal syscall.Signal) {
			binary := commands.Built(ctx, "hack/cluster")
			said := gbytes.NewBuffer()
			cmd := exec.Command(binary)
			cmd.Stdout, cmd.Stderr = said, GinkgoWriter
			Expect(cmd.Start()).To(Succeed())
			Eventually(said).Should(gbytes.Say(`export KUBECONFIG=\S+\n`))
			kubeconfig := regexp.MustCompile(`KUBECONFIG=(\S+)`).FindSubmatch(said.Contents())[1]
			dir := filepath.Dir(string(kubeconfig))
			Expect(dir).To(BeADirectory())
			Expect(cmd.Process.Signal(signal)).To(Succeed())
			_ = cmd.Wait()
			Eventually(func() bool { _, err := os.Stat(dir); return os.IsNotExist(err) }).Should(BeTrue())
			Eventually(func() string {
				// Every component has the folder on its command line.
				found, _ := exec.Command("pgrep", "-f", dir).Output()
				return string(found)
			}).Should(BeEmpty())
		},
		Entry("when interrupted", syscall.SIGINT),
		Entry("when told to end", syscall.SIGTERM),
		Entry("when killed", syscall.SIGKILL),
	)
})

var _ = Describe("The controllers of Kubernetes that are relied on", Ordered, func() {
	var set *kubernetes.Clientset
	BeforeAll(func(ctx SpecContext) {
		controlPlane, err := controlplane.Start(ctx)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(controlPlane.Stop)
		set, err = kubernetes.NewForConfig(controlPlane.Config())
		Expect(err).NotTo(HaveOccurred())
		_, err = set.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
	})

	It("give a namespace its service account and the certificate authority", func(ctx SpecContext) {
		Eventually(set.CoreV1().ServiceAccounts("acme").Get).WithArguments(ctx, "default", metav1.GetOptions{}).Should(Not(BeNil()))
		Eventually(set.CoreV1().ConfigMaps("acme").Get).WithArguments(ctx, "kube-root-ca.crt", metav1.GetOptions{}).
			Should(HaveField("Data", HaveKeyWithValue("ca.crt", HavePrefix("-----BEGIN CERTIFICATE"))))
	})

	It("write the token of a service account into a Secret that asks for it", func(ctx SpecContext) {
		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: "token", Annotations: map[string]string{corev1.ServiceAccountNameKey: "default"}},
			Type:       corev1.SecretTypeServiceAccountToken,
		}
		_, err := set.CoreV1().Secrets("acme").Create(ctx, secret, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Eventually(set.CoreV1().Secrets("acme").Get).WithArguments(ctx, "token", metav1.GetOptions{}).
			Should(HaveField("Data", And(HaveKey(corev1.ServiceAccountTokenKey), HaveKey(corev1.ServiceAccountRootCAKey))))
	})

	It("count what a quota bounds", func(ctx SpecContext) {
		quota := &corev1.ResourceQuota{
			ObjectMeta: metav1.ObjectMeta{Name: "quota"},
			Spec:       corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{"count/secrets": resource.MustParse("2")}},
		}
		_, err := set.CoreV1().ResourceQuotas("acme").Create(ctx, quota, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		used := func() string {
			quota, err := set.CoreV1().ResourceQuotas("acme").Get(ctx, "quota", metav1.GetOptions{})
			Expect(err).NotTo(HaveOccurred())
			return quota.Status.Used.Name("count/secrets", resource.DecimalSI).String()
		}
		Eventually(used).Should(Equal("1"))
		Expect(set.CoreV1().Secrets("acme").Delete(ctx, "token", metav1.DeleteOptions{})).To(Succeed())
		Eventually(used).Should(Equal("0"))
	})

	It("collect what belongs to something that is gone", func(ctx SpecContext) {
		owner, err := set.CoreV1().ConfigMaps("acme").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "owner"}}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		_, err = set.CoreV1().ConfigMaps("acme").Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Name: "owned", OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: owner.Name, UID: owner.UID}},
		}}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Expect(set.CoreV1().ConfigMaps("acme").Delete(ctx, "owner", metav1.DeleteOptions{})).To(Succeed())
		Eventually(func() bool {
			_, err := set.CoreV1().ConfigMaps("acme").Get(ctx, "owned", metav1.GetOptions{})
			return apierrors.IsNotFound(err)
		}).Should(BeTrue())
	})

	It("add up roles that are made of others", func(ctx SpecContext) {
		label := map[string]string{"example.com/part": "true"}
		_, err := set.RbacV1().ClusterRoles().Create(ctx, &rbacv1.ClusterRole{
			ObjectMeta:      metav1.ObjectMeta{Name: "whole"},
			AggregationRule: &rbacv1.AggregationRule{ClusterRoleSelectors: []metav1.LabelSelector{{MatchLabels: label}}},
		}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		rules := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"get"}}}
		_, err = set.RbacV1().ClusterRoles().Create(ctx, &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "part", Labels: label}, Rules: rules}, metav1.CreateOptions{})
		Expect(err).NotTo(HaveOccurred())
		Eventually(set.RbacV1().ClusterRoles().Get).WithArguments(ctx, "whole", metav1.GetOptions{}).Should(HaveField("Rules", rules))
	})

	It("empty a namespace that is deleted, and let it go", func(ctx SpecContext) {
		Expect(set.CoreV1().Namespaces().Delete(ctx, "acme", metav1.DeleteOptions{})).To(Succeed())
		Eventually(func() bool {
			_, err := set.CoreV1().Namespaces().Get(ctx, "acme", metav1.GetOptions{})
			return apierrors.IsNotFound(err)
		}).Should(BeTrue())
	})
})
