package apply_test

import (
	"errors"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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

var _ = Describe("Fields that are nobody's", func() {
	service := func(entries ...metav1.ManagedFieldsEntry) *corev1.Service {
		return &corev1.Service{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Service"},
			ObjectMeta: metav1.ObjectMeta{Name: "x", ManagedFields: entries},
			Spec:       corev1.ServiceSpec{ExternalName: "example.net", SessionAffinity: corev1.ServiceAffinityNone, ExternalIPs: []string{"192.0.2.1"}},
		}
	}
	entry := func(manager, fields string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: manager, Operation: metav1.ManagedFieldsOperationApply, FieldsV1: metav1.NewFieldsV1(fields)}
	}
	wanted := service()
	wanted.Spec.SessionAffinity, wanted.Spec.ExternalIPs = "", nil
	upToDate := func(observed *corev1.Service) bool {
		GinkgoHelper()
		fields, err := apply.Fields(wanted)
		Expect(err).NotTo(HaveOccurred())
		annotations, _, err := unstructured.NestedStringMap(fields, "metadata", "annotations")
		Expect(err).NotTo(HaveOccurred())
		observed.Annotations = annotations
		current, err := apply.UpToDate(fields, observed)
		Expect(err).NotTo(HaveOccurred())
		return current
	}

	It("stay, in whole and reduced objects alike", func() {
		observed := service(entry("partner-operator", `{"f:spec":{"f:externalName":{}}}`))
		observed.Spec.ExternalIPs = nil
		Expect(upToDate(observed)).To(BeTrue())
		Expect(apply.Reduce(observed)).To(Succeed())
		Expect(observed.ManagedFields).To(ConsistOf(HaveField("FieldsV1.String()", `{"f:spec":{"f:sessionAffinity":{}}}`)))
		Expect(upToDate(observed)).To(BeTrue())
	})

	It("do not if somebody has them, the operator's name included", func() {
		for _, manager := range []string{"somebody", "partner-operator"} {
			observed := service(entry("partner-operator", `{"f:spec":{"f:externalName":{}}}`), entry(manager, `{"f:spec":{"f:sessionAffinity":{}}}`))
			observed.Spec.ExternalIPs = nil
			Expect(upToDate(observed)).To(BeFalse(), manager)
		}
	})

	It("do not if they let somebody in, and if nothing is known of any", func() {
		Expect(upToDate(service(entry("partner-operator", `{"f:spec":{"f:externalName":{}}}`)))).To(BeFalse())
		Expect(upToDate(service())).To(BeFalse())
	})
})
