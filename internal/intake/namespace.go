package intake

import (
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/internal/kinds"
)

// Namespace is a namespace and what of it an import reads.
type Namespace struct {
	*corev1.Namespace
	Ingresses       []*networkingv1.Ingress
	Routes          []*gatewayv1.HTTPRoute
	Certificates    []*unstructured.Unstructured
	Quotas          []*corev1.ResourceQuota
	RoleBindings    []*rbacv1.RoleBinding
	NetworkPolicies []*networkingv1.NetworkPolicy
	Services        []*corev1.Service
}

// Kinds are the kinds in a namespace that an import reads, by their names in tenant.Kinds.
var Kinds = []string{"Ingress", "HTTPRoute", "Certificate", "ResourceQuota", "RoleBinding", "NetworkPolicy", "Service"}

// Add adds an object in the namespace. Those of other kinds are ignored.
func (n *Namespace) Add(object metav1.Object) {
	switch object := object.(type) {
	case *networkingv1.Ingress:
		n.Ingresses = append(n.Ingresses, object)
	case *gatewayv1.HTTPRoute:
		n.Routes = append(n.Routes, object)
	case *corev1.ResourceQuota:
		n.Quotas = append(n.Quotas, object)
	case *rbacv1.RoleBinding:
		n.RoleBindings = append(n.RoleBindings, object)
	case *networkingv1.NetworkPolicy:
		n.NetworkPolicies = append(n.NetworkPolicies, object)
	case *corev1.Service:
		n.Services = append(n.Services, object)
	case *unstructured.Unstructured:
		if object.GroupVersionKind() == kinds.CertificateGVK {
			n.Certificates = append(n.Certificates, object)
		}
	}
}

func (n *Namespace) service(name string) *corev1.Service {
	for _, service := range n.Services {
		if service.Name == name {
			return service
		}
	}
	return nil
}

// certificateOf is the Certificate that keeps a Secret; nil if none does.
func (n *Namespace) certificateOf(secret string) *unstructured.Unstructured {
	for _, certificate := range n.Certificates {
		if name, _, _ := unstructured.NestedString(certificate.Object, "spec", "secretName"); name == secret {
			return certificate
		}
	}
	return nil
}
