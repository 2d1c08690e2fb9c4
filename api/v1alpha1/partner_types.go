package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ChannelModel is how a partner sells the Zero Trust Engine ("Partner Support
// Enablement", When does Partner Support Enablement apply).
//
// +kubebuilder:validation:Enum=Reseller;Distributor;OEM;MSP
type ChannelModel string

// The channel models.
const (
	// Reseller is a sales channel: Dispel serves the customers.
	Reseller ChannelModel = "Reseller"
	// Distributor is a sales channel: Dispel serves the customers.
	Distributor ChannelModel = "Distributor"
	// OEM sells the engine under its own brand and serves its customers itself.
	OEM ChannelModel = "OEM"
	// MSP is a service provider that serves its customers itself.
	MSP ChannelModel = "MSP"
)

// WhiteLabels reports whether a partner of this model has a white-labelled
// instance on a sub-domain, and its own support team that P-CSMs can augment.
func (m ChannelModel) WhiteLabels() bool {
	return m == OEM || m == MSP
}

// Partner is a company that sells Dispel's Zero Trust Engine, and the contract
// with it. The operator creates a tenant for it: a namespace and, for an OEM or
// MSP, a sub-domain with a certificate. Once Customer Success Managers (P-CSMs)
// are contracted, the sub-domain gets the support widget. The status reports
// progress and whether the P-CSMs suffice.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=ptn,categories=dispel
// +kubebuilder:metadata:annotations="partner.dispel.com/schema-revision=3"
// +kubebuilder:printcolumn:name="Channel",type=string,JSONPath=`.spec.channelModel`,description="How the partner sells the engine"
// +kubebuilder:printcolumn:name="Plan",type=string,JSONPath=`.status.supportPlan.name`,description="The support plan in force"
// +kubebuilder:printcolumn:name="Host",type=string,JSONPath=`.spec.subdomain.host`,description="The partner's sub-domain"
// +kubebuilder:printcolumn:name="Customers",type=integer,JSONPath=`.spec.customerCount`,description="The partner's customers"
// +kubebuilder:printcolumn:name="FTE",type=number,JSONPath=`.status.staffing.allocatedFTE`,description="FTE of the partner's active PCSMAllocations"
// +kubebuilder:printcolumn:name="Capacity",type=string,JSONPath=`.status.staffing.capacity`,description="Customers, and the most that the P-CSMs support"
// +kubebuilder:printcolumn:name="Coverage",type=string,JSONPath=`.status.coverage.summary`,description="Operating hours a week with P-CSMs on duty, and all operating hours"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="Whether everything that the Partner declares is provisioned"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Widget",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="SupportWidgetEnabled")].status`,description="Whether the support widget is enabled"
// +kubebuilder:printcolumn:name="Namespace",type=string,priority=1,JSONPath=`.status.namespace`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 55",message="metadata.name is too long: the tenant namespace partner-<name> leaves room for 55 characters, so write a name of at most 55"
// +kubebuilder:validation:XValidation:rule="self.metadata.name != 'operator-system'",message="the namespace partner-operator-system is the operator's own: write another metadata.name"
// +kubebuilder:validation:XValidation:rule="!self.metadata.name.contains('.')",message="metadata.name contains a dot, which a namespace's name cannot: write letters, digits and hyphens"
type Partner struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard object metadata. The name must be a DNS label of at most
	// 55 characters. By default, the tenant namespace is named partner-<name>.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec describes what was agreed with the partner.
	// +required
	Spec PartnerSpec `json:"spec,omitzero"`
	// status reports the observed state of the Partner.
	// +optional
	Status PartnerStatus `json:"status,omitzero"`
}

// PartnerList is a list of Partners.
//
// +kubebuilder:object:root=true
type PartnerList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Partner `json:"items"`
}

// PartnerSpec describes what was agreed with a partner.
//
// +kubebuilder:validation:XValidation:rule="!has(self.validFrom) || !has(self.validUntil) || self.validFrom <= self.validUntil",fieldPath=".validUntil",message="the contract would end before it starts: write a validUntil that is validFrom or later"
// +kubebuilder:validation:XValidation:rule="!has(self.subdomain) || self.channelModel in ['OEM', 'MSP']",fieldPath=".subdomain",messageExpression="'a ' + self.channelModel + ' does not white-label the engine, so it has no sub-domain: remove spec.subdomain, or set spec.channelModel to OEM or MSP'"
// +kubebuilder:validation:XValidation:rule="(has(self.tenant) && has(self.tenant.namespace)) == (has(oldSelf.tenant) && has(oldSelf.tenant.namespace))",fieldPath=".tenant",message="spec.tenant.namespace can be neither added nor removed after creation: restore it as it was, or create another Partner"
// +kubebuilder:validation:XValidation:rule="!has(self.handOver) || !has(self.subdomain) || self.handOver.host != self.subdomain.host",fieldPath=".handOver.host",message="the host is also declared in spec.subdomain: remove it there, and declare it in the Partner that takes it over"
type PartnerSpec struct {
	// displayName is the human-readable name of the partner.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:XValidation:rule="!self.matches(r'[\\x{0}-\\x{1f}\\x{7f}-\\x{9f}\\x{ad}\\x{34f}\\x{61c}\\x{115f}\\x{1160}\\x{17b4}\\x{17b5}\\x{180b}-\\x{180f}\\x{200b}\\x{200e}\\x{200f}\\x{2028}-\\x{202e}\\x{2060}-\\x{206f}\\x{2800}\\x{3164}\\x{feff}\\x{ffa0}\\x{fff9}-\\x{fffb}\\x{e0000}-\\x{e0fff}]')",message="it has a character that cannot be seen, such as a line break, a zero-width space or a mark of direction: write the name without it"
	DisplayName string `json:"displayName,omitempty"`

	// channelModel is how the partner sells the engine. It determines who does the
	// work for the partner's customers: for a Reseller or Distributor, Dispel
	// itself. Only an OEM or MSP can have a sub-domain and P-CSM allocations.
	// +required
	ChannelModel ChannelModel `json:"channelModel,omitempty"`

	// validFrom is the first day of the contract with the partner, in UTC. Before it,
	// the tenant is provisioned, and the host is held, but not served. If omitted, the
	// contract has already started.
	// +optional
	ValidFrom Date `json:"validFrom,omitempty"`

	// validUntil is the last day of the contract with the partner, in UTC. After it,
	// the route and the support widget are closed; the host, the namespace and what is
	// in it stay with the partner. If omitted, the contract does not end.
	// +optional
	ValidUntil Date `json:"validUntil,omitempty"`

	// customerCount is the number of customers that the partner has on the engine.
	// Defaults to 0. It can have its own field manager, such as a billing job.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	CustomerCount *int32 `json:"customerCount,omitempty"`

	// expectedCustomers are the total numbers of customers that the partner will have
	// on future days because of signed deals, the earliest first. Days that are not in
	// the future are ignored.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:XValidation:rule="self.all(a, !has(a.on) || self.exists_one(b, has(b.on) && b.on == a.on))",message="a day is named twice: write one count for each day"
	// +kubebuilder:validation:XValidation:rule="self.filter(e, has(e.on)).map(e, e.on).isSorted()",message="the days are out of order: write the earliest first"
	ExpectedCustomers []ExpectedCustomers `json:"expectedCustomers,omitempty"`

	// supportPlanRef references the SupportPlan that applies to the partner.
	// Defaults to the plan "basic", to which every partner is entitled.
	// +optional
	SupportPlanRef *SupportPlanReference `json:"supportPlanRef,omitempty"`

	// subdomain describes the white-labelled instance of an OEM or MSP.
	// +optional
	Subdomain *Subdomain `json:"subdomain,omitempty"`

	// handOver hands a host that this Partner holds over to another Partner, without an
	// outage: while its contract is in force, this Partner serves the host until the
	// other one does. Remove it when the other Partner serves the host.
	// +optional
	HandOver *HandOver `json:"handOver,omitempty"`

	// tenant configures the partner's namespace.
	// +optional
	Tenant *Tenant `json:"tenant,omitempty"`

	// addOns are the services contracted in addition to the plan. P-CSMs are
	// contracted in PCSMAllocations instead.
	// +optional
	AddOns *AddOns `json:"addOns,omitempty"`

	// deletionPolicy is Retain or Delete, and defaults to Retain. When the Partner
	// is deleted, Retain keeps the tenant namespace with its NetworkPolicy,
	// ResourceQuota and RoleBinding; Delete deletes it with everything in it. The
	// route, the SubdomainClaim and the support widget are always deleted.
	// +optional
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// suspend stops the operator from reconciling this Partner while it is true. The operator
	// adds the condition Suspended and leaves the rest of the status unchanged. It still
	// removes from the annotation partner.dispel.com/hosts the hosts that the partner no
	// longer holds. Defaults to false.
	// +optional
	Suspend *bool `json:"suspend,omitempty"`
}

// HandOver hands a host over to another Partner.
type HandOver struct {
	// host is the host to hand over. It must not be in spec.subdomain of this Partner.
	// +required
	Host Host `json:"host,omitempty"`

	// partnerRef references the Partner that takes the host over once it declares it
	// in spec.subdomain. No other Partner can take it in between.
	// +required
	PartnerRef PartnerReference `json:"partnerRef,omitzero"`
}

// ExpectedCustomers is the total number of customers that a partner will have from a
// day on, because of signed deals.
//
// +kubebuilder:validation:XValidation:rule="has(self.on)",message="the day is missing: write it as \"on\": \"2027-03-01\", with on in quotes, since YAML takes a bare on for true"
type ExpectedCustomers struct {
	// on is the first day on which the partner will have that many customers, in UTC.
	// Required. In YAML, write it in quotes: a bare on means true.
	// +optional
	On Date `json:"on,omitempty"`

	// count is the total number of customers from that day on.
	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	Count *int32 `json:"count,omitempty"`
}

// SupportPlanReference references a SupportPlan.
type SupportPlanReference struct {
	// name is the name of the SupportPlan.
	// +required
	Name ObjectName `json:"name,omitempty"`
}

// Subdomain describes a white-labelled instance of the engine.
//
// +kubebuilder:validation:XValidation:rule="!has(self.backend.external) || self.backend.external.host != self.host",fieldPath=".backend.external.host",message="the external backend is the sub-domain itself, so that requests would go round in circles: write the host under which the engine is reached"
type Subdomain struct {
	// host is the DNS name of the sub-domain, such as remote.acmecorp.com. Only one
	// Partner at a time can hold it; others report the holder in SubdomainReady.
	// +required
	// +kubebuilder:validation:XValidation:rule="!self.endsWith('.svc') && !self.contains('.svc.') && !self.endsWith('.cluster.local')",message="this is the name of a Service of a cluster, which no end customer reaches: write a host under the partner's own domain, such as remote.acmecorp.com"
	Host Host `json:"host,omitempty"`

	// backend specifies what serves the partner's instance of the engine: either
	// service or external.
	// +required
	Backend Backend `json:"backend,omitzero"`

	// tls specifies where the certificate comes from: either issuerRef or secretName. If
	// omitted, the operator's default issuer signs one, unless a Gateway without ListenerSets
	// serves the sub-domain with its own listener. Without either, the operator configures no
	// TLS.
	// +optional
	TLS *TLS `json:"tls,omitempty"`

	// route overrides the operator's defaults for the Ingress or HTTPRoute.
	// +optional
	Route *Route `json:"route,omitempty"`
}

// Backend specifies what serves an instance of the engine.
//
// +kubebuilder:validation:XValidation:rule="has(self.service) || has(self.external)",message="a sub-domain needs a backend: write either service or external"
// +kubebuilder:validation:XValidation:rule="!has(self.service) || !has(self.external)",message="a sub-domain has one backend: remove either service or external"
type Backend struct {
	// service is a Service in the tenant namespace.
	// +optional
	Service *ServiceBackend `json:"service,omitempty"`

	// external is a host outside the cluster, reached by an ExternalName Service.
	// +optional
	External *ExternalBackend `json:"external,omitempty"`

	// tls has the engine reached over TLS, and its certificate verified. If the ingress or
	// Gateway controller cannot do that, the engine is not served: never in clear text. If
	// omitted, the engine is reached in clear text, unless annotations of the route say
	// otherwise.
	// +optional
	TLS *BackendTLS `json:"tls,omitempty"`
}

// BackendTLS specifies how the certificate of an engine is verified.
type BackendTLS struct {
	// serverName is the DNS name that the engine's certificate has to be for, which is also
	// asked for by SNI. If omitted, it is the host of backend.external, or
	// <name>.<tenant namespace>.svc for backend.service.
	// +optional
	ServerName Host `json:"serverName,omitempty"`

	// caCertificates specifies who has to have signed the certificate.
	// +required
	CACertificates CACertificates `json:"caCertificates,omitzero"`
}

// CACertificates are the authorities that an engine's certificate is verified against: either
// those of an object in the tenant namespace, PEM-encoded under the key ca.crt, or those of the
// proxy's operating system.
//
// +kubebuilder:validation:XValidation:rule="has(self.configMapRef) || has(self.secretRef) || has(self.wellKnown)",message="the engine's certificate has to be verified: write configMapRef or secretRef with the name of an object that has the authority's certificate under ca.crt, or wellKnown: System for a public authority"
// +kubebuilder:validation:XValidation:rule="(has(self.configMapRef) ? 1 : 0) + (has(self.secretRef) ? 1 : 0) + (has(self.wellKnown) ? 1 : 0) <= 1",message="authorities come from one place: keep one of configMapRef, secretRef and wellKnown"
// +kubebuilder:validation:MinProperties=1
type CACertificates struct {
	// configMapRef names a ConfigMap in the tenant namespace.
	// +optional
	ConfigMapRef *CAReference `json:"configMapRef,omitempty"`

	// secretRef names a Secret in the tenant namespace.
	// +optional
	SecretRef *CAReference `json:"secretRef,omitempty"`

	// wellKnown is System, for the authorities that the proxy's operating system trusts.
	// +optional
	WellKnown WellKnownCAs `json:"wellKnown,omitempty"`
}

// WellKnownCAs are authorities that need no object.
//
// +kubebuilder:validation:Enum=System
type WellKnownCAs string

// SystemCAs are those that the proxy's operating system trusts.
const SystemCAs WellKnownCAs = "System"

// CAReference names an object in the tenant namespace that has certificates of authorities.
type CAReference struct {
	// name is the name of the object. It must not start with dispel-, which is reserved for the
	// operator.
	// +required
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('dispel-')",message="names that start with dispel- belong to the operator: name the object with your authority otherwise"
	Name ObjectName `json:"name,omitempty"`
}

// ServiceBackend is a Service in the tenant namespace.
type ServiceBackend struct {
	// name is the name of the Service. It must not start with dispel-, which is
	// reserved for the operator.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Label().validate(self).hasValue()",message="this is no name that a Service can have: write lower-case letters, digits and inner hyphens"
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('dispel-')",message="names that start with dispel- belong to the operator: name the Service of your engine otherwise"
	Name string `json:"name,omitempty"`

	// port is the port number of the Service.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
}

// ExternalBackend is a host outside the cluster.
type ExternalBackend struct {
	// host is the DNS name of the engine.
	// +required
	// +kubebuilder:validation:XValidation:rule="!self.endsWith('.svc') && !self.contains('.svc.') && !self.endsWith('.cluster.local')",message="this is a Service of a cluster, and could be another tenant's: name a Service of the tenant namespace in backend.service instead"
	// +kubebuilder:validation:XValidation:rule="!['nip.io', 'sslip.io', 'xip.io', 'localtest.me', 'lvh.me', 'vcap.me'].exists(domain, self == domain || self.endsWith('.' + domain))",message="names in this domain lead to any address that they spell, those of this cluster's own network included: write the engine's own name"
	// +kubebuilder:validation:XValidation:rule="!(self in ['metadata.google.internal', 'metadata.goog', 'instance-data.ec2.internal'])",message="this is the metadata server of a cloud, which holds credentials of the nodes: write the engine's own name"
	Host Host `json:"host,omitempty"`

	// port is the port on which the engine listens.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
}

// TLS specifies where the certificate of a sub-domain comes from.
//
// +kubebuilder:validation:XValidation:rule="has(self.issuerRef) || has(self.secretName) || has(self.order)",message="tls is empty: write either issuerRef or secretName, or remove tls to use the operator's default issuer"
// +kubebuilder:validation:XValidation:rule="!has(self.secretName) || !has(self.order)",message="nothing is ordered for a certificate that you bring: remove either order or secretName"
// +kubebuilder:validation:XValidation:rule="!has(self.issuerRef) || !has(self.secretName)",message="a certificate comes from one place: remove either issuerRef or secretName"
type TLS struct {
	// issuerRef references the cert-manager issuer that signs the certificate.
	// +optional
	IssuerRef *IssuerReference `json:"issuerRef,omitempty"`

	// secretName is the name of a Secret of type kubernetes.io/tls in the tenant
	// namespace. The operator does not create or renew it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="this is no name that a Secret can have: write lower-case letters, digits, hyphens and dots"
	SecretName string `json:"secretName,omitempty"`

	// order is when the certificate is ordered from an ACME issuer: WhenPossible, the default,
	// once DNS leads to the route (with HTTP-01) and CAA records permit the authority; or
	// Always, without looking. Alone, it is for the operator's default issuer.
	// +optional
	Order Order `json:"order,omitempty"`
}

// Order is when a certificate is ordered.
//
// +kubebuilder:validation:Enum=WhenPossible;Always
type Order string

// When certificates are ordered.
const (
	OrderWhenPossible Order = "WhenPossible"
	OrderAlways       Order = "Always"
)

// IssuerKind is a kind of cert-manager issuer.
//
// +kubebuilder:validation:Enum=ClusterIssuer;Issuer
type IssuerKind string

// The kinds of issuer.
const (
	// ClusterIssuer signs certificates for all namespaces.
	ClusterIssuer IssuerKind = "ClusterIssuer"
	// Issuer signs certificates for its own namespace, here the tenant namespace.
	Issuer IssuerKind = "Issuer"
)

// IssuerReference references a cert-manager issuer.
type IssuerReference struct {
	// kind is ClusterIssuer, the default, or Issuer for one in the tenant namespace.
	// +optional
	Kind IssuerKind `json:"kind,omitempty"`

	// name is the name of the issuer.
	// +required
	Name ObjectName `json:"name,omitempty"`
}

// Route overrides the operator's defaults for a sub-domain's route.
//
// +kubebuilder:validation:XValidation:rule="!has(self.ingressClassName) || !has(self.gatewayRef)",message="a sub-domain has one route, by an Ingress or by a Gateway: remove either ingressClassName or gatewayRef"
type Route struct {
	// ingressClassName is the IngressClass of the Ingress that serves the
	// sub-domain. If this and gatewayRef are omitted, the operator's --gateway, its
	// --ingress-class or the cluster's default applies, in this order.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="this is no name that an IngressClass can have: write lower-case letters, digits, hyphens and dots"
	IngressClassName string `json:"ingressClassName,omitempty"`

	// gatewayRef references the Gateway of the HTTPRoute that serves the sub-domain.
	// If the sub-domain has its own certificate, the Gateway must allow ListenerSets
	// from the tenant namespace; if not, the Gateway's own listeners serve it.
	// +optional
	GatewayRef *GatewayReference `json:"gatewayRef,omitempty"`

	// annotations are added to the Ingress or HTTPRoute, to configure the ingress
	// controller and tools such as external-dns. On an Ingress, they override the
	// operator's default annotations.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=32
	// +kubebuilder:validation:XValidation:rule="self.all(key, !key.startsWith('partner.dispel.com/'))",message="annotations under partner.dispel.com/ belong to the operator: remove them"
	// +kubebuilder:validation:XValidation:rule="self.all(key, !key.endsWith('/server-alias') && !key.endsWith('/server-alias-regex') && !key.endsWith('/host-aliases') && !key.endsWith('/from-to-www-redirect'))",message="annotations that give a route further hosts (server-alias, server-alias-regex, host-aliases, from-to-www-redirect) could take those of other partners: remove them; the route's one host is spec.subdomain.host"
	// +kubebuilder:validation:XValidation:rule="self.all(key, !key.endsWith('/redirect-from') && !key.endsWith('/redirect-from-regex'))",message="annotations that redirect from further hosts (redirect-from, redirect-from-regex) could take those of other partners: remove them; the route's one host is spec.subdomain.host"
	// +kubebuilder:validation:XValidation:rule="self.all(key, !(key == 'kubernetes.io/ingress.class'))",message="the annotation kubernetes.io/ingress.class contradicts or repeats a field: remove it, and write the class in spec.subdomain.route.ingressClassName"
	// +kubebuilder:validation:XValidation:rule="self.all(key, !(key.startsWith('cert-manager.io/') || key.startsWith('acme.cert-manager.io/') || key == 'kubernetes.io/tls-acme' || key.endsWith('/ssl-passthrough') || key.endsWith('/router.tls.certresolver') || key.contains('/router.tls.domains')))",message="annotations about certificates (cert-manager.io/…, kubernetes.io/tls-acme, ssl-passthrough, router.tls.certresolver and router.tls.domains) contradict or repeat a field: remove them, and write spec.subdomain.tls"
	// +kubebuilder:validation:XValidation:rule="self.all(key, !(key.startsWith('external-dns.') && (key.endsWith('hostname') || key.endsWith('-hostname-source'))))",message="annotations that give a DNS record another name (hostname, internal-hostname and …-hostname-source of external-dns) contradict or repeat a field: remove them; the name is spec.subdomain.host"
	// +kubebuilder:validation:XValidation:rule="self.all(key, !(key.endsWith('/permanent-redirect') || key.endsWith('/temporal-redirect') || key.endsWith('/redirect-to') || key.endsWith('/request-redirect') || key.contains('ingress.kubernetes.io/canary')))",message="annotations that lead requests elsewhere (permanent-redirect, temporal-redirect, redirect-to, request-redirect, canary) contradict a field: remove them, and write the engine in spec.subdomain.backend"
	Annotations map[string]AnnotationValue `json:"annotations,omitempty"`
}

// GatewayReference references a Gateway of the Gateway API.
type GatewayReference struct {
	// namespace is the namespace of the Gateway.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Label().validate(self).hasValue()",message="this is no name that a namespace can have: write lower-case letters, digits and inner hyphens"
	Namespace string `json:"namespace,omitempty"`

	// name is the name of the Gateway.
	// +required
	Name ObjectName `json:"name,omitempty"`

	// sectionName is the name of the Gateway's listener that serves the sub-domain.
	// If omitted, all matching listeners do. It is ignored if the sub-domain has its
	// own listener, in a ListenerSet.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="this is no name that a listener can have: write lower-case letters, digits, hyphens and dots"
	SectionName string `json:"sectionName,omitempty"`
}

// AnnotationValue is the value of an annotation.
//
// +kubebuilder:validation:MaxLength=4096
type AnnotationValue string

// Tenant configures a partner's namespace.
type Tenant struct {
	// namespace is the name of the tenant namespace. Defaults to partner-<name>, and cannot be
	// changed. An existing namespace is adopted only if its label partner.dispel.com/partner
	// or its annotation partner.dispel.com/adopt names the Partner. Only one Partner can have
	// it; others report the holder in TenantReady.
	// +optional
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",messageExpression="'the tenant namespace ' + oldSelf + ' cannot be changed: write it as it was, or create another Partner for another namespace'"
	Namespace TenantNamespace `json:"namespace,omitempty"`

	// administrators are bound to the ClusterRole admin in the tenant namespace.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Administrators []Administrator `json:"administrators,omitempty"`

	// resourceQuota sets the hard limits of a ResourceQuota in the tenant namespace.
	// If omitted, there is no ResourceQuota.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=64
	ResourceQuota corev1.ResourceList `json:"resourceQuota,omitempty"`

	// networkIsolation is Enabled, the default, or Disabled. If Enabled, only pods
	// in the tenant namespace and in the namespaces of ingress and Gateway
	// controllers can connect to the tenant's pods.
	// +optional
	NetworkIsolation NetworkIsolation `json:"networkIsolation,omitempty"`
}

// TenantNamespace is the name of a tenant namespace.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="!format.dns1123Label().validate(self).hasValue()",message="this is not a valid namespace name: write at most 63 lower-case letters, digits and hyphens, with a letter or digit at both ends"
// +kubebuilder:validation:XValidation:rule="!self.startsWith('kube-') && !(self in ['default', 'partner-operator-system'])",message="this namespace belongs to Kubernetes or to the operator: write another, or leave it out for partner-<name>"
type TenantNamespace string

// NetworkIsolation specifies whether a NetworkPolicy isolates the tenant.
//
// +kubebuilder:validation:Enum=Enabled;Disabled
type NetworkIsolation string

// The network isolation settings.
const (
	NetworkIsolationEnabled  NetworkIsolation = "Enabled"
	NetworkIsolationDisabled NetworkIsolation = "Disabled"
)

// SubjectKind is a kind of RBAC subject.
//
// +kubebuilder:validation:Enum=User;Group;ServiceAccount
type SubjectKind string

// The kinds of subject.
const (
	UserSubject           SubjectKind = "User"
	GroupSubject          SubjectKind = "Group"
	ServiceAccountSubject SubjectKind = "ServiceAccount"
)

// Administrator is an RBAC subject.
//
// +kubebuilder:validation:XValidation:rule="self.kind != 'ServiceAccount' || has(self.namespace)",message="a ServiceAccount lives in a namespace: write it in namespace"
// +kubebuilder:validation:XValidation:rule="self.kind == 'ServiceAccount' || !has(self.namespace)",message="only a ServiceAccount has a namespace: remove namespace"
// +kubebuilder:validation:XValidation:rule="self.kind != 'Group' || !self.name.startsWith('system:') || (self.name.startsWith('system:serviceaccounts:') && size(self.name) > 23)",fieldPath=".name",message="groups that start with system: are Kubernetes' own, and some have everybody as a member: name a group of your identity provider, or system:serviceaccounts:<namespace>"
// +kubebuilder:validation:XValidation:rule="self.kind != 'User' || !self.name.startsWith('system:')",fieldPath=".name",message="users that start with system: are Kubernetes' own: name a user of your identity provider, or a ServiceAccount by its kind, name and namespace"
type Administrator struct {
	// kind is User, Group or ServiceAccount.
	// +required
	Kind SubjectKind `json:"kind,omitempty"`

	// name is the name of the subject.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`

	// namespace is the namespace of a ServiceAccount. Other kinds must omit it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
}

// AddOns are services contracted in addition to the plan ("Partner Support
// Enablement", Supporting our Partners).
//
// +kubebuilder:validation:MinProperties=1
type AddOns struct {
	// technicalSupport extends the plan's Technical Support.
	// +optional
	TechnicalSupport *TechnicalSupportAddOn `json:"technicalSupport,omitempty"`

	// customerSuccess contracts Implementation, Customer Success and Maintenance
	// hours.
	// +optional
	CustomerSuccess *ServiceHours `json:"customerSuccess,omitempty"`
}

// TechnicalSupportAddOn extends the plan's Technical Support.
//
// +kubebuilder:validation:MinProperties=1
type TechnicalSupportAddOn struct {
	// monthlyRetainerHours is the minimum number of service hours paid per month.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	MonthlyRetainerHours *int32 `json:"monthlyRetainerHours,omitempty"`

	// technicalAccountManager contracts a dedicated person for Technical Support.
	// +optional
	TechnicalAccountManager *TechnicalAccountManager `json:"technicalAccountManager,omitempty"`
}

// TechnicalAccountManager is a dedicated person for Technical Support ("Partner
// Support Enablement", Supporting our Partners).
type TechnicalAccountManager struct {
	// fte is how much of a full-time equivalent (FTE) the person works: 0.5 or 1.
	// +required
	// +kubebuilder:validation:XValidation:rule="self == 0.5 || self == 1.0",message="a Technical Account Manager is one person: write 0.5 or 1, or remove technicalAccountManager"
	FTE FTE `json:"fte,omitempty"`

	// localization specifies the time zone and the languages of the person.
	// +optional
	Localization *Localization `json:"localization,omitempty"`
}

// ServiceHours are services billed by the hour, with a minimum retainer.
type ServiceHours struct {
	// monthlyRetainerHours is the minimum number of service hours paid per month.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	MonthlyRetainerHours int32 `json:"monthlyRetainerHours,omitempty"`
}

// DeletionPolicy determines what happens to a tenant namespace when its Partner
// is deleted.
//
// +kubebuilder:validation:Enum=Retain;Delete
type DeletionPolicy string

// The deletion policies.
const (
	DeletionPolicyRetain DeletionPolicy = "Retain"
	DeletionPolicyDelete DeletionPolicy = "Delete"
)

// PartnerStatus reports the observed state of a Partner.
type PartnerStatus struct {
	// observedGeneration is the metadata.generation that this status reflects.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// namespace is the name of the tenant namespace.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// supportPlan is the SupportPlan that applies to the partner.
	// +optional
	SupportPlan *SupportPlanSummary `json:"supportPlan,omitempty"`

	// subdomain is the sub-domain that is being served: the previous one while a new one is not ready.
	// Absent if none is served.
	// +optional
	Subdomain *SubdomainStatus `json:"subdomain,omitempty"`

	// hosts are the partner's hosts and what happens to each: the declared one first, then the one
	// that is handed over, then former ones that are still held. At most 16 are listed.
	// +optional
	// +listType=map
	// +listMapKey=host
	// +kubebuilder:validation:MaxItems=16
	Hosts []HostStatus `json:"hosts,omitempty"`

	// supportWidget reports on the support widget. Absent without a sub-domain.
	// +optional
	SupportWidget *SupportWidgetStatus `json:"supportWidget,omitempty"`

	// staffing compares the P-CSMs with the customers. Absent while no accepted
	// PCSMAllocation is in its contract window, or the SupportPlan is missing or not
	// ready.
	// +optional
	Staffing *StaffingStatus `json:"staffing,omitempty"`

	// coverage reports how much of the plan's operating hours have P-CSMs on duty.
	// Absent while no active PCSMAllocation declares shifts, or the SupportPlan is
	// missing or not ready.
	// +optional
	Coverage *CoverageStatus `json:"coverage,omitempty"`

	// customers reports where spec.customerCount comes from. Absent without a count.
	// +optional
	Customers *CustomersStatus `json:"customers,omitempty"`

	// responsibilities list who does which type of work for the customers.
	// +optional
	// +listType=map
	// +listMapKey=serviceType
	// +kubebuilder:validation:MaxItems=4
	Responsibilities []Responsibility `json:"responsibilities,omitempty"`

	// conditions report the state of the Partner, beginning with Ready, Reconciling and Stalled.
	// The operator's pages describe each type, with its reasons and what to do. A condition that
	// does not apply is absent.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +patchStrategy=merge
	// +patchMergeKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`
}

// SupportPlanSummary identifies the SupportPlan that applies to a partner.
type SupportPlanSummary struct {
	// name is the name of the SupportPlan.
	// +required
	Name ObjectName `json:"name,omitempty"`

	// tier is the tier of the SupportPlan. Absent if the plan does not exist.
	// +optional
	Tier Tier `json:"tier,omitempty"`
}

// HostPhase is what happens to a host of a partner. Clients must expect phases that they do
// not know.
//
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=32
type HostPhase string

// Phases of a host. docs/exposure.md has what moves a host from one to the next.
const (
	// HostClaiming is of a declared host that the partner does not hold yet.
	HostClaiming HostPhase = "Claiming"
	// HostPreparing is of a declared host that is held, and not served yet.
	HostPreparing HostPhase = "Preparing"
	// HostServing is of a host at which end customers are served.
	HostServing HostPhase = "Serving"
	// HostDraining is of a former host that stays for those who still have its DNS record, or of
	// one that another partner serves already.
	HostDraining HostPhase = "Draining"
	// HostOffered is of a host whose claim is offered to the partner in spec.handOver.
	HostOffered HostPhase = "Offered"
	// HostHandingOver is of a host whose claim that partner has taken, and which it does not
	// serve yet.
	HostHandingOver HostPhase = "HandingOver"
	// HostDormant is of a host that is held, and not served since the contract is not in force.
	HostDormant HostPhase = "Dormant"
	// HostReleasing is of a host that is given up, and held until nothing routes it.
	HostReleasing HostPhase = "Releasing"
)

// HostStatus is what happens to one host of the partner.
type HostStatus struct {
	// host is the fully qualified domain name.
	// +required
	Host Host `json:"host,omitempty"`

	// phase is what happens to the host: Claiming, Preparing, Serving, Draining, Offered,
	// HandingOver, Dormant or Releasing.
	// +required
	Phase HostPhase `json:"phase,omitempty"` //nolint:kubeapilinter // docs/decisions/0017-phases-of-hosts.md

	// url is the URL at which the host is served. Absent if it is not served here, or its
	// service is reported by another partner.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	URL string `json:"url,omitempty"`

	// route is the kind of the route that serves it: Ingress or HTTPRoute.
	// +optional
	Route RouteKind `json:"route,omitempty"`

	// supportWidget reports that the route leads to the support widget, too.
	// +optional
	SupportWidget bool `json:"supportWidget,omitempty"`

	// since is when the host came to its phase.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`

	// until is when the phase ends by itself. Absent if it does not.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`

	// waitsFor is what the host waits for. Absent if it waits for nothing.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	WaitsFor string `json:"waitsFor,omitempty"`
}

// RouteKind is a kind of route.
//
// +kubebuilder:validation:Enum=Ingress;HTTPRoute
type RouteKind string

// The kinds of route.
const (
	// IngressRoute is a route through an Ingress.
	IngressRoute RouteKind = "Ingress"
	// HTTPRoute is a route through a Gateway.
	HTTPRoute RouteKind = "HTTPRoute"
)

// SubdomainStatus describes the sub-domain that end customers reach.
type SubdomainStatus struct {
	// url is the URL of the partner's instance of the engine.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	URL string `json:"url,omitempty"`

	// route is the kind of the route: Ingress or HTTPRoute.
	// +optional
	Route RouteKind `json:"route,omitempty"`

	// routeName is the name of the route; empty if it is named after the host.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	RouteName string `json:"routeName,omitempty"`

	// replacement is the route that takes the place of this one, once the prober has reached the host there.
	// +optional
	Replacement *ReplacementStatus `json:"replacement,omitempty"`

	// addresses are the IP addresses or host names at which the route is served, as
	// reported by its controller, sorted.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=253
	Addresses []string `json:"addresses,omitempty"`

	// formerAddresses are the addresses at which a replaced route of the same host is still served,
	// for clients with the previous DNS record. They are sorted. They repeat those of addresses
	// only at which the route of a partner that handed the host over is still served, too.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=253
	FormerAddresses []string `json:"formerAddresses,omitempty"`

	// ingressClass is the class of the Ingress. While neither the Partner nor the operator
	// names a class, the Ingress keeps it for as long as that class exists. Absent for an
	// HTTPRoute.
	// +optional
	IngressClass ObjectName `json:"ingressClass,omitempty"`
}

// ReplacementStatus reports on a route that is to take the place of the one that serves.
type ReplacementStatus struct {
	// addresses are the IP addresses or host names at which it is served, as reported by its
	// controller, sorted.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=253
	Addresses []string `json:"addresses,omitempty"`

	// since is when it was served there first. What the prober found before says nothing about it.
	// +required
	Since *metav1.Time `json:"since,omitempty"`
}

// SupportWidgetStatus reports on the support widget of a sub-domain.
type SupportWidgetStatus struct {
	// enabled reports whether end customers see the widget.
	// +required
	Enabled *bool `json:"enabled,omitempty"`

	// scriptURL is the URL of the script that a page includes to show the widget.
	// Absent while the widget is disabled.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	ScriptURL string `json:"scriptURL,omitempty"`
}

// StaffingStatus compares the P-CSMs of a partner with its customers ("Customer
// Success Manager (P-CSM)", Minimum Staffing Requirements).
type StaffingStatus struct {
	// allocatedFTE is the total FTE of the accepted PCSMAllocations that are in
	// their contract window.
	// +required
	AllocatedFTE FTE `json:"allocatedFTE"`

	// minimumFTE is the plan's minimum FTE, regardless of the number of customers.
	// +required
	MinimumFTE FTE `json:"minimumFTE"`

	// requiredFTE is the lowest FTE that satisfies the plan's minimum and its maximum
	// customers per FTE.
	// +required
	RequiredFTE FTE `json:"requiredFTE"`

	// recommendedFTE is the lowest FTE that satisfies the plan's minimum and its
	// recommended customers per FTE.
	// +required
	RecommendedFTE FTE `json:"recommendedFTE"`

	// comfortableCustomers is how many customers allocatedFTE comfortably supports.
	// +required
	// +kubebuilder:validation:Minimum=0
	ComfortableCustomers *int64 `json:"comfortableCustomers,omitempty"`

	// maximumCustomers is how many customers allocatedFTE supports at most.
	// +required
	// +kubebuilder:validation:Minimum=0
	MaximumCustomers *int64 `json:"maximumCustomers,omitempty"`

	// utilizationPercent is customerCount as a percentage of allocatedFTE times the
	// plan's maximum customers per FTE, rounded down.
	// +required
	// +kubebuilder:validation:Minimum=0
	UtilizationPercent *int64 `json:"utilizationPercent,omitempty"`

	// customersUntilBreach is how many customers can be added without exceeding
	// maximumCustomers. Negative if they already exceed it.
	// +required
	CustomersUntilBreach *int64 `json:"customersUntilBreach,omitempty"`

	// capacity is "<customerCount>/<maximumCustomers>", as printed by kubectl get.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=32
	Capacity string `json:"capacity,omitempty"`

	// nextShortfall is the first future day on which the shortfall of FTE is larger than today's.
	// Absent if there is none.
	// +optional
	NextShortfall *NextShortfall `json:"nextShortfall,omitempty"`
}

// NextShortfall is the first day on which contract windows and expected customers leave
// more FTE missing than today.
type NextShortfall struct {
	// on is the first such day, in UTC.
	// +required
	On Date `json:"on,omitempty"`

	// reason is ContractEnds or CustomersExpected.
	// +required
	// +kubebuilder:validation:Enum=ContractEnds;CustomersExpected
	Reason Reason `json:"reason,omitempty"`

	// customers is how many customers the partner will have.
	// +required
	// +kubebuilder:validation:Minimum=0
	Customers *int64 `json:"customers,omitempty"`

	// allocatedFTE is the FTE that will be left.
	// +required
	AllocatedFTE FTE `json:"allocatedFTE"`

	// missingFTE is the FTE to add.
	// +required
	MissingFTE FTE `json:"missingFTE"`
}

// CoverageStatus reports how much of a regular week's operating hours have P-CSMs on
// duty. A regular week has no holidays and no closures.
type CoverageStatus struct {
	// operatingMinutesPerWeek is the length of the plan's operating hours in a regular
	// week, in minutes.
	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10080
	OperatingMinutesPerWeek *int32 `json:"operatingMinutesPerWeek,omitempty"`

	// uncoveredMinutesPerWeek is how many of these minutes have less than 0.5 FTE on
	// duty.
	// +required
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=10080
	UncoveredMinutesPerWeek *int32 `json:"uncoveredMinutesPerWeek,omitempty"`

	// summary is "<covered>/<operating>h", as printed by kubectl get.
	// +required
	// +kubebuilder:validation:MinLength=4
	// +kubebuilder:validation:MaxLength=32
	Summary string `json:"summary,omitempty"`

	// nextGap is the next time, from now or within 30 days, in which nobody is on duty although
	// the weekly shifts cover it. Absent if there is none.
	// +optional
	NextGap *CoverageGap `json:"nextGap,omitempty"`
}

// CoverageGap is a time within the operating hours in which nobody is on duty.
type CoverageGap struct {
	// from is when it begins.
	// +required
	From *metav1.Time `json:"from,omitempty"`

	// until is when it ends.
	// +required
	Until *metav1.Time `json:"until,omitempty"`

	// reason is Absence, Exception or Holiday, by what takes away those who would be on duty
	// when it begins.
	// +required
	Reason GapReason `json:"reason,omitempty"`
}

// GapReason says what takes away those who would be on duty.
//
// +kubebuilder:validation:Enum=Absence;Exception;Holiday
type GapReason string

// The reasons of gaps.
const (
	// GapAbsence is an absence of an allocation.
	GapAbsence GapReason = "Absence"
	// GapException is an exception of an allocation.
	GapException GapReason = "Exception"
	// GapHoliday is a public holiday of an allocation.
	GapHoliday GapReason = "Holiday"
)

// CustomersStatus reports where a number of customers comes from.
type CustomersStatus struct {
	// count is spec.customerCount.
	// +required
	// +kubebuilder:validation:Minimum=0
	Count *int32 `json:"count,omitempty"`

	// manager is the field manager that wrote the count last. Absent if none is
	// recorded.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Manager string `json:"manager,omitempty"`

	// since is when that field manager last changed the count, or another field that
	// it manages on this Partner.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`
}

// ServiceType is a type of work for a partner's customers ("Partner Support
// Enablement", Service Types Descriptions).
//
// +kubebuilder:validation:Enum=Implementation;CustomerSuccess;Maintenance;TechnicalSupport
type ServiceType string

// The service types, in the order of Dispel's documents.
const (
	Implementation   ServiceType = "Implementation"
	CustomerSuccess  ServiceType = "CustomerSuccess"
	Maintenance      ServiceType = "Maintenance"
	TechnicalSupport ServiceType = "TechnicalSupport"
)

// Party is Dispel, the partner or the partner's customer.
//
// +kubebuilder:validation:Enum=Customer;Partner;Dispel
type Party string

// The parties.
const (
	PartyCustomer Party = "Customer"
	PartyPartner  Party = "Partner"
	PartyDispel   Party = "Dispel"
)

// Responsibility specifies who does one type of work.
type Responsibility struct {
	// serviceType is the type of work.
	// +required
	ServiceType ServiceType `json:"serviceType,omitempty"`

	// responsible is the party that owns the work.
	// +required
	Responsible Party `json:"responsible,omitempty"`

	// withPCSM reports whether Dispel's P-CSMs work alongside the partner's team.
	// +optional
	WithPCSM bool `json:"withPCSM,omitempty"`
}
