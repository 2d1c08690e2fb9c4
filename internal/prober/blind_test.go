package prober

import (
	"context"
	"net/netip"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/dispel/partner-operator/internal/probe"
)

var _ = Describe("A failure", func() {
	began := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
	steps := func(steps ...probe.Step) (taken []probe.Taken) {
		for _, step := range steps {
			taken = append(taken, probe.Taken{Step: step})
		}
		return taken
	}
	well := probe.Result{Reason: probe.Reachable, Steps: steps(probe.Resolution, probe.Connection, probe.Certificate, probe.Engine)}
	silent := probe.Result{Reason: probe.NameNotResolved, Own: probe.OwnDNS, Steps: steps(probe.Resolution)}
	lost := func(address string) probe.Result {
		return probe.Result{Reason: probe.ConnectionFailed, Own: probe.OwnNetwork, Steps: steps(probe.Resolution, probe.Connection), Addresses: []netip.Addr{netip.MustParseAddr(address)}}
	}
	late := func(end time.Time) probe.Result {
		return probe.Result{Reason: probe.CertificateExpired, Own: probe.OwnClock, Expires: end, Steps: steps(probe.Resolution, probe.Connection, probe.Certificate)}
	}
	sure := probe.Result{Reason: probe.NameNotResolved, Own: probe.OwnDNS, Sure: true, Steps: steps(probe.Resolution)}

	type probed struct {
		after  time.Duration
		host   string
		result probe.Result
	}
	const never = "never-" // begins a host that was never reachable
	DescribeTable("is the prober's own if nobody gets further for an interval",
		func(own bool, probes ...probed) {
			s := newSight()
			var last bool
			for _, p := range probes {
				target := probe.Target{Host: p.host}
				last = s.judge(context.Background(), target, !strings.HasPrefix(p.host, never), p.result, began.Add(p.after), time.Minute)
			}
			Expect(last).To(Equal(own))
		},
		Entry("but not of one alone", false, probed{0, "a", silent}, probed{2 * time.Minute, "a", silent}),
		Entry("for want of DNS", true, probed{0, "a", well}, probed{time.Minute, "a", silent}, probed{2 * time.Minute, "b", silent}),
		Entry("but not while others resolve", false, probed{0, "a", silent}, probed{time.Minute, "c", well}, probed{time.Minute, "b", silent}),
		Entry("but not within the interval", false, probed{0, "c", well}, probed{time.Second, "a", silent}, probed{2 * time.Second, "b", silent}),
		Entry("for want of a way out", true, probed{0, "a", lost("192.0.2.1")}, probed{time.Second, "b", lost("198.51.100.1")}),
		Entry("but not of a load balancer that they share", false, probed{0, "a", lost("192.0.2.1")}, probed{time.Second, "b", lost("192.0.2.1")}),
		Entry("by its clock", true, probed{0, "a", late(began)}, probed{time.Second, "b", late(began.Add(time.Hour))}),
		Entry("but not by a certificate that they share", false, probed{0, "a", late(began)}, probed{time.Second, "b", late(began)}),
		Entry("but not with one that was never reachable", false, probed{0, "c", well}, probed{time.Minute, never + "a", silent}, probed{2 * time.Minute, "b", silent}),
		Entry("also with those, while nobody has got further", true, probed{0, never + "a", silent}, probed{time.Second, never + "b", silent}),
		Entry("but not of one that is sure, while others get further", false, probed{0, "c", well}, probed{time.Second, "a", sure}),
		Entry("but not with one that failed long ago", false, probed{0, "a", silent}, probed{time.Hour, "b", silent}),
		Entry("but not of all, if one is sure and others get further", false, probed{0, "c", well}, probed{time.Second, "a", sure}, probed{2 * time.Second, "b", silent}),
		Entry("at once if it is sure", true, probed{0, "a", sure}),
		Entry("until somebody gets further", false, probed{0, "a", silent}, probed{time.Second, "b", silent}, probed{2 * time.Second, "c", well}),
	)
})
