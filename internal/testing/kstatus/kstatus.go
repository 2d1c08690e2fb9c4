// Package kstatus holds objects to the contract of kstatus, which Flux and other
// tools read health by.
package kstatus

import (
	"fmt"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// Check compares the library's verdict on an object, whose status must be about
// its newest spec, with the object's conditions, and these with each other. The
// error says what is wrong.
func Check(object client.Object, conditions []metav1.Condition) error {
	for _, condition := range conditions {
		if condition.Reason == "" || condition.Message == "" || condition.LastTransitionTime.IsZero() {
			return fmt.Errorf("a condition is incomplete: %v", condition)
		}
	}
	is := func(condition v1alpha1.ConditionType) bool {
		return meta.IsStatusConditionTrue(conditions, string(condition))
	}
	has := func(condition v1alpha1.ConditionType) bool {
		return meta.FindStatusCondition(conditions, string(condition)) != nil
	}
	ready, reconciling, stalled := is(v1alpha1.ConditionReady), is(v1alpha1.ConditionReconciling), is(v1alpha1.ConditionStalled)
	switch {
	case has(v1alpha1.ConditionReconciling) && !reconciling, has(v1alpha1.ConditionStalled) && !stalled:
		return fmt.Errorf("condition Reconciling or Stalled is there and not True: %v", conditions)
	case !has(v1alpha1.ConditionReady):
		return fmt.Errorf("there is no Ready: %v", conditions)
	case ready && (reconciling || stalled):
		return fmt.Errorf("condition Ready is True, and Reconciling or Stalled is there: %v", conditions)
	case !ready && reconciling == stalled:
		return fmt.Errorf("condition Ready is not True, and not just one of Reconciling and Stalled is there: %v", conditions)
	}
	if is(v1alpha1.ConditionSuspended) && ready {
		return nil // the status stays as it was, about an earlier spec perhaps
	}
	want := status.InProgressStatus
	switch {
	case object.GetDeletionTimestamp() != nil:
		want = status.TerminatingStatus
	case ready:
		want = status.CurrentStatus
	case stalled:
		want = status.FailedStatus
	}
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return err
	}
	result, err := status.Compute(&unstructured.Unstructured{Object: fields})
	if err != nil {
		return err
	}
	if result.Status != want {
		return fmt.Errorf("kstatus says %s (%s), and not %s, of %v", result.Status, result.Message, want, conditions)
	}
	return nil
}
