package manager

import (
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
)

var _ = Describe("Of what is not the operator's, the cache keeps", func() {
	large := map[string]string{"example.com/x": strings.Repeat("x", 1<<10)}
	meta := func(namespace, name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name, UID: "u", ResourceVersion: "7", Labels: objects.Labels("acme"), Annotations: large}
	}
	kept := func(object client.Object) client.Object {
		GinkgoHelper()
		return keep(object).Object
	}
	bare := func(namespace, name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: namespace, Name: name, UID: "u", ResourceVersion: "7"}
	}

	It("the name of a Service that a Partner may refer to", func() {
		Expect(kept(&corev1.Service{ObjectMeta: meta("partner-acme", "engine"), Spec: corev1.ServiceSpec{ExternalName: "x"}})).To(
			Equal(&corev1.Service{ObjectMeta: bare("partner-acme", "engine")}))
	})

	It("the hosts of a tenant's own routes, whatever labels they carry", func() {
		got := kept(&networkingv1.Ingress{ObjectMeta: meta("partner-acme", "copy"), Spec: networkingv1.IngressSpec{
			Rules: []networkingv1.IngressRule{{Host: "remote.acmecorp.com", IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{}}}, {Host: "*.acmecorp.com"}},
		}})
		Expect(got).To(Equal(&networkingv1.Ingress{ObjectMeta: bare("partner-acme", "copy"), Spec: networkingv1.IngressSpec{
			Rules: []networkingv1.IngressRule{{Host: "remote.acmecorp.com"}},
		}}))
		route := &gatewayv1.TLSRoute{ObjectMeta: meta("partner-acme", "remote.acmecorp.com"), Spec: gatewayv1.TLSRouteSpec{Hostnames: []gatewayv1.Hostname{"remote.acmecorp.com"}}}
		Expect(kinds.Hosts(kept(route))).To(ConsistOf("remote.acmecorp.com"))
		Expect(kept(route).GetAnnotations()).To(BeEmpty())
	})

	It("the whole of a route that is named after its one host, which the operator may take over or hide, whoever made it", func() {
		unlabelled := meta("partner-acme", "a.example.com")
		unlabelled.Labels = nil
		spec := networkingv1.IngressSpec{IngressClassName: new("nginx"), Rules: []networkingv1.IngressRule{{Host: "a.example.com"}}}
		Expect(kept(&networkingv1.Ingress{ObjectMeta: unlabelled, Spec: spec}).(*networkingv1.Ingress).Spec).To(Equal(spec))
		spec.Rules = append(spec.Rules, networkingv1.IngressRule{Host: "b.example.com"})
		Expect(kept(&networkingv1.Ingress{ObjectMeta: unlabelled, Spec: spec})).To(
			Equal(&networkingv1.Ingress{ObjectMeta: bare("partner-acme", "a.example.com"), Spec: networkingv1.IngressSpec{Rules: spec.Rules}}))
	})

	It("the name of a namespace that is no tenant's, and what hands one over", func() {
		namespace := &corev1.Namespace{ObjectMeta: meta("", "default")}
		namespace.Labels = map[string]string{"example.com/x": "y"}
		Expect(kept(namespace.DeepCopy())).To(Equal(&corev1.Namespace{ObjectMeta: bare("", "default")}))
		namespace.Annotations = map[string]string{v1alpha1.AdoptAnnotation: "acme"}
		wanted := namespace.DeepCopy()
		Expect(kept(namespace.DeepCopy())).To(Equal(wanted))
	})

	It("the name of a Secret, and which Certificate it is of", func() {
		secret := &metav1.PartialObjectMetadata{ObjectMeta: meta("partner-acme", "remote.acmecorp.com")}
		secret.Annotations = map[string]string{kinds.CertificateNameAnnotation: "remote.acmecorp.com", "example.com/x": "y"}
		Expect(kept(secret).GetAnnotations()).To(Equal(map[string]string{kinds.CertificateNameAnnotation: "remote.acmecorp.com"}))
		Expect(kept(secret).GetLabels()).To(Equal(objects.Labels("acme")))
		secret.Annotations = nil
		Expect(kept(secret).GetLabels()).To(BeEmpty())
	})

	It("of a Certificate that its host does not name its hosts, and of a CertificateRequest what cert-manager says of it", func() {
		object := func(kind, name string) *unstructured.Unstructured {
			return &unstructured.Unstructured{Object: map[string]any{
				"apiVersion": "cert-manager.io/v1", "kind": kind,
				"metadata": map[string]any{"name": name, "namespace": "partner-acme", "annotations": map[string]any{kinds.CertificateNameAnnotation: "x"}},
				"spec":     map[string]any{"request": "large"},
				"status":   map[string]any{"certificate": "large", "conditions": []any{map[string]any{"type": "Ready", "status": "False", "message": strings.Repeat("x", 2<<10)}}},
			}}
		}
		certificate := object("Certificate", "mine")
		Expect(unstructured.SetNestedStringSlice(certificate.Object, []string{"remote.acmecorp.com"}, "spec", "dnsNames")).To(Succeed())
		Expect(unstructured.SetNestedField(certificate.Object, "large", "spec", "secretTemplate")).To(Succeed())
		Expect(kept(certificate).(*unstructured.Unstructured).Object["spec"]).To(Equal(map[string]any{"dnsNames": []any{"remote.acmecorp.com"}}))
		Expect(kept(object("CertificateRequest", "x-1")).(*unstructured.Unstructured).Object).To(And(
			Not(HaveKey("spec")), HaveKeyWithValue("status", map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "False", "message": strings.Repeat("x", 1<<10)}}})))
	})

	It("a tenant's quota, without what is used of it", func() {
		quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "partner-acme", Name: kinds.QuotaName}, Spec: corev1.ResourceQuotaSpec{
			Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("50")},
		}}
		counted := quota.DeepCopy()
		counted.Status = corev1.ResourceQuotaStatus{Hard: quota.Spec.Hard, Used: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("3")}}
		Expect(kept(counted)).To(Equal(quota))
	})

	It("the host of every kind that takes hosts, and the Gateway of every kind that is attached to one", func() {
		const host = "remote.acmecorp.com"
		named := metav1.ObjectMeta{Namespace: "partner-acme", Name: host, Labels: objects.Labels("acme")}
		parent := gatewayv1.ParentReference{Namespace: new(gatewayv1.Namespace("gateways")), Name: "shared"}
		certificate := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "cert-manager.io/v1", "kind": "Certificate",
			"metadata": map[string]any{"namespace": "partner-acme", "name": host}, "spec": map[string]any{"dnsNames": []any{host}},
		}}
		objects := map[string]client.Object{
			"Ingress": &networkingv1.Ingress{ObjectMeta: named, Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{Host: host}}}},
			"HTTPRoute": &gatewayv1.HTTPRoute{ObjectMeta: named, Spec: gatewayv1.HTTPRouteSpec{
				CommonRouteSpec: gatewayv1.CommonRouteSpec{ParentRefs: []gatewayv1.ParentReference{parent}}, Hostnames: []gatewayv1.Hostname{host},
			}},
			"GRPCRoute":   &gatewayv1.GRPCRoute{ObjectMeta: named, Spec: gatewayv1.GRPCRouteSpec{Hostnames: []gatewayv1.Hostname{host}}},
			"TLSRoute":    &gatewayv1.TLSRoute{ObjectMeta: named, Spec: gatewayv1.TLSRouteSpec{Hostnames: []gatewayv1.Hostname{host}}},
			"Gateway":     &gatewayv1.Gateway{ObjectMeta: named, Spec: gatewayv1.GatewaySpec{Listeners: []gatewayv1.Listener{{Hostname: new(gatewayv1.Hostname(host))}}}},
			"Certificate": certificate,
			"ListenerSet": &gatewayv1.ListenerSet{ObjectMeta: named, Spec: gatewayv1.ListenerSetSpec{
				ParentRef: gatewayv1.ParentGatewayReference{Namespace: parent.Namespace, Name: parent.Name},
				Listeners: []gatewayv1.ListenerEntry{{Hostname: new(gatewayv1.Hostname(host))}},
			}},
		}
		for _, kind := range kinds.All {
			if !kind.TakesHosts() {
				continue
			}
			Expect(objects).To(HaveKey(kind.Kind))
			object := kept(objects[kind.Kind])
			Expect(kinds.Hosts(object)).To(ConsistOf(host), kind.Kind)
			if kind.Attaches() {
				Expect(kinds.AttachedTo(object)).To(ConsistOf("gateways/shared"), kind.Kind)
			}
		}
	})
})
