package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// SubdomainClaim gives a host to one partner. It is named by the host, so that
// the API server's own uniqueness of names decides between partners that want
// the same one: whoever creates the claim first holds it. The operator makes
// claims; people read them.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:scope=Cluster,shortName=claim,categories=dispel
// +kubebuilder:metadata:annotations="partner.dispel.com/schema-revision=2"
// +kubebuilder:printcolumn:name="Partner",type=string,JSONPath=`.spec.partnerRef.name`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type SubdomainClaim struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard object metadata. The name is the host.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec says whose the host is.
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

// SubdomainClaimSpec says whose a host is.
type SubdomainClaimSpec struct {
	// partnerRef names the partner that holds the host. It cannot be changed:
	// the holder lets go by deletion of the claim.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",messageExpression="'the host is held by partner ' + oldSelf.name + ': remove it from that partner (spec.subdomain), and the claim goes with it'"
	PartnerRef PartnerReference `json:"partnerRef,omitzero"`
}
