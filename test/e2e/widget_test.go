//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/testing/authority"
)

var _ = Describe("A partner with P-CSMs", func() {
	It("has the widget on its sub-domain, over TLS, by mouse and by keyboard", func(ctx SpecContext) {
		now.SetTime(working)
		address := partner(ctx, "acme", v1alpha1.OneFTE)
		Eventually(widgetStatus(address)).Should(Equal(http.StatusOK))

		By("opening the page under a certificate that the browser verifies")
		p := open(chromium, view{timeZone: "America/New_York"})
		response, err := chromedp.Run(p.ctx, chromedp.NavigateResponse(address+"/"))
		Expect(err).NotTo(HaveOccurred())
		Expect(response.Status).To(BeEquivalentTo(http.StatusOK))
		Expect(response.SecurityState).To(BeEquivalentTo("secure"))
		Expect(response.SecurityDetails.Issuer).To(Equal(authority.Name))
		policy := fmt.Sprint(response.Headers)
		Expect(policy).To(SatisfyAll(ContainSubstring("default-src 'none'"), ContainSubstring("script-src 'self'"), ContainSubstring("require-trusted-types-for 'script'"), Not(ContainSubstring("unsafe"))))

		By("opening the panel with the mouse")
		Eventually(p.launcher).Should(BeTrue())
		p.screenshot("launcher")
		p.click(".launcher")
		Eventually(p.panel).Should(SatisfyAll(
			ContainSubstring("You will be talking to Dispel"),
			ContainSubstring("The people here work for Dispel, who make the platform that Acme Corp runs on. They do not speak for Acme Corp."),
			ContainSubstring("Open now"), ContainSubstring("until 5:00 PM"),
			ContainSubstring("Mon – Fri"), ContainSubstring("9:00 AM – 5:00 PM"), ContainSubstring("Eastern Time"),
			ContainSubstring("German and English"), ContainSubstring("Start a conversation")))
		Expect(eval[bool](p, `root.querySelector(".panel").getBoundingClientRect().left > innerWidth / 2`)).To(BeTrue(), "on the right-hand side")
		p.screenshot("panel-open-light")

		By("talking in the panel")
		p.click("#talk")
		Eventually(func() bool { _, opened := talks.Load("inbox=acme&lang=en"); return opened }).Should(BeTrue())
		Expect(p.panel()).To(ContainSubstring("You are talking to Dispel, not to Acme Corp"))
		p.screenshot("conversation")
		p.click("#close")
		Eventually(p.panel).Should(BeEmpty())
		Expect(p.launcher()).To(BeTrue())

		By("opening and closing it with the keyboard")
		p.goTo(address + "/")
		Eventually(p.launcher).Should(BeTrue())
		p.do(chromedp.KeyEvent(kb.Tab))
		Expect(eval[string](p, `root.activeElement.id`)).To(Equal("launcher"))
		p.do(chromedp.KeyEvent(kb.Enter))
		Eventually(p.panel).ShouldNot(BeEmpty())
		Expect(eval[string](p, `root.activeElement.id`)).To(Equal("panel"))
		p.do(chromedp.KeyEvent(kb.Tab))
		Expect(eval[string](p, `root.activeElement.id`)).To(Equal("close"))
		p.do(chromedp.KeyEvent(kb.Tab))
		Expect(eval[string](p, `root.activeElement.id`)).To(Equal("talk"))
		p.do(chromedp.KeyEvent(kb.Escape))
		Eventually(p.panel).Should(BeEmpty())
		Expect(eval[string](p, `root.activeElement.id`)).To(Equal("launcher"), "focus is back where it was")
		Expect(errors(p.console())).To(BeEmpty())
	})

	It("is not trusted by one who does not know the authority", func(ctx SpecContext) {
		address := partner(ctx, "untrusted", 0)
		_, err := (&http.Client{Transport: &http.Transport{DialContext: ingress.trusting.Transport.(*http.Transport).DialContext}}).Get(address + "/")
		Expect(err).To(MatchError(ContainSubstring("certificate signed by unknown authority")))
	})

	It("is shown by name, whatever the name has in it", func(ctx SpecContext) {
		now.SetTime(working)
		name := `<img src=x onerror="document.title='taken'"> ` + "שלום & Söhne"
		address := partner(ctx, "markup", v1alpha1.OneFTE, func(spec *v1alpha1.PartnerSpec) { spec.DisplayName = name })
		Eventually(widgetStatus(address)).Should(Equal(http.StatusOK))
		p := open(chromium, view{})
		p.goTo(address + "/")
		p.openPanel()
		Expect(eval[string](p, `root.querySelector(".head bdi").textContent`)).To(Equal(name))
		Expect(eval[int](p, `root.querySelectorAll("img").length`)).To(BeZero())
		Expect(eval[string](p, `document.title`)).NotTo(Equal("taken"))
		p.screenshot("markup")
		Expect(errors(p.console())).To(BeEmpty())
	})

	DescribeTable("is greeted in the viewer's language",
		func(ctx SpecContext, language string, texts ...string) {
			now.SetTime(working)
			address := partner(ctx, "tongue-"+language, v1alpha1.OneFTE)
			Eventually(widgetStatus(address)).Should(Equal(http.StatusOK))
			p := open(chromium, view{language: language, timeZone: "Europe/Berlin"})
			p.goTo(address + "/")
			Eventually(p.launcher).Should(BeTrue())
			eval[bool](p, fmt.Sprintf(`(document.documentElement.lang = %q, document.querySelector("dispel-support").setAttribute("lang", %q), true)`, language, language))
			p.openPanel()
			for _, text := range texts {
				Expect(p.panel()).To(ContainSubstring(text))
			}
			p.screenshot("language-" + language)
			Expect(p.violations()).To(BeEmpty())
		},
		Entry("German", "de", "Hier antwortet Dispel", "Jetzt geöffnet", "bis 23:00", "Deutsch und Englisch", "Mo – Fr", "Gespräch beginnen"),
		Entry("Japanese", "ja", "Dispel の担当者が対応します", "受付中", "23:00", "ドイツ語", "会話を始める"),
	)
})

var _ = Describe("The hours", func() {
	// The plan is Basic: Monday to Friday, 9 to 17 in New York, without federal
	// holidays.
	DescribeTable("are right at any moment, for a viewer anywhere",
		func(ctx SpecContext, at, timeZone string, texts ...string) {
			instant, err := time.Parse(time.RFC3339, at)
			Expect(err).NotTo(HaveOccurred())
			now.SetTime(instant)
			name := strings.NewReplacer(":", "-", "/", "-", "_", "-").Replace(strings.ToLower(at + "-" + timeZone))
			address := partner(ctx, name, v1alpha1.OneFTE)
			Eventually(widgetStatus(address)).Should(Equal(http.StatusOK))
			p := open(chromium, view{timeZone: timeZone})
			p.goTo(address + "/")
			p.openPanel()
			state := eval[string](p, `root.querySelector(".state").innerText`)
			for _, text := range texts {
				Expect(state).To(ContainSubstring(text))
			}
			p.screenshot("hours-" + name)
			Expect(errors(p.console())).To(BeEmpty())
		},
		Entry("at work, seen from New York", "2026-11-25T15:00:00Z", "America/New_York", "Open now", "until 5:00 PM"),
		Entry("at work, seen from Tokyo, where it is past midnight", "2026-11-25T15:00:00Z", "Asia/Tokyo", "Open now", "until 7:00 AM GMT+9"),
		Entry("a minute before work", "2026-11-25T13:59:00Z", "America/New_York", "Closed now", "Opens 9:00 AM"),
		Entry("at the minute of closing", "2026-11-25T22:00:00Z", "America/New_York", "Closed now", "Opens Friday 9:00 AM"),
		Entry("on a federal holiday", "2026-11-26T15:00:00Z", "America/New_York", "Closed now", "Opens Friday 9:00 AM", "Closed today: Thanksgiving Day"),
		Entry("on the Friday before daylight saving ends", "2026-10-30T21:30:00Z", "Europe/Berlin", "Closed now", "Opens Monday, 3:00 PM GMT+1"),
		Entry("on the Friday before daylight saving begins", "2027-03-12T22:30:00Z", "America/New_York", "Closed now", "Opens Monday 9:00 AM"),
		Entry("in the weeks when only one side has daylight saving", "2027-03-15T12:00:00Z", "Europe/Berlin", "Closed now", "Opens 2:00 PM GMT+1"),
		Entry("at new year", "2026-12-31T22:30:00Z", "Asia/Kolkata", "Closed now", "Opens Monday, 7:30 PM GMT+5:30"),
	)

	It("are not promised while there are fewer P-CSMs than the plan requires", func(ctx SpecContext) {
		now.SetTime(working)
		plan := &v1alpha1.SupportPlan{ObjectMeta: metav1.ObjectMeta{Name: "around-the-clock"}, Spec: v1alpha1.SupportPlanSpec{
			Tier: v1alpha1.Premium, ResponseTargets: []v1alpha1.ResponseTarget{{Severity: 1, Within: "1h"}},
		}}
		Expect(direct.Create(ctx, plan)).To(Succeed())
		address := partner(ctx, "short-handed", v1alpha1.OneFTE)
		Expect(direct.Patch(ctx, &v1alpha1.Partner{ObjectMeta: metav1.ObjectMeta{Name: "short-handed"}},
			client.RawPatch(types.MergePatchType, []byte(`{"spec":{"supportPlanRef":{"name":"around-the-clock"}}}`)))).To(Succeed())
		Eventually(widgetStatus(address)).Should(Equal(http.StatusOK))
		p := open(chromium, view{})
		limited := SatisfyAll(ContainSubstring("Limited at present: leave a message, and it is answered when somebody is on duty."), ContainSubstring("Leave a message"),
			Not(ContainSubstring("Around the clock")), Not(ContainSubstring("within")), Not(ContainSubstring("Open now")))
		Eventually(func() string {
			p.goTo(address + "/")
			p.openPanel()
			return p.panel()
		}).Should(limited)
		p.screenshot("hours-limited")
		Expect(p.violations()).To(BeEmpty())
		Expect(errors(p.console())).To(BeEmpty())
	})

	It("stay right on a page that is left open overnight", func(ctx SpecContext) {
		now.SetTime(working)
		address := partner(ctx, "overnight", v1alpha1.OneFTE)
		Eventually(widgetStatus(address)).Should(Equal(http.StatusOK))
		p := open(chromium, view{timeZone: "America/New_York"})
		p.goTo(address + "/")
		p.openPanel()
		Expect(p.panel()).To(ContainSubstring("Open now"))
		wake := func(after time.Duration) {
			GinkgoHelper()
			eval[bool](p, fmt.Sprintf(`((real) => { Date.now = () => real() + %d; document.dispatchEvent(new Event("visibilitychange")); return true; })(window.realNow ??= Date.now.bind(Date))`, after.Milliseconds()))
		}
		By("closing time, while the machine sleeps and the server is out of reach")
		eval[bool](p, `(window.realFetch = fetch, window.fetch = () => Promise.reject(new TypeError("offline")), true)`)
		wake(7*time.Hour + time.Minute)
		Eventually(p.panel).Should(SatisfyAll(ContainSubstring("Closed now"), ContainSubstring("Opens Friday 9:00 AM"), ContainSubstring("Leave a message")))
		p.screenshot("panel-closed-light")
		eval[bool](p, `(window.fetch = window.realFetch, true)`)
		By("the second morning")
		now.SetTime(working.Add(48 * time.Hour))
		wake(48 * time.Hour)
		Eventually(p.panel).Should(SatisfyAll(ContainSubstring("Open now"), ContainSubstring("until 5:00 PM")))
		By("a month later, by what the server says then")
		now.SetTime(working.AddDate(0, 1, 0))
		wake(30 * 24 * time.Hour)
		Eventually(p.panel).Should(SatisfyAll(ContainSubstring("Closed now"), ContainSubstring("Closed today: Christmas Day"), ContainSubstring("Opens Monday 9:00 AM")))
		Expect(errors(p.console())).To(BeEmpty())
	})
})

var _ = Describe("A partner without P-CSMs", func() {
	It("has no widget until it contracts them, and none after", func(ctx SpecContext) {
		now.SetTime(working)
		address := partner(ctx, "bare", 0)
		Expect(widgetStatus(address)()).To(Equal(http.StatusNotFound))
		p := open(chromium, view{})
		p.goTo(address + "/")
		Expect(eval[bool](p, `!!customElements.get("dispel-support") || !!document.querySelector("dispel-support")`)).To(BeFalse())
		Eventually(p.console).Should(SatisfyAll(ContainElement(ContainSubstring("404")), HaveEach(ContainSubstring("widget.js"))))
		p.screenshot("without-widget")

		allocation := contract(ctx, "bare", v1alpha1.OneFTE)
		Eventually(widgetStatus(address)).Should(Equal(http.StatusOK))
		p.goTo(address + "/")
		Eventually(p.launcher).Should(BeTrue())

		Expect(direct.Delete(ctx, allocation)).To(Succeed())
		Eventually(widgetStatus(address)).Should(Equal(http.StatusNotFound))
		By("the page that is open: it notices by itself")
		eval[bool](p, `((real) => { Date.now = () => real() + 3600e3; document.dispatchEvent(new Event("visibilitychange")); return true; })(Date.now.bind(Date))`)
		Eventually(p.launcher).Should(BeFalse())
		p.goTo(address + "/")
		Expect(eval[bool](p, `!!document.querySelector("dispel-support")`)).To(BeFalse())
	})
})

var _ = Describe("The widget", func() {
	DescribeTable("has no violation of accessibility rules",
		func(ctx SpecContext, name string, with view, at time.Time) {
			now.SetTime(at)
			address := partner(ctx, "axe-"+name, v1alpha1.OneFTE)
			Eventually(widgetStatus(address)).Should(Equal(http.StatusOK))
			p := open(chromium, with)
			p.goTo(address + "/")
			Eventually(p.launcher).Should(BeTrue())
			Expect(p.violations()).To(BeEmpty())
			p.openPanel()
			p.screenshot("panel-" + name)
			Expect(p.violations()).To(BeEmpty())
		},
		Entry("light, open", "light-open", view{}, working),
		Entry("light, closed", "light-closed", view{}, working.Add(24*time.Hour)),
		Entry("dark, open", "dark-open", view{dark: true}, working),
		Entry("dark, closed", "dark-closed", view{dark: true}, working.Add(24*time.Hour)),
		Entry("on a phone, light", "phone-light", view{phone: true}, working),
		Entry("on a phone, dark", "phone-dark", view{phone: true, dark: true}, working.Add(24*time.Hour)),
	)

	It("is on a page that fits a phone of 360 pixels, and says what it is", func(ctx SpecContext) {
		now.SetTime(working)
		address := partner(ctx, "narrow", v1alpha1.OneFTE)
		Eventually(widgetStatus(address)).Should(Equal(http.StatusOK))
		p := open(chromium, view{})
		p.do(chromedp.EmulateViewport(360, 740))
		p.goTo(address + "/")
		Eventually(p.launcher).Should(BeTrue())
		Expect(eval[int](p, `document.documentElement.scrollWidth`)).To(BeNumerically("<=", 360))
		Expect(eval[string](p, `document.querySelector("footer").innerText`)).To(Equal("An example in place of the instance of Acme Corp. The support widget on it is the real one."))
		Expect(p.violations()).To(BeEmpty())
		p.screenshot("page-narrow")
	})
})
