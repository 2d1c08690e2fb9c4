//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/testing/cluster"
)

// libraries are what the pages load from npm's packages, by the path on the server.
var libraries = map[string]string{
	"/embedding/turbo.js":     "@hotwired/turbo/dist/turbo.es2017-umd.js",
	"/embedding/vue.js":       "vue/dist/vue.global.prod.js",
	"/embedding/react.js":     "react/umd/react.production.min.js",
	"/embedding/react-dom.js": "react-dom/umd/react-dom.production.min.js",
}

const widgetScript = `<script src="/.dispel/support/widget.js" async></script>`

// pages are what the widget is embedded in, by the path: what is in the head beside the
// widget's script, and the body.
var pages = map[string][2]string{
	"/embedding/plain":   {"", "<h1>Plain</h1>"},
	"/embedding/turbo/1": {`<script src="/embedding/turbo.js"></script>`, `<h1>First</h1><a id="next" href="/embedding/turbo/2">Next</a>`},
	"/embedding/turbo/2": {`<script src="/embedding/turbo.js"></script>`, `<h1>Second</h1><a id="next" href="/embedding/turbo/1">Back</a>` + widgetScript},
	"/embedding/vue": {`<script src="/embedding/vue.js"></script>`, `<h1>Loading</h1><script>
		addEventListener("mount", () => Vue.createApp({render: () => Vue.h("h1", "Mounted")}).mount(document.body));
	</script>`},
	// What the server sent is not what the client renders, so that React makes the whole document anew.
	"/embedding/react": {`<script src="/embedding/react.js"></script><script src="/embedding/react-dom.js"></script>`, `<h1>Of the server</h1><script>
		addEventListener("mount", () => {
			const h = React.createElement;
			ReactDOM.hydrateRoot(document, h("html", {lang: "en"}, h("head", null, h("title", null, "Hydrated")), h("body", null, h("main", null, h("h1", null, "Hydrated")))), {onRecoverableError() {}});
		});
	</script>`},
	"/embedding/styled": {`<style>
		* { color: #fff !important; font: 30px monospace !important; letter-spacing: 9px; text-transform: uppercase; text-align: center; line-height: 3; direction: rtl;
			cursor: none; pointer-events: none; -webkit-text-fill-color: red; --ink: #eee !important; --surface: #eee !important; --brand: #eee; }
		::backdrop { background: #000; backdrop-filter: blur(9px); }
		*::before { content: "before" } *::after { content: "after" } *::first-letter { font-size: 90px }
		body, dispel-support { opacity: .1; visibility: hidden; transform: translateX(-300px); filter: blur(9px); }
		dispel-support { display: none !important; position: static !important; inset: 0 auto 1px 0 !important; transform: translate(300px, -300px) rotate(30deg) !important; translate: 50px; rotate: 9deg;
			scale: 2; zoom: 3; margin: 99px !important; padding: 99px; width: 9px; height: 9px; overflow: hidden; clip-path: circle(1px); filter: blur(9px); contain: strict; writing-mode: vertical-rl;
			animation: spin 1s infinite; transition: all 9s; z-index: -1 !important; content-visibility: hidden; columns: 3; mix-blend-mode: difference; mask: none; border: 9px solid; background: #000; }
		@keyframes spin { to { transform: rotate(1turn); color: #fff } }
	</style>`, `<h1>Styled</h1>`},
	"/embedding/rtl":    {"", "<h1>من اليمين</h1><script>document.documentElement.dir = 'rtl'</script>"},
	"/embedding/dialog": {"", `<h1>Dialog</h1><dialog><p>Sure?</p></dialog>`},
	"/embedding/moved":  {`<style>html { transform: translateX(10px); filter: none; will-change: transform; perspective: 100px; contain: layout; } body { height: 3000px; }</style>`, `<h1>Moved</h1>`},
	"/embedding/notch":  {`<meta name="viewport" content="width=device-width, viewport-fit=cover">`, `<h1>Notch</h1>`},
	"/embedding/button": {"", `<h1>Button</h1><button id="mine" onclick="document.querySelector('dispel-support').show()">Help</button><div id="video">Video</div>
		<div id="modal" role="dialog" aria-modal="true" hidden><p>Sure?</p><button id="sure">Yes</button></div>`},
	"/embedding/early": {"", `<h1>Early</h1><script>customElements.whenDefined("dispel-support").then(() => {
		const look = () => { const widget = document.querySelector("dispel-support"); widget ? widget.show() : setTimeout(look); };
		look();
	})</script>`},
	"/embedding/framed": {"", `<h1>Outer</h1><iframe title="Inner" src="/embedding/plain"></iframe>`},
}

// withPages serves pages beside an engine.
func withPages(engine http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if file, found := libraries[r.URL.Path]; found {
			http.ServeFile(w, r, filepath.Join(cluster.Root(), "test", "e2e", "node_modules", file))
			return
		}
		page, found := pages[r.URL.Path]
		if !found {
			engine.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(w, "<!doctype html><html lang=en><head><title>%s</title>%s%s</head><body>%s</body></html>", r.URL.Path, page[0], widgetScript, page[1])
	})
}

// look is how the widget looks on a page: where its launcher and its panel are, and in
// which styles their texts are. The widget has to be open.
const look = `(() => {
	const place = (node) => { const {x, y, width, height} = node.getBoundingClientRect(); return [x, y, width, height].map(Math.round).join(" "); };
	const styles = (node) => { const s = getComputedStyle(node); return ["color", "fontFamily", "fontSize", "letterSpacing", "textTransform", "textAlign", "lineHeight", "direction", "visibility", "opacity",
		"backgroundColor", "webkitTextFillColor", "writingMode", "pointerEvents"].map((name) => s[name]).join("|"); };
	return [...root.querySelectorAll(".panel, .panel *")].map((node) => node.tagName + " " + place(node) + " " + styles(node)).join("\n");
})()`

var _ = Describe("A page that embeds the widget", Ordered, ContinueOnFailure, func() {
	var address string
	BeforeAll(func(ctx SpecContext) {
		now.SetTime(working)
		address = partner(ctx, "embedding", v1alpha1.OneFTE)
		Eventually(widgetStatus(address)).Should(Equal(http.StatusOK))
	})
	at := func(path string) *page {
		GinkgoHelper()
		p := open(chromium, view{})
		p.goTo(address + path)
		Eventually(p.launcher).Should(BeTrue(), path)
		return p
	}
	heading := func(p *page) func() string {
		return func() string { return eval[string](p, `document.querySelector("h1")?.textContent ?? ""`) }
	}
	launchers := func(p *page) int { return eval[int](p, `document.querySelectorAll("dispel-support").length`) }

	It("may replace its body by Turbo, forth and back, with the panel open", func() {
		p := at("/embedding/turbo/1")
		p.openPanel()
		for _, next := range []string{"Second", "First", "Second"} {
			eval[bool](p, `(document.body.marked = true, document.querySelector("#next").click(), true)`)
			Eventually(heading(p)).Should(Equal(next))
			Expect(eval[bool](p, `document.body.marked === undefined`)).To(BeTrue(), "the body is another one")
			Eventually(func() int { return launchers(p) }).Should(Equal(1))
			Expect(p.panel()).To(ContainSubstring("You will be talking to Dispel"))
		}
		By("with a conversation, whose frame is not loaded anew")
		p.click("#talk")
		eval[bool](p, `(window.frame = root.querySelector("iframe").contentWindow, document.querySelector("#next").click(), true)`)
		Eventually(heading(p)).Should(Equal("First"))
		Expect(eval[bool](p, `root.querySelector("iframe").contentWindow === window.frame`)).To(BeTrue(), "it is the same frame")
	})

	DescribeTable("may be made anew by a framework",
		func(path, made string) {
			p := at(path)
			eval[bool](p, `dispatchEvent(new Event("mount"))`)
			Eventually(heading(p)).Should(Equal(made))
			Eventually(p.launcher).Should(BeTrue())
			Expect(launchers(p)).To(Equal(1))
			p.openPanel()
		},
		Entry("Vue, mounted on the body", "/embedding/vue", "Mounted"),
		Entry("React, which hydrates the document", "/embedding/react", "Hydrated"),
	)

	It("may bring an element of its own later, and has one launcher", func() {
		p := at("/embedding/plain")
		eval[bool](p, `(document.body.innerHTML = "<main><dispel-support id=mine lang=de></dispel-support></main>", true)`)
		Eventually(p.launcher).Should(BeTrue())
		Expect(launchers(p)).To(Equal(1))
		Expect(eval[string](p, `root.querySelector(".launcher").textContent`)).To(Equal("Dispel-Support"))
	})

	It("may render an element of its own deep in it, and has one launcher", func() {
		p := at("/embedding/plain")
		eval[bool](p, `(document.body.insertAdjacentHTML("beforeend", "<main><p></p></main>"), true)`)
		eval[bool](p, `(document.querySelector("main p").innerHTML = "<dispel-support id=mine></dispel-support>", true)`)
		Eventually(func() int { return launchers(p) }).Should(Equal(1))
		Expect(eval[string](p, `document.querySelector("dispel-support").id`)).To(Equal("mine"))
		Eventually(p.launcher).Should(BeTrue())
	})

	It("is printed without it, and leaves it its place on a phone", func() {
		p := at("/embedding/plain")
		p.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
			_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Media: "print"})
			return err
		}))
		Expect(eval[string](p, `getComputedStyle(root.host).display`)).To(Equal("none"))
		phone := open(chromium, view{phone: true})
		phone.goTo(address + "/embedding/plain")
		Eventually(phone.launcher).Should(BeTrue())
		Expect(eval[string](phone, `getComputedStyle(root.host).right`)).To(Equal("14px"))
	})

	It("wins if it takes the element away each time", func() {
		p := at("/embedding/plain")
		eval[bool](p, `(new MutationObserver(() => document.querySelector("dispel-support")?.remove()).observe(document.documentElement, {childList: true, subtree: true}), document.body.append("x"), true)`)
		Eventually(func() int { return launchers(p) }).Should(BeZero())
		Consistently(func() int { return launchers(p) }, "1s").Should(BeZero())
	})

	It("styles nothing in the widget, and moves nothing of it", func() {
		plain, styled := at("/embedding/plain"), at("/embedding/styled")
		styled.screenshot("embedding-styled")
		for _, p := range []*page{plain, styled} {
			p.openPanel()
		}
		styled.screenshot("embedding-styled-panel")
		Expect(strings.Split(eval[string](styled, look), "\n")).To(Equal(strings.Split(eval[string](plain, look), "\n")))
		inline := at("/embedding/plain")
		eval[bool](inline, `(document.querySelector("dispel-support").style.cssText =
			"position: static !important; transform: scale(2) !important; color: red !important; font: 40px serif !important; display: none !important; --ink: red !important; direction: rtl !important", true)`)
		inline.openPanel()
		Expect(eval[string](inline, look)).To(Equal(eval[string](plain, look)))
	})

	It("may run from right to left", func() {
		p := at("/embedding/rtl")
		p.openPanel()
		p.screenshot("embedding-rtl")
		plain := at("/embedding/plain")
		plain.openPanel()
		Expect(eval[string](p, look)).To(Equal(eval[string](plain, look)))
	})

	It("may open a modal dialog, and take the widget along", func() {
		p := at("/embedding/dialog")
		eval[bool](p, `(document.querySelector("dialog").showModal(), true)`)
		p.click(".launcher")
		Consistently(p.panel, "500ms").Should(BeEmpty(), "what is outside of a modal dialog is inert")
		By("following the page on embedding")
		eval[bool](p, `(document.querySelector("dialog").append(document.querySelector("dispel-support")), true)`)
		p.openPanel()
		By("closing the panel alone by Escape")
		p.do(chromedp.KeyEvent(kb.Escape))
		Eventually(p.panel).Should(BeEmpty())
		Expect(eval[bool](p, `document.querySelector("dialog").open`)).To(BeTrue())
		eval[bool](p, `(document.querySelector("dialog").close(), document.body.append(document.querySelector("dispel-support")), true)`)
		p.openPanel()
		By("a dialog that is removed with the widget in it")
		p.click("#close")
		eval[bool](p, `(document.querySelector("dialog").append(document.querySelector("dispel-support")), document.querySelector("dialog").remove(), true)`)
		Eventually(p.launcher).Should(BeTrue())
		By("one that is removed with what it is in")
		eval[bool](p, `(document.body.insertAdjacentHTML("beforeend", "<div id=root><dialog></dialog></div>"), document.querySelector("#root dialog").append(document.querySelector("dispel-support")), document.querySelector("#root").remove(), true)`)
		Eventually(p.launcher).Should(BeTrue())
	})

	// box is where an element of the widget is: its distances from the edges of the view.
	box := func(p *page, selector string) map[string]float64 {
		GinkgoHelper()
		return eval[map[string]float64](p, fmt.Sprintf(`(r => ({top: r.top, left: r.left, right: innerWidth - r.right, bottom: innerHeight - r.bottom}))(root.querySelector(%q).getBoundingClientRect())`, selector))
	}

	It("may transform, filter or contain its document, and the launcher stays in the corner of the view", func() {
		p := at("/embedding/moved")
		Expect(box(p, ".launcher")).To(And(HaveKeyWithValue("right", BeNumerically("~", 20, 1)), HaveKeyWithValue("bottom", BeNumerically("~", 20, 1))))
		p.screenshot("embedding-moved")
		p.openPanel()
		Expect(box(p, ".panel")).To(And(HaveKeyWithValue("top", BeNumerically("~", 16, 1)), HaveKeyWithValue("bottom", BeNumerically("~", 16, 1))))
	})

	It("says where the launcher stands, or that there is none", func() {
		p := at("/embedding/plain")
		set := func(attribute, value string) {
			eval[bool](p, fmt.Sprintf(`(document.querySelector("dispel-support").setAttribute(%q, %q), true)`, attribute, value))
		}
		set("offset", "24 120")
		Expect(box(p, ".launcher")).To(And(HaveKeyWithValue("right", BeNumerically("~", 24, 1)), HaveKeyWithValue("bottom", BeNumerically("~", 120, 1))))
		set("place", "bottom-left")
		Expect(box(p, ".launcher")).To(And(HaveKeyWithValue("left", BeNumerically("~", 24, 1)), HaveKeyWithValue("bottom", BeNumerically("~", 120, 1))))
		p.openPanel()
		Expect(box(p, ".panel")).To(HaveKeyWithValue("left", BeNumerically("~", 16, 1)))
		p.screenshot("embedding-left")
		p.click("#close")
		set("offset", "24px, 96px")
		Expect(box(p, ".launcher")).To(And(HaveKeyWithValue("left", BeNumerically("~", 24, 1)), HaveKeyWithValue("bottom", BeNumerically("~", 96, 1))))
		set("offset", "expression(1)")
		Expect(box(p, ".launcher")).To(HaveKeyWithValue("left", BeNumerically("~", 20, 1)))
		set("launcher", "none")
		Expect(p.launcher()).To(BeFalse())
		eval[bool](p, `(root.host.show(), true)`)
		Eventually(p.panel).Should(ContainSubstring("You will be talking to Dispel"))
	})

	It("gets the focus back where it was, if its own button opened the panel", func() {
		p := at("/embedding/button")
		focused := func() string { return eval[string](p, `document.activeElement.id`) }
		for _, end := range []string{"Escape", "hide"} {
			eval[bool](p, `(document.querySelector("#mine").focus(), document.querySelector("#mine").click(), true)`)
			Eventually(p.panel).ShouldNot(BeEmpty())
			if end == "Escape" {
				p.do(chromedp.KeyEvent(kb.Escape))
			} else {
				eval[bool](p, `(root.host.hide(), true)`)
			}
			Eventually(p.panel).Should(BeEmpty())
			Expect(focused()).To(Equal("mine"), end)
		}
		By("opening it by the launcher")
		p.openPanel()
		p.click("#close")
		Expect(eval[string](p, `root.activeElement.id`)).To(Equal("launcher"))

		By("leaving the focus where the user writes meanwhile")
		eval[bool](p, `(document.body.insertAdjacentHTML("beforeend", '<input id="search" aria-label="Search">'), document.querySelector("#mine").focus(), document.querySelector("#mine").click(), document.querySelector("#search").focus(), true)`)
		p.do(chromedp.KeyEvent("ab"))
		eval[bool](p, `(root.host.hide(), true)`)
		p.do(chromedp.KeyEvent(" c"))
		Expect(eval[string](p, `document.querySelector("#search").value`)).To(Equal("ab c"))
		Expect(p.panel()).To(BeEmpty())

		By("a button that the page hides while the panel is open")
		eval[bool](p, `(root.host.setAttribute("launcher", "none"),
			addEventListener("dispel-support-open", () => { document.querySelector("#mine").hidden = true; }),
			addEventListener("dispel-support-close", () => { document.querySelector("#mine").hidden = false; }),
			document.querySelector("#mine").focus(), document.querySelector("#mine").click(), true)`)
		Eventually(p.panel).ShouldNot(BeEmpty())
		p.do(chromedp.KeyEvent(kb.Escape))
		Eventually(focused).Should(Equal("mine"))
	})

	It("may ask for the panel before the widget has come", func() {
		p := open(chromium, view{})
		p.goTo(address + "/embedding/early")
		Eventually(p.panel).Should(ContainSubstring("You will be talking to Dispel"))
	})

	It("may show something on the full screen, or a dialog of its own making", func() {
		p := at("/embedding/button")
		// Both wait for the page's promise, and for what the page does at the event.
		await := func(promise, then string) {
			GinkgoHelper()
			_, err := chromedp.Run(p.ctx, chromedp.Evaluate[bool](promise+`.then(() => true)`,
				chromedp.EvalAwaitPromise, func(of *runtime.EvaluateParams) { of.UserGesture = new(true) }))
			Expect(err).NotTo(HaveOccurred())
			Eventually(func() bool { return eval[bool](p, then) }).Should(BeTrue(), then)
		}
		show := func(then string) {
			GinkgoHelper()
			await(`document.querySelector("#video").requestFullscreen()`, `!!document.fullscreenElement && `+then)
		}
		leave := func() {
			GinkgoHelper()
			await(`document.exitFullscreen()`, `!document.fullscreenElement && root.host.parentNode === document.documentElement`)
		}
		show(`true`)
		p.click(".launcher")
		Consistently(p.panel, "500ms").Should(BeEmpty(), "what is outside of it is inert")
		leave()
		By("following the page on embedding")
		eval[bool](p, `(window.widget = document.querySelector("dispel-support"),
			document.addEventListener("fullscreenchange", () => (document.fullscreenElement ?? document.documentElement).append(widget)), true)`)
		show(`root.host.parentNode === document.fullscreenElement`)
		p.openPanel()
		p.screenshot("embedding-fullscreen")
		p.click("#close")
		leave()
		p.openPanel()
		p.click("#close")

		By("following the page on embedding, for a dialog that makes the rest inert and keeps the focus")
		eval[bool](p, `(() => {
			const dialog = document.querySelector("#modal");
			dialog.hidden = false;
			for (const other of [...document.body.children, ...document.documentElement.children]) if (!other.contains(dialog)) other.inert = true;
			document.addEventListener("focusin", (event) => { if (!dialog.contains(event.target)) document.querySelector("#sure").focus(); });
			const widget = document.querySelector("dispel-support");
			dialog.append(widget);
			widget.inert = false;
			return true;
		})()`)
		p.openPanel()
		Expect(eval[string](p, `document.activeElement.localName`)).To(Equal("dispel-support"))
	})

	It("may have a notch and a home indicator", func() {
		for name, insets := range map[string][4]int64{"upright": {59, 0, 34, 0}, "sideways": {0, 59, 21, 59}} {
			p := open(chromium, view{phone: true})
			width, height := int64(390), int64(844)
			if name == "sideways" {
				width, height = height, width
			}
			p.do(chromedp.EmulateViewport(width, height), chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
				_, err := chromedp.Call(ctx, emulation.SetSafeAreaInsetsOverride, emulation.SetSafeAreaInsetsOverrideParams{Insets: &emulation.SafeAreaInsets{
					Top: &insets[0], Right: &insets[1], Bottom: &insets[2], Left: &insets[3],
				}})
				return err
			}))
			p.goTo(address + "/embedding/notch")
			Eventually(p.launcher).Should(BeTrue())
			at := box(p, ".launcher")
			Expect(at["bottom"]).To(BeNumerically(">=", insets[2]), name)
			Expect(at["right"]).To(BeNumerically(">=", insets[1]), name)
			p.openPanel()
			at = box(p, "#close")
			Expect(at["top"]).To(BeNumerically(">=", insets[0]), name)
			Expect(at["right"]).To(BeNumerically(">=", insets[1]), name)
			eval[bool](p, `(root.querySelector(".foot").scrollIntoView({block: "end"}), true)`) // the panel scrolls where there is little room
			Expect(box(p, "#talk")["bottom"]).To(BeNumerically(">=", insets[2]), name)
			p.screenshot("embedding-notch-" + name)
		}
	})

	It("may be zoomed to 400 %, and everything can be scrolled to", func() {
		for _, height := range []int64{256, 180} {
			p := open(chromium, view{language: "de"})
			p.do(chromedp.EmulateViewport(320, height))
			p.goTo(address + "/embedding/plain?lang")
			eval[bool](p, `(document.documentElement.lang = "de", true)`)
			p.openPanel()
			for _, last := range []string{"#talk", ".state", "#close"} {
				eval[bool](p, fmt.Sprintf(`(root.querySelector(%q).scrollIntoView({block: "nearest"}), true)`, last))
				at := box(p, last)
				Expect(at["top"]).To(BeNumerically(">=", -1), "%s at %d", last, height)
				Expect(at["bottom"]).To(BeNumerically(">=", -1), "%s at %d", last, height)
			}
			Expect(eval[bool](p, `[...root.querySelectorAll(".panel, .body")].every(({scrollWidth, clientWidth}) => scrollWidth <= clientWidth)`)).To(BeTrue(), "nothing scrolls sideways")
			p.screenshot(fmt.Sprintf("embedding-zoomed-%d", height))
			p.click("#close")
			eval[bool](p, `(root.host.setAttribute("offset", "250 300"), true)`)
			at := box(p, ".launcher")
			Expect(slices.Min([]float64{at["top"], at["left"]})).To(BeNumerically(">=", 0), "%v", at)
		}
	})

	It("has what changes in the panel read out by one live region, which stays", func() {
		p := at("/embedding/plain")
		p.openPanel()
		eval[bool](p, `(window.region = root.querySelector("[role=status]"), true)`)
		said := func() string {
			return eval[string](p, `window.region.isConnected ? window.region.textContent : "gone"`)
		}
		Expect(said()).To(HavePrefix("Open now. until "))
		eval[bool](p, `(root.host.lang = "de", true)`)
		Eventually(said).Should(HavePrefix("Jetzt geöffnet. bis "))
		Expect(eval[int](p, `root.querySelectorAll("[role=status]").length`)).To(Equal(1))
	})

	It("may have another one in a frame, and there is one launcher", func() {
		p := at("/embedding/framed")
		inner := func(script string) bool {
			return eval[bool](p, `(() => { const element = frames[0].document.querySelector("dispel-support"); return `+script+`; })()`)
		}
		Eventually(func() bool { return inner(`!!element`) }).Should(BeTrue())
		Eventually(func() bool { return inner(`element.shadowRoot.childElementCount === 0`) }).Should(BeTrue())
		By("the frame's being there first")
		eval[bool](p, `(document.querySelector("dispel-support").replaceWith(), true)`)
		Eventually(p.launcher).Should(BeTrue())
		Consistently(func() bool { return inner(`element.shadowRoot.childElementCount === 0`) }, "500ms").Should(BeTrue())
	})

	It("lets the messenger do what the operator allows, and nothing else", func() {
		p := at("/embedding/plain")
		eval[bool](p, `(addEventListener("message", (event) => { window.told = event.data; }), true)`)
		p.openPanel()
		p.click("#talk")
		Eventually(func() string { return eval[string](p, `JSON.stringify(window.told ?? null)`) }).
			Should(MatchJSON(`{"microphone": true, "fullscreen": true, "camera": false}`))
		Expect(eval[string](p, `root.querySelector("iframe").sandbox.value`)).To(ContainSubstring("allow-modals"))
	})
})
