package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ChannelModel is the way in which a partner sells the Zero Trust Engine
// ("Partner Support Enablement", When does Partner Support Enablement apply).
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
	// MSP is a service provider, which serves its customers itself.
	MSP ChannelModel = "MSP"
)

// WhiteLabels tells whether a partner of this model has a white-labelled
// instance on a sub-domain, and a support team of its own that P-CSMs can
// augment.
func (m ChannelModel) WhiteLabels() bool {
	return m == OEM || m == MSP
}

// Partner is a company that sells Dispel's Zero Trust Engine, and what was
// agreed with it. The operator makes a tenant of it: a namespace, and for an
// OEM or MSP a sub-domain with a certificate and, once P-CSMs are contracted,
// the support widget. The status tells how far that is and whether the P-CSMs
// suffice for the customers.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=ptn,categories=dispel
// +kubebuilder:metadata:annotations="partner.dispel.com/schema-revision=2"
// +kubebuilder:printcolumn:name="Channel",type=string,JSONPath=`.spec.channelModel`,description="How the partner sells the engine"
// +kubebuilder:printcolumn:name="Plan",type=string,JSONPath=`.status.supportPlan.name`,description="The support plan in force"
// +kubebuilder:printcolumn:name="Host",type=string,JSONPath=`.spec.subdomain.host`,description="The partner's sub-domain"
// +kubebuilder:printcolumn:name="Customers",type=integer,JSONPath=`.spec.customerCount`,description="The partner's customers"
// +kubebuilder:printcolumn:name="FTE",type=number,JSONPath=`.status.staffing.allocatedFTE`,description="P-CSMs at work for the partner, in FTE"
// +kubebuilder:printcolumn:name="Capacity",type=string,JSONPath=`.status.staffing.capacity`,description="Customers, of the most that the P-CSMs support"
// +kubebuilder:printcolumn:name="Widget",type=string,JSONPath=`.status.conditions[?(@.type=="SupportWidgetEnabled")].status`,description="Whether the support widget is enabled"
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`,description="Whether all that was asked for is provisioned"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Namespace",type=string,priority=1,JSONPath=`.status.namespace`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 55",message="metadata.name is too long: the tenant namespace partner-<name> leaves room for 55 characters, so write a name of at most 55"
// +kubebuilder:validation:XValidation:rule="self.metadata.name != 'operator-system'",message="the namespace partner-operator-system is the operator's own: write another metadata.name"
// +kubebuilder:validation:XValidation:rule="!self.metadata.name.contains('.')",message="metadata.name contains a dot, which a namespace's name cannot: write letters, digits and hyphens"
type Partner struct {
	metav1.TypeMeta `json:",inline"`
	// metadata is standard object metadata. The name becomes part of the tenant
	// namespace's, partner-<name>: a DNS label of at most 55 characters.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitzero"`

	// spec is what was agreed with the partner.
	// +required
	Spec PartnerSpec `json:"spec,omitzero"`
	// status is what the operator made of it.
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

// PartnerSpec is what was agreed with a partner.
//
// +kubebuilder:validation:XValidation:rule="!has(self.subdomain) || self.channelModel in ['OEM', 'MSP']",fieldPath=".subdomain",messageExpression="'a ' + self.channelModel + ' does not white-label the engine, so it has no sub-domain: remove spec.subdomain, or set spec.channelModel to OEM or MSP'"
type PartnerSpec struct {
	// displayName is the partner's name as people read it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	DisplayName string `json:"displayName,omitempty"`

	// channelModel is how the partner sells the engine. It decides who does the
	// work for the partner's customers. Only an OEM or MSP has a sub-domain and
	// can hold P-CSM allocations; for a Reseller or Distributor Dispel does that
	// work itself.
	// +required
	ChannelModel ChannelModel `json:"channelModel,omitempty"`

	// customerCount is the number of customers that the partner has on the
	// engine; 0 if it is left out. It may be owned by another field manager than
	// the rest, such as a billing job.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	CustomerCount *int32 `json:"customerCount,omitempty"`

	// supportPlanRef names the SupportPlan in force; the plan "basic", which
	// every partner has, if it is left out.
	// +optional
	SupportPlanRef *SupportPlanReference `json:"supportPlanRef,omitempty"`

	// subdomain is the white-labelled instance of an OEM or MSP.
	// +optional
	Subdomain *Subdomain `json:"subdomain,omitempty"`

	// tenant shapes the partner's namespace.
	// +optional
	Tenant *Tenant `json:"tenant,omitempty"`

	// addOns are the services contracted beside the plan, other than P-CSMs,
	// which are PCSMAllocations.
	// +optional
	AddOns *AddOns `json:"addOns,omitempty"`

	// deletionPolicy is what becomes of the tenant namespace when the Partner is
	// deleted: Retain, which holds if it is left out, keeps the namespace with
	// its guards; Delete deletes it with all that is in it. The route, the claim
	// on the host and the widget always go.
	// +optional
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// suspend stops the operator from reconciling this partner until it is false
	// again or left out. The rest of the status stays as it was; the condition
	// Suspended is added.
	// +optional
	Suspend *bool `json:"suspend,omitempty"`
}

// SupportPlanReference names a SupportPlan.
type SupportPlanReference struct {
	// name is the name of the SupportPlan.
	// +required
	Name ObjectName `json:"name,omitempty"`
}

// Subdomain is a white-labelled instance of the engine and how it is reached.
//
// +kubebuilder:validation:XValidation:rule="!has(self.backend.external) || self.backend.external.host != self.host",fieldPath=".backend.external.host",message="the external backend is the sub-domain itself, so that requests would go round in circles: write the host under which the engine is reached"
type Subdomain struct {
	// host is the sub-domain, such as remote.acmecorp.com. One partner at a time
	// can hold a host; the others are told who does.
	// +required
	// +kubebuilder:validation:XValidation:rule="!self.endsWith('.svc') && !self.contains('.svc.') && !self.endsWith('.cluster.local')",message="this is the name of a Service of a cluster, which no end customer reaches: write a host under the partner's own domain, such as remote.acmecorp.com"
	Host Host `json:"host,omitempty"`

	// backend is where the partner's instance of the engine answers.
	// +required
	Backend Backend `json:"backend,omitzero"`

	// tls says where the certificate comes from. If it is left out, the
	// operator's default issuer signs one; if there is none, TLS is not ended
	// here.
	// +optional
	TLS *TLS `json:"tls,omitempty"`

	// route overrides the operator's defaults for the route.
	// +optional
	Route *Route `json:"route,omitempty"`
}

// Backend is where an instance of the engine answers.
//
// +kubebuilder:validation:XValidation:rule="has(self.service) || has(self.external)",message="a sub-domain needs a backend: write either service or external"
// +kubebuilder:validation:XValidation:rule="!has(self.service) || !has(self.external)",message="a sub-domain has one backend: remove either service or external"
type Backend struct {
	// service is a Service in the tenant namespace.
	// +optional
	Service *ServiceBackend `json:"service,omitempty"`

	// external is a host elsewhere, reached through an ExternalName Service.
	// +optional
	External *ExternalBackend `json:"external,omitempty"`
}

// ServiceBackend is a Service in the tenant namespace.
type ServiceBackend struct {
	// name is the name of the Service. Names that start with dispel- are the
	// operator's own.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Label().validate(self).hasValue()",message="this is no name that a Service can have: write lower-case letters, digits and inner hyphens"
	// +kubebuilder:validation:XValidation:rule="!self.startsWith('dispel-')",message="names that start with dispel- belong to the operator: name the Service of your engine otherwise"
	Name string `json:"name,omitempty"`

	// port is the number of the Service's port.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
}

// ExternalBackend is a host outside the cluster.
type ExternalBackend struct {
	// host is the DNS name under which the engine is reached.
	// +required
	// +kubebuilder:validation:XValidation:rule="!self.endsWith('.svc') && !self.contains('.svc.') && !self.endsWith('.cluster.local')",message="this is a Service of a cluster, and could be another tenant's: name a Service of the tenant namespace in backend.service instead"
	// +kubebuilder:validation:XValidation:rule="!['nip.io', 'sslip.io', 'xip.io', 'localtest.me', 'lvh.me', 'vcap.me'].exists(domain, self == domain || self.endsWith('.' + domain))",message="names in this domain lead to any address that they spell, those of this cluster's own network included: write the engine's own name"
	// +kubebuilder:validation:XValidation:rule="!(self in ['metadata.google.internal', 'metadata.goog', 'instance-data.ec2.internal'])",message="this is the metadata server of a cloud, which holds credentials of the nodes: write the engine's own name"
	Host Host `json:"host,omitempty"`

	// port is the port on which it answers.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
}

// TLS says where the certificate of a sub-domain comes from.
//
// +kubebuilder:validation:XValidation:rule="has(self.issuerRef) || has(self.secretName)",message="tls is empty: write either issuerRef or secretName, or remove tls to use the operator's default issuer"
// +kubebuilder:validation:XValidation:rule="!has(self.issuerRef) || !has(self.secretName)",message="a certificate comes from one place: remove either issuerRef or secretName"
type TLS struct {
	// issuerRef is the cert-manager issuer that signs the certificate.
	// +optional
	IssuerRef *IssuerReference `json:"issuerRef,omitempty"`

	// secretName is a Secret of type kubernetes.io/tls in the tenant namespace,
	// which others keep up to date.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="this is no name that a Secret can have: write lower-case letters, digits, hyphens and dots"
	SecretName string `json:"secretName,omitempty"`
}

// IssuerKind is a kind of cert-manager issuer.
//
// +kubebuilder:validation:Enum=ClusterIssuer;Issuer
type IssuerKind string

// The kinds of issuer.
const (
	// ClusterIssuer signs for all namespaces.
	ClusterIssuer IssuerKind = "ClusterIssuer"
	// Issuer signs for its own namespace, here the tenant's.
	Issuer IssuerKind = "Issuer"
)

// IssuerReference names a cert-manager issuer.
type IssuerReference struct {
	// kind is ClusterIssuer, which holds if it is left out, or Issuer for one in
	// the tenant namespace.
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
	// ingressClassName is the class of the ingress controller that serves the
	// sub-domain by an Ingress.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Subdomain().validate(self).hasValue()",message="this is no name that an IngressClass can have: write lower-case letters, digits, hyphens and dots"
	IngressClassName string `json:"ingressClassName,omitempty"`

	// gatewayRef is the Gateway that serves the sub-domain by an HTTPRoute. A
	// certificate for the sub-domain needs a Gateway that takes ListenerSets from
	// the tenant namespace; without one, the Gateway's own listener serves it.
	// +optional
	GatewayRef *GatewayReference `json:"gatewayRef,omitempty"`

	// annotations are put on the route, over the operator's default ones. They
	// are the settings of the ingress controller and of tools such as
	// external-dns.
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

// GatewayReference names a Gateway of the Gateway API.
type GatewayReference struct {
	// namespace is where the Gateway is.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="!format.dns1123Label().validate(self).hasValue()",message="this is no name that a namespace can have: write lower-case letters, digits and inner hyphens"
	Namespace string `json:"namespace,omitempty"`

	// name is the name of the Gateway.
	// +required
	Name ObjectName `json:"name,omitempty"`

	// sectionName is the listener of the Gateway that serves the sub-domain; any
	// that matches, if it is left out. It is of no meaning where the sub-domain
	// has a listener of its own.
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

// Tenant shapes a partner's namespace.
type Tenant struct {
	// administrators hold the ClusterRole admin in the tenant namespace.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Administrators []Administrator `json:"administrators,omitempty"`

	// resourceQuota bounds what the namespace may hold, as the hard limits of a
	// ResourceQuota do.
	// +optional
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=64
	ResourceQuota corev1.ResourceList `json:"resourceQuota,omitempty"`

	// networkIsolation is Enabled, which holds if it is left out, to let only the
	// namespace itself and the ingress controller reach its pods, or Disabled.
	// +optional
	NetworkIsolation NetworkIsolation `json:"networkIsolation,omitempty"`
}

// NetworkIsolation says whether a NetworkPolicy guards the tenant.
//
// +kubebuilder:validation:Enum=Enabled;Disabled
type NetworkIsolation string

// The settings of network isolation.
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

	// namespace is where a ServiceAccount lives.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
}

// AddOns are services contracted beside the plan ("Partner Support Enablement",
// Supporting our Partners).
//
// +kubebuilder:validation:MinProperties=1
type AddOns struct {
	// technicalSupport adds to the plan's Technical Support.
	// +optional
	TechnicalSupport *TechnicalSupportAddOn `json:"technicalSupport,omitempty"`

	// customerSuccess is Implementation, Customer Success and Maintenance by the
	// hour.
	// +optional
	CustomerSuccess *ServiceHours `json:"customerSuccess,omitempty"`
}

// TechnicalSupportAddOn adds to the plan's Technical Support.
//
// +kubebuilder:validation:MinProperties=1
type TechnicalSupportAddOn struct {
	// monthlyRetainerHours are the service hours paid for each month at least.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	MonthlyRetainerHours *int32 `json:"monthlyRetainerHours,omitempty"`

	// technicalAccountManager is a dedicated person.
	// +optional
	TechnicalAccountManager *TechnicalAccountManager `json:"technicalAccountManager,omitempty"`
}

// TechnicalAccountManager is a dedicated person for Technical Support.
type TechnicalAccountManager struct {
	// fte is the amount of full-time equivalents, in steps of 0.5.
	// +required
	// +kubebuilder:validation:XValidation:rule="self >= 0.5",message="a Technical Account Manager is at least 0.5 FTE: write 0.5 or more, or remove technicalAccountManager"
	// +kubebuilder:validation:XValidation:rule="self <= 1000.0",message="this is more than the operator counts: write at most 1000"
	// +kubebuilder:validation:XValidation:rule="self * 2.0 == double(int(self * 2.0))",message="a Technical Account Manager comes in units of 0.5 FTE: write a multiple of 0.5, such as 0.5, 1 or 1.5"
	FTE FTE `json:"fte,omitempty"`
}

// ServiceHours are services by the hour with a minimum retainer.
type ServiceHours struct {
	// monthlyRetainerHours are the service hours paid for each month at least.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	MonthlyRetainerHours int32 `json:"monthlyRetainerHours,omitempty"`
}

// DeletionPolicy is what becomes of a tenant namespace when its Partner is
// deleted.
//
// +kubebuilder:validation:Enum=Retain;Delete
type DeletionPolicy string

// The deletion policies.
const (
	DeletionPolicyRetain DeletionPolicy = "Retain"
	DeletionPolicyDelete DeletionPolicy = "Delete"
)

// PartnerStatus is what the operator made of a Partner.
type PartnerStatus struct {
	// observedGeneration is the generation of the spec that the status is about.
	// +optional
	// +kubebuilder:validation:Minimum=0
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// namespace is the tenant namespace.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`

	// supportPlan is the plan in force.
	// +optional
	SupportPlan *SupportPlanSummary `json:"supportPlan,omitempty"`

	// subdomain is the sub-domain that has a route.
	// +optional
	Subdomain *SubdomainStatus `json:"subdomain,omitempty"`

	// supportWidget is the support widget on the sub-domain.
	// +optional
	SupportWidget *SupportWidgetStatus `json:"supportWidget,omitempty"`

	// staffing sets the P-CSMs against the customers. It is absent without
	// P-CSMs, and without a plan to measure them by.
	// +optional
	Staffing *StaffingStatus `json:"staffing,omitempty"`

	// responsibilities say who does which kind of work for the partner's
	// customers.
	// +optional
	// +listType=map
	// +listMapKey=serviceType
	// +kubebuilder:validation:MaxItems=4
	Responsibilities []Responsibility `json:"responsibilities,omitempty"`

	// conditions are the state of the Partner: Ready, Reconciling, Stalled,
	// Suspended, TenantReady, SubdomainReady, SupportWidgetEnabled,
	// StaffingSufficient and CapacityExceeded. One that does not apply is
	// absent.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +patchStrategy=merge
	// +patchMergeKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty" patchStrategy:"merge" patchMergeKey:"type"`
}

// SupportPlanSummary is a plan in force.
type SupportPlanSummary struct {
	// name is the name of the SupportPlan.
	// +required
	Name ObjectName `json:"name,omitempty"`

	// tier is its tier; absent while the plan is missing.
	// +optional
	Tier Tier `json:"tier,omitempty"`
}

// RouteKind is a kind of route.
//
// +kubebuilder:validation:Enum=Ingress;HTTPRoute
type RouteKind string

// The kinds of route.
const (
	// IngressRoute is a route by an Ingress.
	IngressRoute RouteKind = "Ingress"
	// HTTPRoute is a route by a Gateway.
	HTTPRoute RouteKind = "HTTPRoute"
)

// SubdomainStatus is a sub-domain that has a route.
type SubdomainStatus struct {
	// url is the address of the partner's instance.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	URL string `json:"url,omitempty"`

	// route is the kind of route that serves it.
	// +optional
	Route RouteKind `json:"route,omitempty"`

	// addresses are where the route is served, as far as its controller says:
	// IP addresses or host names, sorted.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=253
	Addresses []string `json:"addresses,omitempty"`
}

// SupportWidgetStatus is the support widget on a sub-domain.
type SupportWidgetStatus struct {
	// enabled tells whether the widget is to be seen.
	// +required
	Enabled *bool `json:"enabled,omitempty"`

	// scriptURL is the script that a page includes to show the widget; absent
	// while it is not enabled.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	ScriptURL string `json:"scriptURL,omitempty"`
}

// StaffingStatus sets the P-CSMs of a partner against its customers ("Customer
// Success Manager (P-CSM)", Minimum Staffing Requirements).
type StaffingStatus struct {
	// allocatedFTE are the FTE of the accepted allocations in their contract
	// window.
	// +required
	AllocatedFTE FTE `json:"allocatedFTE"`

	// minimumFTE are the FTE that the plan asks for in any case.
	// +required
	MinimumFTE FTE `json:"minimumFTE"`

	// requiredFTE are the FTE below which the plan's minimum or the most
	// customers an FTE can support is missed.
	// +required
	RequiredFTE FTE `json:"requiredFTE"`

	// recommendedFTE are the FTE that support the customers comfortably.
	// +required
	RecommendedFTE FTE `json:"recommendedFTE"`

	// comfortableCustomers are the customers that the FTE support comfortably.
	// +required
	// +kubebuilder:validation:Minimum=0
	ComfortableCustomers *int64 `json:"comfortableCustomers,omitempty"`

	// maximumCustomers are the customers that the FTE support at most.
	// +required
	// +kubebuilder:validation:Minimum=0
	MaximumCustomers *int64 `json:"maximumCustomers,omitempty"`

	// utilizationPercent is the share of the maximum that is taken, rounded
	// down.
	// +required
	// +kubebuilder:validation:Minimum=0
	UtilizationPercent *int64 `json:"utilizationPercent,omitempty"`

	// customersUntilBreach are the customers that may still come before the
	// capacity is exceeded; negative once it is.
	// +required
	CustomersUntilBreach *int64 `json:"customersUntilBreach,omitempty"`

	// capacity is "<customers>/<maximumCustomers>", for the table.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=32
	Capacity string `json:"capacity,omitempty"`
}

// ServiceType is a kind of work for a partner's customers ("Partner Support
// Enablement", Service Types Descriptions).
//
// +kubebuilder:validation:Enum=Implementation;CustomerSuccess;Maintenance;TechnicalSupport
type ServiceType string

// The service types, in the order of the documents.
const (
	Implementation   ServiceType = "Implementation"
	CustomerSuccess  ServiceType = "CustomerSuccess"
	Maintenance      ServiceType = "Maintenance"
	TechnicalSupport ServiceType = "TechnicalSupport"
)

// Party is one of the two sides of a partner contract, or the partner's
// customer.
//
// +kubebuilder:validation:Enum=Customer;Partner;Dispel
type Party string

// The parties.
const (
	PartyCustomer Party = "Customer"
	PartyPartner  Party = "Partner"
	PartyDispel   Party = "Dispel"
)

// Responsibility says who does one kind of work.
type Responsibility struct {
	// serviceType is the kind of work.
	// +required
	ServiceType ServiceType `json:"serviceType,omitempty"`

	// responsible is who owns it.
	// +required
	Responsible Party `json:"responsible,omitempty"`

	// withPCSM tells that Dispel's P-CSMs carry it out beside the partner's
	// team.
	// +optional
	WithPCSM bool `json:"withPCSM,omitempty"`
}
