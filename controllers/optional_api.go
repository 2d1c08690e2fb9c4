package controllers

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	gatewayv1beta1 "sigs.k8s.io/gateway-api/apis/v1beta1"

	"github.com/dispel/partner-operator/internal/tenant"
)

// OptionalAPIs are the APIs that may be absent from the cluster, and may come and
// go while the operator runs.
type OptionalAPIs struct {
	certManager, gateway, referenceGrants, listenerSets, grpcRoutes, tlsRoutes optionalAPI
	// used are those of them that are used where they are installed.
	used []*optionalAPI
}

// optionalAPI is an API that is there once all its kinds are.
type optionalAPI struct {
	kinds []schema.GroupVersionKind
	// children are those of the kinds that the operator makes.
	children []childKind
	// routes are those that take a host.
	routes    []childKind
	installed atomic.Bool
	// watched has the kinds that are watched, which goes on by itself when the API is
	// back after an absence.
	watched map[client.Object]bool
}

// watchOnce starts to watch a kind, unless an earlier call did. One that failed is
// tried again by the next.
func (a *optionalAPI) watchOnce(object client.Object, start func() error) error {
	if a.watched[object] {
		return nil
	}
	if err := start(); err != nil {
		return err
	}
	if a.watched == nil {
		a.watched = map[client.Object]bool{}
	}
	a.watched[object] = true
	return nil
}

// DetectOptionalAPIs finds out which of them are there now. Those that settings
// leave alone never are.
func DetectOptionalAPIs(mapper meta.RESTMapper, settings tenant.Settings) (*OptionalAPIs, error) {
	apis := &OptionalAPIs{}
	kind := func(of metav1.GroupVersion, name string) schema.GroupVersionKind {
		return schema.GroupVersionKind{Group: of.Group, Version: of.Version, Kind: name}
	}
	apis.certManager.kinds = []schema.GroupVersionKind{tenant.CertificateGVK, tenant.CertificateRequestGVK}
	apis.certManager.children, apis.certManager.routes = []childKind{certificates}, []childKind{certificates}
	apis.gateway.kinds = []schema.GroupVersionKind{kind(gatewayv1.GroupVersion, "GatewayClass"), kind(gatewayv1.GroupVersion, "Gateway"), kind(gatewayv1.GroupVersion, "HTTPRoute")}
	apis.gateway.children, apis.gateway.routes = []childKind{httpRoutes}, []childKind{httpRoutes, gatewayKind}
	apis.referenceGrants.kinds = []schema.GroupVersionKind{kind(gatewayv1beta1.GroupVersion, "ReferenceGrant")}
	apis.referenceGrants.children = []childKind{referenceGrants}
	apis.listenerSets.kinds = []schema.GroupVersionKind{kind(gatewayv1.GroupVersion, "ListenerSet")}
	apis.listenerSets.children, apis.listenerSets.routes = []childKind{listenerSets}, []childKind{listenerSets}
	apis.grpcRoutes.kinds = []schema.GroupVersionKind{kind(gatewayv1.GroupVersion, "GRPCRoute")}
	apis.grpcRoutes.routes = []childKind{grpcRoutes}
	apis.tlsRoutes.kinds = []schema.GroupVersionKind{kind(gatewayv1.GroupVersion, "TLSRoute")}
	apis.tlsRoutes.routes = []childKind{tlsRoutes}
	if !settings.WithoutCertManager {
		apis.used = append(apis.used, &apis.certManager)
	}
	if !settings.WithoutGatewayAPI {
		apis.used = append(apis.used, &apis.gateway, &apis.referenceGrants, &apis.listenerSets, &apis.grpcRoutes, &apis.tlsRoutes)
	}
	for _, api := range apis.used {
		installed := true
		for _, kind := range api.kinds {
			_, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
			if err != nil && !meta.IsNoMatchError(err) {
				return nil, err
			}
			installed = installed && err == nil
		}
		api.installed.Store(installed)
	}
	return apis, nil
}

// Installed tells of which APIs objects can be read and written.
func (a *OptionalAPIs) Installed() tenant.APIs {
	return tenant.APIs{
		CertManager:     a.certManager.installed.Load(),
		Gateway:         a.gateway.installed.Load(),
		ReferenceGrants: a.referenceGrants.installed.Load(),
		ListenerSets:    a.listenerSets.installed.Load(),
	}
}

// crdOf is the name of a kind's CustomResourceDefinition.
func crdOf(kind schema.GroupVersionKind) string {
	plural := strings.ToLower(kind.Kind) + "s"
	if strings.HasSuffix(kind.Kind, "s") {
		plural = strings.ToLower(kind.Kind) + "es"
	}
	return plural + "." + kind.Group
}

// optionalAPIReconciler keeps OptionalAPIs up to date.
type optionalAPIReconciler struct {
	// reader asks the API server: only names of CRDs are cached.
	reader client.Reader
	// mapper is that of the caches, by which watches find the kinds.
	mapper meta.RESTMapper
	apis   *OptionalAPIs
	// appeared is called before an API counts as installed.
	appeared func(*optionalAPI) error
	// changed is called after an API appeared or went.
	changed func()
}

// Reconcile looks whether the API that a CRD belongs to is served.
func (r *optionalAPIReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	for _, api := range r.apis.used {
		if !slices.ContainsFunc(api.kinds, func(kind schema.GroupVersionKind) bool { return crdOf(kind) == request.Name }) {
			continue
		}
		served := true
		for _, kind := range api.kinds {
			crd, err := found(ctx, r.reader, crdOf(kind), &apiextensionsv1.CustomResourceDefinition{})
			if err != nil {
				return ctrl.Result{}, err
			}
			served = served && serves(crd, kind.Version)
		}
		if served == api.installed.Load() {
			return ctrl.Result{}, nil
		}
		if served {
			// A watch that does not find its kind is tried again only after ten seconds,
			// in which a deletion would go unseen.
			if known, err := r.discovered(api); err != nil || !known {
				return ctrl.Result{RequeueAfter: discoveryDelay}, err
			}
			if err := r.appeared(api); err != nil {
				return ctrl.Result{}, err
			}
		}
		api.installed.Store(served)
		ctrl.LoggerFrom(ctx).Info("An optional API changed", "crd", request.Name, "installed", served)
		r.changed()
	}
	return ctrl.Result{}, nil
}

// discoveryDelay is when to look again for a kind that is served and that the API
// server's discovery does not list yet.
const discoveryDelay = 500 * time.Millisecond

// discovered tells whether the API server's discovery lists the kinds of an API.
func (r *optionalAPIReconciler) discovered(api *optionalAPI) (bool, error) {
	for _, kind := range api.kinds {
		_, err := r.mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if meta.IsNoMatchError(err) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// serves tells whether the API server answers to a version of a CRD, which is nil
// if there is none.
func serves(crd *apiextensionsv1.CustomResourceDefinition, version string) bool {
	return crd != nil && crd.DeletionTimestamp.IsZero() &&
		slices.ContainsFunc(crd.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
			return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue
		}) &&
		slices.ContainsFunc(crd.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool {
			return v.Name == version && v.Served
		})
}
