// Package admission judges objects of the operator's kinds as the API server
// does, without one: by the schema and the CEL rules of the
// CustomResourceDefinitions, through the API server's own libraries. Policies,
// which a cluster may have besides, are no part of it.
package admission

import (
	"context"
	"fmt"
	"io/fs"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	structuraldefaulting "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	schemaobjectmeta "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta"
	structuralpruning "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apiextensions-apiserver/pkg/registry/customresource"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured/unstructuredscheme"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	"sigs.k8s.io/yaml"

	"github.com/dispel/partner-operator/config/crd"
)

// Validator judges objects. It can be used by several goroutines at once.
type Validator struct {
	kinds map[schema.GroupVersionKind]kind
}

// kind is what is known of one kind.
type kind struct {
	schema   *structuralschema.Structural
	strategy strategy
}

// strategy is how the API server takes custom resources.
type strategy interface {
	rest.RESTCreateStrategy
	rest.RESTUpdateStrategy
}

// New makes a Validator of the operator's kinds.
func New() (*Validator, error) {
	files, err := fs.Glob(crd.Bases, "bases/*.yaml")
	if err != nil {
		return nil, err
	}
	v := &Validator{kinds: map[schema.GroupVersionKind]kind{}}
	for _, file := range files {
		var data []byte
		if data, err = fs.ReadFile(crd.Bases, file); err != nil {
			return nil, err
		}
		var definition apiextensionsv1.CustomResourceDefinition
		if err = yaml.UnmarshalStrict(data, &definition); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, version := range definition.Spec.Versions {
			gvk := schema.GroupVersionKind{Group: definition.Spec.Group, Version: version.Name, Kind: definition.Spec.Names.Kind}
			if v.kinds[gvk], err = newKind(gvk, definition.Spec.Scope, version); err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
		}
	}
	return v, nil
}

func newKind(gvk schema.GroupVersionKind, scope apiextensionsv1.ResourceScope, version apiextensionsv1.CustomResourceDefinitionVersion) (kind, error) {
	var internal apiextensions.CustomResourceValidation
	if err := apiextensionsv1.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(version.Schema, &internal, nil); err != nil {
		return kind{}, err
	}
	structural, err := structuralschema.NewStructural(internal.OpenAPIV3Schema)
	if err != nil {
		return kind{}, err
	}
	validator, _, err := validation.NewSchemaValidator(internal.OpenAPIV3Schema)
	if err != nil {
		return kind{}, err
	}
	var status *apiextensions.CustomResourceSubresourceStatus
	if version.Subresources != nil && version.Subresources.Status != nil {
		status = &apiextensions.CustomResourceSubresourceStatus{}
	}
	return kind{structural, customresource.NewStrategy(unstructuredscheme.NewUnstructuredObjectTyper(),
		scope == apiextensionsv1.NamespaceScoped, gvk, validator, nil, structural, status, nil, version.SelectableFields)}, nil
}

// Knows reports whether objects of a kind can be judged.
func (v *Validator) Knows(gvk schema.GroupVersionKind) bool {
	_, known := v.kinds[gvk]
	return known
}

// Create judges an object that is to be created, by strict field validation, as
// kubectl asks for. What passes is made what the API server would store, but for
// what differs each time, such as the UID. The error is that of the API server,
// word for word.
func (v *Validator) Create(ctx context.Context, object *unstructured.Unstructured) error {
	k, err := v.decode(object)
	if err != nil {
		return err
	}
	object.SetUID("")
	rest.FillObjectMetaSystemFields(object)
	defer forgetSystemFields(object)
	return rest.BeforeCreate(k.strategy, request.WithNamespace(ctx, metav1.NamespaceNone), object)
}

// Update judges an object that is to take the place of an older version of it, as
// the API server has it. It does otherwise what Create does.
func (v *Validator) Update(ctx context.Context, object, old *unstructured.Unstructured) error {
	k, err := v.decode(object)
	if err != nil {
		return err
	}
	object.SetResourceVersion(old.GetResourceVersion())
	return rest.BeforeUpdate(k.strategy, request.WithNamespace(ctx, metav1.NamespaceNone), object, old)
}

func forgetSystemFields(object *unstructured.Unstructured) {
	object.SetUID("")
	object.SetCreationTimestamp(metav1.Time{})
}

// decode readies what was read for judgement: unknown fields are an error,
// metadata gets its types, nulls go and defaults come.
func (v *Validator) decode(object *unstructured.Unstructured) (kind, error) {
	gvk := object.GroupVersionKind()
	k, known := v.kinds[gvk]
	if !known {
		return kind{}, fmt.Errorf("%s is not one of the operator's kinds", gvk)
	}
	refuse := func(err error) error {
		return apierrors.NewBadRequest(fmt.Sprintf("%s in version %q cannot be handled as a %s: %v", gvk.Kind, gvk.Version, gvk.Kind, err))
	}
	objectMeta, found, unknown, err := metadataOf(object)
	if err != nil {
		return kind{}, refuse(err)
	}
	unknown = append(unknown, structuralpruning.PruneWithOptions(object.Object, k.schema, true,
		structuralschema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})...)
	structuraldefaulting.PruneNonNullableNullsWithoutDefaults(object.Object, k.schema)
	fieldErr, paths := schemaobjectmeta.CoerceWithOptions(nil, object.Object, k.schema, false, schemaobjectmeta.CoerceOptions{ReturnUnknownFieldPaths: true})
	if fieldErr != nil {
		return kind{}, refuse(fieldErr)
	}
	unknown = append(unknown, paths...)
	object.SetGroupVersionKind(gvk)
	if found {
		if err := schemaobjectmeta.SetObjectMeta(object.Object, objectMeta); err != nil {
			return kind{}, refuse(err)
		}
	}
	if len(unknown) > 0 {
		faults := make([]error, 0, len(unknown))
		for _, path := range unknown {
			faults = append(faults, fmt.Errorf(`unknown field "%s"`, path))
		}
		return kind{}, refuse(runtime.NewStrictDecodingError(faults))
	}
	structuraldefaulting.Default(object.Object, k.schema)
	return k, nil
}

// metadataOf gives an object's metadata its types, and finds unknown fields in it.
// found is false if there is nothing to change in it, which saves most objects a
// way through JSON.
func metadataOf(object *unstructured.Unstructured) (typed *metav1.ObjectMeta, found bool, unknown []string, err error) {
	if metadata, ok := object.Object["metadata"].(map[string]any); ok && isPlain(metadata) {
		return nil, false, nil, nil
	}
	return schemaobjectmeta.GetObjectMetaWithOptions(object.Object, schemaobjectmeta.ObjectMetaOptions{ReturnUnknownFieldPaths: true})
}

// isPlain reports whether metadata are but a name, labels and annotations, all of
// them text.
func isPlain(metadata map[string]any) bool {
	for field, value := range metadata {
		switch value := value.(type) {
		case string:
			if field != "name" {
				return false
			}
		case map[string]any:
			if field != "labels" && field != "annotations" || len(value) == 0 {
				return false
			}
			for _, text := range value {
				if _, ok := text.(string); !ok {
					return false
				}
			}
		default:
			return false
		}
	}
	return true
}
