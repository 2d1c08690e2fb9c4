//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/dispel/partner-operator/internal/testing/cluster"
)

// browser starts headless Chromium, which trusts what home says and finds the
// partners' hosts at an address, until the suite ends.
func browser(home, address string) context.Context {
	GinkgoHelper()
	options := chromedp.WithAllocatorOptions(
		chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.Env("HOME="+home),
		chromedp.Flag("host-resolver-rules", "MAP *.example.com "+address),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-breakpad", true),
	)
	var ctx context.Context
	// On a busy machine Chromium sometimes falls over while it starts.
	Eventually(func() error {
		started, cancel := chromedp.NewContext(context.Background(), options)
		if err := chromedp.Do(started); err != nil {
			cancel()
			return err
		}
		DeferCleanup(cancel)
		ctx = started
		return nil
	}).Should(Succeed())
	return ctx
}

// page is a tab of a profile of its own.
type page struct {
	ctx context.Context
	mu  sync.Mutex
	// said is what the console shows.
	said []string
}

// view is what a page is looked at with.
type view struct {
	phone, dark bool
	// language and timeZone are the viewer's; en-US and UTC if empty.
	language, timeZone string
}

// open opens a tab.
func open(in context.Context, with view) *page {
	GinkgoHelper()
	ctx, cancel := chromedp.NewContext(in, chromedp.WithNewBrowserContext())
	DeferCleanup(cancel)
	p := &page{ctx: ctx}
	Expect(chromedp.Do(ctx)).To(Succeed())
	console := chromedp.Console(ctx)
	go func() {
		for message, err := range console {
			if err != nil {
				return
			}
			p.mu.Lock()
			p.said = append(p.said, fmt.Sprintf("%s: %s %s", message.Type, message.Text, message.URL))
			p.mu.Unlock()
		}
	}()
	scheme, width, height := "light", int64(1280), int64(800)
	if with.dark {
		scheme = "dark"
	}
	if with.phone {
		width, height = 390, 844
	}
	if with.language == "" {
		with.language = "en-US"
	}
	if with.timeZone == "" {
		with.timeZone = "UTC"
	}
	p.do(chromedp.EmulateViewport(width, height), chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"}},
		})
		return err
	}), chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: with.timeZone})
		return err
	}), chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: "e2e", AcceptLanguage: with.language})
		return err
	}))
	return p
}

func (p *page) do(actions ...chromedp.Action[chromedp.Void]) {
	GinkgoHelper()
	Expect(chromedp.Do(p.ctx, actions...)).To(Succeed())
}

// goTo loads an address.
func (p *page) goTo(address string) {
	GinkgoHelper()
	p.do(chromedp.Navigate(address))
}

// console is what the console showed so far.
func (p *page) console() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.said...)
}

// eval evaluates JavaScript, in which root is the widget's shadow root.
func eval[T any](p *page, script string) T {
	GinkgoHelper()
	result, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](`(async () => {
		const root = document.querySelector("dispel-support")?.shadowRoot;
		return `+script+`;
	})()`, chromedp.EvalAwaitPromise))
	Expect(err).NotTo(HaveOccurred(), script)
	return result
}

// launcher reports whether the page shows the widget's launcher.
func (p *page) launcher() bool {
	return eval[bool](p, `!!root?.querySelector(".launcher") && !root.querySelector(".launcher").hidden`)
}

// panel is the text of the widget's panel; empty if it is closed.
func (p *page) panel() string {
	return eval[string](p, `root?.querySelector(".panel")?.innerText ?? ""`)
}

// click clicks the middle of an element of the widget with the mouse.
func (p *page) click(selector string) {
	GinkgoHelper()
	place := eval[[]float64](p, fmt.Sprintf(`(r => [r.x + r.width / 2, r.y + r.height / 2])(root.querySelector(%q).getBoundingClientRect())`, selector))
	p.do(chromedp.MouseClickXY(place[0], place[1]))
}

// openPanel waits for the widget and opens it.
func (p *page) openPanel() {
	GinkgoHelper()
	Eventually(p.launcher).Should(BeTrue())
	p.click(".launcher")
	Eventually(p.panel).ShouldNot(BeEmpty())
}

// screenshot keeps a picture of what the page shows in build/e2e, whole one of all
// of it.
func (p *page) screenshot(name string) { p.picture(name, chromedp.CaptureScreenshot()) }

func (p *page) whole(name string) { p.picture(name, chromedp.FullScreenshot(100)) }

func (p *page) picture(name string, capture chromedp.Action[[]byte]) {
	GinkgoHelper()
	picture, err := chromedp.Run(p.ctx, capture)
	Expect(err).NotTo(HaveOccurred())
	folder := filepath.Join(cluster.Root(), "build", "e2e")
	Expect(os.MkdirAll(folder, 0o755)).To(Succeed())
	Expect(os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o600)).To(Succeed())
}

// violations are what axe-core finds wrong with the page, widget included.
func (p *page) violations() []string {
	GinkgoHelper()
	axe, err := os.ReadFile(filepath.Join(cluster.Root(), "test", "e2e", "node_modules", "axe-core", "axe.min.js"))
	Expect(err).NotTo(HaveOccurred(), "run `make test-e2e`, which installs axe-core")
	_, err = chromedp.Run(p.ctx, chromedp.Evaluate[json.RawMessage](string(axe)+";0"))
	Expect(err).NotTo(HaveOccurred())
	found := eval[[]string](p, `(await axe.run(document)).violations.flatMap(v => v.nodes.map(n => v.id + ": " + n.target.flat().join(" ") + ": " + n.failureSummary))`)
	passes := eval[int](p, `(await axe.run(document)).passes.length`)
	Expect(passes).To(BeNumerically(">", 10), "it looked at something")
	return found
}

// errors are the lines of the console that are no mere information.
func errors(lines []string) []string {
	var found []string
	for _, line := range lines {
		if !strings.HasPrefix(line, "info:") && !strings.HasPrefix(line, "log:") && !strings.HasPrefix(line, "debug:") {
			found = append(found, line)
		}
	}
	return found
}
