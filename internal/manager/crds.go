package manager

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/scheme"
)

// CRDError says that the operator's own CRDs are not as this version needs them.
type CRDError struct {
	// Missing and Old are names of CRDs.
	Missing, Old []string
}

func (e *CRDError) Error() string {
	var faults []string
	if len(e.Missing) > 0 {
		faults = append(faults, "not installed: "+strings.Join(e.Missing, ", "))
	}
	if len(e.Old) > 0 {
		faults = append(faults, fmt.Sprintf("older than schema revision %d, which this version needs: %s",
			v1alpha1.SchemaRevision, strings.Join(e.Old, ", ")))
	}
	return fmt.Sprintf("CustomResourceDefinitions are %s. Apply those of this version (config/crd) before starting it",
		strings.Join(faults, "; and "))
}

// CheckCRDs compares the CRDs in the cluster with what this version needs. The
// error is a *CRDError if they do not suffice.
func CheckCRDs(ctx context.Context, config *rest.Config) error {
	direct, err := client.New(config, client.Options{Scheme: scheme.New()})
	if err != nil {
		return err
	}
	var fault CRDError
	for _, plural := range []string{"partners", "pcsmallocations", "subdomainclaims", "supportplans"} {
		name := plural + "." + v1alpha1.GroupVersion.Group
		var crd apiextensionsv1.CustomResourceDefinition
		switch err := direct.Get(ctx, client.ObjectKey{Name: name}, &crd); {
		case apierrors.IsNotFound(err):
			fault.Missing = append(fault.Missing, name)
			continue
		case err != nil:
			return fmt.Errorf("looking for the operator's CustomResourceDefinitions: %w", err)
		}
		revision, err := strconv.Atoi(crd.Annotations[v1alpha1.SchemaRevisionAnnotation])
		if err != nil || revision < v1alpha1.SchemaRevision {
			fault.Old = append(fault.Old, name)
		}
	}
	if len(fault.Missing)+len(fault.Old) > 0 {
		return &fault
	}
	return nil
}
