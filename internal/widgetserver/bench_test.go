package widgetserver

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/controlplane"
	"github.com/dispel/partner-operator/internal/scheme"
	"github.com/dispel/partner-operator/internal/widget"
)

const benchPartners = 10_000

// BenchmarkConfig asks for config.json of 10,000 partners in turn, over 16
// connections on loopback, and beside it a plain handler that returns the same
// bytes, and for the script in gzip, in turns, so that all meet with the same machine. It reports requests a
// second and the 99th percentile of each, and their ratio.
func BenchmarkConfig(b *testing.B) {
	ctrl.SetLogger(logr.Discard())
	directory := benchDirectory(b)
	handler := &Handler{Directory: directory, Ready: func() bool { return true }, Clock: clock.RealClock{}, Logger: logr.Discard()}
	config, err := directory.Config(benchHost(0))
	if err != nil || config == nil {
		b.Fatal("no config: ", err)
	}
	plain := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(config.content)
	})
	measured := map[string]*measurement{
		"widget": {address: benchServe(b, compressed(handler))}, "script": {address: benchServe(b, compressed(handler)), path: ScriptPath, accept: "gzip"},
		"plain": {address: benchServe(b, plain)},
	}
	for i := range benchPartners { // each answer is made once
		if _, err := directory.Config(benchHost(i)); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		for _, name := range []string{"plain", "widget", "script", "script", "widget", "plain"} {
			measured[name].run(b, 20_000)
		}
	}
	widget, baseline := measured["widget"], measured["plain"]
	b.ReportMetric(widget.perSecond(), "widget-req/s")
	b.ReportMetric(baseline.perSecond(), "plain-req/s")
	b.ReportMetric(measured["script"].perSecond(), "script-req/s")
	b.ReportMetric(widget.perSecond()/baseline.perSecond(), "ratio")
	b.ReportMetric(float64(widget.percentile(99).Microseconds()), "widget-p99-µs")
	b.ReportMetric(float64(baseline.percentile(99).Microseconds()), "plain-p99-µs")
	b.ReportMetric(0, "ns/op")
}

func benchHost(i int) string {
	return fmt.Sprintf("p%d.example.com", i)
}

// benchDirectory is a directory of partners on a real API server.
func benchDirectory(b *testing.B) *Directory {
	ctx := b.Context()
	controlPlane, err := controlplane.Start(ctx)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = controlPlane.Stop() })
	restConfig := controlPlane.Config()
	restConfig.QPS = -1
	if _, err = envtest.InstallCRDs(restConfig, envtest.CRDInstallOptions{Scheme: scheme.New(), Paths: []string{"../../config/crd/bases"}, MaxTime: time.Minute}); err != nil {
		b.Fatal(err)
	}
	direct, err := client.New(restConfig, client.Options{Scheme: scheme.New()})
	if err != nil {
		b.Fatal(err)
	}
	if err = direct.Create(ctx, &v1alpha1.SupportPlan{ObjectMeta: metav1.ObjectMeta{Name: "basic"}, Spec: v1alpha1.SupportPlanSpec{Tier: v1alpha1.Basic}}); err != nil {
		b.Fatal(err)
	}
	var group sync.WaitGroup
	for worker := range 32 {
		group.Go(func() {
			for i := worker; i < benchPartners; i += 32 {
				if failure := benchPartner(ctx, direct, i); failure != nil {
					b.Error(failure)
					return
				}
			}
		})
	}
	group.Wait()
	source, err := cache.New(restConfig, cache.Options{Scheme: scheme.New(), DefaultTransform: strip})
	if err != nil {
		b.Fatal(err)
	}
	directory, err := NewDirectory(ctx, source, widget.Contact{Email: "support@example.net"}, clock.RealClock{})
	if err != nil {
		b.Fatal(err)
	}
	go func() { _ = source.Start(ctx) }()
	if !source.WaitForCacheSync(ctx) {
		b.Fatal("the cache does not fill")
	}
	return directory
}

func benchPartner(ctx context.Context, direct client.Client, i int) error {
	name, host := fmt.Sprintf("p%d", i), benchHost(i)
	partner := &v1alpha1.Partner{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1alpha1.PartnerSpec{DisplayName: "Partner " + name, ChannelModel: v1alpha1.MSP},
	}
	if err := direct.Create(ctx, partner); err != nil {
		return err
	}
	before := partner.DeepCopy()
	partner.Status = v1alpha1.PartnerStatus{
		SupportPlan:   &v1alpha1.SupportPlanSummary{Name: "basic"},
		Subdomain:     &v1alpha1.SubdomainStatus{URL: "https://" + host},
		SupportWidget: &v1alpha1.SupportWidgetStatus{Enabled: new(true)},
	}
	if err := direct.Status().Patch(ctx, partner, client.MergeFrom(before)); err != nil {
		return err
	}
	return direct.Create(ctx, &v1alpha1.SubdomainClaim{
		ObjectMeta: metav1.ObjectMeta{Name: host},
		Spec:       v1alpha1.SubdomainClaimSpec{PartnerRef: v1alpha1.PartnerReference{Name: v1alpha1.PartnerName(name)}},
	})
}

// benchServe serves a handler, with the bounds of the widget server.
func benchServe(b *testing.B, handler http.Handler) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := newServer(handler, logr.Discard())
	go func() { _ = server.Serve(listener) }()
	b.Cleanup(func() { _ = server.Close() })
	return listener.Addr().String()
}

// measurement is what requests to one server took.
type measurement struct {
	address string
	// path is what is asked for, config.json if empty, and accept the encoding, if any.
	path, accept string
	took         []time.Duration
	elapsed      time.Duration
	next         int
}

// run sends requests over 16 connections.
func (m *measurement) run(b *testing.B, requests int) {
	const connections = 16
	transport := &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true}
	defer transport.CloseIdleConnections()
	took := make([][]time.Duration, connections)
	start := time.Now()
	var group sync.WaitGroup
	for connection := range connections {
		group.Go(func() {
			buffer := make([]byte, 8<<10)
			for i := connection; i < requests; i += connections {
				request, err := http.NewRequest(http.MethodGet, "http://"+m.address+cmp.Or(m.path, ConfigPath), nil)
				if err != nil {
					b.Error(err)
					return
				}
				if m.accept != "" {
					request.Header.Set("Accept-Encoding", m.accept)
				}
				request.Host = benchHost((m.next + i) % benchPartners)
				begun := time.Now()
				response, err := transport.RoundTrip(request)
				if err != nil {
					b.Error(err)
					return
				}
				for err == nil {
					_, err = response.Body.Read(buffer)
				}
				_ = response.Body.Close()
				took[connection] = append(took[connection], time.Since(begun))
				if response.StatusCode != http.StatusOK {
					b.Errorf("%s answers %d", request.Host, response.StatusCode)
					return
				}
			}
		})
	}
	group.Wait()
	m.elapsed += time.Since(start)
	m.next += requests
	m.took = append(m.took, slices.Concat(took...)...)
}

func (m *measurement) perSecond() float64 {
	return float64(len(m.took)) / m.elapsed.Seconds()
}

func (m *measurement) percentile(p int) time.Duration {
	slices.Sort(m.took)
	return m.took[len(m.took)*p/100]
}
