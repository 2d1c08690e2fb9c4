package controllers_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/internal/apply"
)

var _ = Describe("An object that others made and the cache does not show yet", func() {
	It("is taken over without what they put in it", func(ctx SpecContext) {
		theirs := &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "taken-over"},
			Data:       map[string]string{"theirs": "x", "ours": "y"},
		}
		Expect(direct.Create(ctx, theirs, client.FieldOwner("somebody"))).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(direct.Delete(ctx, theirs)).To(Succeed()) })

		wanted := &corev1.ConfigMap{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
			ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "taken-over"},
			Data:       map[string]string{"ours": "z"},
		}
		_, err := apply.Applier{Client: direct, Force: true}.Apply(ctx, wanted, nil)
		Expect(err).NotTo(HaveOccurred())
		Expect(get(ctx, &corev1.ConfigMap{}, "taken-over", "default").Data).To(Equal(map[string]string{"ours": "z"}))
	})
})
