//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/chromedp/cdproto/emulation"
	cdppage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/fleet"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/report"
	"github.com/dispel/partner-operator/internal/tenant"
	"github.com/dispel/partner-operator/internal/testing/cluster"
)

// reported writes the report of the samples, with some contracts that end, to a
// file, and returns its address.
func reported(ctx context.Context) string {
	GinkgoHelper()
	day := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	f := fleet.New()
	for _, folder := range []string{"config/plans", "config/samples/partners", "config/samples/platform", "config/samples/rival"} {
		files, err := filepath.Glob(filepath.Join(cluster.Root(), folder, "*.yaml"))
		Expect(err).NotTo(HaveOccurred())
		for _, file := range files {
			for _, object := range cluster.ReadObjects(folder, filepath.Base(file)) {
				add(f, object.GetKind(), object)
			}
		}
	}
	f.Allocations["acme-emea"].Spec.ValidUntil = "2027-03-31"
	f.Allocations["initech"].Spec.ValidUntil = "2026-12-31"
	f.Allocations["globex"].Spec.ValidFrom = "2026-11-15"
	for _, name := range f.Names() {
		partner := f.Partners[name]
		snapshot, err := f.Snapshot(ctx, partner, objects.Settings{IngressClassName: "traefik"}, day)
		Expect(err).NotTo(HaveOccurred())
		outcome := tenant.Settle(*snapshot)
		partner.Status = outcome.Status
		for _, object := range outcome.Objects {
			if claim, ok := object.(*v1alpha1.SubdomainClaim); ok {
				f.Add(claim)
			}
		}
	}
	file, err := os.Create(filepath.Join(GinkgoT().TempDir(), "report.html"))
	Expect(err).NotTo(HaveOccurred())
	Expect(report.New(f, day, day).HTML(file)).To(Succeed())
	Expect(file.Close()).To(Succeed())
	return "file://" + file.Name()
}

func add(f *fleet.Fleet, kind string, object any) {
	GinkgoHelper()
	into := map[string]kinds.Object{
		"Partner": &v1alpha1.Partner{}, "SupportPlan": &v1alpha1.SupportPlan{}, "PCSMAllocation": &v1alpha1.PCSMAllocation{},
		"IngressClass": &networkingv1.IngressClass{},
	}[kind]
	if into == nil {
		return
	}
	data, err := json.Marshal(object)
	Expect(err).NotTo(HaveOccurred())
	Expect(json.Unmarshal(data, into)).To(Succeed())
	f.Add(into)
}

// background is the colour of the page.
func (p *page) background() string {
	return eval[string](p, `getComputedStyle(document.body).backgroundColor`)
}

// print shows the page as it is printed.
func (p *page) print() {
	GinkgoHelper()
	p.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Media: "print", Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
		})
		return err
	}))
}

var _ = Describe("The report of a fleet", func() {
	const white = "rgb(255, 255, 255)"

	It("is good to look at, in light and dark, on a phone and in print", func(ctx SpecContext) {
		address := reported(ctx)
		for name, with := range map[string]view{"light": {}, "dark": {dark: true}, "phone": {phone: true}} {
			By(name)
			p := open(chromium, with)
			p.goTo(address)
			Expect(eval[string](p, `document.title`)).To(Equal("Partners on 2026-12-01"))
			Expect(p.violations()).To(BeEmpty())
			Expect(eval[bool](p, `document.documentElement.scrollWidth <= innerWidth`)).To(BeTrue(), "nothing sticks out")
			Expect(eval[int](p, `performance.getEntriesByType("resource").length`)).To(BeZero(), "it needs nothing else")
			Expect(eval[int](p, `document.scripts.length`)).To(BeZero())
			if with.dark {
				Expect(p.background()).NotTo(Equal(white))
			} else {
				Expect(p.background()).To(Equal(white))
			}
			Expect(p.console()).To(BeEmpty())
			p.whole("report-" + name)
		}

		By("looking at the bars")
		p := open(chromium, view{})
		p.goTo(address)
		share := func(partner string) float64 {
			return eval[float64](p, `(row => { const t = row.querySelector(".track").getBoundingClientRect().width;
				return row.querySelector(".fill").getBoundingClientRect().width / t; })([...document.querySelectorAll("tbody tr")].find(r => r.querySelector("th small").innerText === "`+partner+`"))`)
		}
		Expect(share("globex")).To(BeNumerically("~", 1.33/1.5, 0.02), "133 % of a track that ends at 150 %")
		Expect(share("acme")).To(BeNumerically("~", 0.62/1.5, 0.02))

		By("printing it, from a dark desktop too")
		p.print()
		Expect(p.background()).To(Equal(white))
		p.whole("report-print")
		printed := p.pdf()
		Expect(string(printed[:4])).To(Equal("%PDF"))
		pages := len(regexp.MustCompile(`/Type /Page\b[^s]`).FindAll(printed, -1))
		Expect(pages).To(And(BeNumerically(">=", 1), BeNumerically("<=", 3)), "the samples fit on three pages")
		Expect(os.WriteFile(filepath.Join(cluster.Root(), "build", "e2e", "report.pdf"), printed, 0o600)).To(Succeed())
	})
})

// pdf prints the page.
func (p *page) pdf() []byte {
	GinkgoHelper()
	var data []byte
	p.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		result, err := chromedp.Call(ctx, cdppage.PrintToPDF, cdppage.PrintToPDFParams{PrintBackground: new(true), PreferCSSPageSize: new(true)})
		data = result.Data
		return err
	}))
	return data
}
