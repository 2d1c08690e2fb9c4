package controllers_test

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/controllers"
	"github.com/dispel/partner-operator/internal/fleet"
	"github.com/dispel/partner-operator/internal/gather"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/snapshot"
	"github.com/dispel/partner-operator/internal/tenant"
	"github.com/dispel/partner-operator/internal/testing/cluster"
)

var _ = Describe("What is gathered of a partner", func() {
	It("is the same from the caches and from lists of objects", func(ctx SpecContext) {
		installCertManager()
		installGatewayAPI()
		installTraefik()
		programmedGateway(ctx)
		m := startManager()
		apis, err := controllers.DetectOptionalAPIs(direct.RESTMapper(), options().Settings)
		Expect(err).NotTo(HaveOccurred())

		applyYAML(ctx, allocationYAML("gathered", "1", "")+partnerYAML("gathered", "")+partnerYAML("gathered-source", ""))
		eventually(ctx, "gathered", "Ready=True/Provisioned")
		eventually(ctx, "gathered-source", "Ready=True/Provisioned")

		By("routing one host elsewhere")
		legacy := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "gathered-legacy", Annotations: map[string]string{v1alpha1.AdoptAnnotation: "gathered-adopter"}}}
		Expect(direct.Create(ctx, legacy)).To(Succeed())
		Expect(direct.Create(ctx, &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Namespace: legacy.Name, Name: "legacy"}, Spec: networkingv1.IngressSpec{
			DefaultBackend: &networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "engine", Port: networkingv1.ServiceBackendPort{Number: 80}}},
			Rules:          []networkingv1.IngressRule{{Host: "gathered.example.com"}},
		}})).To(Succeed())
		applyYAML(ctx, partnerYAML("gathered-adopter", inNamespace(legacy.Name))+partnerYAML("gathered-rival", inNamespace(legacy.Name)))
		eventually(ctx, "gathered", "SubdomainReady=False/HostRoutedElsewhere")
		eventually(ctx, "gathered-rival", "Ready=False/NamespaceOfAnotherPartner")

		By("ordering a certificate from an issuer that does not exist")
		applyYAML(ctx, partnerYAML("gathered-issuer", "").withTLS("{issuerRef: {name: missing}}"))
		eventually(ctx, "gathered-issuer", "Ready=False/CertificatePending")
		order := cluster.ParseObjects([]byte(`
apiVersion: cert-manager.io/v1
kind: CertificateRequest
metadata: {name: gathered-1, namespace: partner-gathered-issuer, annotations: {cert-manager.io/certificate-name: gathered-issuer.example.com}}
spec: {request: eA==, issuerRef: {kind: ClusterIssuer, name: missing}}
`))[0]
		Expect(direct.Create(ctx, order)).To(Succeed())
		patch := `{"status":{"conditions":[{"type":"Ready","status":"False","reason":"Pending","message":"Referenced \"ClusterIssuer\" not found","lastTransitionTime":"2026-11-02T08:00:00Z"}]}}`
		Expect(direct.Status().Patch(ctx, order, jsonPatch(patch))).To(Succeed())
		eventually(ctx, "gathered-issuer", "Ready=False/IssuerNotReady")

		By("serving one through a Gateway, and one from what is in the namespace")
		applyYAML(ctx, partnerYAML("gathered-gateway", "").withRoute("{gatewayRef: {namespace: default, name: public}}")+
			partnerYAML("gathered-own", "").withTLS("{secretName: own}").replacing("external: {host: engine.example.net, port: 8080}", "service: {name: engine, port: 80}"))
		acceptRoute(ctx, "gathered-gateway", metav1.ConditionTrue, "")
		eventually(ctx, "gathered-gateway", "Ready=True/Provisioned")
		eventually(ctx, "gathered-own", "SubdomainReady=False/SecretNotFound")
		own := metav1.ObjectMeta{Namespace: objects.DefaultNamespace("gathered-own"), Name: "engine"}
		Expect(direct.Create(ctx, &corev1.Service{ObjectMeta: own, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}}}})).To(Succeed())
		own.Name = "own"
		Expect(direct.Create(ctx, &corev1.Secret{ObjectMeta: own})).To(Succeed())
		eventually(ctx, "gathered-own", "Ready=True/Provisioned")

		By("handing a host over, to a Partner that waits for its namespace")
		applyYAML(ctx, partnerYAML("gathered-target", inNamespace(legacy.Name)).replacing("host: gathered-target.example.com", "host: gathered-source.example.com"))
		patchPartner(ctx, "gathered-source", `spec: {subdomain: null, handOver: {host: gathered-source.example.com, partnerRef: {name: gathered-target}}}`)
		eventually(ctx, "gathered-source", "HandOverPending=True/TargetNotServing")
		eventually(ctx, "gathered-target", "Ready=False/NamespaceOfAnotherPartner")

		now := time.Now()
		cached := gather.Gatherer{Reader: m.cache, APIs: apis.Installed(), Kinds: apis.Kinds(), Settings: options().Settings, Now: now}
		for _, name := range []string{"gathered", "gathered-source", "gathered-target", "gathered-adopter", "gathered-rival", "gathered-issuer", "gathered-gateway", "gathered-own"} {
			Eventually(func(g Gomega) {
				var of v1alpha1.Partner
				g.Expect(m.cache.Get(ctx, key(name), &of)).To(Succeed())
				byCache, err := cached.Partner(ctx, &of)
				g.Expect(err).NotTo(HaveOccurred())
				all := listed(ctx, apis)
				byLists, err := all.Snapshot(ctx, all.Partners[name], options().Settings, now)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(decidedFrom(byLists)).To(MatchJSON(decidedFrom(byCache)), name)
				g.Expect(byLists.Routes).To(ConsistOf(byCache.Routes), name)
				g.Expect(byLists.Sources).To(Equal(byCache.Sources), name)
				g.Expect(byLists.Rivals).To(Equal(byCache.Rivals), name)
				g.Expect(byLists.Gateways).To(HaveLen(len(byCache.Gateways)), name)
			}).Should(Succeed())
		}
	})
})

// listed has all objects that a partner becomes, or hangs on, as the API server lists them.
func listed(ctx context.Context, apis *controllers.OptionalAPIs) *fleet.Fleet {
	GinkgoHelper()
	f := fleet.New()
	f.APIs = apis.Installed()
	lists := []client.ObjectList{
		&v1alpha1.PartnerList{}, &v1alpha1.SupportPlanList{}, &v1alpha1.PCSMAllocationList{}, &corev1.NamespaceList{}, &networkingv1.IngressClassList{},
	}
	for kind := range apis.Kinds() {
		lists = append(lists, kind.NewList())
	}
	for _, list := range lists {
		Expect(direct.List(ctx, list)).To(Succeed())
		Expect(meta.EachListItem(list, func(item runtime.Object) error {
			object := item.DeepCopyObject().(client.Object)
			kind, err := apiutil.GVKForObject(object, direct.Scheme())
			object.GetObjectKind().SetGroupVersionKind(kind)
			if of := kinds.Of(object); of.Relation == kinds.ByReference && !slices.Contains(of.Names, object.GetName()) {
				metadata := meta.AsPartialObjectMetadata(object) // as a user of the plugin may list it
				metadata.SetGroupVersionKind(kind)
				object = metadata
			}
			f.Add(object)
			return err
		})).To(Succeed())
	}
	return f
}

// decidedFrom is what Evaluate decides from a snapshot: the status, the names of the objects to
// have, and of those to delete.
func decidedFrom(snapshot *snapshot.Snapshot) []byte {
	GinkgoHelper()
	outcome := tenant.Settle(*snapshot)
	names := func(objects []kinds.Object) []string {
		of := []string{}
		for _, object := range objects {
			of = append(of, kinds.Describe(object))
		}
		return of
	}
	data, err := json.Marshal(map[string]any{
		"status": outcome.Status, "objects": names(outcome.Objects), "prune": names(outcome.Prune), "again": outcome.RequeueAt,
	})
	Expect(err).NotTo(HaveOccurred())
	return data
}
