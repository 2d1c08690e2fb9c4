package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/settings"
	"github.com/dispel/partner-operator/internal/snapshot"
	"github.com/dispel/partner-operator/internal/staffing"
	"github.com/dispel/partner-operator/internal/tenant"
	"github.com/dispel/partner-operator/internal/testing/partners"
)

func partnerName(i int) string { return partners.Name("p", i) }

// declare creates a partner and its allocations.
func declare(ctx context.Context, user client.Client, partner *v1alpha1.Partner) ([]*v1alpha1.PCSMAllocation, error) {
	allocations := partners.InShifts(partner.Name)
	for _, allocation := range allocations {
		if err := user.Create(ctx, allocation); err != nil {
			return nil, err
		}
	}
	return allocations, user.Create(ctx, partner)
}

// floor is what a plain client needs to create partners, their allocations, and
// the objects that the operator makes of them, and maybe to write their status.
type floor struct {
	Seconds  float64  `json:"seconds"`
	Writes   int      `json:"writes"`
	Requests requests `json:"requests"`
	// CPU is the CPU time of this process, in seconds. It evaluates each partner once.
	CPU float64 `json:"cpuSeconds,omitempty"`
	// Others are the CPU seconds of the control plane meanwhile.
	Others map[string]float64 `json:"controlPlaneCPUSeconds"`
}

func (g *ground) floor(ctx context.Context, n int, status bool) (floor, error) {
	plain, err := g.connect("plain")
	if err != nil {
		return floor{}, err
	}
	defaults, err := settings.Defaults()
	if err != nil {
		return floor{}, err
	}
	var plan v1alpha1.SupportPlan
	if err = plain.Get(ctx, client.ObjectKey{Name: "premium"}, &plan); err != nil {
		return floor{}, err
	}
	if _, err = g.requested("plain"); err != nil {
		return floor{}, err
	}
	others, err := g.componentsCPU()
	if err != nil {
		return floor{}, err
	}
	before, err := usageOf(os.Getpid())
	if err != nil {
		return floor{}, err
	}
	start := time.Now()
	err = each(ctx, n, func(ctx context.Context, i int) error {
		partner := partners.New(partnerName(i), partners.Host(partnerName(i)))
		allocations, failure := declare(ctx, plain, partner)
		if failure != nil {
			return failure
		}
		observed := snapshot.Snapshot{
			Partner: partner, Agreed: snapshot.Agreed{Plan: &plan}, Settings: defaults, Now: start,
			Platform: snapshot.Platform{IngressClasses: []networkingv1.IngressClass{*partners.IngressClass()}},
		}
		for _, allocation := range allocations {
			observed.Allocations = append(observed.Allocations, *allocation)
		}
		outcome := tenant.Settle(observed)
		for _, object := range outcome.Objects {
			object.SetCreationTimestamp(metav1.Time{})
			if failure := plain.Create(ctx, object.(client.Object)); failure != nil {
				return fmt.Errorf("%T: %w", object, failure)
			}
		}
		if !status {
			return nil
		}
		for _, allocation := range allocations {
			allocation.Status, _, _ = staffing.Status(allocation, partner, start)
			if failure := plain.Status().Update(ctx, allocation); failure != nil {
				return failure
			}
		}
		partner.Status = outcome.Status
		return plain.Status().Update(ctx, partner)
	})
	f := floor{Seconds: time.Since(start).Seconds()}
	if err != nil {
		return f, err
	}
	after, err := usageOf(os.Getpid())
	if err != nil {
		return f, err
	}
	f.CPU = after.CPU - before.CPU
	if f.Others, err = g.componentsCPU(); err != nil {
		return f, err
	}
	for name := range f.Others {
		f.Others[name] -= others[name]
	}
	f.Requests, err = g.requested("plain")
	f.Writes = f.Requests.writes()
	return f, err
}

// convergence is how partners became Ready as they were declared.
type convergence struct {
	Partners int     `json:"partners"`
	Seconds  float64 `json:"seconds"`
	// P50, P90 and P99 are of the times from creation to Ready, in seconds.
	P50 float64 `json:"p50Seconds"`
	P90 float64 `json:"p90Seconds"`
	P99 float64 `json:"p99Seconds"`
	// Writes, Events and Reads are the manager's.
	Writes   int      `json:"writes"`
	Events   int      `json:"events"`
	Reads    int      `json:"reads"`
	Requests requests `json:"requests"`
	Manager  usage    `json:"manager"`
	// Others are the CPU seconds of the control plane meanwhile.
	Others map[string]float64 `json:"controlPlaneCPUSeconds"`
}

// converge declares partners while the manager runs, until all are Ready.
func (g *ground) converge(ctx context.Context, n int) (c convergence, err error) {
	if err = g.startManager(ctx); err != nil {
		return c, err
	}
	if _, err = g.settle(ctx); err != nil {
		return c, err
	}
	if _, err = g.requested(agent); err != nil {
		return c, err
	}
	others, err := g.componentsCPU()
	if err != nil {
		return c, err
	}
	before, err := usageOf(g.manager.PID())
	if err != nil {
		return c, err
	}
	watched, stop := context.WithCancel(ctx)
	defer stop()
	ready, err := g.watchReady(watched, n)
	if err != nil {
		return c, err
	}
	var mu sync.Mutex
	created := map[string]time.Time{}
	start := time.Now()
	if err = each(ctx, n, func(ctx context.Context, i int) error {
		name := partnerName(i)
		_, failure := declare(ctx, g.user, partners.New(name, partners.Host(name)))
		mu.Lock()
		created[name] = time.Now()
		mu.Unlock()
		return failure
	}); err != nil {
		return c, err
	}
	var at map[string]time.Time
	select {
	case at = <-ready:
		if at == nil {
			return c, errors.Join(ctx.Err(), errors.New("the watch of the Partners ended"))
		}
	case <-ctx.Done():
		return c, ctx.Err()
	case <-g.manager.Exited():
		return c, fmt.Errorf("the manager ended by itself:\n%s", g.manager.Log())
	case <-time.After(patience):
		return c, errors.New("some partners do not become Ready")
	}
	c.Partners = n
	var last time.Time
	var latencies []float64
	for name, t := range at {
		if t.After(last) {
			last = t
		}
		latencies = append(latencies, max(0, t.Sub(created[name]).Seconds()))
	}
	c.Seconds = last.Sub(start).Seconds()
	slices.Sort(latencies)
	c.P50, c.P90, c.P99 = quantile(latencies, 0.5), quantile(latencies, 0.9), quantile(latencies, 0.99)
	c.Others, err = g.componentsCPU()
	for name := range c.Others {
		c.Others[name] -= others[name]
	}
	if err != nil {
		return c, err
	}
	if _, err = g.settle(ctx); err != nil {
		return c, err
	}
	if c.Manager, err = usageOf(g.manager.PID()); err != nil {
		return c, err
	}
	c.Manager.CPU -= before.CPU
	c.Requests, err = g.requested(agent)
	c.Writes, c.Events, c.Reads = c.Requests.writes(), c.Requests.events(), c.Requests.reads()
	return c, err
}

// agent begins the user agent of the manager.
const agent = "partner-operator-manager/"

func (g *ground) componentsCPU() (map[string]float64, error) {
	seconds := map[string]float64{}
	for name, process := range g.cluster.Components() {
		used, err := usageOf(process.PID())
		if err != nil {
			return nil, err
		}
		seconds[name] = used.CPU
	}
	return seconds, nil
}

func quantile(sorted []float64, q float64) float64 {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// watchReady tells when each of some partners was first seen Ready, once all were,
// or nothing if it can no longer see them.
func (g *ground) watchReady(ctx context.Context, n int) (<-chan map[string]time.Time, error) {
	events, err := g.user.Watch(ctx, &v1alpha1.PartnerList{})
	if err != nil {
		return nil, err
	}
	found := make(chan map[string]time.Time, 1)
	go func() {
		defer events.Stop()
		defer close(found)
		at := map[string]time.Time{}
		for event := range events.ResultChan() {
			partner, ok := event.Object.(*v1alpha1.Partner)
			if !ok || event.Type == watch.Deleted || !meta.IsStatusConditionTrue(partner.Status.Conditions, string(v1alpha1.ConditionReady)) ||
				!ptr.Deref(ptr.Deref(partner.Status.SupportWidget, v1alpha1.SupportWidgetStatus{}).Enabled, false) {
				continue
			}
			if _, seen := at[partner.Name]; !seen {
				at[partner.Name] = time.Now()
			}
			if len(at) == n {
				found <- at
				return
			}
		}
	}()
	return found, nil
}

// step is something that happens to a whole fleet, until the manager has done what
// it does about it.
type step struct {
	Seconds  float64  `json:"seconds"`
	CPU      float64  `json:"cpuSeconds"`
	Writes   int      `json:"writes"`
	Events   int      `json:"events"`
	Reads    int      `json:"reads"`
	Requests requests `json:"requests"`
	// Memory is the manager's in the end, and Peak the most that it had meanwhile,
	// both in bytes.
	Memory uint64 `json:"memoryBytes"`
	Peak   uint64 `json:"peakMemoryBytes"`
}

// step measures what the manager does about something, from its beginning until
// the manager is idle.
func (g *ground) step(ctx context.Context, what string, do func() error) (s step, err error) {
	say("  %s", what)
	if _, err = g.requested(agent); err != nil {
		return s, err
	}
	var before usage
	if g.manager != nil {
		if before, err = usageOf(g.manager.PID()); err != nil {
			return s, err
		}
		if err = forgetPeak(g.manager); err != nil {
			return s, err
		}
	}
	running := g.manager
	start := time.Now()
	if err = do(); err != nil {
		return s, err
	}
	if g.manager != running {
		before = usage{} // it was started meanwhile
	}
	end, err := g.settle(ctx)
	if err != nil {
		return s, err
	}
	after, err := usageOf(g.manager.PID())
	if err != nil {
		return s, err
	}
	s.Seconds, s.CPU, s.Memory, s.Peak = end.Sub(start).Seconds(), after.CPU-before.CPU, after.Memory, after.Peak
	s.Requests, err = g.requested(agent)
	s.Writes, s.Events, s.Reads = s.Requests.writes(), s.Requests.events(), s.Requests.reads()
	return s, err
}

// fleet is what becomes of a fleet of a size.
type fleet struct {
	Partners    int         `json:"partners"`
	Convergence convergence `json:"convergence"`
	Restart     step        `json:"restart"`
	// Change is the time that a user's change takes that comes right after a
	// restart, when all partners are to be looked at again, in seconds: of up to a
	// hundred, the 99th percentile.
	Change float64 `json:"changeAfterRestartSeconds"`
	// ChangeMedian is the median of the same times: the first change waits until the
	// controllers have started, the others do not.
	ChangeMedian float64 `json:"medianChangeAfterRestartSeconds,omitzero"`
	// ChangeDuringEdit is of Partners that people change right after an edit of the
	// plan that all share.
	ChangeDuringEdit change `json:"changeDuringEdit,omitzero"`
	Quiet            step   `json:"quiet"`
	Plan             step   `json:"planEdited"`
	Raise            step   `json:"allocationsRaised"`
	// DeletionOfOne is the median time until all that a deleted Partner exposes is
	// gone, in seconds.
	DeletionOfOne float64 `json:"deletionOfOneSeconds"`
	// DeletionOfAll is the time until that is so of all Partners, in seconds.
	DeletionOfAll float64 `json:"deletionOfAllSeconds"`
	Deletion      step    `json:"deletionOfAll"`
}

func (g *ground) fleet(ctx context.Context, n int) (f fleet, err error) {
	f.Partners = n
	say("  declared")
	if f.Convergence, err = g.converge(ctx, n); err != nil {
		return f, err
	}
	// A resync is over before the next.
	const resyncs = 3
	period := max(20*time.Second, time.Duration(n)*6*time.Millisecond)
	steps := []struct {
		what string
		into *step
		do   func() error
	}{
		{"manager restarted", &f.Restart, func() error {
			return errors.Join(g.stopManager(), g.startManager(ctx, "--resync-period="+period.String()))
		}},
		{"quiet, with resyncs", &f.Quiet, func() error {
			select {
			case <-ctx.Done():
			case <-time.After(resyncs * period):
			}
			return ctx.Err()
		}},
		{"manager restarted, and some changed at once", &step{}, func() error {
			if err = errors.Join(g.stopManager(), g.startManager(ctx)); err != nil {
				return err
			}
			var changed change
			changed, err = g.changes(ctx, n, partners.CustomerCount+1)
			f.ChangeMedian, f.Change = changed.P50, changed.P99
			return err
		}},
		{"plan edited that all share", &f.Plan, func() error {
			return g.editPlan(ctx, "https://support.example.com/policy")
		}},
		{"plan edited again, and some changed at once", &step{}, func() error {
			if err = g.editPlan(ctx, "https://support.example.com/other"); err != nil {
				return err
			}
			f.ChangeDuringEdit, err = g.changes(ctx, n, partners.CustomerCount+2)
			return err
		}},
		{"all allocations raised", &f.Raise, func() error {
			return each(ctx, n, func(ctx context.Context, i int) error {
				for _, allocation := range partners.Allocations(partnerName(i)) {
					if failure := g.user.Patch(ctx, allocation, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"fte":2}}`))); failure != nil {
						return failure
					}
				}
				return nil
			})
		}},
		{"one deleted, some times", &step{}, func() error { f.DeletionOfOne, err = g.deleteOne(ctx, min(9, n-1)); return err }},
		{"all deleted", &f.Deletion, func() error { f.DeletionOfAll, err = g.deleteAll(ctx, min(9, n-1), n); return err }},
	}
	for _, s := range steps {
		if *s.into, err = g.step(ctx, s.what, s.do); err != nil {
			return f, fmt.Errorf("%s: %w", s.what, err)
		}
	}
	return f, nil
}

func (g *ground) editPlan(ctx context.Context, policyURL string) error {
	return g.user.Patch(ctx, &v1alpha1.SupportPlan{ObjectMeta: metav1.ObjectMeta{Name: "premium"}},
		client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec":{"policyURL":%q}}`, policyURL)))
}

// change is how long people wait who change a Partner until its status says so, in
// seconds.
type change struct {
	Partners int     `json:"partners"`
	P50      float64 `json:"p50Seconds"`
	P99      float64 `json:"p99Seconds"`
}

// changes gives partners another number of customers, one after another: up to a
// hundred of n, evenly spread.
func (g *ground) changes(ctx context.Context, n, customers int) (change, error) {
	c := change{Partners: min(100, n)}
	var times []float64
	for i := range c.Partners {
		start := time.Now()
		partner := &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: partnerName(i * n / c.Partners)}}
		if err := g.user.Patch(ctx, partner, client.RawPatch(types.MergePatchType, fmt.Appendf(nil, `{"spec":{"customerCount":%d}}`, customers))); err != nil {
			return c, err
		}
		wanted := partner.Generation
		if err := poll(ctx, 5*time.Millisecond, func() (bool, error) {
			err := g.user.Get(ctx, client.ObjectKeyFromObject(partner), partner)
			return partner.Status.ObservedGeneration == wanted, err
		}); err != nil {
			return c, err
		}
		times = append(times, time.Since(start).Seconds())
	}
	slices.Sort(times)
	c.P50, c.P99 = quantile(times, 0.5), quantile(times, 0.99)
	return c, nil
}

// deleteOne deletes some partners in turn, and returns the median of the times
// until what one exposed is gone.
func (g *ground) deleteOne(ctx context.Context, n int) (float64, error) {
	var times []float64
	for i := range n {
		name := partnerName(i)
		start := time.Now()
		if err := g.user.Delete(ctx, &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			return 0, err
		}
		for _, object := range partners.Children(name) {
			if kind, _ := apiutil.GVKForObject(object, g.user.Scheme()); kinds.Named(kind.Kind).Exposure == kinds.NotExposed {
				continue
			}
			if err := poll(ctx, 5*time.Millisecond, func() (bool, error) {
				err := g.user.Get(ctx, client.ObjectKeyFromObject(object), object)
				return err != nil && client.IgnoreNotFound(err) == nil, client.IgnoreNotFound(err)
			}); err != nil {
				return 0, err
			}
		}
		times = append(times, time.Since(start).Seconds())
	}
	slices.Sort(times)
	return quantile(times, 0.5), nil
}

// deleteAll deletes the partners of some numbers, and returns how long it took
// until all that they exposed was gone.
func (g *ground) deleteAll(ctx context.Context, from, to int) (float64, error) {
	start := time.Now()
	if err := each(ctx, to-from, func(ctx context.Context, i int) error {
		return g.user.Delete(ctx, &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: partnerName(from + i)}})
	}); err != nil {
		return 0, err
	}
	for _, kind := range kinds.All {
		if !kind.Made || kind.API != "" || kind.Exposure == kinds.NotExposed {
			continue
		}
		list := kind.NewList()
		if err := poll(ctx, 100*time.Millisecond, func() (bool, error) {
			err := g.user.List(ctx, list, client.Limit(1), client.MatchingLabels{v1alpha1.ManagedByLabel: v1alpha1.FieldManager})
			return meta.LenList(list) == 0, err
		}); err != nil {
			return 0, err
		}
	}
	return time.Since(start).Seconds(), nil
}

// races are hosts that two partners want at once.
type races struct {
	Hosts   int     `json:"hosts"`
	Seconds float64 `json:"seconds"`
	// Held and Told are hosts with one holder, and partners that were told who it is.
	Held int `json:"held"`
	Told int `json:"told"`
}

func (g *ground) races(ctx context.Context, n int) (r races, err error) {
	r.Hosts = n
	if err = g.startManager(ctx); err != nil {
		return r, err
	}
	start := time.Now()
	if err = each(ctx, 2*n, func(ctx context.Context, i int) error {
		return g.user.Create(ctx, partners.New(partnerName(i), fmt.Sprintf("h%05d.example.com", i/2)))
	}); err != nil {
		return r, err
	}
	end, err := g.settle(ctx)
	if err != nil {
		return r, err
	}
	r.Seconds = end.Sub(start).Seconds()
	var claims v1alpha1.SubdomainClaimList
	var all v1alpha1.PartnerList
	if err := errors.Join(g.user.List(ctx, &claims), g.user.List(ctx, &all)); err != nil {
		return r, err
	}
	holders := map[string]v1alpha1.PartnerName{}
	for _, claim := range claims.Items {
		holders[claim.Name] = claim.Spec.PartnerRef.Name
	}
	for _, partner := range all.Items {
		host := string(partner.Spec.Subdomain.Host)
		condition := ptr.Deref(meta.FindStatusCondition(partner.Status.Conditions, string(v1alpha1.ConditionSubdomainReady)), metav1.Condition{})
		switch holder := holders[host]; {
		case string(holder) == partner.Name && condition.Status == metav1.ConditionTrue:
			r.Held++
		case string(holder) != partner.Name && condition.Message == fmt.Sprintf("%s is held by Partner %q: write another host, or remove it from that partner", host, holder):
			r.Told++
		}
	}
	return r, nil
}

func answers(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}
