package apply_test

import (
	"errors"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/dispel/partner-operator/internal/apply"
)

var _ = Describe("The outlook of a failed write", func() {
	resource := schema.GroupResource{Resource: "things"}
	terminating := apierrors.NewForbidden(resource, "x", errors.New("being terminated"))
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}

	DescribeTable("is told by its reason",
		func(err error, outlook apply.Class) {
			Expect(apply.ClassOf(err)).To(Equal(outlook))
		},
		Entry("a conflict", apierrors.NewConflict(resource, "x", errors.New("no")), apply.Conflict),
		Entry("so is what is there already", apierrors.NewAlreadyExists(resource, "x"), apply.Conflict),
		Entry("so is a namespace that is gone", apierrors.NewNotFound(resource, "x"), apply.Conflict),
		Entry("so is one that is going", terminating, apply.Conflict),
		Entry("an invalid object is refused", apierrors.NewInvalid(schema.GroupKind{}, "x", nil), apply.Refused),
		Entry("so is a forbidden one", apierrors.NewForbidden(resource, "x", errors.New("no")), apply.Refused),
		Entry("a server in trouble may pass", apierrors.NewInternalError(errors.New("no")), apply.Transient),
		Entry("so may a busy one", apierrors.NewTooManyRequests("later", 1), apply.Transient),
		Entry("so may a connection that broke", errors.New("connection reset by peer"), apply.Transient),
	)
})

var _ = Describe("The fields of an object", func() {
	service := func() *corev1.Service {
		return &corev1.Service{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
			ObjectMeta: metav1.ObjectMeta{Name: "x"},
			Spec:       corev1.ServiceSpec{ExternalName: "example.net"},
			Status:     corev1.ServiceStatus{Conditions: []metav1.Condition{{Type: "Observed"}}},
		}
	}

	It("have a digest of what is declared, and not of the status", func() {
		fields, err := apply.Fields(service())
		Expect(err).NotTo(HaveOccurred())
		Expect(fields).NotTo(HaveKey("status"))
		digest := func(s *corev1.Service) any {
			fields, err := apply.Fields(s)
			Expect(err).NotTo(HaveOccurred())
			return fields["metadata"].(map[string]any)["annotations"]
		}
		before := digest(service())
		other := service()
		other.Status = corev1.ServiceStatus{}
		Expect(digest(other)).To(Equal(before))
		other.Spec.ExternalName = "example.org"
		Expect(digest(other)).NotTo(Equal(before))
	})
})
