package manager

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/cachelimit"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
)

// largest are objects of every kind that the manager watches, as large as an API server
// stores, whose fields nobody else's objects share.
var largest = map[string]func(namespace string, i int) client.Object{
	"Partner": func(_ string, i int) client.Object {
		partner := &v1alpha1.Partner{ObjectMeta: largeMeta("", fmt.Sprint("p", i))}
		for c := range 12 {
			partner.Status.Conditions = append(partner.Status.Conditions, metav1.Condition{Type: fmt.Sprint("Foreign", c), Message: text(32 << 10)})
		}
		return partner
	},
	"SupportPlan": func(_ string, i int) client.Object {
		return &v1alpha1.SupportPlan{ObjectMeta: largeMeta("", fmt.Sprint("p", i))}
	},
	"PCSMAllocation": func(_ string, i int) client.Object {
		return &v1alpha1.PCSMAllocation{ObjectMeta: largeMeta("", fmt.Sprint("a", i))}
	},
	"Namespace": func(_ string, i int) client.Object {
		namespace := &corev1.Namespace{ObjectMeta: largeMeta("", fmt.Sprint("n", i))}
		namespace.Annotations[v1alpha1.HostsAnnotation] = strings.Join(hosts(i, 500), ",")
		namespace.Annotations[v1alpha1.AdoptAnnotation] = text(100 << 10)
		return namespace
	},
	"IngressClass": func(_ string, i int) client.Object {
		return &networkingv1.IngressClass{ObjectMeta: largeMeta("", fmt.Sprint("c", i))}
	},
	"CustomResourceDefinition": func(_ string, i int) client.Object {
		return ofKind(&metav1.PartialObjectMetadata{ObjectMeta: largeMeta("", fmt.Sprint("c", i))}, apiextensionsv1.SchemeGroupVersion.String(), "CustomResourceDefinition")
	},
	"ConfigMap": func(namespace string, i int) client.Object {
		return &corev1.ConfigMap{ObjectMeta: largeMeta(fmt.Sprint(namespace, i), kinds.ContractName), Data: map[string]string{"x": text(1 << 20)}}
	},
	"ResourceQuota": func(namespace string, i int) client.Object {
		quota := &corev1.ResourceQuota{ObjectMeta: largeMeta(fmt.Sprint(namespace, i), kinds.QuotaName), Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{}}}
		for n := range 4000 {
			quota.Spec.Hard[corev1.ResourceName("count/"+label(n)+text(150))] = resource.MustParse("1")
		}
		return quota
	},
	"Service": func(namespace string, i int) client.Object {
		service := &corev1.Service{ObjectMeta: largeMeta(namespace, fmt.Sprint("s", i)), Spec: corev1.ServiceSpec{ExternalName: text(1 << 20)}}
		for range 4000 {
			service.Spec.Ports = append(service.Spec.Ports, corev1.ServicePort{Name: text(63), Port: 80})
		}
		return service
	},
	"BackendTLSPolicy": func(namespace string, i int) client.Object {
		policy := &gatewayv1.BackendTLSPolicy{ObjectMeta: largeMeta(namespace, fmt.Sprint("p", i))}
		policy.Spec.Options = map[gatewayv1.AnnotationKey]gatewayv1.AnnotationValue{"example.com/x": gatewayv1.AnnotationValue(text(1 << 20))}
		return policy
	},
	"ServersTransport": func(namespace string, i int) client.Object {
		transport := ofKind(&unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"serverName": text(1 << 20)}}}, "traefik.io/v1alpha1", "ServersTransport")
		withMeta(transport, largeMeta(namespace, fmt.Sprint("t", i)))
		return transport
	},
	"TraefikService": func(namespace string, i int) client.Object {
		service := ofKind(&unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"x": text(1 << 20)}}}, "traefik.io/v1alpha1", "TraefikService")
		withMeta(service, largeMeta(namespace, fmt.Sprint("t", i)))
		return service
	},
	"NetworkPolicy": func(namespace string, i int) client.Object {
		policy := &networkingv1.NetworkPolicy{ObjectMeta: largeMeta(fmt.Sprint(namespace, i), kinds.IsolationName)}
		for range 1000 {
			policy.Spec.Ingress = append(policy.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{From: []networkingv1.NetworkPolicyPeer{{
				PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{text(300): text(600)}},
			}}})
		}
		return policy
	},
	"RoleBinding": func(namespace string, i int) client.Object {
		binding := &rbacv1.RoleBinding{ObjectMeta: largeMeta(fmt.Sprint(namespace, i), kinds.AdministratorsName)}
		for range 1000 {
			binding.Subjects = append(binding.Subjects, rbacv1.Subject{Kind: "User", Name: text(1000)})
		}
		return binding
	},
	"Ingress": func(namespace string, i int) client.Object {
		ingress := &networkingv1.Ingress{ObjectMeta: largeMeta(namespace, fmt.Sprint("i", i))}
		for _, host := range hosts(i, 4000) {
			ingress.Spec.Rules = append(ingress.Spec.Rules, networkingv1.IngressRule{Host: host})
		}
		return ingress
	},
	"Ingress, as large as it is kept whole": func(namespace string, i int) client.Object {
		host := hosts(i, 1)[0]
		return &networkingv1.Ingress{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: host, ResourceVersion: "1", Annotations: map[string]string{"example.com/x": text(3 << 10)}},
			Spec:       networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{Host: host}}},
		}
	},
	"Ingress, with the operator's mark": func(namespace string, i int) client.Object {
		host := hosts(i, 1)[0]
		return &networkingv1.Ingress{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: namespace, Name: host, ResourceVersion: "1", Labels: objects.Labels("acme"),
				Annotations: map[string]string{v1alpha1.AppliedAnnotation: "x", "example.com/x": text(150 << 10)},
			},
			Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{Host: host}}},
		}
	},
	"SubdomainClaim": func(_ string, i int) client.Object {
		return &v1alpha1.SubdomainClaim{ObjectMeta: largeMeta("", hosts(i, 1)[0])}
	},
	"Secret": func(namespace string, i int) client.Object {
		secret := ofKind(&metav1.PartialObjectMetadata{ObjectMeta: largeMeta(namespace, fmt.Sprint("s", i))}, "v1", "Secret")
		secret.Annotations[kinds.CertificateNameAnnotation] = text(100 << 10)
		return secret
	},
	"Certificate": func(namespace string, i int) client.Object {
		certificate := ofKind(&unstructured.Unstructured{Object: map[string]any{}}, "cert-manager.io/v1", "Certificate")
		withMeta(certificate, largeMeta(namespace, fmt.Sprint("c", i)))
		var names []any
		for _, host := range hosts(i, 4000) {
			names = append(names, host)
		}
		certificate.Object["spec"] = map[string]any{"dnsNames": names}
		return certificate
	},
	"CertificateRequest": func(namespace string, i int) client.Object {
		request := ofKind(&unstructured.Unstructured{Object: map[string]any{}}, "cert-manager.io/v1", "CertificateRequest")
		meta := largeMeta(namespace, fmt.Sprint("r", i))
		meta.Annotations[kinds.CertificateNameAnnotation] = fmt.Sprint("c", i)
		withMeta(request, meta)
		var said []any
		for range 20 {
			said = append(said, map[string]any{"type": text(100), "message": text(32 << 10)})
		}
		request.Object["status"] = map[string]any{"conditions": said, "certificate": text(1 << 19)}
		return request
	},
	"HTTPRoute": func(namespace string, i int) client.Object {
		route := &gatewayv1.HTTPRoute{ObjectMeta: largeMeta(namespace, hosts(i, 1)[0]), Spec: gatewayv1.HTTPRouteSpec{Hostnames: hostnames(i, 1)}}
		for range 16 {
			route.Spec.Rules = append(route.Spec.Rules, gatewayv1.HTTPRouteRule{Matches: []gatewayv1.HTTPRouteMatch{{Path: &gatewayv1.HTTPPathMatch{Value: new(text(60 << 10))}}}})
		}
		return route
	},
	"Gateway": func(namespace string, i int) client.Object {
		gateway := &gatewayv1.Gateway{ObjectMeta: largeMeta(namespace, fmt.Sprint("g", i))}
		for _, host := range hostnames(i, 64) {
			gateway.Spec.Listeners = append(gateway.Spec.Listeners, gatewayv1.Listener{Name: gatewayv1.SectionName(text(253)), Hostname: &host, TLS: &gatewayv1.ListenerTLSConfig{
				CertificateRefs: []gatewayv1.SecretObjectReference{{Name: gatewayv1.ObjectName(text(10 << 10))}},
			}})
		}
		return gateway
	},
	"GatewayClass": func(_ string, i int) client.Object {
		return &gatewayv1.GatewayClass{ObjectMeta: largeMeta("", fmt.Sprint("c", i))}
	},
	"ReferenceGrant": func(namespace string, i int) client.Object {
		return &gatewayv1beta1.ReferenceGrant{ObjectMeta: largeMeta(namespace, fmt.Sprint("g", i))}
	},
	"ListenerSet": func(namespace string, i int) client.Object {
		set := &gatewayv1.ListenerSet{ObjectMeta: largeMeta(namespace, fmt.Sprint("l", i))}
		for _, host := range hostnames(i, 64) {
			set.Spec.Listeners = append(set.Spec.Listeners, gatewayv1.ListenerEntry{Name: gatewayv1.SectionName(text(253)), Hostname: &host})
		}
		return set
	},
	"GRPCRoute": func(namespace string, i int) client.Object {
		return &gatewayv1.GRPCRoute{ObjectMeta: largeMeta(namespace, fmt.Sprint("g", i)), Spec: gatewayv1.GRPCRouteSpec{Hostnames: hostnames(i, 16)}}
	},
	"TLSRoute": func(namespace string, i int) client.Object {
		return &gatewayv1.TLSRoute{ObjectMeta: largeMeta(namespace, fmt.Sprint("t", i)), Spec: gatewayv1.TLSRouteSpec{Hostnames: hostnames(i, 16)}}
	},
}

// ofKind sets the kind of an object without a Go type of its own.
func ofKind[T client.Object](object T, version, kind string) T {
	object.GetObjectKind().SetGroupVersionKind(schema.FromAPIVersionAndKind(version, kind))
	return object
}

func withMeta(object *unstructured.Unstructured, meta metav1.ObjectMeta) {
	fields, err := apiruntime.DefaultUnstructuredConverter.ToUnstructured(&meta)
	Expect(err).NotTo(HaveOccurred())
	object.Object["metadata"] = fields
}

// text is a new one.
func text(size int) string { return strings.Repeat("x", size) }

func label(i int) string { return fmt.Sprintf("example.com/%06d", i) }

// largeMeta bears the operator's label, as whoever may label objects can have it.
func largeMeta(namespace, name string) metav1.ObjectMeta {
	meta := metav1.ObjectMeta{
		Namespace: namespace, Name: name, ResourceVersion: "1", UID: "u", Labels: objects.Labels("acme"),
		Annotations: map[string]string{"example.com/x": text(120 << 10)},
	}
	for i := range 500 {
		meta.Labels[label(i)] = text(63)
		meta.Finalizers = append(meta.Finalizers, "example.com/"+text(60))
		meta.OwnerReferences = append(meta.OwnerReferences, metav1.OwnerReference{APIVersion: "v1", Kind: "ConfigMap", Name: text(200), UID: "u"})
	}
	return meta
}

// hosts are as long as they can be, and no two objects have the same.
func hosts(i, n int) []string {
	var all []string
	for host := range n {
		all = append(all, fmt.Sprintf("h%04d.i%06d.%s.example.com", host, i, strings.Repeat("abcdefghi.", 22)+"x"))
	}
	return all
}

func hostnames(i, n int) []gatewayv1.Hostname {
	var all []gatewayv1.Hostname
	for _, host := range hosts(i, n) {
		all = append(all, gatewayv1.Hostname(host))
	}
	return all
}

// heap is how many bytes of it are in use.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what finalizers let go
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

var _ = Describe("However large objects are that others write, the caches", func() {
	limits := func() *cachelimit.Limits { return cachelimit.New(keep, clock.RealClock{}) }

	// inform has an informer learn of some objects.
	inform := func(ctx context.Context, of *cachelimit.Limits, kind string, many int) toolscache.SharedIndexInformer {
		GinkgoHelper()
		lw := &toolscache.ListWatch{
			ListWithContextFunc: func(context.Context, metav1.ListOptions) (apiruntime.Object, error) {
				return &unstructured.UnstructuredList{Object: map[string]any{"metadata": map[string]any{"resourceVersion": "1"}}}, nil
			},
			WatchFuncWithContext: func(context.Context, metav1.ListOptions) (watch.Interface, error) {
				events := watch.NewFake()
				go func() {
					for i := range many {
						events.Add(largest[kind]("partner-acme", i))
					}
					events.Action(watch.Bookmark, bookmark(largest[kind]("", 0), fmt.Sprint(many+1)))
				}()
				return events, nil
			},
		}
		indexers := toolscache.Indexers{toolscache.NamespaceIndex: toolscache.MetaNamespaceIndexFunc, "hosts": func(object any) ([]string, error) {
			return kinds.Hosts(object.(apiruntime.Object)), nil
		}}
		informer := newInformer(of)(lw, bookmark(largest[kind]("", 0), ""), 0, indexers)
		go informer.RunWithContext(ctx)
		Eventually(informer.LastSyncResourceVersion).WithTimeout(2 * time.Minute).Should(Equal(fmt.Sprint(many + 1)))
		return informer
	}

	It("know every kind that is watched", func() {
		for _, kind := range kinds.All {
			Expect(largest).To(HaveKey(kind.Kind))
		}
		for _, given := range givenKinds() {
			Expect(largest).To(HaveKey(reflect.TypeOf(given).Elem().Name()))
		}
	})

	for kind := range largest {
		It("keep little of a thousand of kind "+kind, func(ctx SpecContext) {
			of := limits()
			before := heap()
			informer := inform(ctx, of, kind, 1000)
			grown := int64(heap()) - int64(before)
			AddReportEntry("kept", fmt.Sprintf("%d KiB of 1,000 of kind %s", grown>>10, kind))
			Expect(grown).To(BeNumerically("<", 8<<20), "docs/threat-model.md says so")
			runtime.KeepAlive(informer)
			runtime.KeepAlive(of)
		}, SpecTimeout(3*time.Minute))
	}
})

// BenchmarkKeep measures the work for one change of an object that is as large as can be.
func BenchmarkKeep(b *testing.B) {
	reduce := keep
	for _, kind := range slices.Sorted(maps.Keys(largest)) {
		b.Run(kind, func(b *testing.B) {
			RegisterTestingT(b)
			for range b.N {
				b.StopTimer()
				object := largest[kind]("partner-acme", 0)
				b.StartTimer()
				reduce(object)
			}
		})
	}
}

// bookmark is an object that says how far a watch has come.
func bookmark(like client.Object, version string) client.Object {
	bare := reflect.New(reflect.TypeOf(like).Elem()).Interface().(client.Object)
	if u, ok := bare.(*unstructured.Unstructured); ok {
		u.Object = map[string]any{}
	}
	bare.GetObjectKind().SetGroupVersionKind(like.GetObjectKind().GroupVersionKind())
	bare.SetResourceVersion(version)
	bare.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
	return bare
}
