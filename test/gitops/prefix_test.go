package gitops

import (
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/dispel/partner-operator/internal/testing/cluster"
)

// prefixed builds a kustomization of a folder of its own.
func prefixed(kustomization string, files map[string]string) []*unstructured.Unstructured {
	GinkgoHelper()
	folder, err := os.MkdirTemp(cluster.Root(), ".kustomization-")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(os.RemoveAll, folder)
	for name, text := range files {
		Expect(os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600)).To(Succeed())
	}
	Expect(os.WriteFile(filepath.Join(folder, "kustomization.yaml"), []byte(kustomization), 0o600)).To(Succeed())
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	Expect(err).NotTo(HaveOccurred())
	data, err := built.AsYaml()
	Expect(err).NotTo(HaveOccurred())
	return cluster.ParseObjects(data)
}

// at is a text in an object; empty if it is not there.
func at(object *unstructured.Unstructured, path ...string) string {
	text, _, _ := unstructured.NestedString(object.Object, path...)
	return text
}

var _ = Describe("A kustomization that prefixes names", func() {
	It("keeps the references between Partners, plans and allocations", func() {
		for _, kustomization := range []string{
			"namePrefix: x-\nresources: [../config/samples]\n",
			"namePrefix: x-\nresources: [all.yaml]\ncomponents: [../config/references]\n",
		} {
			var all strings.Builder
			for _, file := range []string{"partners/acme.yaml", "partners/wonka.yaml", "platform/ingress-class.yaml"} {
				data, err := os.ReadFile(filepath.Join(cluster.Root(), "config", "samples", file))
				Expect(err).NotTo(HaveOccurred())
				all.Write(append(data, []byte("\n---\n")...))
			}
			all.WriteString("apiVersion: partner.dispel.com/v1alpha1\nkind: SupportPlan\nmetadata: {name: premium}\nspec: {tier: Premium}\n")
			names := map[string]bool{}
			objects := prefixed(kustomization, map[string]string{"all.yaml": all.String()})
			for _, object := range objects {
				Expect(object.GetName()).To(HavePrefix("x-"))
				names[object.GetKind()+" "+object.GetName()] = true
			}
			references := 0
			for _, object := range objects {
				for kind, path := range map[string][]string{
					"Partner": {"spec", "partnerRef", "name"}, "SupportPlan": {"spec", "supportPlanRef", "name"}, "IngressClass": {"spec", "subdomain", "route", "ingressClassName"},
				} {
					if name := at(object, path...); name != "" {
						Expect(names).To(HaveKey(kind+" "+name), "%s %s", object.GetKind(), object.GetName())
						references++
					}
				}
			}
			Expect(references).To(BeNumerically(">=", 2))
		}
	})

	It("takes the widget server's address along, and another namespace, too", func() {
		var backend, guarded string
		services := map[string]bool{}
		for _, object := range prefixed("namePrefix: x-\nnamespace: elsewhere\nresources: [../config/default]\n", nil) {
			if object.GetKind() != "CustomResourceDefinition" { // whose schema reserves the usual namespace wherever the operator runs
				whole, err := object.MarshalJSON()
				Expect(err).NotTo(HaveOccurred())
				Expect(string(whole)).NotTo(ContainSubstring("partner-operator-system"), object.GetKind()+" "+object.GetName())
			}
			if object.GetName() == "x-platform-namespaces.partner.dispel.com" && object.GetKind() == "ValidatingAdmissionPolicy" {
				variables, _, err := unstructured.NestedSlice(object.Object, "spec", "variables")
				Expect(err).NotTo(HaveOccurred())
				guarded = variables[0].(map[string]any)["expression"].(string)
			}
			if object.GetKind() == "Service" {
				services[object.GetName()+"."+object.GetNamespace()] = true
			}
			containers, _, _ := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
			for _, container := range containers {
				args, _, err := unstructured.NestedStringSlice(container.(map[string]any), "args")
				Expect(err).NotTo(HaveOccurred())
				for _, arg := range args {
					if address, found := strings.CutPrefix(arg, "--widget-backend="); found {
						backend = address
					}
				}
			}
		}
		Expect(backend).To(Equal("x-partner-operator-widget.elsewhere.svc.cluster.local:8082"))
		Expect(services).To(HaveKey("x-partner-operator-widget.elsewhere"))
		Expect(guarded).To(Equal(`["elsewhere"]`))
	})
})
