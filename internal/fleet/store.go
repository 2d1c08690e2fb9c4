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
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/index"
	"github.com/dispel/partner-operator/internal/tenant"
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
	for _, kind := range tenant.Kinds {
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
// same name.
func (s store) add(object client.Object) {
	if of := s[nameOfKind(object)]; of != nil {
		_ = of.Add(object) // the key function knows every object of the API
	}
}

// Get reads an object by its name. Of one that was added as metadata alone, it reads only the
// name where more is asked for.
func (s store) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	kind := nameOfKind(into)
	if of := s[kind]; of != nil {
		if stored, found, _ := of.GetByKey(cache.ObjectName(key).String()); found {
			return put(stored.(client.Object), into)
		}
	}
	return apierrors.NewNotFound(schema.GroupResource{Resource: kind}, key.Name)
}

// put copies a stored object into one of its type, or its metadata into one that has only
// that.
func put(stored, into client.Object) error {
	kind := into.GetObjectKind().GroupVersionKind()
	from, to := reflect.ValueOf(stored.DeepCopyObject()), reflect.ValueOf(into)
	switch {
	case from.Type() == to.Type():
		to.Elem().Set(from.Elem())
	default:
		into.SetNamespace(stored.GetNamespace())
		into.SetCreationTimestamp(stored.GetCreationTimestamp())
		into.SetName(stored.GetName())
		into.SetUID(stored.GetUID())
		into.SetLabels(stored.GetLabels())
		into.SetAnnotations(stored.GetAnnotations())
		into.SetOwnerReferences(stored.GetOwnerReferences())
		into.GetObjectKind().SetGroupVersionKind(kind)
	}
	return nil
}

// List reads the objects of a list's kind, in the order of their names, by one of the
// indexes, in a namespace, or by both.
func (s store) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	var by client.ListOptions
	by.ApplyOptions(options)
	kind := strings.TrimSuffix(nameOfKind(list), "List")
	of := s[kind]
	if of == nil {
		return fmt.Errorf("listing %s: the store does not hold them", kind)
	}
	var found []any
	var err error
	switch {
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
		items[i] = newItem(kind, object)
		if err := put(object, items[i].(client.Object)); err != nil {
			return err
		}
	}
	return meta.SetList(list, items)
}

// newItem is an empty object of a kind as the lists of the kind have it.
func newItem(kind string, like client.Object) client.Object {
	if kind := tenant.KindNamed(kind); kind != nil {
		return kind.New()
	}
	return reflect.New(reflect.TypeOf(like).Elem()).Interface().(client.Object)
}
