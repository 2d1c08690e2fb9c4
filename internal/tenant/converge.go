package tenant

import (
	"context"
	"errors"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/snapshot"
)

// Cluster is where Converge writes.
type Cluster interface {
	// Write makes an object as wanted. observed is what is there; nil for nothing. The
	// result is the object as stored, or nil if there was nothing to write.
	Write(ctx context.Context, wanted, observed kinds.Object) (kinds.Object, error)
	// Delete deletes an object that is there.
	Delete(ctx context.Context, object kinds.Object) error
}

// Converge evaluates and writes until there is nothing left to write, then deletes what
// is no longer wanted. The snapshot observes what was written, so that the outcome is
// about what is there now. Each object is written once at most, and deleted once: if
// the API server makes something else of it, that stands until the next Converge.
//
// An error of the cluster's that is a *Failure or an *Order becomes part of the snapshot, and the
// rest goes on; any other ends Converge.
func Converge(ctx context.Context, s *snapshot.Snapshot, cluster Cluster) (Outcome, error) {
	d := driver{snapshot: s, cluster: cluster, tried: map[string]bool{}}
	judged := judge(s)
	for {
		outcome := evaluate(*s, judged)
		changed, err := d.write(ctx, outcome.Objects)
		if err == nil && !changed {
			changed, err = d.prune(ctx, outcome.Prune)
		}
		if err != nil || !changed {
			return outcome, err
		}
	}
}

// driver is one run of Converge.
type driver struct {
	snapshot *snapshot.Snapshot
	cluster  Cluster
	// tried are the writes and deletions that were tried.
	tried map[string]bool
}

// write writes the objects that are not as wanted and were not tried before. It
// reports whether the snapshot changed, by a write or by a failure.
func (d *driver) write(ctx context.Context, objects []kinds.Object) (changed bool, err error) {
	for _, wanted := range objects {
		key := "write " + kinds.Describe(wanted)
		if d.tried[key] {
			continue
		}
		held := d.snapshot.Child(kinds.Name(wanted), wanted.GetName()) != nil
		written, refused := d.cluster.Write(ctx, wanted, d.snapshot.Observed(wanted))
		if refused == nil && written == nil {
			continue
		}
		d.tried[key], changed = true, true
		decides := kinds.Name(wanted) == kinds.SubdomainClaim && !held // what else is to be had
		if refused == nil {
			d.snapshot.Observe(written)
		} else {
			if err = d.note(refused); err != nil {
				return changed, err
			}
			decides = decides || kinds.Name(wanted) == kinds.Namespace // nothing can be made in it
		}
		if decides {
			break
		}
	}
	return changed, nil
}

// prune deletes objects. It reports whether the snapshot changed, as write does.
// After a failure the claims, which go last, outlive what may depend on them.
func (d *driver) prune(ctx context.Context, objects []kinds.Object) (changed bool, err error) {
	failed := false
	for _, object := range objects {
		key := "delete " + kinds.Describe(object)
		if d.tried[key] || failed && kinds.Of(object).Exposure == kinds.ByClaim {
			failed = true
			continue
		}
		d.tried[key], changed = true, true
		refused := d.cluster.Delete(ctx, object)
		if refused == nil {
			d.snapshot.Remove(object)
			continue
		}
		failed = true
		if err = d.note(refused); err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// note makes a failure, or an order that has to wait, part of the snapshot, and returns any other error.
func (d *driver) note(err error) error {
	if order, ok := errors.AsType[*snapshot.Order](err); ok {
		d.snapshot.Order = order
		return nil
	}
	failure, ok := errors.AsType[*snapshot.Failure](err)
	if !ok {
		return err
	}
	d.snapshot.Failures = append(d.snapshot.Failures, *failure)
	return nil
}

// Settle drives a snapshot to the outcome that it has once every write and every
// deletion succeeded: what the operator does, without a cluster. Nobody else acts
// meanwhile, so a certificate that was never issued stays so. The outcome's Prune is
// all that was deleted on the way.
func Settle(s snapshot.Snapshot) Outcome {
	s.Children = slices.Clone(s.Children)
	cluster := &obedient{now: metav1.NewTime(s.Now)}
	outcome, err := Converge(context.Background(), &s, cluster)
	if err != nil {
		panic(err) // it never fails
	}
	outcome.Prune = cluster.deleted
	return outcome
}

// obedient is a cluster that does what it is told.
type obedient struct {
	now     metav1.Time
	deleted []kinds.Object
}

// Delete implements Cluster.
func (c *obedient) Delete(_ context.Context, object kinds.Object) error {
	c.deleted = append(c.deleted, object)
	return nil
}

// Write implements Cluster: it returns the object as the API server would. What is the
// server's and the controllers' stays as it was.
func (c *obedient) Write(_ context.Context, object, before kinds.Object) (kinds.Object, error) {
	if namespace, ok := object.(*corev1.Namespace); ok {
		namespace.Labels = merged(namespace.Labels, map[string]string{corev1.LabelMetadataName: namespace.Name})
	}
	if before == nil {
		object.SetCreationTimestamp(c.now)
		return object, nil
	}
	if namespace, ok := object.(*corev1.Namespace); ok {
		// Server-side apply leaves what others put there, by which a Gateway may select.
		namespace.Labels = merged(before.GetLabels(), namespace.Labels)
		namespace.Annotations = merged(before.GetAnnotations(), namespace.Annotations)
	}
	object.SetCreationTimestamp(before.GetCreationTimestamp())
	object.SetGeneration(before.GetGeneration())
	kinds.Of(object).KeepStatus(object, before)
	return object, nil
}

// merged has the entries of both, those over the others.
func merged(under, over map[string]string) map[string]string {
	all := make(map[string]string, len(under)+len(over))
	maps.Copy(all, under)
	maps.Copy(all, over)
	return all
}
