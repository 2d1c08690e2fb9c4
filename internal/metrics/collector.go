// Package metrics shows partners to Prometheus. It reads the cache at every scrape,
// so that nothing is left of what is gone, and nothing has to be kept up to date.
package metrics

import (
	"context"
	"strconv"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/staffing"
)

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("partner_operator_"+name, help, labels, nil)
}

var (
	partners    = describe("partners", "Number of Partners. Exposed only by the leader.")
	partnerInfo = describe("partner_info", "What a Partner is, in its labels; always 1.", "partner", "channel_model", "support_plan", "tier", "host", "tenant_namespace")
	customers   = describe("partner_customers", "Customers of a Partner.", "partner")
	allocated   = describe("partner_allocated_fte", "FTE of the active P-CSMs of a Partner; 0 if there are none. Present only for an OEM or MSP.", "partner")
	minimum     = describe("partner_minimum_fte", "FTE that a Partner's plan requires at least.", "partner")
	required    = describe("partner_required_fte", "FTE that a Partner requires: its plan's minimum, or more if its customers need more.", "partner")
	recommended = describe("partner_recommended_fte", "FTE that support a Partner's customers comfortably.", "partner")
	maximum     = describe("partner_maximum_customers", "Customers that a Partner's P-CSMs support at most.", "partner")
	comfortable = describe("partner_comfortable_customers", "Customers that a Partner's P-CSMs support comfortably.", "partner")
	utilization = describe("partner_utilization_ratio", "Customers of a Partner divided by its FTE times the customers that one supports at most, rounded down to a hundredth.", "partner")
	untilBreach = describe("partner_customers_until_breach", "Customers that may still come before a Partner's capacity is exceeded; negative once it is.", "partner")
	widget      = describe("partner_support_widget_enabled", "Whether end customers see the support widget: 1 or 0. Present only with a sub-domain.", "partner")
	uncovered   = describe("partner_uncovered_hours_per_week", "Operating hours of a regular week with no P-CSM on duty. Present only while shifts are declared.", "partner")
	operating   = describe("partner_operating_hours_per_week", "Operating hours of a regular week. Present only while shifts are declared.", "partner")
	shortfall   = describe("partner_next_shortfall_timestamp_seconds", "The first day on which the shortfall of FTE is larger than today's. Present only if such a day is known.", "partner", "reason")
	counted     = describe("partner_customers_timestamp_seconds", "When the field manager that owns customerCount last wrote.", "partner", "manager")

	contractEnd = describe("partner_contract_end_timestamp_seconds", "When the contract with a Partner ends, and its sub-domain closes. Present only with a sub-domain and an end.", "partner")

	condition = describe("condition", "The current status and reason of a condition, in its labels; always 1.", "kind", "name", "condition", "status", "reason")

	allocationFTE = describe("pcsmallocation_fte", "FTE of a PCSMAllocation that counts now.", "pcsmallocation", "partner")
	allocationEnd = describe("pcsmallocation_end_timestamp_seconds",
		"End of a PCSMAllocation's contract. The label successor is true if the partner's FTE does not decrease then.", "pcsmallocation", "partner", "successor")

	planPartners     = describe("supportplan_partners", "Partners with a SupportPlan.", "support_plan")
	planCustomers    = describe("supportplan_customers", "Customers of the Partners with a SupportPlan.", "support_plan")
	planAllocated    = describe("supportplan_allocated_fte", "FTE of the active P-CSMs of the Partners with a SupportPlan.", "support_plan")
	planOverCapacity = describe("supportplan_partners_over_capacity", "Partners with a SupportPlan that have more customers than their P-CSMs support.", "support_plan")
)

// Collector makes metrics of what a cache holds. Replicas that do not lead hold
// the same: register it with the leader's registry alone, or sums count twice.
type Collector struct {
	Reader client.Reader
	Clock  clock.PassiveClock
	Logger logr.Logger
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(to chan<- *prometheus.Desc) {
	(&Snapshot{}).Describe(to)
}

// Describe implements prometheus.Collector.
func (s *Snapshot) Describe(to chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{
		partners, partnerInfo, customers, allocated, minimum, required, recommended, maximum, comfortable, utilization, untilBreach, widget,
		uncovered, operating, shortfall, counted, contractEnd,
		condition, allocationFTE, allocationEnd, planPartners, planCustomers, planAllocated, planOverCapacity,
	} {
		to <- desc
	}
}

// Collect implements prometheus.Collector. What cannot be read is left out, so that
// the rest of the page is there in any case.
func (c *Collector) Collect(to chan<- prometheus.Metric) {
	var s Snapshot
	for _, list := range []client.ObjectList{&s.Partners, &s.Allocations, &s.Plans} {
		if err := c.Reader.List(context.Background(), list, client.UnsafeDisableDeepCopy); err != nil {
			c.Logger.Error(err, "Reading the cache for metrics")
			return
		}
	}
	s.Now = c.Clock.Now()
	s.Collect(to)
}

// Snapshot is what metrics are made of, as it is at one time.
type Snapshot struct {
	Partners    v1alpha1.PartnerList
	Allocations v1alpha1.PCSMAllocationList
	Plans       v1alpha1.SupportPlanList
	Now         time.Time
}

// Collect implements prometheus.Collector.
func (s *Snapshot) Collect(to chan<- prometheus.Metric) {
	gauge := func(desc *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	}
	conditions := func(kind, name string, all []metav1.Condition) {
		for _, one := range all {
			gauge(condition, 1, kind, name, one.Type, string(one.Status), one.Reason)
		}
	}
	gauge(partners, float64(len(s.Partners.Items)))
	for i := range s.Partners.Items {
		partner := &s.Partners.Items[i]
		show(partner, gauge)
		conditions("Partner", partner.Name, partner.Status.Conditions)
	}
	ofPartner := map[string][]v1alpha1.PCSMAllocation{}
	for i := range s.Allocations.Items {
		allocation := &s.Allocations.Items[i]
		conditions("PCSMAllocation", allocation.Name, allocation.Status.Conditions)
		partner := string(allocation.Spec.PartnerRef.Name)
		ofPartner[partner] = append(ofPartner[partner], *allocation)
	}
	for i := range s.Partners.Items {
		partner := &s.Partners.Items[i]
		if !partner.Spec.ChannelModel.WhiteLabels() {
			continue // it cannot hold P-CSMs
		}
		allocations := ofPartner[partner.Name]
		total, active, _ := staffing.Sum(partner, allocations, s.Now)
		gauge(allocated, fte(total), partner.Name)
		for i := range active {
			gauge(allocationFTE, fte(active[i].Spec.FTE), active[i].Name, partner.Name)
		}
		for _, end := range staffing.Ends(partner, allocations, s.Now) {
			gauge(allocationEnd, float64(end.At.Unix()), end.Allocation, partner.Name, strconv.FormatBool(end.Succeeded))
		}
	}
	for i := range s.Plans.Items {
		plan := &s.Plans.Items[i]
		conditions("SupportPlan", plan.Name, plan.Status.Conditions)
		if totals := plan.Status.Totals; totals != nil {
			gauge(planPartners, float64(ptr.Deref(totals.Partners, 0)), plan.Name)
			gauge(planCustomers, float64(ptr.Deref(totals.Customers, 0)), plan.Name)
			gauge(planAllocated, fte(totals.AllocatedFTE), plan.Name)
			gauge(planOverCapacity, float64(ptr.Deref(totals.OverCapacity, 0)), plan.Name)
		}
	}
}

// show makes the metrics of a Partner by its spec and status.
func show(partner *v1alpha1.Partner, gauge func(*prometheus.Desc, float64, ...string)) {
	name, status := partner.Name, &partner.Status
	plan := ptr.Deref(status.SupportPlan, v1alpha1.SupportPlanSummary{})
	gauge(partnerInfo, 1, name, string(partner.Spec.ChannelModel), string(plan.Name), string(plan.Tier), objects.HostOf(partner), status.Namespace)
	has := float64(ptr.Deref(partner.Spec.CustomerCount, 0))
	gauge(customers, has, name)
	if given := status.Staffing; given != nil {
		gauge(minimum, fte(given.MinimumFTE), name)
		gauge(required, fte(given.RequiredFTE), name)
		gauge(recommended, fte(given.RecommendedFTE), name)
		most := float64(ptr.Deref(given.MaximumCustomers, 0))
		gauge(maximum, most, name)
		gauge(comfortable, float64(ptr.Deref(given.ComfortableCustomers, 0)), name)
		gauge(untilBreach, float64(ptr.Deref(given.CustomersUntilBreach, 0)), name)
		if given.AllocatedFTE > 0 {
			gauge(utilization, float64(ptr.Deref(given.UtilizationPercent, 0))/100, name)
		}
	}
	if given := status.Coverage; given != nil {
		const minutesPerHour = 60
		gauge(operating, float64(ptr.Deref(given.OperatingMinutesPerWeek, 0))/minutesPerHour, name)
		gauge(uncovered, float64(ptr.Deref(given.UncoveredMinutesPerWeek, 0))/minutesPerHour, name)
	}
	if given := status.Staffing; given != nil && given.NextShortfall != nil {
		if day, err := given.NextShortfall.On.Time(time.UTC); err == nil { // the operator's own
			gauge(shortfall, float64(day.Unix()), name, string(given.NextShortfall.Reason))
		}
	}
	if window, err := staffing.PartnerWindow(partner); objects.HostOf(partner) != "" && err == nil && !window.Until.IsZero() { // the schema refuses other dates
		gauge(contractEnd, float64(window.Until.Unix()), name)
	}
	if given := status.Customers; given != nil && given.Since != nil {
		gauge(counted, float64(given.Since.Unix()), name, given.Manager)
	}
	if status.SupportWidget != nil {
		enabled := 0.0
		if ptr.Deref(status.SupportWidget.Enabled, false) {
			enabled = 1
		}
		gauge(widget, enabled, name)
	}
}

// fte is an amount of FTE as a number.
func fte(amount v1alpha1.FTE) float64 {
	return float64(amount) / float64(v1alpha1.OneFTE)
}
