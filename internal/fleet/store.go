package fleet

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/index"
	"github.com/dispel/partner-operator/internal/kinds"
)

// store has objects by the names of their kinds, and finds them by the indexes that the
// manager's caches have. It reads as a client does.
type store map[string]cache.Indexer

// byNamespace is the index of all kinds.
const byNamespace = "namespace"

func newStore() store {
	s := store{}
	for _, object := range []client.Object{
		&v1alpha1.Partner{}, &v1alpha1.SupportPlan{}, &v1alpha1.PCSMAllocation{}, &corev1.Namespace{}, &networkingv1.IngressClass{},
	} {
		s.hold(nameOfKind(object), index.Of(object))
	}
	for _, kind := range kinds.All {
		s.hold(kind.Kind, append(index.OfKind(kind), index.Of(kind.New())...))
	}
	return s
}

// hold begins to hold a kind.
func (s store) hold(kind string, indexes []index.Index) {
	indexers := index.Indexers(indexes...)
	indexers[byNamespace] = cache.MetaNamespaceIndexFunc
	s[kind] = cache.NewIndexer(cache.MetaNamespaceKeyFunc, indexers)
}

// nameOfKind is that of an object, whose kind may be set.
func nameOfKind(object runtime.Object) string {
	return cmp.Or(object.GetObjectKind().GroupVersionKind().Kind, reflect.TypeOf(object).Elem().Name())
}

// add adds an object of a kind that the store holds, or puts it in the place of one of the
// same name. Metadata alone takes no place, and is not enough of what the operator makes.
func (s store) add(object client.Object) {
	kind := nameOfKind(object)
	of := s[kind]
	if of == nil {
		return
	}
	if _, only := object.(*metav1.PartialObjectMetadata); only {
		_, there, _ := of.Get(object)
		if known := kinds.Named(kind); there || known != nil && slices.Contains(known.Names, object.GetName()) {
			return
		}
	}
	_ = of.Add(object) // the key function knows every object of the API
}

// Get reads an object by its name. Of one that was added as metadata alone, it reads only the
// name where more is asked for.
func (s store) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	kind := nameOfKind(into)
	of := s[kind]
	if of == nil {
		return notHeld(kind)
	}
	if stored, found, _ := of.GetByKey(cache.ObjectName(key).String()); found {
		put(stored.(client.Object), into)
		return nil
	}
	return apierrors.NewNotFound(schema.GroupResource{Resource: kind}, key.Name)
}

func notHeld(kind string) error {
	return fmt.Errorf("reading a %s: the fleet does not hold objects of that kind", kind)
}

// put copies a stored object into one of its type. Into another it copies what both have: the
// metadata into one that has only that, else the name.
func put(stored, into client.Object) {
	if from := reflect.ValueOf(stored.DeepCopyObject()); from.Type() == reflect.TypeOf(into) {
		reflect.ValueOf(into).Elem().Set(from.Elem())
		return
	}
	if metadata, ok := into.(*metav1.PartialObjectMetadata); ok {
		meta.AsPartialObjectMetadata(stored).ObjectMeta.DeepCopyInto(&metadata.ObjectMeta)
		return
	}
	into.SetNamespace(stored.GetNamespace())
	into.SetName(stored.GetName())
}

// List reads the objects of a list's kind, in the order of their names, by one of the
// indexes, in a namespace, or by both. It knows no other options.
func (s store) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	var by client.ListOptions
	by.ApplyOptions(options)
	kind := strings.TrimSuffix(nameOfKind(list), "List")
	of := s[kind]
	if of == nil {
		return notHeld(kind)
	}
	var found []any
	var err error
	switch {
	case by.LabelSelector != nil || by.FieldSelector != nil && len(by.FieldSelector.Requirements()) != 1:
		return fmt.Errorf("listing by %v: a fleet knows only its indexes and namespaces", by)
	case by.FieldSelector != nil:
		key := by.FieldSelector.Requirements()[0]
		found, err = of.ByIndex(key.Field, key.Value)
	case by.Namespace != "":
		found, err = of.ByIndex(byNamespace, by.Namespace)
	default:
		found = of.List()
	}
	if err != nil {
		return err
	}
	objects := make([]client.Object, 0, len(found))
	for _, object := range found {
		if object := object.(client.Object); by.Namespace == "" || object.GetNamespace() == by.Namespace {
			objects = append(objects, object)
		}
	}
	slices.SortFunc(objects, func(a, b client.Object) int {
		return cmp.Or(cmp.Compare(a.GetNamespace(), b.GetNamespace()), cmp.Compare(a.GetName(), b.GetName()))
	})
	items := make([]runtime.Object, len(objects))
	for i, object := range objects {
		item := newItem(kind, object)
		put(object, item)
		items[i] = item
	}
	return meta.SetList(list, items)
}

// newItem is an empty object of a kind as the lists of the kind have it.
func newItem(kind string, like client.Object) client.Object {
	if kind := kinds.Named(kind); kind != nil {
		return kind.New()
	}
	return reflect.New(reflect.TypeOf(like).Elem()).Interface().(client.Object)
}
