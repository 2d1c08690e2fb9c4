package shard_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/dispel/partner-operator/internal/shard"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "shard")
}

var _ = Describe("A shard", func() {
	DescribeTable("is read from number/count",
		func(text string, number, count int) {
			s, err := shard.Parse(text)
			Expect(err).NotTo(HaveOccurred())
			Expect(s).To(Equal(shard.Shard{Number: number, Count: count}))
		},
		Entry("all of them", "", 0, 0),
		Entry("the only one", "1/1", 1, 1),
		Entry("one of three", "2/3", 2, 3),
		Entry("the most there can be", "64/64", 64, 64),
	)
	DescribeTable("is refused with the remedy",
		func(text string) {
			_, err := shard.Parse(text)
			Expect(err).To(MatchError("write number/count, such as 1/3, 2/3 and 3/3 for three shards, with a count of at most 64"))
		},
		Entry("no count", "1"), Entry("counted from zero", "0/3"), Entry("beyond the count", "4/3"), Entry("no number", "/3"),
		Entry("too many", "1/65"), Entry("words", "a/b"), Entry("negative", "-1/3"),
	)

	It("has each partner once, and about as many as the others", func() {
		for _, count := range []int{1, 2, 3, 7, 64} {
			held := make([]int, count)
			for i := range 10_000 {
				holders := 0
				for number := range count {
					if (shard.Shard{Number: number + 1, Count: count}).Has(fmt.Sprintf("partner-%d", i)) {
						held[number]++
						holders++
					}
				}
				Expect(holders).To(Equal(1))
			}
			for _, n := range held {
				Expect(n).To(BeNumerically("~", 10_000/count, 10_000/count/4+1))
			}
		}
	})

	It("keeps its partners and its lease from one release to the next", func() {
		has := map[string]int{}
		for _, name := range []string{"acme", "globex", "initech", "hooli", "stark", "wayne", "soylent", "wonka", "vandelay"} {
			for number := 1; number <= 3; number++ {
				if (shard.Shard{Number: number, Count: 3}).Has(name) {
					has[name] = number
				}
			}
		}
		Expect(has).To(Equal(map[string]int{
			"acme": 2, "globex": 2, "hooli": 1, "initech": 2, "soylent": 3, "stark": 3, "vandelay": 1, "wayne": 3, "wonka": 2,
		}))
		Expect(shard.Shard{}.Lease("x")).To(Equal("x"))
		Expect(shard.Shard{Number: 1, Count: 1}.Lease("x")).To(Equal("x"))
		Expect(shard.Shard{Number: 2, Count: 3}.Lease("x")).To(Equal("x-2-of-3"))
	})

	It("that is alone or the first has what concerns all", func() {
		Expect(shard.Shard{}.First()).To(BeTrue())
		Expect(shard.Shard{Number: 1, Count: 3}.First()).To(BeTrue())
		Expect(shard.Shard{Number: 2, Count: 3}.First()).To(BeFalse())
		Expect(shard.Shard{}.Has("any")).To(BeTrue())
	})
})
