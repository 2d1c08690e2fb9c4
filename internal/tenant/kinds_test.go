package tenant_test

import (
	"fmt"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/scheme"
	"github.com/dispel/partner-operator/internal/tenant"
)

var _ = Describe("The table of kinds", func() {
	It("has each kind once, with objects and lists of that kind", func() {
		seen := map[string]bool{}
		for _, kind := range kinds.All {
			Expect(seen[kind.Kind]).To(BeFalse(), kind.Kind)
			seen[kind.Kind] = true
			object, err := apiutil.GVKForObject(kind.New(), scheme.New())
			Expect(err).NotTo(HaveOccurred())
			Expect(object).To(Equal(kind.GroupVersionKind))
			list, err := apiutil.GVKForObject(kind.NewList(), scheme.New())
			Expect(err).NotTo(HaveOccurred())
			Expect(list).To(Equal(kind.GroupVersion().WithKind(kind.Kind + "List")))
		}
	})

	It("has all that the golden cases make, under the names that it gives", func() {
		made := map[string]bool{}
		inputs, err := filepath.Glob("testdata/*.in.yaml")
		Expect(err).NotTo(HaveOccurred())
		for _, input := range inputs {
			for _, object := range tenant.Settle(readSnapshot(input)).Objects {
				name := object.GetObjectKind().GroupVersionKind().Kind
				made[name] = true
				for _, kind := range kinds.All {
					if kind.Kind == name && len(kind.Names) > 0 {
						Expect(kind.Names).To(ContainElement(object.GetName()), name)
					}
				}
			}
		}
		delete(made, "Namespace")
		for _, kind := range kinds.All {
			Expect(made[kind.Kind]).To(Equal(kind.Made), fmt.Sprintf("%s is made: %t", kind.Kind, kind.Made))
			delete(made, kind.Kind)
		}
		Expect(made).To(BeEmpty())
	})
})
