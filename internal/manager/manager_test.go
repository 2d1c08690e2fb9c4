package manager_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/controlplane"
	"github.com/dispel/partner-operator/internal/manager"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/testing/cluster"
	"github.com/dispel/partner-operator/internal/testing/commands"
)

func options() manager.Options {
	return manager.Options{
		Settings:        objects.Settings{ProxyNamespaces: []string{"traefik"}, WidgetBackend: v1alpha1.ExternalBackend{Host: "widget.example.net", Port: 80}},
		Workers:         1,
		TotalsInterval:  time.Second,
		ResyncPeriod:    time.Hour,
		HealthAddress:   "0",
		MetricsAddress:  "0",
		ShutdownTimeout: 10 * time.Second,
		Unnamed:         true,
	}
}

// start runs a manager until the spec ends; ended tells how it ended.
func start(options manager.Options) (stop func(), ended <-chan error) {
	GinkgoHelper()
	return startWith(controlPlane.Config(), options)
}

func startWith(config *rest.Config, options manager.Options) (stop func(), ended <-chan error) {
	GinkgoHelper()
	ctx, cancel := context.WithCancel(context.Background())
	mgr, err := manager.New(ctx, config, options)
	Expect(err).NotTo(HaveOccurred())
	end := make(chan error, 1)
	go func() { end <- mgr.Start(ctx); close(end) }()
	DeferCleanup(func() {
		cancel()
		Eventually(end).Should(BeClosed())
	})
	return cancel, end
}

func freeAddress() string {
	GinkgoHelper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	Expect(err).NotTo(HaveOccurred())
	defer listener.Close()
	return listener.Addr().String()
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (r roundTripper) RoundTrip(request *http.Request) (*http.Response, error) { return r(request) }

// status asks for a page; 0 if nobody answers.
func status(url, token string) func() int {
	insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	return func() int {
		request, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			return 0
		}
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		response, err := insecure.Do(request)
		if err != nil {
			return 0
		}
		defer response.Body.Close()
		_, _ = io.Copy(io.Discard, response.Body)
		return response.StatusCode
	}
}

var _ = Describe("The manager", func() {
	It("is alive and ready, and stops when told to", func() {
		given := options()
		given.HealthAddress = freeAddress()
		stop, ended := start(given)
		Eventually(status("http://"+given.HealthAddress+"/healthz", "")).Should(Equal(http.StatusOK))
		Eventually(status("http://"+given.HealthAddress+"/readyz", "")).Should(Equal(http.StatusOK))
		stop()
		Eventually(ended).Should(Receive(BeNil()))
		Expect(status("http://"+given.HealthAddress+"/healthz", "")()).To(Equal(0))
	})

	It("goes on for a while once it is told to stop and reports not ready", func() {
		given := options()
		given.HealthAddress, given.MetricsAddress, given.MetricsInsecure = freeAddress(), freeAddress(), true
		given.ShutdownDelay = 4 * time.Second
		stop, ended := start(given)
		metrics := status("http://"+given.MetricsAddress+"/metrics", "")
		Eventually(status("http://"+given.HealthAddress+"/readyz", "")).Should(Equal(http.StatusOK))
		stop()
		told := time.Now()
		Eventually(status("http://"+given.HealthAddress+"/readyz", "")).Should(Equal(http.StatusInternalServerError))
		Expect(metrics()).To(Equal(http.StatusOK))
		Eventually(ended).WithTimeout(time.Minute).Should(Receive(BeNil()))
		Expect(time.Since(told)).To(BeNumerically(">=", given.ShutdownDelay))
	})

	DescribeTable("is not ready before it knows all", func(resource string) {
		given := options()
		given.HealthAddress = freeAddress()
		var answers atomic.Bool
		config := controlPlane.Config()
		config.Wrap(func(next http.RoundTripper) http.RoundTripper {
			return roundTripper(func(r *http.Request) (*http.Response, error) {
				if strings.HasSuffix(r.URL.Path, "/"+resource) && !answers.Load() {
					return nil, errors.New("no answer")
				}
				return next.RoundTrip(r)
			})
		})
		startWith(config, given)
		Eventually(status("http://"+given.HealthAddress+"/healthz", "")).Should(Equal(http.StatusOK))
		Consistently(status("http://"+given.HealthAddress+"/readyz", "")).WithTimeout(2 * time.Second).Should(Equal(http.StatusInternalServerError))
		answers.Store(true)
		Eventually(status("http://"+given.HealthAddress+"/readyz", "")).Should(Equal(http.StatusOK))
	},
		Entry("Partners", "partners"),
		Entry("Namespaces", "namespaces"),
		Entry("Secrets that partners can refer to", "secrets"),
	)

	It("shows metrics over HTTPS to those who may see them", func() {
		given := options()
		given.MetricsAddress = freeAddress()
		start(given)
		url := "https://" + given.MetricsAddress + "/metrics"
		Eventually(status(url, "")).Should(Equal(http.StatusUnauthorized))
		Expect(status(url, "no-such-token")()).To(Equal(http.StatusUnauthorized))
		Expect(status(url, controlPlane.Config().BearerToken)()).To(Equal(http.StatusOK))
	})

	It("serves who is on duty as a calendar to those who may get the Partner", func(ctx SpecContext) {
		given := options()
		given.MetricsAddress, given.Calendars, given.Clock = freeAddress(), true, clocktesting.NewFakePassiveClock(time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC))
		start(given)
		plan := &v1alpha1.SupportPlan{ObjectMeta: metav1.ObjectMeta{Name: "calendar"}, Spec: v1alpha1.SupportPlanSpec{Tier: v1alpha1.Basic}}
		partner := &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "calendar"}, Spec: v1alpha1.PartnerSpec{
			DisplayName: "Calendar", ChannelModel: v1alpha1.OEM, SupportPlanRef: &v1alpha1.SupportPlanReference{Name: "calendar"}, ValidUntil: "2027-01-31",
		}}
		allocation := &v1alpha1.PCSMAllocation{ObjectMeta: metav1.ObjectMeta{Name: "calendar"}, Spec: v1alpha1.PCSMAllocationSpec{
			PartnerRef: v1alpha1.PartnerReference{Name: "calendar"}, FTE: v1alpha1.OneFTE, Localization: &v1alpha1.Localization{TimeZone: "America/New_York"},
			Shifts:   []v1alpha1.Shift{{Days: []v1alpha1.DayOfWeek{"Monday", "Tuesday", "Wednesday", "Thursday", "Friday"}, Start: "09:00", End: "17:00"}},
			Absences: []v1alpha1.Absence{{From: "2026-12-02", Until: "2026-12-02"}},
		}}
		for _, object := range []client.Object{plan, partner, allocation} {
			Expect(direct.Create(ctx, object)).To(Succeed())
			DeferCleanup(func(ctx SpecContext) { Expect(client.IgnoreNotFound(direct.Delete(ctx, object))).To(Succeed()) })
		}
		ask := func(path string, with func(*http.Request)) (status int, body string) {
			GinkgoHelper()
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+given.MetricsAddress+path, nil)
			Expect(err).NotTo(HaveOccurred())
			with(request)
			insecure := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
			response, err := insecure.Do(request)
			if err != nil {
				return 0, ""
			}
			defer response.Body.Close()
			read, err := io.ReadAll(response.Body)
			Expect(err).NotTo(HaveOccurred())
			return response.StatusCode, string(read)
		}
		token := func(value string) func(*http.Request) {
			return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+value) }
		}
		admin := controlPlane.Config().BearerToken
		Eventually(func() int { status, _ := ask("/calendar/calendar.ics", token(admin)); return status }).Should(Equal(http.StatusOK))
		_, page := ask("/calendar/calendar.ics", func(r *http.Request) { r.SetBasicAuth("whoever", admin) })
		for _, line := range []string{
			"UID:calendar-duty-20261201T1400Z@partner.dispel.com", "UID:calendar-gap-20261202T1400Z@partner.dispel.com", "SUMMARY:calendar: closed\\, Christmas Day", "SUMMARY:calendar: last day of the contract",
		} {
			Expect(page).To(ContainSubstring(line + "\r\n"))
		}
		By("refusing others")
		nobody := cluster.AsServiceAccount(ctx, controlPlane, direct, "calendar-reader").BearerToken
		for _, refused := range []struct {
			path   string
			with   func(*http.Request)
			status int
			body   string
		}{
			{"/calendar/calendar.ics", func(*http.Request) {}, http.StatusUnauthorized, "send a token of the cluster"},
			{"/calendar/calendar.ics", token("no-such-token"), http.StatusUnauthorized, "the cluster does not know the token"},
			{"/calendar/calendar.ics", token(nobody), http.StatusForbidden, `may not get the Partner "calendar"`},
			{"/calendar/nobody.ics", token(nobody), http.StatusForbidden, `may not get the Partner "nobody"`},
			{"/calendar/nobody.ics", token(admin), http.StatusNotFound, `there is no Partner "nobody"`},
			{"/calendar/calendar", token(admin), http.StatusNotFound, "write /calendar/<partner>.ics"},
			{"/metrics", token(nobody), http.StatusForbidden, ""},
		} {
			status, body := ask(refused.path, refused.with)
			Expect(status).To(Equal(refused.status), refused.path)
			Expect(body).To(ContainSubstring(refused.body))
		}
	})

	It("stands by while another replica leads, and takes over at once when that stops", func(ctx SpecContext) {
		given := options()
		given.LeaderElection, given.LeaderElectionNamespace = true, "default"
		lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "partner-operator.partner.dispel.com"}}
		holder := func() (string, error) {
			err := direct.Get(ctx, client.ObjectKeyFromObject(lease), lease)
			if err != nil || lease.Spec.HolderIdentity == nil {
				return "", client.IgnoreNotFound(err)
			}
			return *lease.Spec.HolderIdentity, nil
		}
		stopFirst, ended := start(given)
		Eventually(holder).ShouldNot(BeEmpty())
		first := *lease.Spec.HolderIdentity

		standby := given
		standby.HealthAddress = freeAddress()
		start(standby)
		Eventually(status("http://"+standby.HealthAddress+"/readyz", "")).Should(Equal(http.StatusOK))
		Expect(holder()).To(Equal(first))
		stopFirst()
		Eventually(ended).Should(Receive(BeNil()))
		Eventually(holder).ShouldNot(Or(BeEmpty(), Equal(first)))
	})
})

var _ = Describe("The binary", func() {
	It("may be killed while partners converge, and loses nothing", func(ctx SpecContext) {
		binary := commands.Built(ctx, "cmd/partner-operator")
		run := func() *controlplane.Process {
			GinkgoHelper()
			process, err := controlPlane.Run(binary, "manager", "--kubeconfig="+controlPlane.Kubeconfig(), "--ingress-class=any",
				"--health-probe-bind-address=0", "--metrics-bind-address=0")
			Expect(err).NotTo(HaveOccurred())
			return process
		}
		Expect(direct.Create(ctx, &networkingv1.IngressClass{ObjectMeta: metav1.ObjectMeta{Name: "any"}, Spec: networkingv1.IngressClassSpec{Controller: "example.net/any"}})).To(Succeed())
		Expect(direct.Create(ctx, &v1alpha1.SupportPlan{ObjectMeta: metav1.ObjectMeta{Name: "basic"}, Spec: v1alpha1.SupportPlanSpec{Tier: v1alpha1.Basic}})).To(Succeed())
		DeferCleanup(func(ctx SpecContext) {
			Expect(direct.DeleteAllOf(ctx, &v1alpha1.SupportPlan{})).To(Succeed())
		})
		const partners = 30
		for i := range partners {
			name := fmt.Sprintf("crash-%d", i)
			Expect(direct.Create(ctx, &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.PartnerSpec{
				DisplayName: name, ChannelModel: v1alpha1.OEM,
				Subdomain: &v1alpha1.Subdomain{
					Host:    v1alpha1.Host(name + ".example.com"),
					Backend: v1alpha1.Backend{External: &v1alpha1.ExternalBackend{Host: "engine.example.net", Port: 80}},
				},
			}})).To(Succeed())
		}
		var claims v1alpha1.SubdomainClaimList
		held := func() int {
			Expect(direct.List(ctx, &claims)).To(Succeed())
			return len(claims.Items)
		}
		process := run()
		for _, least := range []int{1, 10, 20} {
			Eventually(held).WithPolling(time.Millisecond).Should(BeNumerically(">=", least))
			Expect(process.Kill()).To(Succeed())
			process = run()
		}
		Eventually(func() int {
			ready := 0
			var list v1alpha1.PartnerList
			Expect(direct.List(ctx, &list)).To(Succeed())
			for _, partner := range list.Items {
				if meta.IsStatusConditionTrue(partner.Status.Conditions, "Ready") {
					ready++
				}
			}
			return ready
		}).Should(Equal(partners))
		Expect(held()).To(Equal(partners))
		Expect(process.Stop()).To(Succeed())
	})
})

var _ = Describe("The manager's CRDs", Ordered, func() {
	AfterAll(func() { cluster.Install(controlPlane, cluster.CRDs()) })

	refusal := func(ctx context.Context) *manager.CRDError {
		GinkgoHelper()
		_, err := manager.New(ctx, controlPlane.Config(), options())
		refused, ok := errors.AsType[*manager.CRDError](err)
		Expect(ok).To(BeTrue(), "%v", err)
		return refused
	}

	It("must not be older than it needs", func(ctx SpecContext) {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		crd.Name = "partners.partner.dispel.com"
		Expect(direct.Patch(ctx, crd, client.RawPatch("application/merge-patch+json",
			[]byte(`{"metadata":{"annotations":{"partner.dispel.com/schema-revision":"0"}}}`)))).To(Succeed())
		Expect(refusal(ctx)).To(MatchError("CustomResourceDefinitions are older than schema revision 3, which this version needs: partners.partner.dispel.com. " +
			"Apply those of this version (config/crd) before starting it"))
	})

	It("must be there", func(ctx SpecContext) {
		cluster.Uninstall(ctx, direct, "subdomainclaims.partner.dispel.com", "supportplans.partner.dispel.com")
		Expect(refusal(ctx)).To(MatchError("CustomResourceDefinitions are not installed: subdomainclaims.partner.dispel.com, supportplans.partner.dispel.com; " +
			"and older than schema revision 3, which this version needs: partners.partner.dispel.com. Apply those of this version (config/crd) before starting it"))
	})

	It("carry the revision that the code has", func() {
		for _, plural := range []string{"partners", "supportplans", "pcsmallocations", "subdomainclaims"} {
			crd := cluster.ReadObjects("config", "crd", "bases", "partner.dispel.com_"+plural+".yaml")[0]
			Expect(crd.GetAnnotations()).To(HaveKeyWithValue(v1alpha1.SchemaRevisionAnnotation, strconv.Itoa(v1alpha1.SchemaRevision)))
		}
	})
})

var _ = Describe("The default plans", func() {
	It("are created where they are missing, and left alone from then on", func(ctx SpecContext) {
		own := &v1alpha1.SupportPlan{ObjectMeta: metav1.ObjectMeta{Name: "basic"}, Spec: v1alpha1.SupportPlanSpec{Tier: v1alpha1.Basic, PolicyURL: "https://example.com/policy"}}
		Expect(direct.Create(ctx, own)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) {
			Expect(direct.DeleteAllOf(ctx, &v1alpha1.SupportPlan{})).To(Succeed())
		})
		given := options()
		given.DefaultPlans = true
		stop, ended := start(given)
		var plans v1alpha1.SupportPlanList
		Eventually(ctx, func(g Gomega) {
			g.Expect(direct.List(ctx, &plans)).To(Succeed())
			g.Expect(plans.Items).To(HaveLen(3))
			for _, plan := range plans.Items {
				g.Expect(meta.IsStatusConditionTrue(plan.Status.Conditions, string(v1alpha1.ConditionReady))).To(BeTrue())
			}
		}).Should(Succeed())
		Expect(direct.Get(ctx, client.ObjectKeyFromObject(own), own)).To(Succeed())
		Expect(own.Spec.PolicyURL).To(Equal("https://example.com/policy"))
		stop()
		Eventually(ended).Should(Receive(BeNil()))

		By("starting without one of them")
		Expect(direct.Delete(ctx, &v1alpha1.SupportPlan{ObjectMeta: metav1.ObjectMeta{Name: "premium"}})).To(Succeed())
		start(given)
		Eventually(ctx, func() error {
			return direct.Get(ctx, client.ObjectKey{Name: "premium"}, &v1alpha1.SupportPlan{})
		}).Should(Succeed())
	})
})
