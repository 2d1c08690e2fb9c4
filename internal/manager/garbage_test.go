package manager

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = DescribeTable("The heap grows, before garbage is collected,",
	func(inUse uint64, percent int) { Expect(garbagePercent(inUse)).To(Equal(percent)) },
	Entry("by 16 MiB over next to nothing, as Go reckons", uint64(0), 400),
	Entry("by 16 MiB over 4", uint64(4<<20), 400),
	Entry("by 16 MiB over 8", uint64(8<<20), 200),
	Entry("by 16 MiB over 32", uint64(32<<20), 50),
	Entry("by two fifths over 400", uint64(400<<20), 40),
)
