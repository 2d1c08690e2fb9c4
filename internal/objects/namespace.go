package objects

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/kinds"
)

// PodSecurityLabels are on every tenant namespace.
var PodSecurityLabels = []string{"pod-security.kubernetes.io/enforce", "pod-security.kubernetes.io/warn"}

// Namespace is the tenant's, at the strictest of the pod security standards.
func (b Builder) Namespace() *corev1.Namespace {
	namespace := &corev1.Namespace{
		TypeMeta: metav1.TypeMeta{APIVersion: corev1.SchemeGroupVersion.String(), Kind: kinds.Namespace},
		ObjectMeta: metav1.ObjectMeta{
			Name:   NamespaceOf(b.Partner),
			Labels: Labels(b.Partner.Name),
		},
	}
	for _, label := range PodSecurityLabels {
		namespace.Labels[label] = "restricted"
	}
	if b.Partner.Spec.DeletionPolicy == v1alpha1.DeletionPolicyDelete {
		namespace.OwnerReferences = b.owner()
	}
	return namespace
}

// WithOwnerByPolicy is a Partner's namespace as it is, but owned by the Partner if its deletion policy
// says so, and only then; nil if that is so already, or the namespace is another's.
func WithOwnerByPolicy(partner *v1alpha1.Partner, namespace *corev1.Namespace) *corev1.Namespace {
	owned := slices.ContainsFunc(namespace.OwnerReferences, func(owner metav1.OwnerReference) bool { return owner.UID == partner.UID })
	if owned == (partner.Spec.DeletionPolicy == v1alpha1.DeletionPolicyDelete) || HolderOf(namespace) != partner.Name || !namespace.DeletionTimestamp.IsZero() {
		return nil
	}
	wanted := Builder{Partner: partner}.Namespace()
	wanted.Annotations = map[string]string{v1alpha1.HostsAnnotation: namespace.Annotations[v1alpha1.HostsAnnotation]}
	return wanted
}

// Guards bound who and what is in the namespace. They have no owner, since a
// namespace that is retained keeps them.
func (b Builder) Guards() []kinds.Object {
	tenant := ptr.Deref(b.Partner.Spec.Tenant, v1alpha1.Tenant{})
	var guards []kinds.Object
	if tenant.NetworkIsolation != v1alpha1.NetworkIsolationDisabled {
		guards = append(guards, b.isolation())
	}
	if len(tenant.ResourceQuota) > 0 {
		guards = append(guards, &corev1.ResourceQuota{
			TypeMeta:   kinds.TypeMeta(kinds.ResourceQuota),
			ObjectMeta: b.meta(kinds.QuotaName),
			Spec:       corev1.ResourceQuotaSpec{Hard: tenant.ResourceQuota},
		})
	}
	if len(tenant.Administrators) > 0 {
		guards = append(guards, b.administrators(tenant.Administrators))
	}
	return guards
}

// isolation lets only the namespace itself and the controllers' proxies in.
func (b Builder) isolation() *networkingv1.NetworkPolicy {
	peers := func(peer networkingv1.NetworkPolicyPeer) networkingv1.NetworkPolicyIngressRule {
		return networkingv1.NetworkPolicyIngressRule{From: []networkingv1.NetworkPolicyPeer{peer}}
	}
	sources := []networkingv1.NetworkPolicyIngressRule{peers(networkingv1.NetworkPolicyPeer{PodSelector: &metav1.LabelSelector{}})}
	for _, namespace := range b.Settings.ProxyNamespaces {
		sources = append(sources, peers(networkingv1.NetworkPolicyPeer{NamespaceSelector: &metav1.LabelSelector{
			MatchLabels: map[string]string{corev1.LabelMetadataName: namespace},
		}}))
	}
	return &networkingv1.NetworkPolicy{
		TypeMeta:   kinds.TypeMeta(kinds.NetworkPolicy),
		ObjectMeta: b.meta(kinds.IsolationName),
		Spec: networkingv1.NetworkPolicySpec{
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress:     sources,
		},
	}
}

func (b Builder) administrators(administrators []v1alpha1.Administrator) *rbacv1.RoleBinding {
	binding := &rbacv1.RoleBinding{
		TypeMeta:   kinds.TypeMeta(kinds.RoleBinding),
		ObjectMeta: b.meta(kinds.AdministratorsName),
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "admin"},
	}
	for _, administrator := range administrators {
		subject := rbacv1.Subject{Kind: string(administrator.Kind), Name: administrator.Name, Namespace: administrator.Namespace}
		if administrator.Kind != v1alpha1.ServiceAccountSubject {
			subject.APIGroup = rbacv1.GroupName
		}
		binding.Subjects = append(binding.Subjects, subject)
	}
	return binding
}
