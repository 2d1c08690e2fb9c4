// Package changes decides when a change of the operator's defaults, such as --ingress-class, reaches Partners that
// are served: in waves, those whose plans promise least first; within the change windows of their plans; and no
// further while those that it reached are not served any more.
package changes

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/contract"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/snapshot"
	"github.com/dispel/partner-operator/internal/support"
)

const (
	// blame is for how long after a change a Partner that is not served any more counts as failed by it.
	blame = 10 * time.Minute
	// patience is for how long it may be on the way to be served anew before it counts as that.
	patience = 2 * time.Minute
	// beat is how often the fleet is looked at while something waits, and askAgain how often one that waits
	// asks by itself.
	beat, askAgain = 2 * time.Second, 10 * time.Minute
	// named is how many failures a message names.
	named = 3
	// grace is for how long routes keep a class that is gone, and may come back: a chart that is installed anew
	// deletes and creates its own.
	grace = time.Minute
)

// Options are what a Gate decides by.
type Options struct {
	// Reader has the fleet in its caches.
	Reader client.Reader
	// Kinds are those that can be read.
	Kinds func() iter.Seq[*kinds.Kind]
	// Settings are the operator's defaults.
	Settings objects.Settings
	// Share is which part of the Partners that are served a change reaches at once, above 0 and up to 1, and Pause
	// what passes between two such waves.
	Share float64
	Pause time.Duration
	// MaxUnreachable is how many of those that it reached may not be served before it goes no further.
	MaxUnreachable int
	Clock          clock.PassiveClock
}

// Gate decides when a change reaches a Partner. What it goes by is in the cluster, so that a new one goes on
// from there. It is safe for concurrent use.
type Gate struct {
	Options

	mu sync.Mutex
	// asked reports whether a Partner has asked since the fleet was looked at, and looked whether it was at all.
	asked, looked bool
	// turns are the Partners whose turn it is, and since when.
	turns map[string]time.Time
	// failing names the first of those that are not served after a change, while there are too many of them;
	// empty while there are not.
	failing string
	// missing are the ingress classes that are gone, since when, and until when that is remembered.
	missing map[string]absence
	told    chan event.GenericEvent
}

type absence struct{ since, until time.Time }

// New returns a gate. It has to be started.
func New(options Options) *Gate {
	return &Gate{Options: options, turns: map[string]time.Time{}, missing: map[string]absence{}, told: make(chan event.GenericEvent)}
}

// Changed tells of Partners, by their names, for which the gate has news.
func (g *Gate) Changed() <-chan event.GenericEvent { return g.told }

// Hold says why a change has to wait; nil if it has not to.
func (g *Gate) Hold(s *snapshot.Snapshot, change objects.Change) *snapshot.HeldChange {
	if !waits(s.Partner, s.Reached, s.Now) {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if class := change.From.IngressClass; gone(class, s.IngressClasses) {
		return g.holdForClass(change, s.Now)
	}
	if _, turn := g.turns[s.Partner.Name]; turn {
		return nil
	}
	g.asked = true
	before := meta.FindStatusCondition(s.Partner.Status.Conditions, string(v1alpha1.ConditionChangeHeld))
	if before != nil && !g.looked { // what held it before a restart still may
		return &snapshot.HeldChange{Reason: v1alpha1.Reason(before.Reason), Message: before.Message, Again: s.Now.Add(askAgain)}
	}
	held := &snapshot.HeldChange{Again: s.Now.Add(askAgain)}
	what := fmt.Sprintf("the operator's defaults change %s, which does not reach this Partner yet: ", change.What())
	switch open, opens := support.ChangesAt(s.Plan, s.Now); {
	case !open:
		held.Reason = v1alpha1.ReasonOutsideChangeWindow
		held.Message = what + fmt.Sprintf("the change windows of SupportPlan %q open next at %s", s.Plan.Name, opens.Format("2006-01-02 15:04 MST"))
		if opens.Before(held.Again) {
			held.Again = opens
		}
	case g.failing != "":
		held.Reason = v1alpha1.ReasonChangesFailing
		held.Message = what + fmt.Sprintf("too many that it reached are not served any more, such as %s; the rollout resumes once they are; to skip the wait for this Partner, annotate it with %s=%s",
			g.failing, v1alpha1.ChangesAnnotation, v1alpha1.ChangesAtOnce)
	default:
		held.Reason, held.Message = v1alpha1.ReasonWaitsForWave, what+"its wave has not begun (--wave)"
	}
	return held
}

// gone reports whether an ingress class, unless it is empty, is none of those that there are.
func gone(class string, there []networkingv1.IngressClass) bool {
	return class != "" && !slices.ContainsFunc(there, func(of networkingv1.IngressClass) bool { return of.Name == class })
}

// notice forgets that classes were gone which are there, and those of which nobody asked any more.
func (g *Gate) notice(there []networkingv1.IngressClass) {
	g.mu.Lock()
	defer g.mu.Unlock()
	maps.DeleteFunc(g.missing, func(class string, absent absence) bool {
		return !gone(class, there) || g.Clock.Now().After(absent.until)
	})
}

// holdForClass says why the change of a class that is gone waits; nil once it has been gone for some time.
func (g *Gate) holdForClass(change objects.Change, now time.Time) *snapshot.HeldChange {
	class := change.From.IngressClass
	absent := g.missing[class]
	if now.After(absent.until) {
		absent.since = now
	}
	absent.until = now.Add(2 * grace) // all are asked again within that
	g.missing[class] = absent
	over := absent.since.Add(grace)
	if !now.Before(over) {
		return nil
	}
	return &snapshot.HeldChange{Reason: v1alpha1.ReasonIngressClassGone, Again: over, Message: fmt.Sprintf(
		"IngressClass %q, by which the sub-domain is served, is gone, as while its chart is installed anew: if it is not back within a minute, this changes %s", class, change.What())}
}

// waits reports whether a change has to wait for a Partner's turn: the Partner is served, and no annotation skips the
// wait. One that is not served since a change reached it need not, so that a change can be taken back, nor one that
// has not been for some time: a moment's trouble of a controller would let go of all.
func waits(partner *v1alpha1.Partner, reached, now time.Time) bool {
	serves := func(condition v1alpha1.ConditionType) bool {
		since, blamed := falseSince(partner, condition, reached)
		return since.IsZero() || now.Sub(since) < blame && !blamed
	}
	return partner.Status.Subdomain != nil && partner.DeletionTimestamp.IsZero() && !ptr.Deref(partner.Spec.Suspend, false) &&
		!objects.ChangesAtOnce(partner) &&
		serves(v1alpha1.ConditionSubdomainReady) && serves(v1alpha1.ConditionSubdomainReachable)
}

// unserved reports whether a Partner is not served as it is to be since shortly after a change reached it, and
// failed that this is more than the time it takes. The prober has its own patience.
func unserved(partner *v1alpha1.Partner, reached, now time.Time) (unserved, failed bool) {
	_, unreachable := falseSince(partner, v1alpha1.ConditionSubdomainReachable, reached)
	since, unready := falseSince(partner, v1alpha1.ConditionSubdomainReady, reached)
	return unreachable || unready, unreachable || unready && now.Sub(since) >= patience
}

// falseSince is since when a condition of a Partner is False, zero if it is not, and whether a change is to blame that
// reached it at some time; zero for none.
func falseSince(partner *v1alpha1.Partner, condition v1alpha1.ConditionType, reached time.Time) (since time.Time, blamed bool) {
	found := meta.FindStatusCondition(partner.Status.Conditions, string(condition))
	if found == nil || found.Status != metav1.ConditionFalse {
		return time.Time{}, false
	}
	since = found.LastTransitionTime.Time
	return since, !reached.IsZero() && !since.Before(reached) && since.Sub(reached) <= blame
}

// member is a Partner of the fleet, as far as changes matter.
type member struct {
	name string
	tier v1alpha1.Tier
	// pending reports that a change has not reached it, waits that it has to wait for its turn, and open that its
	// plan has nothing against that now.
	pending, waits, open bool
	// reached is when the last change did, and unserved that it is not served since, which counts as failed
	// after a while.
	reached          time.Time
	unserved, failed bool
}

// Start looks at the fleet while something waits, until the context ends.
func (g *Gate) Start(ctx context.Context) error {
	wait.UntilWithContext(ctx, func(ctx context.Context) {
		g.mu.Lock()
		idle := !g.asked && len(g.turns) == 0 && len(g.missing) == 0 && g.failing == ""
		g.asked = false
		turns := maps.Clone(g.turns)
		g.mu.Unlock()
		if idle {
			return
		}
		fleet, served, err := g.fleet(ctx, turns)
		if err != nil {
			ctrl.LoggerFrom(ctx).Error(err, "The Partners that wait for a change of the defaults cannot be found; it is tried again")
			g.mu.Lock()
			g.asked = true
			g.mu.Unlock()
			return
		}
		for _, name := range g.next(fleet, served, g.Clock.Now()) {
			partner := &v1alpha1.Partner{}
			partner.Name = name
			select {
			case g.told <- event.GenericEvent{Object: partner}:
			case <-ctx.Done():
			}
		}
	}, beat)
	return nil
}

// next gives turns, and returns whom there is news for.
func (g *Gate) next(fleet []member, served int, now time.Time) (news []string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.looked = true
	var waiting []member
	var failing []string
	var last time.Time
	inProgress := 0
	turns := map[string]time.Time{}
	for _, m := range fleet {
		if m.failed {
			failing = append(failing, m.name)
		}
		if m.unserved {
			inProgress++
		}
		if m.reached.After(last) {
			last = m.reached
		}
		given, turn := g.turns[m.name]
		switch {
		case m.pending && turn && (m.unserved || now.Sub(given) < blame):
			turns[m.name] = given
			if !m.unserved {
				inProgress++
			}
			if given.After(last) {
				last = given
			}
		case m.waits && m.open:
			waiting = append(waiting, m)
			g.asked = true
		}
	}
	g.turns = turns
	slices.Sort(failing)
	was := g.failing
	g.failing = ""
	if len(failing) > g.MaxUnreachable {
		g.failing = strings.Join(failing[:min(len(failing), named)], ", ")
	}
	if (was != "") != (g.failing != "") {
		for _, m := range waiting {
			news = append(news, m.name)
		}
	}
	if g.failing != "" || inProgress > g.MaxUnreachable || len(waiting) == 0 || now.Before(last.Add(g.Pause)) {
		return news
	}
	slices.SortFunc(waiting, func(a, b member) int {
		return cmp.Or(cmp.Compare(slices.Index(tiers, a.tier), slices.Index(tiers, b.tier)), cmp.Compare(a.name, b.name))
	})
	size := min(len(waiting), max(1, int(math.Ceil(g.Share*float64(served)))))
	for _, m := range waiting[:size] {
		g.turns[m.name] = now
		news = append(news, m.name)
	}
	return news
}

// tiers are in the order in which a change reaches their partners.
var tiers = []v1alpha1.Tier{v1alpha1.Basic, "", v1alpha1.Premium, v1alpha1.MissionCritical}

// fleet finds the Partners that are served, and how many they are.
func (g *Gate) fleet(ctx context.Context, turns map[string]time.Time) ([]member, int, error) {
	var partners v1alpha1.PartnerList
	var plans v1alpha1.SupportPlanList
	var classes networkingv1.IngressClassList
	for _, list := range []client.ObjectList{&partners, &plans, &classes} {
		if err := g.Reader.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			return nil, 0, err
		}
	}
	g.notice(classes.Items)
	byName := map[v1alpha1.ObjectName]*v1alpha1.SupportPlan{}
	for i := range plans.Items {
		byName[v1alpha1.ObjectName(plans.Items[i].Name)] = &plans.Items[i]
	}
	live, err := g.live(ctx)
	if err != nil {
		return nil, 0, err
	}
	var fleet []member
	served, now := 0, g.Clock.Now()
	for i := range partners.Items {
		partner := &partners.Items[i]
		if partner.Spec.Subdomain == nil || partner.Status.Subdomain == nil || !partner.DeletionTimestamp.IsZero() || ptr.Deref(partner.Spec.Suspend, false) {
			continue
		}
		served++
		plan := byName[v1alpha1.ObjectName(contract.PlanName(partner))]
		objectsOf := slices.DeleteFunc(live[partner.Name], func(object kinds.Object) bool { return object.GetNamespace() != objects.NamespaceOf(partner) })
		change, reached := objects.Builder{Partner: partner, Settings: g.Settings, Classes: classes.Items}.ChangeOf(objectsOf)
		if reached.After(now) {
			reached = time.Time{} // by another's clock
		}
		m := member{name: partner.Name, pending: change != nil, reached: reached}
		m.waits = change != nil && !gone(change.From.IngressClass, classes.Items) && waits(partner, reached, now)
		if given, turn := turns[partner.Name]; turn && change != nil {
			reached = given // it may fail before it is on any route
		} else if change != nil && reached.IsZero() {
			reached = now.Add(-blame) // as it may have, under a manager before
		}
		m.unserved, m.failed = unserved(partner, reached.Truncate(time.Second), now)
		if m.waits {
			m.open, _ = support.ChangesAt(plan, now)
		}
		if plan != nil {
			m.tier = plan.Spec.Tier
		}
		fleet = append(fleet, m)
	}
	return fleet, served, nil
}

// live are the operator's routes, listeners and Certificates, by partner.
func (g *Gate) live(ctx context.Context) (map[string][]kinds.Object, error) {
	live := map[string][]kinds.Object{}
	for kind := range g.Kinds() {
		switch {
		case !kind.Made:
			continue
		case kind.Exposure != kinds.ByRoute && kind.Exposure != kinds.ByListener && kind.Exposure != kinds.ByCertificate:
			continue
		}
		list := kind.NewList()
		if err := g.Reader.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
			return nil, err
		}
		if err := meta.EachListItem(list, func(item runtime.Object) error {
			object := item.(kinds.Object)
			if partner := object.GetLabels()[v1alpha1.PartnerLabel]; partner != "" && kinds.Marked(object) {
				live[partner] = append(live[partner], object)
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return live, nil
}
