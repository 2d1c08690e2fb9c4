package main

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/controlplane"
	"github.com/dispel/partner-operator/internal/testing/partners"
	"github.com/dispel/partner-operator/internal/testing/site"
)

// probing is what it costs to probe the sub-domains of many partners once a minute.
type probing struct {
	Partners int `json:"partners"`
	// First is the time until all have a verdict, in seconds.
	First float64 `json:"firstSeconds"`
	// Seconds is how long it was measured after that, and Probes how many ended then.
	Seconds float64 `json:"seconds"`
	Probes  int     `json:"probes"`
	// CPU is what the prober used of it, in seconds, Peak the most memory it had, in bytes.
	CPU  float64 `json:"cpuSeconds"`
	Peak uint64  `json:"peakMemoryBytes"`
	// Writes and Reads are what it sent to the API server.
	Writes int `json:"writes"`
	Reads  int `json:"reads"`
}

const proberAgent = "partner-operator-probe"

// probing has one prober probe n sub-domains, over TLS and with the support widget, at
// servers of this process.
func (g *ground) probing(ctx context.Context, n int) (p probing, err error) {
	p.Partners = n
	var probed atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/config.json") {
			host, _, _ := strings.Cut(r.Host, ":")
			fmt.Fprintf(w, `{"version": "v1", "partner": "Partner %s"}`, strings.TrimSuffix(host, partners.Host("")))
		}
		if strings.HasSuffix(r.URL.Path, "/widget.js") { // what is asked for last
			probed.Add(1)
		}
	}))
	server.StartTLS()
	defer server.Close()
	trusted := filepath.Join(g.dir, "ca.pem")
	if err = os.WriteFile(trusted, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		return p, err
	}
	conn, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", "127.0.0.1:0")
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	var zone site.Zone
	go zone.Serve(conn)

	say("  declared")
	if err = each(ctx, n, func(ctx context.Context, i int) error {
		name := partnerName(i)
		zone.Set(partners.Host(name), "127.0.0.1")
		partner := partners.New(name, partners.Host(name))
		if failure := g.user.Create(ctx, partner); failure != nil {
			return failure
		}
		partner.Status.Subdomain = &v1alpha1.SubdomainStatus{URL: "https://" + partners.Host(name), Addresses: []string{"127.0.0.1"}}
		partner.Status.SupportWidget = &v1alpha1.SupportWidgetStatus{Enabled: new(true)}
		return g.user.Status().Update(ctx, partner)
	}); err != nil {
		return p, err
	}

	say("  probed for the first time")
	address := netip.MustParseAddrPort(server.Listener.Addr().String())
	prober, err := g.cluster.Run(g.operator, "probe", "--kubeconfig="+g.cluster.Kubeconfig(), "--allowed-targets=127.0.0.0/8",
		"--dns-server="+conn.LocalAddr().String(), "--ca-file="+trusted, fmt.Sprint("--https-port=", address.Port()),
		"--health-probe-bind-address=0", "--metrics-bind-address=0")
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, prober.Stop()) }()
	start := time.Now()
	if err = poll(ctx, time.Second, func() (bool, error) { return g.allReachable(ctx, n, prober) }); err != nil {
		return p, err
	}
	p.First = time.Since(start).Seconds()

	say("  probed again for three minutes")
	if _, err = g.requested(proberAgent); err != nil {
		return p, err
	}
	before, err := usageOf(prober.PID())
	if err != nil {
		return p, err
	}
	start, ended := time.Now(), probed.Load()
	select {
	case <-ctx.Done():
		return p, ctx.Err()
	case <-time.After(3 * time.Minute):
	}
	after, err := usageOf(prober.PID())
	if err != nil {
		return p, err
	}
	p.Seconds, p.Probes = time.Since(start).Seconds(), int(probed.Load()-ended)
	p.CPU, p.Peak = after.CPU-before.CPU, after.Peak
	asked, err := g.requested(proberAgent)
	p.Writes, p.Reads = asked.writes(), asked.reads()
	return p, err
}

// allReachable reports whether each of n Partners has the verdict that it is reachable.
func (g *ground) allReachable(ctx context.Context, n int, prober *controlplane.Process) (bool, error) {
	select {
	case <-prober.Exited():
		return false, fmt.Errorf("the prober ended by itself:\n%s", prober.Log())
	default:
	}
	var list v1alpha1.PartnerList
	if err := g.user.List(ctx, &list); err != nil {
		return false, err
	}
	reached := 0
	for i := range list.Items {
		if meta.IsStatusConditionTrue(list.Items[i].Status.Conditions, string(v1alpha1.ConditionSubdomainReachable)) {
			reached++
		}
	}
	return reached == n, nil
}
