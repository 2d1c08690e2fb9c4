package prober

import (
	"fmt"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/probe"
)

// found makes results of a short text: + for success, a letter for each kind of failure,
// in lower case with another message.
func found(sign rune) probe.Result {
	switch sign {
	case '+':
		return probe.Result{Reason: probe.Reachable, Message: "answers"}
	case 'N':
		return probe.Result{Reason: probe.NameNotResolved, Message: "there is no such name"}
	case 'n':
		return probe.Result{Reason: probe.NameNotResolved, Message: "the DNS server does not answer"}
	}
	message := "status 502"
	if sign == 'e' {
		message = "status 503"
	}
	return probe.Result{Reason: probe.EngineFailed, Message: message}
}

var _ = Describe("A verdict", func() {
	at := func(minute int) time.Time { return time.Date(2026, 12, 1, 12, minute, 0, 0, time.UTC) }

	// Each probe of a minute is followed by the verdict after it, and ! if it is written.
	DescribeTable("changes after three failures and after one success, and not for less",
		func(signs string, wanted string) {
			var r record
			var observed *metav1.Condition
			var got []string
			for minute, sign := range signs {
				condition := r.note(found(sign), observed, at(minute), 0)
				verdict := "-"
				if condition != nil {
					verdict = string(condition.Reason[0])
					if strings.HasPrefix(condition.Message, "the DNS") {
						verdict = "n"
					}
				}
				if condition != observed {
					verdict += "!"
				}
				observed = condition
				got = append(got, verdict)
			}
			Expect(strings.Join(got, "")).To(Equal(wanted))
		},
		Entry("reachable at once", "+++", "R!RR"),
		Entry("unreachable from the start", "NNNN", "--N!N"),
		Entry("a failure now and then", "+N+NN+N", "R!RRRRRR"),
		Entry("three failures", "+NNN+", "R!RRN!R!"),
		Entry("three failures of different kinds", "+NEN", "R!RRN!"),
		Entry("another link breaks", "NNNEEE", "--N!NNE!"),
		Entry("messages that differ from one probe to the next", "NNNnNnNnNn", "--N!NNNNNNN"),
		Entry("another link breaks, with a message that differs each time", "NNNEeEe", "--N!NNE!E"),
		Entry("another message that stays", "NNNnnn", "--N!NNn!"),
	)

	It("keeps the time of transition while the status is the same", func() {
		var r record
		var observed *metav1.Condition
		for minute, sign := range "NNNEEE" {
			observed = r.note(found(sign), observed, at(minute), 0)
		}
		Expect(*observed).To(Equal(metav1.Condition{
			Type: "SubdomainReachable", Status: metav1.ConditionFalse, Reason: "EngineFailed", Message: "status 502",
			LastTransitionTime: metav1.NewTime(at(2)),
		}))
	})

	It("holds back what may be the prober's own, for a time", func() {
		var r record
		own := probe.Result{Reason: probe.NameNotResolved, Own: probe.OwnDNS}
		for minute := range 4 {
			Expect(r.note(own, nil, at(minute), 4*time.Minute)).To(BeNil())
		}
		Expect(r.note(own, nil, at(4), 4*time.Minute)).To(HaveField("Status", metav1.ConditionFalse))
	})

	It("outlives a restart", func() {
		observed := new(record).note(found('+'), nil, at(0), 0)
		var restarted record
		Expect(restarted.note(found('+'), observed, at(1), 0)).To(BeIdenticalTo(observed))
		Expect(restarted.note(found('N'), observed, at(2), 0)).To(BeIdenticalTo(observed))
	})
})

var _ = Describe("The turns", func() {
	It("are brought forward for other addresses once in an interval, which ends no failures", func() {
		start := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
		r := &reconciler{Options: Options{Interval: time.Minute}, known: map[string]*state{}}
		partner := &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}
		probes := 0
		var s *state
		for second := 0; second < 600; second += 10 { // two controllers report addresses in turn
			now := start.Add(time.Duration(second) * time.Second)
			s = r.stateOf(partner, probe.Target{Host: "remote.acmecorp.com", Addresses: []string{fmt.Sprint("192.0.2.", second/10%2)}}, nil, now)
			if !s.due.After(now) {
				s.record.note(found('N'), nil, now, 0)
				s.due = next(partner.Name, now, r.Interval)
				probes++
			}
		}
		Expect(probes).To(BeNumerically("<=", 21))
		Expect(s.record.failures).To(Equal(probes))
	})

	It("spread partners over the interval, each at its own moment", func() {
		start := time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)
		perSecond := make([]int, 60)
		for i := range 6000 {
			name := fmt.Sprintf("p-%d", i)
			due := next(name, start, time.Minute)
			Expect(due).To(BeTemporally(">", start))
			Expect(due).To(BeTemporally("<=", start.Add(time.Minute)))
			Expect(next(name, due, time.Minute)).To(Equal(due.Add(time.Minute)))
			Expect(next(name, due.Add(-time.Nanosecond), time.Minute)).To(Equal(due))
			perSecond[int(due.Sub(start).Seconds())%60]++
		}
		for _, n := range perSecond {
			Expect(n).To(BeNumerically("~", 100, 60))
		}
	})
})
