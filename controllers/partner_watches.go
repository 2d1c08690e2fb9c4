package controllers

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/index"
	"github.com/dispel/partner-operator/internal/tenant"
)

// SetupWithManager has everything that matters to a Partner trigger it.
// references is the cache that Reconciler.References reads.
func (r *PartnerReconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager, references cache.Cache, options controller.Options) error {
	changed := make(chan event.GenericEvent, 1)
	changedReference := predicate.TypedResourceVersionChangedPredicate[*metav1.PartialObjectMetadata]{}
	b := ctrl.NewControllerManagedBy(mgr).
		Named("partner").
		WithOptions(options).
		For(&v1alpha1.Partner{}, builder.WithPredicates(predicate.NewPredicateFuncs(func(o client.Object) bool { return r.Shard.Has(o.GetName()) }))).
		Watches(&v1alpha1.SupportPlan{}, handler.EnqueueRequestsFromMapFunc(r.byPlan), builder.WithPredicates(respecified)).
		Watches(&v1alpha1.PCSMAllocation{}, handler.EnqueueRequestsFromMapFunc(r.byAllocation), builder.WithPredicates(respecified)).
		// A resync looks at every Partner; once is enough, so others' resyncs are left out.
		Watches(&v1alpha1.SubdomainClaim{}, handler.EnqueueRequestsFromMapFunc(r.byClaim), builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})).
		Watches(&networkingv1.IngressClass{}, handler.EnqueueRequestsFromMapFunc(r.all), builder.WithPredicates(predicate.ResourceVersionChangedPredicate{})).
		WatchesRawSource(r.Tenants.Source(r.byTenant)).
		WatchesRawSource(source.Kind(references, metadataOf("Service"), handler.TypedEnqueueRequestsFromMapFunc(r.byReference), changedReference)).
		WatchesRawSource(source.Kind(references, metadataOf("Secret"), handler.TypedEnqueueRequestsFromMapFunc(r.byReference), changedReference)).
		WatchesRawSource(source.Channel(changed, handler.EnqueueRequestsFromMapFunc(r.all)))
	partners, err := b.Build(r)
	if err != nil {
		return err
	}
	crds := &metav1.PartialObjectMetadata{}
	crds.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	if err := HoldFromStart(ctx, references, metadataOf("Service"), metadataOf("Secret"), crds); err != nil {
		return err
	}
	watch := func(in cache.Cache, object client.Object, requests handler.MapFunc, filter predicate.Predicate) error {
		return errors.Join(HoldFromStart(ctx, in, object), partners.Watch(source.Kind(in, object, handler.EnqueueRequestsFromMapFunc(requests), filter)))
	}
	appeared := func(api *optionalAPI) error {
		if api.watched {
			return nil
		}
		api.watched = true
		var errs []error
		for _, kind := range api.children {
			errs = append(errs, watch(mgr.GetCache(), kind.object, r.byLabel, predicate.ResourceVersionChangedPredicate{}))
		}
		if api == &r.APIs.gateway {
			errs = append(errs, watch(references, &gatewayv1.Gateway{}, r.byGateway, predicate.Funcs{UpdateFunc: gatewayChanged}))
		}
		return errors.Join(errs...)
	}
	for _, api := range r.APIs.used {
		if !api.installed.Load() {
			continue
		}
		if err := appeared(api); err != nil {
			return err
		}
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("optional-api").
		// A replica that stands by keeps up with it, too, or it would begin with
		// what was there when it started.
		WithOptions(controller.Options{NeedLeaderElection: new(false), SkipNameValidation: options.SkipNameValidation}).
		WatchesRawSource(source.Kind(references, crds, &handler.TypedEnqueueRequestForObject[*metav1.PartialObjectMetadata]{})).
		Complete(&optionalAPIReconciler{
			reader:   mgr.GetAPIReader(),
			mapper:   mgr.GetRESTMapper(),
			apis:     r.APIs,
			appeared: appeared,
			changed: func() {
				select {
				case changed <- event.GenericEvent{Object: crds}:
				default: // one is waiting, which will do for both
				}
			},
		})
}

// respecified leaves out updates of all but a spec. What was deleted and made again
// while the watch was interrupted comes as an update, too.
var respecified = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	return e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() || e.ObjectOld.GetUID() != e.ObjectNew.GetUID()
}}

// gatewayChanged tells whether partners need to look at a Gateway again. Its
// status counts the routes at each listener, and so changes with every partner.
func gatewayChanged(e event.UpdateEvent) bool {
	before, now := e.ObjectOld.(*gatewayv1.Gateway), e.ObjectNew.(*gatewayv1.Gateway)
	return respecified.Update(e) ||
		!equality.Semantic.DeepEqual(before.Status.Conditions, now.Status.Conditions) ||
		!equality.Semantic.DeepEqual(before.Status.Addresses, now.Status.Addresses)
}

// HoldFromStart has a cache hold kinds from its start, so that whoever waits for
// the cache waits for them. What a controller watches, the cache learns only when
// the controller starts.
func HoldFromStart(ctx context.Context, in cache.Cache, kinds ...client.Object) error {
	var errs []error
	for _, kind := range kinds {
		_, err := in.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func metadataOf(kind string) *metav1.PartialObjectMetadata {
	object := &metav1.PartialObjectMetadata{}
	object.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
	return object
}

// own is the request for a partner, if it is of this shard.
func (r *PartnerReconciler) own(name string) []reconcile.Request {
	if !r.Shard.Has(name) {
		return nil
	}
	return request(name)
}

func request(name string) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: name}}}
}

// byLabel finds the partner that an object of the operator's is for.
func (r *PartnerReconciler) byLabel(_ context.Context, object client.Object) []reconcile.Request {
	if name := object.GetLabels()[v1alpha1.PartnerLabel]; name != "" {
		return r.own(name)
	}
	return nil
}

// byTenant finds the partner whose tenant namespace has this name, whoever made
// it.
func (r *PartnerReconciler) byTenant(namespace string) []reconcile.Request {
	if name, ok := tenant.PartnerOf(namespace); ok {
		return r.own(name)
	}
	return nil
}

func (r *PartnerReconciler) byAllocation(_ context.Context, object client.Object) []reconcile.Request {
	return r.own(string(object.(*v1alpha1.PCSMAllocation).Spec.PartnerRef.Name))
}

func (r *PartnerReconciler) byPlan(ctx context.Context, plan client.Object) []reconcile.Request {
	return r.partners(ctx, index.PartnerByPlan.Is(plan.GetName()))
}

// byClaim finds the holder of a host and all partners that want it.
func (r *PartnerReconciler) byClaim(ctx context.Context, claim client.Object) []reconcile.Request {
	holder := string(claim.(*v1alpha1.SubdomainClaim).Spec.PartnerRef.Name)
	requests := r.own(holder)
	for _, wanting := range r.partners(ctx, index.PartnerByHost.Is(claim.GetName())) {
		if wanting.Name != holder {
			requests = append(requests, wanting)
		}
	}
	return requests
}

// byGateway finds the partners that a Gateway is to serve.
func (r *PartnerReconciler) byGateway(ctx context.Context, gateway client.Object) []reconcile.Request {
	requests := r.partners(ctx, index.PartnerByGateway.Is(gateway.GetNamespace()+"/"+gateway.GetName()))
	if byDefault := r.Settings.Gateway; byDefault != nil && byDefault.Namespace == gateway.GetNamespace() && string(byDefault.Name) == gateway.GetName() {
		requests = append(requests, r.partners(ctx, index.PartnerByGateway.Is(""))...)
	}
	return requests
}

// all finds every partner.
func (r *PartnerReconciler) all(ctx context.Context, _ client.Object) []reconcile.Request {
	return r.partners(ctx)
}

// byReference finds the partner that names a Service or Secret.
func (r *PartnerReconciler) byReference(ctx context.Context, object *metav1.PartialObjectMetadata) []reconcile.Request {
	name, ok := tenant.PartnerOf(object.Namespace)
	if !ok {
		return nil
	}
	var partner v1alpha1.Partner
	err := r.Client.Get(ctx, types.NamespacedName{Name: name}, &partner, client.DisableReadYourWritesConsistency)
	if err != nil || partner.Spec.Subdomain == nil {
		return nil
	}
	subdomain := partner.Spec.Subdomain
	if service := subdomain.Backend.Service; service != nil && service.Name == object.Name ||
		subdomain.TLS != nil && subdomain.TLS.SecretName == object.Name {
		return r.own(name)
	}
	return nil
}

// partners lists the Partners that match, from the cache, as requests.
func (r *PartnerReconciler) partners(ctx context.Context, options ...client.ListOption) []reconcile.Request {
	var list v1alpha1.PartnerList
	// An event is about what the cache has; there is no write to wait for.
	options = append(options, client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency)
	if err := r.Client.List(ctx, &list, options...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing partners that an event concerns")
		return nil
	}
	requests := make([]reconcile.Request, 0, len(list.Items))
	for i := range list.Items {
		requests = append(requests, r.own(list.Items[i].Name)...)
	}
	return requests
}
