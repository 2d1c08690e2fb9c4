package controllers

import (
	"context"
	"errors"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/index"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
)

// Selected are the kinds of which the cache holds only the objects with the one name
// that the operator gives. The API server selects by it, so that nothing that a tenant
// makes, however large or labelled, reaches the manager.
func Selected() map[client.Object]cache.ByObject {
	selected := map[client.Object]cache.ByObject{}
	for _, kind := range kinds.All {
		if kind.Selected() {
			selected[kind.New()] = cache.ByObject{Field: fields.OneTermEqualSelector("metadata.name", kind.Names[0])}
		}
	}
	return selected
}

// SetupWithManager has everything that matters to a Partner trigger it.
func (r *PartnerReconciler) SetupWithManager(ctx context.Context, mgr ctrl.Manager, options controller.Options) error {
	r.deleted, r.ended, r.orphaned = utilcache.NewExpiring(), utilcache.NewExpiring(), utilcache.NewExpiring()
	r.echoes, r.began = newEchoes(), r.Clock.Now()
	changed := make(chan event.GenericEvent, 1)
	b := ctrl.NewControllerManagedBy(mgr).
		Named("partner").
		WithOptions(options).
		Watches(&v1alpha1.Partner{}, r.echoes.without(&handler.EnqueueRequestForObject{}), builder.WithPredicates(r.comingAndGoing())).
		Watches(&v1alpha1.Partner{}, handler.EnqueueRequestsFromMapFunc(r.byRival), builder.WithPredicates(respecified, sinceStart)).
		Watches(&v1alpha1.Partner{}, r.echoes.without(handler.EnqueueRequestsFromMapFunc(r.byHandOver)), builder.WithPredicates(versioned, sinceStart)).
		Watches(&v1alpha1.SupportPlan{}, inBulk(r.byPlan), builder.WithPredicates(respecified, sinceStart)).
		Watches(&v1alpha1.PCSMAllocation{}, handler.EnqueueRequestsFromMapFunc(r.byAllocation), builder.WithPredicates(respecified, sinceStart)).
		Watches(&networkingv1.IngressClass{}, inBulk(r.all), builder.WithPredicates(versioned, sinceStart)).
		Watches(&corev1.Namespace{}, r.echoes.without(handler.EnqueueRequestsFromMapFunc(r.byNamespace)), builder.WithPredicates(versioned)).
		Watches(&corev1.Namespace{}, r.echoes.without(handler.EnqueueRequestsFromMapFunc(r.byRouted)), builder.WithPredicates(changesHands)).
		WatchesRawSource(source.Channel(changed, inBulk(r.all))).
		WatchesRawSource(source.Channel(r.Limits.Changed(), handler.EnqueueRequestsFromMapFunc(r.byNamespace)))
	if r.Orders != nil {
		b.WatchesRawSource(source.Channel(r.Orders.Changed(), &handler.EnqueueRequestForObject{}))
	}
	if r.Changes != nil {
		b.WatchesRawSource(source.Channel(r.Changes.Changed(), &handler.EnqueueRequestForObject{}))
	}
	crds := &metav1.PartialObjectMetadata{}
	crds.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinition"))
	held := []client.Object{&corev1.Namespace{}, crds}
	var indexes []index.Index
	for _, kind := range kinds.All {
		if kind.API != "" {
			continue
		}
		enqueue, filter := r.eventsOf(kind)
		filters := []predicate.Predicate{filter}
		if kind.Relation != kinds.ByHolder {
			filters = append(filters, sinceStart)
		}
		b.Watches(kind.New(), enqueue, builder.WithPredicates(filters...))
		held = append(held, kind.New())
		indexes = append(indexes, index.OfKind(kind)...)
	}
	partners, err := b.Build(r)
	if err != nil {
		return err
	}
	if err := errors.Join(HoldFromStart(ctx, mgr.GetCache(), held...), index.Add(ctx, mgr.GetFieldIndexer(), indexes...)); err != nil {
		return err
	}
	// Of an API that appears later, a watch can begin after the partners were looked at, so
	// that what it finds then counts.
	appeared := func(api *optionalAPI) error { return r.watchAPI(ctx, mgr, partners, api) }
	for _, api := range r.APIs.used {
		if !api.installed.Load() {
			continue
		}
		if err := r.watchAPI(ctx, mgr, partners, api, sinceStart); err != nil {
			return err
		}
	}
	return ctrl.NewControllerManagedBy(mgr).
		Named("optional-api").
		// A replica that stands by keeps up with it, too, or it would begin with
		// what was there when it started.
		WithOptions(controller.Options{NeedLeaderElection: new(false), SkipNameValidation: options.SkipNameValidation}).
		WatchesRawSource(source.Kind(mgr.GetCache(), crds, &handler.TypedEnqueueRequestForObject[*metav1.PartialObjectMetadata]{})).
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

// comingAndGoing leaves nothing out. It notes which Partners come and go, before the reconcile
// that this triggers asks for it.
func (r *PartnerReconciler) comingAndGoing() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool {
			r.ended.Delete(e.Object.GetName())
			r.noteOrphan(e.Object)
			return true
		},
		UpdateFunc: func(e event.UpdateEvent) bool {
			r.noteOrphan(e.ObjectNew)
			return true
		},
		DeleteFunc: func(e event.DeleteEvent) bool {
			r.noteOrphan(e.Object)
			if kept, orphaned := r.orphaned.Get(e.Object.GetName()); orphaned && kept.(orphan).uid == e.Object.GetUID() {
				return true
			}
			r.ended.Set(e.Object.GetName(), r.Clock.Now(), r.RestoreGrace+rememberedFor)
			return true
		},
	}
}

// noteOrphan remembers a Partner that is being deleted and orphans its objects.
func (r *PartnerReconciler) noteOrphan(partner client.Object) {
	if orphans(partner) {
		r.orphaned.Set(partner.GetName(), orphan{partner.GetUID(), r.Clock.Now()}, r.RestoreGrace+rememberedFor)
	}
}

// sinceStart leaves out what is there when a manager starts: every Partner is looked at then by
// itself, with all that concerns it. Namespaces and claims are also those of Partners that are
// gone.
var sinceStart = predicate.Funcs{CreateFunc: func(e event.CreateEvent) bool { return !e.IsInInitialList }}

// versioned leaves out resyncs: that of the Partner, which looks at everything, is enough.
var versioned = predicate.ResourceVersionChangedPredicate{}

// changesHands leaves out what does not change whose tenant namespace a namespace is. One that
// is gone has no routes; the routes of one that is new can come to a cache before it.
var changesHands = predicate.Funcs{
	CreateFunc: func(e event.CreateEvent) bool { return !e.IsInInitialList && objects.HolderOf(e.Object) != "" },
	DeleteFunc: func(event.DeleteEvent) bool { return false },
	UpdateFunc: func(e event.UpdateEvent) bool {
		return objects.HolderOf(e.ObjectOld) != objects.HolderOf(e.ObjectNew)
	},
}

// eventsOf says which events of a kind matter, and which partners they concern.
func (r *PartnerReconciler) eventsOf(kind kinds.Kind) (enqueue handler.EventHandler, filter predicate.Predicate) {
	enqueue, filter = handler.EnqueueRequestsFromMapFunc(r.byTenant), versioned
	switch kind.Relation {
	case kinds.ByHolder:
		enqueue = handler.EnqueueRequestsFromMapFunc(r.byClaim)
	case kinds.ByHost:
		enqueue = handler.EnqueueRequestsFromMapFunc(r.byRoute)
	case kinds.ByReference:
		enqueue = handler.EnqueueRequestsFromMapFunc(r.byReference)
	case kinds.ByGateway:
		enqueue, filter = inBulk(r.byGateway), predicate.Funcs{UpdateFunc: gatewayChanged}
	case kinds.ByGatewayClass:
		enqueue, filter = inBulk(r.byGatewayClass), versioned // its status has what it can do
	case kinds.ByName:
		enqueue = handler.EnqueueRequestsFromMapFunc(r.byGrant)
	}
	if _, quota := kind.New().(*corev1.ResourceQuota); quota {
		filter = predicate.Funcs{UpdateFunc: quotaChanged}
	}
	return r.echoes.without(enqueue), filter
}

// watchAPI watches the kinds of an optional API that are not watched yet. What fails
// is tried again by whoever calls it again.
func (r *PartnerReconciler) watchAPI(ctx context.Context, mgr ctrl.Manager, partners controller.Controller, api *optionalAPI, filters ...predicate.Predicate) error {
	var errs []error
	for _, kind := range api.kinds {
		errs = append(errs, api.watchOnce(kind, func() error {
			var object client.Object = kind.New()
			if err := HoldFromStart(ctx, mgr.GetCache(), object); err != nil {
				return err
			}
			for _, index := range index.OfKind(kind) {
				if err := addIndex(ctx, mgr.GetFieldIndexer(), index); err != nil {
					return err
				}
			}
			enqueue, filter := r.eventsOf(kind)
			return partners.Watch(source.Kind(mgr.GetCache(), object, enqueue, append(filters, filter)...))
		}))
	}
	return errors.Join(errs...)
}

// few is up to how many partners an event may concern and have them go before others
// that wait.
const few = 10

// inBulk handles the events of what many partners share. If one concerns more than a
// few, these are enqueued at low priority, so that a Partner that somebody changes
// meanwhile goes first.
func inBulk(requests handler.MapFunc) handler.EventHandler {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	enqueue := func(ctx context.Context, q queue, objects ...client.Object) {
		concerned := sets.New[reconcile.Request]()
		for _, object := range objects {
			concerned.Insert(requests(ctx, object)...)
		}
		var options priorityqueue.AddOpts // as the queue has it
		if concerned.Len() > few {
			options.Priority = new(handler.LowPriority)
		}
		q.(priorityqueue.PriorityQueue[reconcile.Request]).AddWithOpts(options, concerned.UnsortedList()...)
	}
	return handler.Funcs{
		CreateFunc:  func(ctx context.Context, e event.CreateEvent, q queue) { enqueue(ctx, q, e.Object) },
		UpdateFunc:  func(ctx context.Context, e event.UpdateEvent, q queue) { enqueue(ctx, q, e.ObjectOld, e.ObjectNew) },
		DeleteFunc:  func(ctx context.Context, e event.DeleteEvent, q queue) { enqueue(ctx, q, e.Object) },
		GenericFunc: func(ctx context.Context, e event.GenericEvent, q queue) { enqueue(ctx, q, e.Object) },
	}
}

// addIndex adds an index, unless an earlier try did.
func addIndex(ctx context.Context, to client.FieldIndexer, added index.Index) error {
	err := index.Add(ctx, to, added)
	if err != nil && strings.Contains(err.Error(), "indexer conflict") {
		return nil
	}
	return err
}

// quotaChanged leaves out what kube-controller-manager counts.
func quotaChanged(e event.UpdateEvent) bool {
	before, now := e.ObjectOld.(*corev1.ResourceQuota), e.ObjectNew.(*corev1.ResourceQuota)
	return before.UID != now.UID || !equality.Semantic.DeepEqual(before.Spec, now.Spec) ||
		!equality.Semantic.DeepEqual(before.Labels, now.Labels) || !equality.Semantic.DeepEqual(before.Annotations, now.Annotations) ||
		!before.DeletionTimestamp.Equal(now.DeletionTimestamp)
}

// respecified leaves out updates of all but a spec. What was deleted and made again
// while the watch was interrupted comes as an update, too.
var respecified = predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
	return e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() || e.ObjectOld.GetUID() != e.ObjectNew.GetUID()
}}

// gatewayChanged reports whether partners need to look at a Gateway again. Its
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

// request is the one for a partner. There is none for no name.
func request(name string) []reconcile.Request {
	if name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: name}}}
}

// byNamespace finds the partner whose tenant namespace one is by its label, all that
// declare it, and those that wait for a host which it notes.
func (r *PartnerReconciler) byNamespace(ctx context.Context, namespace client.Object) []reconcile.Request {
	requests := r.concerned(ctx, namespace.GetName(), objects.HolderOf(namespace))
	for _, host := range objects.NotedHosts(namespace) {
		requests = append(requests, r.requests(ctx, index.PartnerByHost.Is(host))...)
	}
	return requests
}

// byRouted finds the partners that declare a host which is routed in a namespace.
func (r *PartnerReconciler) byRouted(ctx context.Context, namespace client.Object) []reconcile.Request {
	var requests []reconcile.Request
	for kind := range r.APIs.Kinds() {
		if !kind.TakesHosts() {
			continue
		}
		list := kind.NewList()
		if err := r.Client.List(ctx, list, client.InNamespace(namespace.GetName()), client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency); err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "Listing what is routed in a namespace", "namespace", namespace.GetName())
			continue
		}
		_ = meta.EachListItem(list, func(item runtime.Object) error {
			for _, host := range kinds.Hosts(item) {
				requests = append(requests, r.requests(ctx, index.PartnerByHost.Is(host))...)
			}
			return nil
		})
	}
	return requests
}

// byTenant finds the partners that the namespace of an object concerns, whoever made it.
func (r *PartnerReconciler) byTenant(ctx context.Context, object client.Object) []reconcile.Request {
	return r.inNamespace(ctx, object.GetNamespace())
}

// byGrant finds the partners that a ReferenceGrant is for.
func (r *PartnerReconciler) byGrant(ctx context.Context, object client.Object) []reconcile.Request {
	return r.inNamespace(ctx, object.GetName())
}

// inNamespace finds the partners that a namespace concerns, by its name.
func (r *PartnerReconciler) inNamespace(ctx context.Context, namespace string) []reconcile.Request {
	holder, err := r.gatherer().Holder(ctx, namespace)
	if err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Reading the namespace of an event", "namespace", namespace)
	}
	return r.concerned(ctx, namespace, holder)
}

// concerned are the partner that has a namespace, if any has, and those that declare it.
func (r *PartnerReconciler) concerned(ctx context.Context, namespace, holder string) []reconcile.Request {
	return append(r.requests(ctx, index.PartnerByNamespace.Is(namespace)), request(holder)...)
}

// byRoute finds the partners that the namespace of a route concerns, and those that
// declare its hosts: whether it is a tenant's, they find out by themselves.
func (r *PartnerReconciler) byRoute(ctx context.Context, object client.Object) []reconcile.Request {
	requests := r.byTenant(ctx, object)
	for _, host := range kinds.Hosts(object) {
		requests = append(requests, r.requests(ctx, index.PartnerByHost.Is(host))...)
	}
	return requests
}

// byRival finds the other partners that declare the namespace of one, or a host that it
// declares, holds or hands over, and the one that holds its host: what they report depends on
// what it declares.
func (r *PartnerReconciler) byRival(ctx context.Context, object client.Object) []reconcile.Request {
	partner := object.(*v1alpha1.Partner)
	requests := r.requests(ctx, index.PartnerByNamespace.Is(objects.NamespaceOf(partner)))
	hosts := sets.New[string]()
	if host := objects.HostOf(partner); host != "" {
		hosts.Insert(host)
		var claim v1alpha1.SubdomainClaim
		if err := r.Client.Get(ctx, types.NamespacedName{Name: host}, &claim, client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency); err == nil {
			requests = append(requests, request(string(claim.Spec.PartnerRef.Name))...)
		}
	}
	if handed := partner.Spec.HandOver; handed != nil {
		hosts.Insert(string(handed.Host))
	}
	var claims v1alpha1.SubdomainClaimList
	if err := r.Client.List(ctx, &claims, index.ClaimByPartner.Is(partner.Name), client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing the claims of a partner")
	}
	for i := range claims.Items {
		hosts.Insert(claims.Items[i].Name)
	}
	for host := range hosts {
		requests = append(requests, r.requests(ctx, index.PartnerByHost.Is(host))...)
	}
	return slices.DeleteFunc(requests, func(request reconcile.Request) bool { return request.Name == partner.Name })
}

// byAllocation finds the partner of an allocation. One that is not there yet comes with an event
// of its own.
func (r *PartnerReconciler) byAllocation(ctx context.Context, object client.Object) []reconcile.Request {
	name := string(object.(*v1alpha1.PCSMAllocation).Spec.PartnerRef.Name)
	err := r.Client.Get(ctx, client.ObjectKey{Name: name}, &v1alpha1.Partner{}, client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency)
	if apierrors.IsNotFound(err) {
		return nil
	}
	return request(name)
}

func (r *PartnerReconciler) byPlan(ctx context.Context, plan client.Object) []reconcile.Request {
	return r.requests(ctx, index.PartnerByPlan.Is(plan.GetName()))
}

// byHandOver finds the partners that hand a host over to the given one, and the one to
// which that hands a host over.
func (r *PartnerReconciler) byHandOver(ctx context.Context, object client.Object) []reconcile.Request {
	requests := r.requests(ctx, index.PartnerByTarget.Is(object.GetName()))
	if handed := object.(*v1alpha1.Partner).Spec.HandOver; handed != nil {
		requests = append(requests, request(string(handed.PartnerRef.Name))...)
	}
	return requests
}

// byClaim finds the holder of a host, and all partners that want it or hand it over.
func (r *PartnerReconciler) byClaim(ctx context.Context, claim client.Object) []reconcile.Request {
	return slices.Concat(request(string(claim.(*v1alpha1.SubdomainClaim).Spec.PartnerRef.Name)),
		r.requests(ctx, index.PartnerByHost.Is(claim.GetName())), r.requests(ctx, index.PartnerByHandOver.Is(claim.GetName())))
}

// byGateway finds the partners that a Gateway is to serve, those that it does, and if
// it is in a tenant's namespace those that want its hosts.
func (r *PartnerReconciler) byGateway(ctx context.Context, gateway client.Object) []reconcile.Request {
	name := gateway.GetNamespace() + "/" + gateway.GetName()
	requests := append(r.requests(ctx, index.PartnerByGateway.Is(name)), r.byRoute(ctx, gateway)...)
	if byDefault := r.Settings.Gateway; byDefault != nil && byDefault.Namespace+"/"+string(byDefault.Name) == name {
		requests = append(requests, r.requests(ctx, index.PartnerByGateway.Is(""))...)
	}
	for kind := range r.APIs.Kinds() {
		if !kind.Attaches() {
			continue
		}
		list := kind.NewList()
		if err := r.Client.List(ctx, list, index.RouteByGateway.Is(name), client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency); err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "Listing routes of a Gateway", "gateway", name)
			continue
		}
		_ = meta.EachListItem(list, func(item runtime.Object) error {
			requests = append(requests, r.byTenant(ctx, item.(client.Object))...)
			return nil
		})
	}
	return requests
}

// byGatewayClass finds the partners whose Gateway is of a class.
func (r *PartnerReconciler) byGatewayClass(ctx context.Context, class client.Object) []reconcile.Request {
	var gateways gatewayv1.GatewayList
	if err := r.Client.List(ctx, &gateways, client.UnsafeDisableDeepCopy, client.DisableReadYourWritesConsistency); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing the Gateways of a class", "gatewayClass", class.GetName())
		return nil
	}
	var requests []reconcile.Request
	for i := range gateways.Items {
		if string(gateways.Items[i].Spec.GatewayClassName) == class.GetName() {
			requests = append(requests, r.byGateway(ctx, &gateways.Items[i])...)
		}
	}
	return requests
}

// all finds every partner.
func (r *PartnerReconciler) all(ctx context.Context, _ client.Object) []reconcile.Request {
	return r.requests(ctx)
}

// byReference finds the partners that name a Service or Secret, or whose Service it is
// by its name.
func (r *PartnerReconciler) byReference(ctx context.Context, object client.Object) []reconcile.Request {
	if slices.Contains(kinds.ReservedNames, object.GetName()) {
		return r.byTenant(ctx, object)
	}
	return r.requests(ctx, index.PartnerByReference.Is(object.GetNamespace()+"/"+object.GetName()))
}

// requests are for the Partners that match, from the cache.
func (r *PartnerReconciler) requests(ctx context.Context, options ...client.ListOption) []reconcile.Request {
	var list v1alpha1.PartnerList
	// An event is about what the cache has.
	if err := r.gatherer().Declaring(ctx, &list, options...); err != nil {
		ctrl.LoggerFrom(ctx).Error(err, "Listing partners that an event concerns")
		return nil
	}
	requests := make([]reconcile.Request, 0, len(list.Items))
	for i := range list.Items {
		requests = append(requests, request(list.Items[i].Name)...)
	}
	return requests
}
