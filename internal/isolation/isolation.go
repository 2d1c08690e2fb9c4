// Package isolation proves that the cluster enforces NetworkPolicies, which tenants' isolation rests
// on: where the network plug-in ignores them, nothing else tells.
//
// A canary listens on two ports under the same policy as a tenant's Pods. The prober may reach the
// open one, by a policy of its own, and never the closed one. So the policy holds if the open port
// answers and the closed one does not.
package isolation

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

// Ports of the canary.
const (
	ClosedPort = 8080
	OpenPort   = 8081
)

// Enforced is the type of the condition on the canary's Service. It is True with PathBlocked, False
// with PathOpen, and Unknown with CanaryUnreachable.
const Enforced = "partner.dispel.com/IsolationEnforced"

// Reasons of Enforced.
const (
	PathBlocked       = "PathBlocked"
	PathOpen          = "PathOpen"
	CanaryUnreachable = "CanaryUnreachable"
)

// Component is the label app.kubernetes.io/component of the canary's objects.
const Component = "canary"

// Canary listens on both ports until the context is cancelled, and closes each connection at once.
// The error is that of a port on which it cannot listen, or not any more.
func Canary(ctx context.Context) error {
	ended := make(chan error, 2)
	for _, port := range []int{ClosedPort, OpenPort} {
		listener, err := net.Listen("tcp", ":"+strconv.Itoa(port))
		if err != nil {
			return err
		}
		context.AfterFunc(ctx, func() { _ = listener.Close() })
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					if ctx.Err() == nil {
						ended <- err
					}
					return
				}
				_ = conn.Close()
			}
		}()
	}
	// A closed port at which nobody listens would pass for an enforced policy.
	select {
	case <-ctx.Done():
		return nil
	case err := <-ended:
		return err
	}
}

// patience is how many rounds in a row have to find the path open, or the canary unreachable, before
// that is the verdict. A new Pod is reachable until the network plug-in has its policies in place.
const patience = 3

// verdict is what rounds find together.
type verdict struct {
	status metav1.ConditionStatus
	// opened and lost are how many rounds in a row found the path open, and the canary unreachable.
	opened, lost int
}

// note adds a round, and reports whether the verdict has changed. open and closed report that a
// connection to that port was made.
func (v *verdict) note(open, closed bool) bool {
	before := v.status
	switch {
	case closed:
		v.opened, v.lost = v.opened+1, 0
	case open:
		v.opened, v.lost, v.status = 0, 0, metav1.ConditionTrue
	default:
		v.opened, v.lost = 0, v.lost+1
	}
	switch {
	case v.opened >= patience:
		v.status = metav1.ConditionFalse
	case v.lost >= patience:
		v.status = metav1.ConditionUnknown
	}
	return v.status != before
}

// Metrics are those of the check.
var Metrics = []prometheus.Collector{enforced, known}

// enforced has no series while nothing is known.
var enforced = prometheus.NewGaugeVec(prometheus.GaugeOpts{
	Name: "partner_operator_isolation_enforced",
	Help: "Whether the canary shows that NetworkPolicies are enforced, 1 or 0; absent while it cannot be reached.",
}, nil)

// known has a series while the check runs.
var known = prometheus.NewGaugeVec(prometheus.GaugeOpts{
	Name: "partner_operator_isolation_known",
	Help: "Whether the canary can be reached, and so shows whether NetworkPolicies are enforced, 1 or 0; absent while nobody looks.",
}, nil)

// Check looks at the canary again and again. It is a Runnable of the prober.
type Check struct {
	// Client reads the canary's Service, not from a cache, and writes its status.
	Client client.Client
	// Canary is the Service.
	Canary types.NamespacedName
	// Interval is how often it is looked at.
	Interval time.Duration
	// Connect tries a connection to a port of the canary; net.Dialer if nil.
	Connect func(ctx context.Context, port int) error
}

// ParseCanary reads a Service as namespace/name. The error says how to write it.
func ParseCanary(text string) (types.NamespacedName, error) {
	namespace, name, _ := strings.Cut(text, "/")
	if namespace == "" || name == "" {
		return types.NamespacedName{}, errors.New("write the canary's Service as namespace/name")
	}
	return types.NamespacedName{Namespace: namespace, Name: name}, nil
}

// Start implements manager.Runnable.
func (c *Check) Start(ctx context.Context) error {
	for _, metric := range Metrics {
		_ = metrics.Registry.Register(metric) // once in a process; tests start several
	}
	known.WithLabelValues().Set(0)
	defer known.Reset()
	if c.Connect == nil {
		c.Connect = c.connect
	}
	v := verdict{}
	for {
		open, closed := c.Connect(ctx, OpenPort) == nil, c.Connect(ctx, ClosedPort) == nil
		if ctx.Err() == nil && v.note(open, closed) {
			tell(ctx, v.status)
		}
		if err := c.write(ctx, v.status); err != nil && ctx.Err() == nil {
			ctrl.LoggerFrom(ctx).Error(err, "The verdict on isolation cannot be written; it is tried again", "service", c.Canary.String())
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(c.Interval):
		}
	}
}

// NeedLeaderElection lets every prober look.
func (c *Check) NeedLeaderElection() bool { return false }

func (c *Check) connect(ctx context.Context, port int) error {
	dialer := net.Dialer{Timeout: 3 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", c.address(port))
	if err != nil {
		return err
	}
	return conn.Close()
}

func (c *Check) address(port int) string {
	return net.JoinHostPort(c.Canary.Name+"."+c.Canary.Namespace+".svc", strconv.Itoa(port))
}

// tell shows a verdict to Prometheus and in the log.
func tell(ctx context.Context, status metav1.ConditionStatus) {
	logger := ctrl.LoggerFrom(ctx).WithName("isolation")
	enforced.Reset()
	known.WithLabelValues().Set(1)
	switch status {
	case metav1.ConditionTrue:
		enforced.WithLabelValues().Set(1)
		logger.Info("NetworkPolicies are enforced")
	case metav1.ConditionFalse:
		enforced.WithLabelValues().Set(0)
		logger.Error(nil, "NetworkPolicies are not enforced on the canary's node: any Pod can reach tenants' Pods there")
	default:
		known.WithLabelValues().Set(0)
		logger.Info("The canary cannot be reached, so that nothing is known of NetworkPolicies")
	}
}

// write has the Service's status say the verdict; nothing is written that it says already.
func (c *Check) write(ctx context.Context, status metav1.ConditionStatus) error {
	condition := metav1.Condition{Type: Enforced, Status: status}
	switch status {
	case "":
		return nil // too early
	case metav1.ConditionTrue:
		condition.Reason, condition.Message = PathBlocked, "the prober reaches the canary's open port, and not the one that the tenants' NetworkPolicy closes"
	case metav1.ConditionFalse:
		condition.Reason, condition.Message = PathOpen, fmt.Sprintf("the prober reaches %s, which the tenants' NetworkPolicy closes: any Pod of the cluster can reach tenants' Pods. See that a network plug-in enforces NetworkPolicies on every node", c.address(ClosedPort))
	default:
		condition.Reason, condition.Message = CanaryUnreachable, fmt.Sprintf("the prober does not reach %s, which is open to it: see whether the canary's Pod runs", c.address(OpenPort))
	}
	var service corev1.Service
	if err := c.Client.Get(ctx, c.Canary, &service); err != nil {
		return err
	}
	before := service.DeepCopy()
	condition.ObservedGeneration = service.Generation
	if !meta.SetStatusCondition(&service.Status.Conditions, condition) {
		return nil
	}
	return c.Client.Status().Patch(ctx, &service, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}
