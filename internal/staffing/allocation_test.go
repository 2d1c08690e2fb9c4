package staffing_test

import (
	"errors"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/staffing"
)

func partnerOf(model v1alpha1.ChannelModel) *v1alpha1.Partner {
	return &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "acme"}, Spec: v1alpha1.PartnerSpec{ChannelModel: model}}
}

func allocation(amount, from, until string) v1alpha1.PCSMAllocation {
	return v1alpha1.PCSMAllocation{Spec: v1alpha1.PCSMAllocationSpec{
		PartnerRef: v1alpha1.PartnerReference{Name: "acme"},
		FTE:        fte(amount), ValidFrom: v1alpha1.Date(from), ValidUntil: v1alpha1.Date(until),
	}}
}

func at(s string) time.Time {
	GinkgoHelper()
	t, err := time.Parse(time.RFC3339, s)
	Expect(err).NotTo(HaveOccurred())
	return t
}

var _ = Describe("Accept", func() {
	DescribeTable("looks at the partner's channel model",
		func(model v1alpha1.ChannelModel, reason v1alpha1.Reason) {
			a := allocation("1", "", "")
			err := staffing.Accept(&a, partnerOf(model))
			if reason == "" {
				Expect(err).NotTo(HaveOccurred())
				return
			}
			var refusal *staffing.Refusal
			Expect(errors.As(err, &refusal)).To(BeTrue())
			Expect(refusal.Reason).To(Equal(reason))
			Expect(refusal.Message).To(ContainSubstring("delete this allocation, or set the partner's channelModel to OEM or MSP"))
		},
		Entry("an OEM can hold P-CSMs", v1alpha1.OEM, v1alpha1.Reason("")),
		Entry("an MSP can hold P-CSMs", v1alpha1.MSP, v1alpha1.Reason("")),
		Entry("a reseller cannot", v1alpha1.Reseller, v1alpha1.ReasonChannelModelWithoutPCSM),
		Entry("a distributor cannot", v1alpha1.Distributor, v1alpha1.ReasonChannelModelWithoutPCSM),
	)

	It("wants the partner to exist", func() {
		a := allocation("1", "", "")
		Expect(staffing.Accept(&a, nil)).To(MatchError(ContainSubstring(`there is no Partner "acme": create it`)))
	})

	DescribeTable("wants a known time zone",
		func(zone v1alpha1.TimeZone, known bool) {
			a := allocation("1", "", "")
			a.Spec.Localization = &v1alpha1.Localization{TimeZone: zone}
			err := staffing.Accept(&a, partnerOf(v1alpha1.OEM))
			if known {
				Expect(err).NotTo(HaveOccurred())
			} else {
				Expect(err).To(MatchError(ContainSubstring("write an IANA name")))
			}
		},
		Entry("a city", v1alpha1.TimeZone("Asia/Tokyo"), true),
		Entry("none", v1alpha1.TimeZone(""), true),
		Entry("a place without one", v1alpha1.TimeZone("Moon/Tranquility"), false),
		Entry("the zone of the machine", v1alpha1.TimeZone("Local"), false),
		Entry("a path out of the database", v1alpha1.TimeZone("../../etc/passwd"), false),
	)
})

var _ = Describe("A contract window", func() {
	DescribeTable("is whole days in UTC, both ends included",
		func(from, until, now string, running bool, next string) {
			a := allocation("1", from, until)
			window, err := staffing.WindowOf(&a)
			Expect(err).NotTo(HaveOccurred())
			Expect(window.Contains(at(now))).To(Equal(running))
			if next == "" {
				Expect(window.Next(at(now))).To(BeZero())
			} else {
				Expect(window.Next(at(now))).To(BeTemporally("==", at(next)))
			}
		},
		Entry("no window", "", "", "2026-12-01T00:00:00Z", true, ""),
		Entry("the instant before the first day", "2026-12-01", "", "2026-11-30T23:59:59Z", false, "2026-12-01T00:00:00Z"),
		Entry("the first instant", "2026-12-01", "", "2026-12-01T00:00:00Z", true, ""),
		Entry("the last instant of the last day", "", "2026-12-01", "2026-12-01T23:59:59Z", true, "2026-12-02T00:00:00Z"),
		Entry("the instant after", "", "2026-12-01", "2026-12-02T00:00:00Z", false, ""),
		Entry("a window of one day", "2026-12-01", "2026-12-01", "2026-12-01T12:00:00Z", true, "2026-12-02T00:00:00Z"),
		Entry("before both ends, the nearer one is next", "2026-12-01", "2027-11-30", "2026-01-01T00:00:00Z", false, "2026-12-01T00:00:00Z"),
		Entry("the last day that can be written has no end", "", "9999-12-31", "2026-12-01T00:00:00Z", true, ""),
		Entry("the day before it has one", "", "9999-12-30", "2026-12-01T00:00:00Z", true, "9999-12-31T00:00:00Z"),
		Entry("the first day that can be written", "0000-01-01", "", "2026-12-01T00:00:00Z", true, ""),
		Entry("an end across a change of clocks is still UTC", "", "2026-11-01", "2026-11-01T23:30:00Z", true, "2026-11-02T00:00:00Z"),
	)

	It("refuses what is no date", func() {
		a := allocation("1", "soon", "later")
		_, err := staffing.WindowOf(&a)
		Expect(err).To(MatchError(And(ContainSubstring("soon"), ContainSubstring("later"))))
	})
})

var _ = Describe("Sum", func() {
	It("adds up what is accepted and running, and tells when that changes", func() {
		ofAnother := allocation("8", "", "")
		ofAnother.Spec.PartnerRef.Name = "globex"
		going := allocation("8", "", "")
		going.DeletionTimestamp = &metav1.Time{Time: at("2026-12-01T00:00:00Z")}
		total, counted, next := staffing.Sum(partnerOf(v1alpha1.OEM), []v1alpha1.PCSMAllocation{
			allocation("1.5", "", ""), allocation("0.5", "", "2026-12-31"), allocation("4", "2026-12-24", ""), ofAnother, going,
		}, at("2026-12-01T12:00:00Z"))
		Expect(total.String()).To(Equal("2"))
		Expect(counted).To(HaveLen(2))
		Expect(next).To(BeTemporally("==", at("2026-12-24T00:00:00Z")))
	})

	It("is nothing for a reseller", func() {
		total, counted, next := staffing.Sum(partnerOf(v1alpha1.Reseller), []v1alpha1.PCSMAllocation{allocation("1", "", "2026-12-31")}, at("2026-12-01T12:00:00Z"))
		Expect(total).To(BeZero())
		Expect(counted).To(BeEmpty())
		Expect(next).To(BeZero())
	})
})
