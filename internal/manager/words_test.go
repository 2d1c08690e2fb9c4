package manager

import (
	"encoding/json"
	"unsafe"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/shard"
)

var _ = Describe("What the cache keeps of an object", func() {
	// decoded is an object as a decoder makes it, with strings of its own.
	decoded := func(object client.Object) client.Object {
		GinkgoHelper()
		data, err := json.Marshal(object)
		Expect(err).NotTo(HaveOccurred())
		into := object.DeepCopyObject().(client.Object)
		Expect(json.Unmarshal(data, into)).To(Succeed())
		return into
	}
	all := samples(Options{
		Clock:    clock.RealClock{},
		Settings: objects.Settings{ProxyNamespaces: []string{"traefik"}, WidgetBackend: v1alpha1.ExternalBackend{Host: "widget.example.net", Port: 80}},
	})

	It("is all of what has no type", func() {
		object := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "cert-manager.io/v1", "kind": "Certificate",
			"metadata": map[string]any{"name": "remote.example.com", "namespace": "partner-x", "labels": map[string]any{v1alpha1.PartnerLabel: "x", v1alpha1.ManagedByLabel: v1alpha1.FieldManager}},
			"spec":     map[string]any{"dnsNames": []any{"remote.example.com"}, "list": []any{map[string]any{"type": "Ready"}, "True", int64(1), nil}, "none": nil, "flag": true},
		}}
		want := object.DeepCopy()
		Expect(keep(shard.Shard{}, wordsOf(all))(object).Object).To(Equal(want))
	})

	It("is all of it, in words that others share and nothing to spare", func() {
		transform := keep(shard.Shard{}, wordsOf(all))
		Expect(all).To(ContainElement(BeAssignableToTypeOf(&v1alpha1.SubdomainClaim{})))
		for _, sample := range all {
			sample.SetCreationTimestamp(metav1.Now())
			one, other := decoded(sample), decoded(sample)
			for _, object := range []client.Object{one, other} {
				kept := transform(object)
				Expect(kept.Object).To(BeIdenticalTo(object))
				Expect(kept.Object).To(Equal(decoded(sample)))
				Expect(kept.Entries).To(Equal(map[bool]int{true: 1}[counts(object)]))
				Expect(kept.Cut).To(BeFalse())
			}
			for key := range one.GetLabels() {
				for same := range other.GetLabels() {
					if key == same {
						Expect(unsafe.StringData(key)).To(BeIdenticalTo(unsafe.StringData(same)), key)
					}
				}
			}
			if partner, ok := one.(*v1alpha1.Partner); ok {
				conditions, others := partner.Status.Conditions, other.(*v1alpha1.Partner).Status.Conditions
				Expect(conditions).NotTo(BeEmpty())
				Expect(conditions).To(HaveCap(len(conditions)))
				for i := range conditions {
					Expect(unsafe.StringData(conditions[i].Reason)).To(BeIdenticalTo(unsafe.StringData(others[i].Reason)))
				}
			}
		}
	})
})
