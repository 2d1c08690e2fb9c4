package packed

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// What comes in which order is up to the API server and the network, so the orders
// are tried here, without them.
var _ = Describe("What the watch tells", func() {
	at := key{name: "x", namespace: "n"}
	var c *Cache
	var of store
	var told int
	BeforeEach(func() {
		c = &Cache{in: map[string][]item{}, underWay: map[key]*writing{}, deleted: map[key]types.UID{}}
		told = 0
		c.changed = func(string) { told++ }
		of = store{c, &kind{}}
		of.kind.synced.Store(true) // it is not the first list
	})
	tell := func(n *notice) {
		if c.take(at, n) {
			c.tell(at.namespace)
		}
	}
	is := func(uid types.UID, version string) *notice {
		return &notice{namespace: at.namespace, name: at.name, uid: uid, version: version, kept: true, data: string(uid) + "@" + version}
	}
	gone := func(uid types.UID, version string) *notice {
		return &notice{uid: uid, version: version, gone: true}
	}
	// list has a list of version 20 say what there is.
	list := func(has ...any) {
		Expect(of.Replace(has, "20")).To(Succeed())
	}
	begin := func() { c.begin(at) }
	answer := func(uid types.UID, version string) {
		c.wrote(at, is(uid, version))
		c.end(at)
	}
	deletion := func(uid types.UID) {
		c.wroteDeletion(at, uid)
		c.end(at)
	}
	DescribeTable("is held against what was written",
		func(happens func(), holds string, tells int) {
			happens()
			held, _ := c.find(at)
			Expect(held.data).To(Equal(holds))
			Expect(told).To(Equal(tells))
			Expect(c.underWay).To(BeEmpty())
		},
		Entry("an echo after the answer", func() { begin(); answer("a", "10"); tell(is("a", "10")) }, "a@10", 0),
		Entry("an echo before the answer", func() { begin(); tell(is("a", "10")); answer("a", "10") }, "a@10", 0),
		Entry("another's change before the answer and before the write", func() { begin(); tell(is("a", "9")); answer("a", "10"); tell(is("a", "10")) }, "a@10", 0),
		Entry("another's change before the answer and after the write", func() { begin(); tell(is("a", "11")); answer("a", "10") }, "a@11", 1),
		Entry("another's change that comes late", func() { begin(); answer("a", "10"); tell(is("a", "9")) }, "a@10", 0),
		Entry("another's change afterwards", func() { begin(); answer("a", "10"); tell(is("a", "10")); tell(is("a", "11")) }, "a@11", 1),
		Entry("a change while a write fails", func() { tell(is("a", "9")); begin(); tell(is("a", "10")); c.end(at) }, "a@10", 2),
		Entry("an echo of the write before one that fails", func() { begin(); answer("a", "10"); begin(); tell(is("a", "10")); c.end(at) }, "a@10", 0),
		Entry("a deletion's echo before the answer", func() { tell(is("a", "9")); begin(); tell(gone("a", "10")); deletion("a") }, "", 1),
		Entry("a deletion's echo after the answer", func() { tell(is("a", "9")); begin(); deletion("a"); tell(gone("a", "10")) }, "", 1),
		Entry("what was, after it was deleted", func() { begin(); deletion("a"); tell(is("a", "9")); tell(gone("a", "10")) }, "", 0),
		Entry("what waits for a finalizer that came meanwhile", func() {
			begin()
			deletion("a")
			going := is("a", "10")
			going.deleting = true
			tell(going)
		}, "a@10", 1),
		Entry("a successor before the deletion's answer", func() { begin(); tell(gone("a", "10")); tell(is("c", "11")); deletion("a") }, "c@11", 1),
		Entry("a predecessor's deletion while a successor is deleted", func() {
			begin()
			deletion("a")
			begin()
			answer("b", "12")
			begin()
			tell(gone("a", "10"))
			tell(is("b", "12"))
			deletion("b")
			tell(gone("b", "13"))
		}, "", 0),
		Entry("the end of a label that was put back meanwhile", func() { begin(); answer("a", "12"); tell(gone("a", "11")); tell(is("a", "12")) }, "a@12", 0),
		Entry("a repetition of what is held", func() { tell(is("a", "9")); begin(); answer("a", "9") }, "a@9", 1),
		Entry("a list that lacks it while a write fails", func() { tell(is("a", "9")); begin(); list(); c.end(at) }, "", 2),
		Entry("a list that lacks what was made and deleted meanwhile", func() { begin(); list(); answer("a", "11") }, "", 1),
		Entry("a list that lacks what is made meanwhile", func() { begin(); list(); answer("a", "21") }, "a@21", 0),
		Entry("a list that lacks it, from before the write", func() { begin(); answer("a", "30"); list() }, "a@30", 0),
		Entry("a list of older versions, as after a restore", func() { tell(is("a", "90")); list(is("a", "10")) }, "a@10", 2),
		Entry("a list that has what was deleted", func() { begin(); deletion("a"); list(is("a", "10")) }, "a@10", 1),
		Entry("a list of the same", func() { tell(is("a", "9")); list(is("a", "9")) }, "a@9", 1),
	)

	It("does not let an echo pass what was told before it while a write is under way", func() {
		var err error
		c.packer, err = newPacker(nil)
		Expect(err).NotTo(HaveOccurred())
		object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: at.namespace, Name: at.name, ResourceVersion: "25"}}
		written, err := c.notice(of.kind, object)
		Expect(err).NotTo(HaveOccurred())
		begin()
		c.wrote(at, written)
		list()
		Expect(of.Add(object)).To(Succeed())
		c.end(at)
		held, _ := c.find(at)
		Expect(held.data).To(Equal(written.data))
		Expect(told).To(BeZero())
	})
})
