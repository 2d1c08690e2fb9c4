package widgetserver

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/index"
	"github.com/dispel/partner-operator/internal/widget"
)

// Directory knows what each host answers with. It is safe for concurrent use.
type Directory struct {
	reader  client.Reader
	contact widget.Contact
	clock   clock.PassiveClock
	// answers are the *answer of each claimed host that was asked for. One is put
	// here before what it is made of is read, so that an event that comes in
	// between takes it away again.
	answers sync.Map
}

// answer is what a host answers with.
type answer struct {
	make sync.Once
	// config is config.json; nil where there is no widget.
	config *asset
	err    error
	// until is when the date makes it old.
	until time.Time
}

// asset is something to serve, with its entity tag, which is a weak one: it is the same whether the
// answer is compressed or not.
type asset struct {
	content []byte
	tag     string
}

// NewDirectory returns a directory of what a cache holds. Call it before the
// cache starts, and use it once the cache is full.
func NewDirectory(ctx context.Context, source ctrlcache.Cache, contact widget.Contact, clock clock.PassiveClock) (*Directory, error) {
	d := &Directory{reader: source, contact: contact, clock: clock}
	if err := index.Add(ctx, source, index.AllocationByPartner, index.ClaimByPartner, index.PartnerByHandOver); err != nil {
		return nil, err
	}
	for _, watched := range []struct {
		kind   client.Object
		forget func(client.Object)
	}{
		{&v1alpha1.SubdomainClaim{}, func(o client.Object) { d.answers.Delete(o.GetName()) }},
		{&v1alpha1.Partner{}, func(o client.Object) {
			d.forgetPartner(ctx, o.GetName())
			if handOver := o.(*v1alpha1.Partner).Spec.HandOver; handOver != nil {
				d.answers.Delete(string(handOver.Host)) // whose claim may be another's by now
			}
		}},
		{&v1alpha1.PCSMAllocation{}, func(o client.Object) {
			d.forgetPartner(ctx, string(o.(*v1alpha1.PCSMAllocation).Spec.PartnerRef.Name))
		}},
		{&v1alpha1.SupportPlan{}, func(client.Object) { d.answers.Clear() }},
	} {
		informer, err := source.GetInformer(ctx, watched.kind, ctrlcache.BlockUntilSynced(false))
		if err != nil {
			return nil, err
		}
		if _, err := informer.AddEventHandler(onChange(watched.forget)); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// onChange calls a function for all that comes, goes or changes. Plans and
// allocations whose status alone changed are left out.
func onChange(forget func(client.Object)) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc: func(added any) { forget(added.(client.Object)) },
		UpdateFunc: func(before, after any) {
			old, now := before.(client.Object), after.(client.Object)
			if _, partner := now.(*v1alpha1.Partner); partner {
				forget(old) // which may have handed a host over
			}
			if _, partner := now.(*v1alpha1.Partner); partner || old.GetGeneration() != now.GetGeneration() || old.GetUID() != now.GetUID() {
				forget(now)
			}
		},
		DeleteFunc: func(deleted any) {
			if unknown, ok := deleted.(cache.DeletedFinalStateUnknown); ok {
				deleted = unknown.Obj
			}
			if object, ok := deleted.(client.Object); ok {
				forget(object)
			}
		},
	}
}

// forgetPartner forgets the answers on all hosts of a partner.
func (d *Directory) forgetPartner(ctx context.Context, name string) {
	var claims v1alpha1.SubdomainClaimList
	if err := d.reader.List(ctx, &claims, index.ClaimByPartner.Is(name), client.UnsafeDisableDeepCopy); err != nil {
		d.answers.Clear() // rather than to keep an old one
		return
	}
	for i := range claims.Items {
		d.answers.Delete(claims.Items[i].Name)
	}
}

// Config returns config.json of a host; nil if there is no widget on it. The
// error is that of a cache that cannot be read.
func (d *Directory) Config(host string) (*asset, error) {
	now := d.clock.Now()
	for {
		known, ok := d.answers.Load(host)
		if !ok {
			// Nothing is kept for a host that nobody holds, or anyone could fill
			// the memory.
			if claim, err := read(d.reader, host, &v1alpha1.SubdomainClaim{}); err != nil || claim == nil {
				return nil, err
			}
			known, _ = d.answers.LoadOrStore(host, &answer{})
		}
		a := known.(*answer)
		a.make.Do(func() {
			a.until = now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1)
			a.config, a.err = d.build(host, now)
		})
		if a.err == nil && now.Before(a.until) {
			return a.config, nil
		}
		d.answers.CompareAndDelete(host, a)
		if a.err != nil {
			return nil, a.err
		}
	}
}

func (d *Directory) build(host string, now time.Time) (*asset, error) {
	claim, err := read(d.reader, host, &v1alpha1.SubdomainClaim{})
	if err != nil || claim == nil {
		return nil, err
	}
	name := string(claim.Spec.PartnerRef.Name)
	partner, err := read(d.reader, name, &v1alpha1.Partner{})
	if err != nil {
		return nil, err
	}
	if partner == nil || !widget.EnabledOn(partner, host) {
		if partner, err = d.source(host, name); err != nil || partner == nil {
			return nil, err
		}
		name = partner.Name
	}
	var plan *v1alpha1.SupportPlan
	if inForce := partner.Status.SupportPlan; inForce != nil {
		if plan, err = read(d.reader, string(inForce.Name), &v1alpha1.SupportPlan{}); err != nil {
			return nil, err
		}
	}
	var allocations v1alpha1.PCSMAllocationList
	if err = d.reader.List(context.Background(), &allocations, index.AllocationByPartner.Is(name), client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	data, err := json.Marshal(widget.ConfigFor(partner, plan, allocations.Items, d.contact.On(name, host), now))
	if err != nil {
		return nil, err
	}
	return newAsset(data), nil
}

// source is the Partner that hands a host over to another and still serves it with its
// widget, which one of both holds; nil if none does.
func (d *Directory) source(host, holder string) (*v1alpha1.Partner, error) {
	var sources v1alpha1.PartnerList
	if err := d.reader.List(context.Background(), &sources, index.PartnerByHandOver.Is(host), client.UnsafeDisableDeepCopy); err != nil {
		return nil, err
	}
	for i := range sources.Items {
		source := &sources.Items[i]
		serves := widget.EnabledOn(source, host) || slices.ContainsFunc(source.Status.Hosts, func(served v1alpha1.HostStatus) bool {
			return string(served.Host) == host && served.SupportWidget
		})
		if serves && (source.Name == holder || string(source.Spec.HandOver.PartnerRef.Name) == holder) {
			return source, nil
		}
	}
	return nil, nil
}

// read gets an object from the cache, which is not to be changed; nil if there
// is none. The cache answers at once: no request waits that could give up.
func read[T client.Object](from client.Reader, name string, into T) (T, error) {
	err := from.Get(context.Background(), client.ObjectKey{Name: name}, into, client.UnsafeDisableDeepCopy)
	if err != nil {
		var none T
		return none, client.IgnoreNotFound(err)
	}
	return into, nil
}

func newAsset(content []byte) *asset {
	sum := sha256.Sum256(content)
	return &asset{content, `W/"` + base64.RawURLEncoding.EncodeToString(sum[:18]) + `"`}
}
