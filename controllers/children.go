package controllers

import (
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/internal/tenant"
)

// Selected are the kinds of which the cache holds only the objects with the one name
// that the operator gives. The API server selects by it, so that nothing that a tenant
// makes, however large or labelled, reaches the manager.
func Selected() map[client.Object]cache.ByObject {
	selected := map[client.Object]cache.ByObject{}
	for _, kind := range tenant.Kinds {
		if len(kind.Names) == 1 {
			selected[kind.New()] = cache.ByObject{Field: fields.OneTermEqualSelector("metadata.name", kind.Names[0])}
		}
	}
	return selected
}
