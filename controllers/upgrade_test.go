package controllers_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"
	"sigs.k8s.io/yaml"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/apply"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/manager"
)

// written is a request of an earlier manager's.
type written struct {
	Method, Path, Query, ContentType string
	Body                             map[string]any
}

// replay makes the requests of a file again, for the Partners and allocations that are there now.
func replay(ctx SpecContext, path string) {
	GinkgoHelper()
	data, err := os.ReadFile(path)
	Expect(err).NotTo(HaveOccurred())
	var requests []written
	Expect(yaml.Unmarshal(data, &requests)).To(Succeed())
	through, err := rest.HTTPClientFor(controlPlane.Config())
	Expect(err).NotTo(HaveOccurred())
	for _, request := range requests {
		metadata := request.Body["metadata"].(map[string]any)
		if noted := notedDigest(request.Body); noted != "" {
			Expect(digestOf(request.Body)).To(Equal(noted), "it is made as v0.2.0 did")
		}
		owners, _ := metadata["ownerReferences"].([]any)
		for _, owner := range owners {
			owner := owner.(map[string]any)
			owner["uid"] = string(get(ctx, &v1alpha1.Partner{}, owner["name"].(string)).UID)
		}
		switch {
		case strings.Contains(request.Path, "/partners/"):
			metadata["uid"] = string(get(ctx, &v1alpha1.Partner{}, metadata["name"].(string)).UID)
		case strings.Contains(request.Path, "/pcsmallocations/"):
			metadata["uid"] = string(get(ctx, &v1alpha1.PCSMAllocation{}, metadata["name"].(string)).UID)
		}
		if notedDigest(request.Body) != "" { // as the manager would have noted it of these owners
			Expect(unstructured.SetNestedField(request.Body, digestOf(request.Body), "metadata", "annotations", v1alpha1.AppliedAnnotation)).To(Succeed())
		}
		send(ctx, through, request)
	}
}

// notedDigest is what is noted on an object of what it declares; empty if nothing is.
func notedDigest(body map[string]any) string {
	GinkgoHelper()
	noted, _, err := unstructured.NestedString(body, "metadata", "annotations", v1alpha1.AppliedAnnotation)
	Expect(err).NotTo(HaveOccurred())
	return noted
}

// digestOf is what apply would note.
func digestOf(body map[string]any) string {
	GinkgoHelper()
	object := (&unstructured.Unstructured{Object: body}).DeepCopy()
	annotations := object.GetAnnotations()
	delete(annotations, v1alpha1.AppliedAnnotation)
	if object.SetAnnotations(annotations); len(annotations) == 0 {
		unstructured.RemoveNestedField(object.Object, "metadata", "annotations")
	}
	fields, err := apply.Fields(object)
	Expect(err).NotTo(HaveOccurred())
	return notedDigest(fields)
}

func send(ctx SpecContext, through *http.Client, request written) {
	GinkgoHelper()
	body, err := json.Marshal(request.Body)
	Expect(err).NotTo(HaveOccurred())
	made, err := http.NewRequestWithContext(ctx, request.Method, controlPlane.Config().Host+request.Path+"?"+request.Query, strings.NewReader(string(body)))
	Expect(err).NotTo(HaveOccurred())
	made.Header.Set("Content-Type", request.ContentType)
	answer, err := through.Do(made)
	Expect(err).NotTo(HaveOccurred())
	Expect(answer.Body.Close()).To(Succeed())
	Expect(answer.StatusCode).To(BeNumerically("<", 300), request.Path)
}

var _ = Describe("An upgrade from v0.2.0", func() {
	It("makes no child anew, and changes none but the engine's Service, whose external name gets its final dot", func(ctx SpecContext) {
		installGatewayAPI()
		programmedGateway(ctx)
		names := []string{"upgraded", "upgraded-gateway", "upgraded-taken"}
		applyYAML(ctx, allocationYAML("upgraded", "1", "")+partnerYAML("upgraded", everything)+
			allocationYAML("upgraded-gateway", "1", "")+partnerYAML("upgraded-gateway", everything).replacing("    backend:", "    route: {gatewayRef: {namespace: default, name: public}}\n    backend:")+
			partnerYAML("upgraded-taken", "").replacing("upgraded-taken.example.com", "upgraded.example.com"))
		replay(ctx, "testdata/v0.2.0.yaml")

		observe := func() map[string]types.UID {
			GinkgoHelper()
			all := map[string]types.UID{}
			for _, name := range names {
				namespace := client.InNamespace("partner-" + name)
				for _, list := range []client.ObjectList{
					&corev1.ConfigMapList{}, &corev1.ServiceList{}, &corev1.ResourceQuotaList{}, &networkingv1.NetworkPolicyList{}, &networkingv1.IngressList{},
					&rbacv1.RoleBindingList{}, &gatewayv1.HTTPRouteList{}, &gatewayv1.ListenerSetList{}, &v1alpha1.SubdomainClaimList{}, &gatewayv1beta1.ReferenceGrantList{},
				} {
					options := []client.ListOption{namespace}
					switch list.(type) {
					case *v1alpha1.SubdomainClaimList, *gatewayv1beta1.ReferenceGrantList: // of the cluster, and in the widget server's namespace
						options = []client.ListOption{client.MatchingLabels{v1alpha1.PartnerLabel: name}}
					}
					Expect(direct.List(ctx, list, options...)).To(Succeed())
					items, err := meta.ExtractList(list)
					Expect(err).NotTo(HaveOccurred())
					for _, item := range items {
						object := item.(client.Object)
						if object.GetName() != "kube-root-ca.crt" {
							all[fmt.Sprintf("%T %s/%s", object, object.GetNamespace(), object.GetName())] = object.GetUID()
						}
					}
				}
				of := get(ctx, &corev1.Namespace{}, "partner-"+name)
				all[of.Name] = of.UID
			}
			return all
		}
		before := observe()
		Expect(len(before)).To(BeNumerically(">=", 15))

		reconciled := reconciles("Partner")
		m := startManager(func(o *manager.Options) { o.ResyncPeriod = 300 * time.Millisecond })
		for _, name := range names {
			Eventually(func() []v1alpha1.HostStatus { return partner(ctx, name).Status.Hosts }).ShouldNot(BeEmpty())
		}
		eventually(ctx, "upgraded", "Ready=True/Provisioned", "SupportWidgetEnabled=True/WidgetEnabled")
		Expect(partner(ctx, "upgraded").Status.Hosts).To(ConsistOf(And(HaveField("Phase", v1alpha1.HostServing), HaveField("URL", "http://upgraded.example.com"))))
		Expect(partner(ctx, "upgraded-taken").Status.Hosts).To(ConsistOf(HaveField("Phase", v1alpha1.HostClaiming)))
		Eventually(reconciles).WithArguments("Partner").Should(BeNumerically(">", reconciled+10))

		Expect(observe()).To(Equal(before), "nothing is new, or made anew")
		// Not by their versions: kube-controller-manager fills in what quotas count.
		children := slices.DeleteFunc(m.Writes("upgraded"), func(write string) bool {
			return strings.Contains(write, v1alpha1.GroupVersion.String()+"/partners/") || strings.Contains(write, "/pcsmallocations/")
		})
		Expect(children).To(ConsistOf(
			ContainSubstring("/partner-upgraded/services/"+kinds.EngineServiceName), ContainSubstring("/partner-upgraded-gateway/services/"+kinds.EngineServiceName)))
	})
})
