package controllers

import (
	"context"
	"slices"
	"sync/atomic"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// OptionalAPI is a kind that may be absent from the cluster, and may come and go
// while the operator runs.
type OptionalAPI struct {
	// CRD is the name of its CustomResourceDefinition.
	CRD string
	// Version is the version of it that the operator uses.
	Version string

	installed atomic.Bool
}

// Installed tells whether objects of the kind can be read and written.
func (a *OptionalAPI) Installed() bool {
	return a.installed.Load()
}

// Detect finds out whether the kind is there, before the manager starts.
func (a *OptionalAPI) Detect(mapper meta.RESTMapper, gvk schema.GroupVersionKind) error {
	_, err := mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
	if meta.IsNoMatchError(err) {
		return nil
	}
	a.installed.Store(err == nil)
	return err
}

// OptionalAPIReconciler keeps an OptionalAPI up to date.
type OptionalAPIReconciler struct {
	Client client.Client
	API    *OptionalAPI
	// Appeared is called before the API counts as installed, and once more after
	// each time that it came back.
	Appeared func(context.Context) error
	// Changed is called after the API appeared or went.
	Changed func(context.Context) error
}

// Reconcile looks whether the CRD is served.
func (r *OptionalAPIReconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	if request.Name != r.API.CRD {
		return ctrl.Result{}, nil
	}
	crd, err := found(ctx, r.Client, r.API.CRD, &apiextensionsv1.CustomResourceDefinition{})
	if err != nil {
		return ctrl.Result{}, err
	}
	served := crd != nil && crd.DeletionTimestamp.IsZero() &&
		slices.ContainsFunc(crd.Status.Conditions, func(c apiextensionsv1.CustomResourceDefinitionCondition) bool {
			return c.Type == apiextensionsv1.Established && c.Status == apiextensionsv1.ConditionTrue
		}) &&
		slices.ContainsFunc(crd.Spec.Versions, func(v apiextensionsv1.CustomResourceDefinitionVersion) bool {
			return v.Name == r.API.Version && v.Served
		})
	if served == r.API.Installed() {
		return ctrl.Result{}, nil
	}
	if served {
		if err := r.Appeared(ctx); err != nil {
			return ctrl.Result{}, err
		}
	}
	r.API.installed.Store(served)
	ctrl.LoggerFrom(ctx).Info("An optional API changed", "crd", r.API.CRD, "installed", served)
	return ctrl.Result{}, r.Changed(ctx)
}
