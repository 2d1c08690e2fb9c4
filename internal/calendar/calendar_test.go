package calendar_test

import (
	"bytes"
	"regexp"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/calendar"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "calendar")
}

var _ = Describe("The days of a calendar", func() {
	It("are there once, with special days before holidays", func() {
		partner := &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "acme"}, Spec: v1alpha1.PartnerSpec{ValidUntil: "2026-12-31"}}
		hours := v1alpha1.OperatingHours{
			TimeZone: "Europe/Berlin", Days: []v1alpha1.DayOfWeek{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}, Opens: "09:00", Closes: "17:00",
			Holidays: "DE", Closures: []v1alpha1.Date{"2026-12-25"},
			SpecialDays: []v1alpha1.SpecialDay{{From: "2026-12-26", Opens: "09:00", Closes: "12:00"}, {From: "2026-12-28", Until: "2026-12-29"}},
		}
		from := time.Date(2026, 12, 20, 0, 0, 0, 0, time.UTC)
		days := calendar.DaysOf(partner, hours, nil, from, from.AddDate(0, 0, 14))
		var page bytes.Buffer
		Expect(calendar.Write(&page, []calendar.Partner{{Name: "acme", Days: days}}, from)).To(Succeed())
		var told []string
		for _, match := range regexp.MustCompile(`UID:([^@]+)@[^\r]+\r\n(?:[^\r]+\r\n)*?SUMMARY:([^\r]+)`).FindAllStringSubmatch(page.String(), -1) {
			told = append(told, match[1]+": "+match[2])
		}
		Expect(told).To(HaveExactElements(
			"acme-contract-ends-20261231: acme: last day of the contract",
			`acme-closed-20261225: acme: closed\, Weihnachtstag`, "acme-closed-20261228: acme: closed", "acme-closed-20261229: acme: closed",
			`acme-closed-20270101: acme: closed\, Neujahrstag`, "acme-special-20261226: acme: open 09:00 to 12:00",
		))
	})
})
