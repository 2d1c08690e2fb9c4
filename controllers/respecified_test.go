package controllers

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// What was deleted and made again between two lists comes as one update, which no
// API server can be made to send at will.
var _ = DescribeTable("respecified",
	func(uid types.UID, generation int64, passes bool) {
		before := &v1alpha1.PCSMAllocation{ObjectMeta: metav1.ObjectMeta{UID: "a", Generation: 1, ResourceVersion: "1"}}
		now := &v1alpha1.PCSMAllocation{ObjectMeta: metav1.ObjectMeta{UID: uid, Generation: generation, ResourceVersion: "2"}}
		Expect(respecified.Update(event.UpdateEvent{ObjectOld: before, ObjectNew: now})).To(Equal(passes))
	},
	Entry("leaves out another status", types.UID("a"), int64(1), false),
	Entry("passes another spec", types.UID("a"), int64(2), true),
	Entry("passes another object of the same name", types.UID("b"), int64(1), true),
)
