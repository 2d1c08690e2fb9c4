package staffing

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// countFields is what a field manager owns of a Partner whose count it writes, without
// what else it may own.
var countFields = metav1.NewFieldsV1(`{"f:spec":{"f:customerCount":{}}}`)

var countPath = fieldpath.MakePathOrDie("spec", "customerCount")

// CountManagers are the entries of those field managers of a Partner that own
// spec.customerCount, without what else they own.
func CountManagers(entries []metav1.ManagedFieldsEntry) []metav1.ManagedFieldsEntry {
	var owners []metav1.ManagedFieldsEntry
	for _, entry := range entries {
		if entry.Subresource != "" || entry.FieldsV1 == nil || !strings.Contains(entry.FieldsV1.GetRawString(), "f:customerCount") {
			continue
		}
		var owned fieldpath.Set
		if err := owned.FromJSON(entry.FieldsV1.GetRawReader()); err != nil || !owned.Has(countPath) {
			continue
		}
		entry.FieldsV1 = countFields
		owners = append(owners, entry)
	}
	return owners
}

// Customers reports where a Partner's number of customers comes from: of several field
// managers that own it, the one that wrote last. It is nil without a number.
func Customers(partner *v1alpha1.Partner) *v1alpha1.CustomersStatus {
	if partner.Spec.CustomerCount == nil {
		return nil
	}
	status := &v1alpha1.CustomersStatus{Count: partner.Spec.CustomerCount}
	owners := CountManagers(partner.ManagedFields)
	if len(owners) == 0 {
		return status
	}
	last := slices.MaxFunc(owners, func(a, b metav1.ManagedFieldsEntry) int {
		return cmp.Or(at(a).Compare(at(b)), cmp.Compare(b.Manager, a.Manager))
	})
	status.Manager, status.Since = last.Manager, last.Time
	return status
}

func at(entry metav1.ManagedFieldsEntry) time.Time {
	if entry.Time == nil {
		return time.Time{}
	}
	return entry.Time.Time
}

// StaleAt is when a number of customers becomes older than a plan lets it be; zero if it
// never does, or if nobody knows how old it is.
func StaleAt(customers *v1alpha1.CustomersStatus, plan v1alpha1.SupportPlanSpec) time.Time {
	if customers == nil || customers.Since == nil || plan.CustomerCountMaxAge == "" {
		return time.Time{}
	}
	age, err := time.ParseDuration(plan.CustomerCountMaxAge)
	if err != nil {
		return time.Time{} // the schema refuses it
	}
	return customers.Since.Add(age)
}

// StaleMessage says how old a number of customers is, and what to do.
func StaleMessage(customers *v1alpha1.CustomersStatus, plan *v1alpha1.SupportPlan) string {
	return fmt.Sprintf("spec.customerCount is %d since %s, when field manager %q wrote last, and SupportPlan %q lets it be at most %s old: see why that stopped; if the count is right, apply it together with a changed annotation: Kubernetes does not record an apply that changes nothing",
		*customers.Count, customers.Since.UTC().Format(time.RFC3339), customers.Manager, plan.Name, plan.Spec.CustomerCountMaxAge)
}
