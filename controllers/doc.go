// Package controllers has one controller a kind. Each gathers from the cache,
// lets the pure core decide, applies, and reports in one status write at most.
package controllers

// The manager's rights. Secrets are read as metadata only, though the API has no right that says
// so, but for the one that a Partner names for the authorities of its engine's certificate.
//
// +kubebuilder:rbac:groups=partner.dispel.com,resources=partners;supportplans;pcsmallocations,verbs=list;watch
// +kubebuilder:rbac:groups=partner.dispel.com,resources=supportplans,verbs=create
// +kubebuilder:rbac:groups=partner.dispel.com,resources=partners/status;supportplans/status;pcsmallocations/status,verbs=patch
// +kubebuilder:rbac:groups=partner.dispel.com,resources=subdomainclaims,verbs=list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=list;watch;create;patch
// +kubebuilder:rbac:groups="",resources=configmaps;services;resourcequotas,verbs=list;watch;create;patch;delete
// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups=networking.k8s.io,resources=ingresses;networkpolicies,verbs=list;watch;create;patch;delete
// +kubebuilder:rbac:groups=networking.k8s.io,resources=ingressclasses,verbs=list;watch
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=rolebindings,verbs=list;watch;create;patch;delete
// +kubebuilder:rbac:groups=rbac.authorization.k8s.io,resources=clusterroles,resourceNames=admin,verbs=bind
// +kubebuilder:rbac:groups=cert-manager.io,resources=certificates,verbs=list;watch;create;patch;delete
// +kubebuilder:rbac:groups=cert-manager.io,resources=certificaterequests,verbs=list;watch
// +kubebuilder:rbac:groups=cert-manager.io,resources=clusterissuers;issuers,verbs=get
// +kubebuilder:rbac:groups=gateway.networking.k8s.io,resources=gatewayclasses;gateways;grpcroutes;tlsroutes,verbs=list;watch
// +kubebuilder:rbac:groups=gateway.networking.k8s.io,resources=httproutes;listenersets;referencegrants;backendtlspolicies,verbs=list;watch;create;patch;delete
// +kubebuilder:rbac:groups=traefik.io,resources=serverstransports;traefikservices,verbs=list;watch;create;patch;delete
// +kubebuilder:rbac:groups=apiextensions.k8s.io,resources=customresourcedefinitions,verbs=get;list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups="",namespace=system,resources=events,verbs=create
// +kubebuilder:rbac:groups=coordination.k8s.io,namespace=system,resources=leases,verbs=get;create;update
// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create
