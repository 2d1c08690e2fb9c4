package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// SubdomainClaim assigns a host to one Partner. Its name is the host. Names are
// unique in the API server, so of several Partners that request the same host,
// the one whose claim is created first holds it. The operator creates claims;
// users only read them. A holder can hand its claim over to another Partner.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=claim,categories=dispel
// +kubebuilder:metadata:annotations="partner.dispel.com/schema-revision=3"
// +kubebuilder:printcolumn:name="Partner",type=string,JSONPath=`.spec.partnerRef.name`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type SubdomainClaim struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard object metadata. The name is the host.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec specifies which Partner holds the host.
	// +required
	Spec SubdomainClaimSpec `json:"spec,omitzero"`
}

// SubdomainClaimList is a list of SubdomainClaims.
//
// +kubebuilder:object:root=true
type SubdomainClaimList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []SubdomainClaim `json:"items"`
}

// SubdomainClaimSpec specifies which Partner holds a host.
//
// +kubebuilder:validation:XValidation:rule="self.partnerRef.name == oldSelf.partnerRef.name || has(oldSelf.handOverTo) && self.partnerRef.name == oldSelf.handOverTo.name",fieldPath=".partnerRef",messageExpression="'the host is held by partner ' + oldSelf.partnerRef.name + ': remove it from that partner (spec.subdomain), and the claim goes with it; or have that partner hand it over (spec.handOver)'"
type SubdomainClaimSpec struct {
	// partnerRef references the Partner that holds the host. It can be changed only to
	// the Partner in handOverTo.
	// +required
	PartnerRef PartnerReference `json:"partnerRef,omitzero"`

	// handOverTo references the Partner that may take the claim over.
	// +optional
	HandOverTo *PartnerReference `json:"handOverTo,omitempty"`
}
