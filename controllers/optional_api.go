package controllers

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/internal/gather"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
)

// OptionalAPIs are the APIs that may be absent from the cluster, and may come and
// go while the operator runs.
type OptionalAPIs struct {
	// used are those that are used where they are installed.
	used []*optionalAPI
}

// optionalAPI is an API that is there once all its kinds are.
type optionalAPI struct {
	name      kinds.API
	kinds     []kinds.Kind
	installed atomic.Bool
	// watched has the kinds that are watched, which goes on by itself when the API is
	// back after an absence.
	watched map[string]bool
}

// watchOnce starts to watch a kind, unless an earlier call did. One that failed is
// tried again by the next.
func (a *optionalAPI) watchOnce(kind kinds.Kind, start func() error) error {
	if a.watched[kind.Kind] {
		return nil
	}
	if err := start(); err != nil {
		return err
	}
	if a.watched == nil {
		a.watched = map[string]bool{}
	}
	a.watched[kind.Kind] = true
	return nil
}

// DetectOptionalAPIs finds out which of them are there now. Those that settings
// leave alone never are.
func DetectOptionalAPIs(mapper meta.RESTMapper, settings objects.Settings) (*OptionalAPIs, error) {
	apis := &OptionalAPIs{}
	for _, kind := range kinds.All {
		if kind.API == "" || !settings.Uses(kind.API) {
			continue
		}
		api := apis.named(kind.API)
		if api == nil {
			api = &optionalAPI{name: kind.API}
			api.installed.Store(true)
			apis.used = append(apis.used, api)
		}
		api.kinds = append(api.kinds, kind)
		_, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
		switch {
		case meta.IsNoMatchError(err):
			api.installed.Store(false)
		case err != nil:
			return nil, err
		}
	}
	return apis, nil
}

// named is a used API; nil if it is not used.
func (a *OptionalAPIs) named(name kinds.API) *optionalAPI {
	if i := slices.IndexFunc(a.used, func(api *optionalAPI) bool { return api.name == name }); i >= 0 {
		return a.used[i]
	}
	return nil
}

func (a *OptionalAPIs) has(name kinds.API) bool {
	api := a.named(name)
	return api != nil && api.installed.Load()
}

// Kinds are those of tenant.Kinds that can be read and written now.
func (a *OptionalAPIs) Kinds() iter.Seq[*kinds.Kind] {
	return func(yield func(*kinds.Kind) bool) {
		for i := range kinds.All {
			kind := &kinds.All[i]
			if (kind.API == "" || a.has(kind.API)) && !yield(kind) {
				return
			}
		}
	}
}

// Installed tells of which APIs objects can be read and written.
func (a *OptionalAPIs) Installed() kinds.APIs {
	return kinds.APIs{
		CertManager:     a.has(kinds.CertManager),
		Gateway:         a.has(kinds.GatewayAPI),
		ReferenceGrants: a.has(kinds.ReferenceGrants),
		ListenerSets:    a.has(kinds.ListenerSets),

		BackendTLSPolicies: a.has(kinds.BackendTLSPolicies),
		Traefik:            a.has(kinds.Traefik),
	}
}

// crdOf is the name of a kind's CustomResourceDefinition.
func crdOf(kind kinds.Kind) string {
	name := strings.ToLower(kind.Kind)
	stem, y := strings.CutSuffix(name, "y")
	switch {
	case strings.HasSuffix(name, "s"):
		name += "es"
	case y && !strings.HasSuffix(stem, "a"): // of Gateways, which apimachinery's guess makes gatewaies
		name = stem + "ies"
	default:
		name += "s"
	}
	return name + "." + kind.Group
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
		if !slices.ContainsFunc(api.kinds, func(kind kinds.Kind) bool { return crdOf(kind) == request.Name }) {
			continue
		}
		served := true
		for _, kind := range api.kinds {
			crd, err := gather.Found(ctx, r.reader, crdOf(kind), &apiextensionsv1.CustomResourceDefinition{})
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

// discovered reports whether the API server's discovery lists the kinds of an API.
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

// serves reports whether the API server answers to a version of a CRD, which is nil
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
