package controllers_test

import (
	"context"
	"fmt"

	"github.com/go-logr/logr"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	gomegatypes "github.com/onsi/gomega/types"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/testing/kstatus"
)

func logs() logr.Logger {
	return zap.New(zap.WriteTo(GinkgoWriter), zap.UseDevMode(true))
}

// state reads the conditions of an object, as "Type=Status/Reason", once its
// status is about its newest spec, and holds them to kstatus.
func state(object client.Object) func(context.Context) ([]string, error) {
	return func(ctx context.Context) ([]string, error) {
		if err := direct.Get(ctx, client.ObjectKeyFromObject(object), object); err != nil {
			return nil, err
		}
		conditions, observed := statusOf(object)
		if observed != object.GetGeneration() {
			return nil, fmt.Errorf("the status is about generation %d of %d", observed, object.GetGeneration())
		}
		if err := kstatus.Check(object, conditions); err != nil {
			return nil, StopTrying(err.Error())
		}
		var found []string
		for _, c := range conditions {
			found = append(found, fmt.Sprintf("%s=%s/%s", c.Type, c.Status, c.Reason))
		}
		return found, nil
	}
}

func statusOf(object client.Object) ([]metav1.Condition, int64) {
	switch object := object.(type) {
	case *v1alpha1.Partner:
		return object.Status.Conditions, object.Status.ObservedGeneration
	case *v1alpha1.PCSMAllocation:
		return object.Status.Conditions, object.Status.ObservedGeneration
	case *v1alpha1.SupportPlan:
		return object.Status.Conditions, object.Status.ObservedGeneration
	}
	panic(fmt.Sprintf("%T has no status", object))
}

// eventually waits for conditions of a Partner.
func eventually(ctx context.Context, name string, conditions ...string) {
	GinkgoHelper()
	eventuallyOf(ctx, &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: name}}, conditions...)
}

func eventuallyOf(ctx context.Context, object client.Object, conditions ...string) {
	GinkgoHelper()
	var all []gomegatypes.GomegaMatcher
	for _, condition := range conditions {
		all = append(all, ContainElement(condition))
	}
	Eventually(state(object)).WithContext(ctx).Should(And(all...))
}

// eventuallySuspended waits until a Partner says that it is suspended: its status is about an
// earlier spec then.
func eventuallySuspended(ctx context.Context, name string) {
	GinkgoHelper()
	Eventually(func() bool {
		return meta.IsStatusConditionTrue(partner(ctx, name).Status.Conditions, string(v1alpha1.ConditionSuspended))
	}).Should(BeTrue())
}

// message is that of a Partner's condition.
func message(ctx context.Context, name string, condition v1alpha1.ConditionType) string {
	GinkgoHelper()
	found := meta.FindStatusCondition(partner(ctx, name).Status.Conditions, string(condition))
	Expect(found).NotTo(BeNil())
	return found.Message
}

// beGone matches the error of reading what is not there.
func beGone() gomegatypes.GomegaMatcher {
	return WithTransform(func(err error) bool { return err != nil && client.IgnoreNotFound(err) == nil }, BeTrue())
}

// eventuallyGone waits until an object is not there.
func eventuallyGone(ctx context.Context, object client.Object) {
	GinkgoHelper()
	Eventually(func(ctx context.Context) error {
		return direct.Get(ctx, client.ObjectKeyFromObject(object), object)
	}).WithContext(ctx).Should(beGone())
}

// eventuallyThere waits until an object is there, and no longer the one with
// the given UIDs.
func eventuallyThere(ctx context.Context, object client.Object, not ...string) {
	GinkgoHelper()
	Eventually(func(ctx context.Context) (string, error) {
		err := direct.Get(ctx, client.ObjectKeyFromObject(object), object)
		return string(object.GetUID()), err
	}).WithContext(ctx).ShouldNot(BeElementOf(append(not, "")))
}
