// The Dispel support widget: <dispel-support>, a launcher and a panel on a
// partner's page. Include this script and it adds itself:
//
//   <script src="/.dispel/support/widget.js" async></script>
//
// It needs script-src and connect-src of its own origin, and no inline style,
// markup or eval. It reads config.json beside it.
(() => {
  "use strict";
  if (customElements.get("dispel-support")) return;

  // Markup of the page can take the place of document.currentScript, but is no
  // script.
  const script = document.currentScript;
  const source = new URL(script instanceof HTMLScriptElement ? script.src : "/.dispel/support/widget.js", location.href);
  const configURL = new URL("config.json", source);

  const REFETCH = 5 * 60_000; // how old the config may get
  const RETRY = 30_000; // when to ask again if that failed
  const CONFIRM = 3_000; // when to ask again if the widget seems to be gone
  const STEP = 5 * 60_000; // how exact the time of an answer is
  const TICK = 15_000; // how long a change of state may go unseen after a sleep

  const TEXTS = {
    en: {
      launcher: "Dispel Support",
      open: "Open Dispel Support", close: "Close Dispel Support",
      title: "Dispel Support", forPartner: "for %s",
      staff: "You will be talking to Dispel", talking: "You are talking to Dispel, not to %s",
      notPartner: "The people here work for Dispel, who make the platform that %s runs on. They do not speak for %s.",
      openNow: "Open now", closedNow: "Closed now", always: "Around the clock, every day",
      limited: "Limited at present: leave a message, and it is answered when somebody is on duty.",
      until: "until %s", opens: "Opens %s", closedFor: "Closed today: %s", closedToday: "Closed today",
      hours: "Hours", covered: "Staffed", never: "Nobody at present", outside: "by %s, outside of staffed hours", response: "First response", severity: "Severity %s", within: "within %s", by: "by %s",
      languages: "Languages", onDuty: "On duty now: %s", policy: "Support Policy", newTab: "(opens in a new tab)",
      chat: "Start a conversation", leave: "Leave a message", email: "Write an e-mail", back: "Back",
      frame: "Conversation with Dispel",
    },
    de: {
      launcher: "Dispel-Support",
      open: "Dispel-Support öffnen", close: "Dispel-Support schließen",
      title: "Dispel-Support", forPartner: "für %s",
      staff: "Hier antwortet Dispel", talking: "Sie sprechen mit Dispel, nicht mit %s",
      notPartner: "Hier antworten Mitarbeitende von Dispel, dem Hersteller der Plattform, auf der %s läuft. Sie sprechen nicht für %s.",
      openNow: "Jetzt geöffnet", closedNow: "Zurzeit geschlossen", always: "Rund um die Uhr, jeden Tag",
      limited: "Zurzeit eingeschränkt: Hinterlassen Sie eine Nachricht; sie wird beantwortet, sobald jemand im Dienst ist.",
      until: "bis %s", opens: "Öffnet %s", closedFor: "Heute geschlossen: %s", closedToday: "Heute geschlossen",
      hours: "Zeiten", covered: "Besetzt", never: "Zurzeit niemand", outside: "bis %s, außerhalb der besetzten Zeiten", response: "Erste Antwort", severity: "Schweregrad %s", within: "binnen %s", by: "bis %s",
      languages: "Sprachen", onDuty: "Jetzt im Dienst: %s", policy: "Support-Richtlinie", newTab: "(öffnet in neuem Tab)",
      chat: "Gespräch beginnen", leave: "Nachricht hinterlassen", email: "E-Mail schreiben", back: "Zurück",
      frame: "Gespräch mit Dispel",
    },
    ja: {
      launcher: "Dispel サポート",
      open: "Dispel サポートを開く", close: "Dispel サポートを閉じる",
      title: "Dispel サポート", forPartner: "%s をご利用の方へ",
      staff: "Dispel の担当者が対応します", talking: "Dispel と会話しています(%s ではありません)",
      notPartner: "ここで対応するのは、%s が利用するプラットフォームの開発元である Dispel の社員です。%s を代表して発言することはありません。",
      openNow: "受付中", closedNow: "受付時間外", always: "24 時間年中無休",
      limited: "現在は対応時間が限られています。メッセージを残していただければ、担当者が対応でき次第ご返答します。",
      until: "%s まで", opens: "次の受付開始: %s", closedFor: "本日休業: %s", closedToday: "本日休業",
      hours: "受付時間", covered: "対応時間", never: "現在対応者なし", outside: "%s まで(対応時間外)", response: "初回応答", severity: "重大度 %s", within: "%s 以内", by: "%s まで",
      languages: "対応言語", onDuty: "現在対応中: %s", policy: "サポートポリシー", newTab: "(新しいタブで開きます)",
      chat: "会話を始める", leave: "メッセージを残す", email: "メールを書く", back: "戻る",
      frame: "Dispel との会話",
    },
  };

  // What is important here goes before whatever a page says of the element, inline and
  // important rules included (CSS Cascading, section 6.1). The texts of all languages
  // run from left to right.
  const STYLE = `
:host {
  all: initial !important;
  display: flex !important;
  --gap: 20px !important; --across: var(--gap) !important; --upward: var(--gap) !important;
  --within: min(var(--across), 100vw - 200px) !important; /* however small the view is */
  --away: max(var(--within), env(safe-area-inset-right)) !important;
  --up: max(min(var(--upward), 100dvh - 64px), env(safe-area-inset-bottom)) !important;
  position: fixed !important; inset: auto var(--away) var(--up) auto !important; z-index: 2147483000 !important;
  direction: ltr !important; unicode-bidi: isolate !important;
  color-scheme: light !important; color: var(--ink) !important;
  font: 400 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Hiragino Sans", "Noto Sans CJK JP", sans-serif !important;
  --accent: var(--dispel-support-accent, #1f5eff) !important;
  --on-accent: var(--dispel-support-on-accent, #fff) !important;
  --ink: #10182b !important; --soft: #566077 !important; --surface: #fff !important; --raised: #f4f6fb !important; --line: #dfe4ef !important;
  --brand: #0b1530 !important; --on-brand: #fff !important; --on-brand-soft: #b9c4e2 !important; --link: #1749c9 !important;
  --yes: #0b7a4b !important; --yes-back: #e3f5ec !important; --no: #8a4b08 !important; --no-back: #fdf1df !important;
  --shadow: 0 1px 2px rgb(11 21 48 / .12), 0 18px 48px rgb(11 21 48 / .24) !important;
}
:host([data-dark]) {
  --ink: #e8ecf7 !important; --soft: #a7b1c9 !important; --surface: #121a2e !important; --raised: #1a2440 !important; --line: #2b3757 !important;
  --brand: #060c1d !important; --link: #9db8ff !important;
  --yes: #6fe0ac !important; --yes-back: #10352a !important; --no: #ffc27a !important; --no-back: #3b2a12 !important;
  --shadow: 0 0 0 1px rgb(255 255 255 / .08), 0 18px 48px rgb(0 0 0 / .6) !important;
  color-scheme: dark !important;
}
:host([place="bottom-left"]) {
  --away: max(var(--within), env(safe-area-inset-left)) !important;
  inset: auto auto var(--up) var(--away) !important;
}
:host::backdrop { display: none !important; }
:host::before, :host::after { content: none !important; }
::selection { background: #b3d1ff; color: #10182b; }
[hidden] { display: none !important; }
* { box-sizing: border-box; }
button, a { font: inherit; cursor: pointer; -webkit-tap-highlight-color: transparent; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
svg { display: block; flex: none; }

.launcher {
  display: inline-flex; align-items: center; gap: 10px; min-height: 48px; padding: 0 18px 0 14px;
  border: 0; border-radius: 24px; background: var(--brand); color: var(--on-brand);
  font-weight: 600; box-shadow: 0 6px 20px rgb(11 21 48 / .3); transition: transform .15s, box-shadow .15s;
}
:host([data-dark]) .launcher { box-shadow: 0 0 0 1px rgb(255 255 255 / .18), 0 6px 20px rgb(0 0 0 / .5); }
.launcher:hover { transform: translateY(-1px); box-shadow: 0 10px 26px rgb(11 21 48 / .36); }
.dot { width: 10px; height: 10px; border-radius: 50%; background: #98a3bd; }
.dot.open { background: #35d08a; box-shadow: 0 0 0 3px rgb(53 208 138 / .25); }

.panel {
  position: fixed; width: min(396px, calc(100vw - 32px));
  inset: max(16px, env(safe-area-inset-top)) max(16px, env(safe-area-inset-right)) max(16px, env(safe-area-inset-bottom)) auto;
  display: flex; flex-direction: column; overflow: hidden; outline: none;
  background: var(--surface); border-radius: 18px; box-shadow: var(--shadow);
  animation: enter .2s cubic-bezier(.2, .8, .3, 1);
}
:host([place="bottom-left"]) .panel { right: auto; left: max(16px, env(safe-area-inset-left)); }
.shown { display: contents; }
@keyframes enter { from { opacity: 0; transform: translateX(24px); } }

.head { display: flex; align-items: center; gap: 12px; padding: 16px 12px 16px 20px; background: var(--brand); color: var(--on-brand); }
.head h2 { flex: 1; margin: 0; font-size: 17px; font-weight: 650; line-height: 1.3; }
.head small { display: block; font-size: 13px; font-weight: 400; color: var(--on-brand-soft); overflow-wrap: anywhere; }
.icon { display: grid; place-items: center; width: 44px; height: 44px; border: 0; border-radius: 12px; background: transparent; color: inherit; }
.icon:hover { background: rgb(255 255 255 / .14); }
.head :focus-visible { outline-color: #fff; outline-offset: -3px; }

.body { flex: 1; min-height: 0; overflow-y: auto; overscroll-behavior: contain; padding: 20px; display: flex; flex-direction: column; gap: 20px; }
.notice { display: flex; gap: 12px; padding: 14px 16px; border-radius: 12px; background: var(--raised); border: 1px solid var(--line); }
.notice svg { margin-top: 2px; color: var(--link); }
.notice strong { display: block; font-weight: 650; }
.notice p { margin: 2px 0 0; font-size: 14px; color: var(--soft); overflow-wrap: anywhere; }
.badge { display: inline-flex; align-items: center; gap: 8px; padding: 4px 12px 4px 10px; border-radius: 99px; font-weight: 650; background: var(--no-back); color: var(--no); }
.badge::before { content: ""; width: 9px; height: 9px; border-radius: 50%; background: currentColor; }
.badge.open { background: var(--yes-back); color: var(--yes); }
.state { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 10px; }
.state p { margin: 0; }
.next { font-weight: 550; }
.why { flex-basis: 100%; color: var(--soft); font-size: 14px; }
dl { margin: 0; display: grid; grid-template-columns: 34% 1fr; border-top: 1px solid var(--line); }
dt, dd { margin: 0; padding: 12px 0; border-bottom: 1px solid var(--line); }
dt { padding-inline-end: 12px; color: var(--soft); font-size: 14px; hyphens: auto; }
dd { overflow-wrap: anywhere; }
dd span { display: block; }
dd .zone { color: var(--soft); font-size: 14px; }
dd .due { color: var(--soft); font-size: 14px; text-align: end; }
dd .duty { color: var(--soft); font-size: 14px; }
dd .row { display: flex; flex-wrap: wrap; justify-content: space-between; column-gap: 12px; }
dd .row span { white-space: nowrap; }
.link { color: var(--link); text-underline-offset: 3px; }
.foot { padding: 16px 20px 20px; border-top: 1px solid var(--line); background: var(--surface); }
.primary {
  display: flex; align-items: center; justify-content: center; gap: 10px; width: 100%; min-height: 48px; padding: 8px 16px;
  border: 0; border-radius: 12px; background: var(--accent); color: var(--on-accent); font-weight: 650; text-decoration: none;
}
.primary:hover { filter: brightness(1.08); }
.address { display: block; margin: 10px 0 0; text-align: center; font-size: 14px; color: var(--soft); overflow-wrap: anywhere; }
.reminder { margin: 0; padding: 8px 20px; font-size: 14px; font-weight: 550; background: var(--raised); border-bottom: 1px solid var(--line); }
iframe { flex: 1; width: 100%; border: 0; background: #fff; }
.hint { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

@media (max-width: 520px) {
  :host { --gap: 14px !important; }
  .panel, :host([place="bottom-left"]) .panel { inset: 0; width: auto; border-radius: 0; }
  .head { padding: calc(16px + env(safe-area-inset-top)) calc(12px + env(safe-area-inset-right)) 16px calc(20px + env(safe-area-inset-left)); }
  .body, .reminder, .foot { padding-right: calc(20px + env(safe-area-inset-right)); padding-left: calc(20px + env(safe-area-inset-left)); }
  .foot { padding-bottom: max(20px, env(safe-area-inset-bottom)); }
  dd .row span { white-space: normal; }
}
@media (max-height: 480px) {
  .body { gap: 14px; padding-top: 14px; padding-bottom: 14px; }
  .panel { overflow-y: auto; overscroll-behavior: contain; }
  .head, .body, .foot, .reminder { flex: none; }
  .body { overflow: visible; }
  iframe { flex: 1 0 240px; }
}
@media (prefers-reduced-motion: reduce) { .panel { animation: none; } .launcher { transition: none; } }
@media (forced-colors: active) {
  .launcher, .panel, .primary, .badge { border: 1px solid CanvasText; }
  .dot, .badge::before { forced-color-adjust: none; }
}
@media print { :host { display: none !important; } }
`;

  const ICONS = {
    mark: ["M12 2.2 4 5.1v6.2c0 4.9 3.3 8.6 8 10.5 4.7-1.9 8-5.6 8-10.5V5.1z", "M9 8h2.6a4 4 0 0 1 0 8H9z"],
    close: ["M6 6l12 12M18 6 6 18"],
    back: ["M15 5l-7 7 7 7"],
    person: ["M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8z", "M4.5 20.5c.8-3.6 3.8-5.5 7.5-5.5s6.7 1.9 7.5 5.5"],
    chat: ["M4 5.5h16v11h-9L6.5 20v-3.5H4z"],
    mail: ["M3.5 6h17v12h-17z", "M4 7l8 6 8-6"],
  };

  // All of the page that comes from elsewhere goes through here, as text.
  function element(name, properties = {}, ...children) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(properties)) {
      if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else if (value === true) node.setAttribute(key, "");
      else if (value !== false && value != null) node.setAttribute(key, value);
    }
    node.append(...children.filter((child) => child));
    return node;
  }

  function icon(name, size) {
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    const attributes = {
      viewBox: "0 0 24 24", width: size, height: size, fill: "none", stroke: "currentColor",
      "stroke-width": 2, "stroke-linecap": "round", "stroke-linejoin": "round", "aria-hidden": "true",
    };
    for (const [key, value] of Object.entries(attributes)) svg.setAttribute(key, value);
    for (const d of ICONS[name]) {
      const path = document.createElementNS(space, "path");
      path.setAttribute("d", d);
      svg.append(path);
    }
    return svg;
  }

  // fill puts nodes or text in the place of each %s.
  function fill(text, value) {
    return text.split("%s").flatMap((part, i) => (i === 0 ? [part] : [value(), part]));
  }

  // stateAt tells whether P-CSMs are at work, and when that changes. It is null
  // if the config does not say.
  function stateAt(config, now) {
    if (!config.hours) return null;
    if (config.onDuty) return dutyAt(config.onDuty, now);
    if (config.hours.alwaysOn) return { open: true };
    for (const { opens, closes } of config.openings ?? []) {
      if (now < Date.parse(opens)) return { open: false, change: new Date(opens) };
      if (!closes) return { open: true };
      if (now < Date.parse(closes)) return { open: true, change: new Date(closes) };
    }
    return null;
  }

  // dutyAt is stateAt where it is known who is on duty when, with the languages.
  function dutyAt({ until: known, spans }, now) {
    if (now >= Date.parse(known)) return null;
    const at = spans.findIndex(({ until }) => now < Date.parse(until));
    if (at < 0) return { open: false };
    const { from, languages } = spans[at];
    if (now < Date.parse(from)) return { open: false, change: new Date(from) };
    let last = at;
    while (spans[last + 1]?.from === spans[last].until) last++;
    // What is known ends at some time, which is no change.
    const change = spans[last].until === known ? undefined : new Date(spans[last].until);
    return { open: true, languages, change };
  }

  // attended tells whether somebody is on duty at an instant, as far as that is known.
  function attended({ onDuty, hours, openings }, instant) {
    if (onDuty && instant <= Date.parse(onDuty.until)) {
      return onDuty.spans.some(({ from, until }) => instant >= Date.parse(from) && instant <= Date.parse(until));
    }
    return onDuty || hours.alwaysOn || !openings?.length || instant > Date.parse(openings.at(-1).closes ?? Infinity)
      || openings.some(({ opens, closes }) => instant >= Date.parse(opens) && (!closes || instant <= Date.parse(closes)));
  }

  // dueAt is when an answer is due to who writes now, or up to a few minutes later; null
  // if the config does not reach that far.
  function dueAt(config, { minutes, always }, now) {
    const asked = Math.ceil(Math.floor(now / 60_000) * 60_000 / STEP) * STEP;
    let left = minutes * 60_000;
    if (always || config.hours.alwaysOn) return asked + left;
    for (const { opens, closes } of config.openings ?? []) {
      const from = Math.max(asked, Date.parse(opens));
      const lasts = (closes ? Date.parse(closes) : Infinity) - from;
      if (lasts >= left) return from + left;
      left -= Math.max(0, lasts);
    }
    return null;
  }

  // inZone formats in a time zone that the browser may not know; null if so.
  function inZone(locale, options) {
    try {
      return new Intl.DateTimeFormat(locale, options);
    } catch {
      return null;
    }
  }

  // written are languages in words.
  function written(language, tags) {
    const names = new Intl.DisplayNames(language, { type: "language" });
    return new Intl.ListFormat(language).format(tags.map((tag) => names.of(tag)));
  }

  // safe tells whether a messenger's address may be opened.
  function safe(address) {
    const { protocol, hostname } = new URL(address, location.href);
    return protocol === "https:" || (protocol === "http:" && (hostname === "localhost" || hostname === "127.0.0.1"));
  }

  // permissions are the attributes of a frame that may do what the operator allows the
  // messenger besides what every one may.
  function permissions(allowed = []) {
    const features = allowed.filter((name) => name !== "dialogs");
    return {
      allow: ["clipboard-write", ...features].join("; "),
      sandbox: ["allow-scripts allow-same-origin allow-forms allow-popups allow-popups-to-escape-sandbox allow-downloads",
        ...(allowed.includes("dialogs") ? ["allow-modals"] : [])].join(" "),
    };
  }

  // around is the widget of a page of the same origin that has this one in a frame: one
  // launcher will do. It is null if there is none.
  function around() {
    for (let outer = window; outer !== outer.parent;) {
      outer = outer.parent;
      try {
        const element = outer.document.querySelector("dispel-support");
        if (element) return element;
      } catch {
        // A page of another origin.
      }
    }
    return null;
  }

  // focus is the element of the page that has the focus, also in a shadow tree; null if none has,
  // or something of the widget's.
  function focus() {
    let at = document.activeElement;
    if (at === document.body || at?.localName === "dispel-support") return null;
    while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement;
    return at;
  }

  // takes gives the focus to an element, and reports whether it took it.
  function takes(element) {
    element.focus();
    return focus() === element;
  }

  // tellFrames has the widgets in frames look around again.
  function tellFrames(of) {
    for (let i = 0; i < of.frames.length; i++) {
      try {
        of.frames[i].dispatchEvent(new Event(AROUND));
        tellFrames(of.frames[i]);
      } catch {
        // A page of another origin.
      }
    }
  }
  const AROUND = "dispel-support-around";

  class DispelSupport extends HTMLElement {
    static observedAttributes = ["theme", "lang", "place", "offset", "launcher"];

    #root = this.attachShadow({ mode: "open" });
    #config = null;
    #skew = 0; // what to add to the viewer's clock
    #fetched = 0; // when the config was last asked for
    #patience = REFETCH; // how long after that to ask again
    #asking = false;
    #missed = false; // the last answer was that there is no widget
    #opened = false;
    #wanted = 0; // when it was to be opened, before the config had come
    #talking = false;
    #drawn = "";
    #shown = element("div", { class: "shown" }); // what is drawn anew
    #live = element("p", { id: "live", class: "hint", role: "status" }); // what stays, so that changes of it are read out
    #before = null; // what had the focus when the panel was opened
    #offset = new CSSStyleSheet();
    #timer = 0;
    #listeners = null;
    #dark = matchMedia("(prefers-color-scheme: dark)");
    #full = matchMedia("(max-width: 520px)"); // the panel covers the page

    constructor() {
      super();
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      this.#root.adoptedStyleSheets = [sheet, this.#offset];
    }

    connectedCallback() {
      this.#listeners = new AbortController();
      const { signal } = this.#listeners;
      const look = () => document.visibilityState === "visible" && this.#tick();
      document.addEventListener("visibilitychange", look, { signal });
      addEventListener("online", () => { this.#fetched = 0; look(); }, { signal });
      addEventListener("pageshow", look, { signal });
      addEventListener("languagechange", () => this.#draw(), { signal });
      addEventListener(AROUND, () => this.#tick(), { signal });
      this.#raise();
      this.#dark.addEventListener("change", () => this.#theme(), { signal });
      this.#full.addEventListener("change", () => {
        this.#root.querySelector(".panel")?.setAttribute("aria-modal", String(this.#full.matches));
      }, { signal });
      this.#theme();
      this.#tick();
      tellFrames(window);
      queueMicrotask(keep); // of two, the page's own stays
    }

    disconnectedCallback() {
      this.#listeners.abort();
      clearTimeout(this.#timer);
      this.#fetched = 0;
      this.#patience = REFETCH;
      queueMicrotask(keep); // it may have gone with what it was moved into
    }

    attributeChangedCallback() {
      this.#theme();
      this.#place();
      this.#draw();
    }

    // #raise brings the element to the front of the top layer, where no style of the page's
    // moves or covers it. Outside of a modal dialog, or of what is on the full screen, it would be
    // inert there.
    #raise() {
      if (!this.showPopover || !this.isConnected) return;
      const modal = document.querySelector(":modal");
      if (modal && !modal.contains(this)) return;
      try {
        this.popover = "manual";
        if (this.matches(":popover-open")) this.hidePopover();
        this.showPopover();
      } catch {
        // The page took it away meanwhile.
      }
    }

    // #place has the launcher stand as far from the edges as the page says, in pixels.
    #place() {
      const offset = this.getAttribute("offset")?.trim() ?? "";
      const [, across, upward] = /^(\d{1,3})(?:px)?[\s,]+(\d{1,3})(?:px)?$/.exec(offset) ?? [];
      if (offset && !across) console.warn(`dispel-support: offset="${offset}" is not understood: write two numbers of pixels, such as "20 96"`);
      this.#offset.replaceSync(across ? `:host { --across: ${across}px !important; --upward: ${upward}px !important; }` : "");
    }

    /** Opens the panel, as a click on the launcher does; if the widget comes within some seconds, then. */
    show() {
      const outer = around();
      if (outer) {
        outer.show?.();
        return;
      }
      if (!this.#config) {
        this.#wanted = Date.now();
        this.#fetch();
        return;
      }
      if (this.#opened) return;
      this.#before = focus();
      this.#opened = true;
      this.#draw();
      this.#root.querySelector(".panel").focus();
      this.dispatchEvent(new CustomEvent("dispel-support-open", { bubbles: true, composed: true }));
    }

    /** Closes it. The focus goes back to where it was before, unless it is in the page. */
    hide() {
      this.#wanted = 0;
      if (!this.#opened) {
        around()?.hide?.();
        return;
      }
      this.#opened = this.#talking = false;
      const away = focus();
      this.#draw();
      const before = this.#before;
      this.#before = null;
      // A page may show again what it hid meanwhile.
      this.dispatchEvent(new CustomEvent("dispel-support-close", { bubbles: true, composed: true }));
      if (away || focus()) return;
      if (before?.isConnected && takes(before)) return;
      this.#root.querySelector(".launcher")?.focus();
      if (this.#root.activeElement) return;
      for (let at = before?.parentElement; at && !takes(at);) at = at.parentElement;
    }

    #theme() {
      const theme = this.getAttribute("theme");
      this.toggleAttribute("data-dark", theme ? theme === "dark" : this.#dark.matches);
    }

    // #tick brings what is shown up to date, and comes back when that may change.
    // Timers stop while a machine sleeps, so it never trusts one for long.
    #tick() {
      if (!this.isConnected) return;
      if (this.showPopover && !this.matches(":popover-open")) this.#raise();
      this.#draw();
      if (Math.abs(Date.now() - this.#fetched) > this.#patience && !around()) this.#fetch();
      clearTimeout(this.#timer);
      const change = this.#config && stateAt(this.#config, this.#now())?.change;
      const wait = Math.min(TICK, this.#patience, change ? Math.max(250, change - this.#now()) : TICK);
      this.#timer = setTimeout(() => this.#tick(), wait);
    }

    // #fetch asks for the config. While that fails, what is shown stays right as
    // far ahead as the config goes.
    async #fetch() {
      if (this.#asking) return;
      this.#asking = true;
      this.#fetched = Date.now();
      this.#patience = RETRY;
      try {
        const response = await fetch(configURL, {
          credentials: "same-origin", cache: "no-cache", redirect: "error", signal: AbortSignal.timeout(10_000),
        });
        if (response.ok) {
          const config = await response.json();
          // The viewer's clock may be wrong by hours; the server's is not.
          const skew = Date.parse(response.headers.get("Date")) - Date.now();
          this.#skew = Math.abs(skew) > 60_000 ? skew : 0;
          this.#config = config;
          this.#missed = false;
          this.#patience = REFETCH;
          if (this.#wanted > Date.now() - 10_000) this.show();
          this.#wanted = 0;
        } else if (response.status === 404) {
          this.#miss();
        }
      } catch {
        // Offline, or too slow.
      }
      this.#asking = false;
      this.#tick();
    }

    // #miss takes the widget off the page once two answers in a row say that there
    // is none: what is in between answers 404, too, while it is being changed. A
    // conversation goes on, come what may.
    #miss() {
      if (this.#missed && !this.#talking) {
        this.#config = null;
        this.hide();
        this.#patience = REFETCH;
        return;
      }
      this.#patience = this.#talking || !this.#config ? REFETCH : CONFIRM;
      this.#missed = true;
    }

    #now() {
      return Date.now() + this.#skew;
    }

    // #language is the first of the element's, the page's and the viewer's
    // languages that there are texts in.
    #language() {
      const wanted = [this.getAttribute("lang"), document.documentElement.lang, ...navigator.languages];
      for (const tag of wanted) {
        const language = tag?.toLowerCase().split("-")[0];
        if (language in TEXTS) return language;
      }
      return "en";
    }

    // #locale has the viewer's own customs, if it is of the language shown.
    #locale(language) {
      return navigator.languages.find((tag) => tag.toLowerCase().split("-")[0] === language) ?? language;
    }

    #draw() {
      const language = this.#language();
      if (!this.#messenger(language) || this.#config.contact.display !== "panel") this.#talking = false;
      const state = this.#config && stateAt(this.#config, this.#now());
      const shown = this.#config && !around();
      // Drawn anew only if it shows something else, so that nobody's focus or
      // place is lost.
      const key = JSON.stringify(this.#talking
        ? [language, this.#config.contact] // a conversation goes on, come what may
        : [language, shown, this.#config, state, this.#opened, this.#day(), this.#opened && this.#due(), this.getAttribute("launcher")]);
      if (key === this.#drawn) return;
      const focused = this.#root.activeElement?.id;
      const scrolled = [".panel", ".body"].map((part) => this.#root.querySelector(part)?.scrollTop ?? 0);
      const nodes = [];
      if (shown && this.getAttribute("launcher") !== "none") nodes.push(this.#launcher(TEXTS[language], language, state));
      if (shown && this.#opened) nodes.push(this.#panel(TEXTS[language], language, state));
      if (!shown) this.#root.replaceChildren();
      else if (!this.#live.isConnected) this.#root.replaceChildren(this.#live, this.#shown);
      this.#shown.replaceChildren(...nodes);
      this.#announce(TEXTS[language], language, state);
      this.#drawn = key;
      if (shown && this.#opened) {
        [".panel", ".body"].forEach((part, i) => {
          const node = this.#root.querySelector(part);
          if (node) node.scrollTop = scrolled[i];
        });
        // What scrolls can be scrolled by keyboard.
        const body = this.#root.querySelector(".body");
        if (body) new ResizeObserver(() => {
          if (body.scrollHeight > body.clientHeight) body.tabIndex = 0;
          else body.removeAttribute("tabindex");
        }).observe(body);
        if (focused) (this.#root.getElementById(focused) ?? this.#root.querySelector(".panel")).focus();
      }
    }

    // #announce says in the live region what the open panel shows of the state and the
    // languages. Of a conversation, it says nothing.
    #announce(texts, language, state) {
      const said = this.#opened && !this.#talking && state
        ? [state.open ? texts.openNow : texts.closedNow, this.#until(texts, language, state), this.#spoken(texts, language, state)].filter(Boolean).join(". ")
        : "";
      if (this.#live.textContent !== said) this.#live.textContent = said;
      this.#live.lang = language;
    }

    // #until is when the state changes; empty if that is not known.
    #until(texts, language, state) {
      const next = state.change && this.#instant(state.change, language);
      return next ? (state.open ? texts.until : texts.opens).replace("%s", next) : "";
    }

    // #spoken are the languages of who is on duty; empty if that is not known.
    #spoken(texts, language, state) {
      return state?.languages?.length ? texts.onDuty.replace("%s", written(language, state.languages)) : "";
    }

    // #due are the times at which answers are due to who writes now.
    #due() {
      const config = this.#config;
      return config?.hours ? config.responseTargets?.map((target) => dueAt(config, target, this.#now())) : undefined;
    }

    // #day makes "opens tomorrow" change at midnight.
    #day() {
      return new Date(this.#now()).toDateString();
    }

    #launcher(texts, language, state) {
      const name = state ? `${texts.open}. ${state.open ? texts.openNow : texts.closedNow}` : texts.open;
      return element("button", {
        id: "launcher", class: "launcher", type: "button", lang: language, "aria-label": name,
        "aria-haspopup": "dialog", "aria-expanded": String(this.#opened), hidden: this.#opened,
        onclick: () => this.show(),
      }, icon("mark", 22), element("span", {}, texts.launcher),
      state && element("span", { class: state.open ? "dot open" : "dot" }));
    }

    #panel(texts, language, state) {
      const partner = () => element("bdi", {}, this.#config.partner);
      const panel = element("section", {
        id: "panel", class: "panel", role: "dialog", lang: language, tabindex: "-1", "aria-labelledby": "title", "aria-describedby": "notice", "aria-owns": "live",
        "aria-modal": String(this.#full.matches),
        onkeydown: (event) => this.#key(event),
      });
      const header = element("div", { class: "head" },
        this.#talking
          ? element("button", { id: "back", class: "icon", type: "button", "aria-label": texts.back, onclick: () => this.#talk(false) }, icon("back", 22))
          : icon("mark", 30),
        element("h2", { id: "title" }, texts.title, element("small", {}, ...fill(texts.forPartner, partner))),
        element("button", { id: "close", class: "icon", type: "button", "aria-label": texts.close, onclick: () => this.hide() }, icon("close", 22)));
      if (this.#talking) {
        panel.append(header,
          element("p", { id: "notice", class: "reminder" }, ...fill(texts.talking, partner)),
          element("iframe", {
            title: texts.frame, src: this.#messenger(language), referrerpolicy: "no-referrer", ...permissions(this.#config.contact.permissions),
          }));
        return panel;
      }
      const notice = element("div", { id: "notice", class: "notice" }, icon("person", 22),
        element("div", {}, element("strong", {}, texts.staff), element("p", {}, ...fill(texts.notPartner, partner))));
      const contact = this.#contact(texts, language, state);
      panel.append(header,
        element("div", { id: "body", class: "body", role: "group", "aria-labelledby": "title" }, notice, this.#state(texts, language, state), this.#facts(texts, language, state)),
        contact);
      return panel;
    }

    // #key closes the panel on Escape, and keeps Tab in it where it covers the page.
    #key(event) {
      if (event.key === "Escape") {
        event.stopPropagation();
        event.preventDefault(); // or a dialog around it would close, too
        this.hide();
      }
      if (event.key !== "Tab" || !this.#full.matches) return;
      const stops = [...this.#root.querySelectorAll(".panel button, .panel a, .panel iframe")];
      const at = this.#root.activeElement;
      if (event.shiftKey ? at === stops[0] || at?.id === "panel" : at === stops.at(-1)) {
        event.preventDefault();
        stops.at(event.shiftKey ? -1 : 0).focus();
      }
    }

    #state(texts, language, state) {
      if (!state) return null;
      const next = this.#until(texts, language, state);
      const closure = !state.open && this.#closure();
      return element("div", { class: "state" },
        element("p", { class: state.open ? "badge open" : "badge" }, state.open ? texts.openNow : texts.closedNow),
        next && element("p", { class: "next" }, next),
        closure && element("p", { class: "why" },
          closure.name ? texts.closedFor.replace("%s", closure.name) : texts.closedToday));
    }

    // #closure is the day off that it is today where the hours are kept.
    #closure() {
      const { hours, closures } = this.#config;
      if (!closures) return null;
      const today = inZone("en-CA", { timeZone: hours.timeZone, dateStyle: "short" })?.format(this.#now());
      return closures.find(({ date }) => date === today);
    }

    // #instant writes an instant in the viewer's own time zone, as short as can
    // be understood.
    #instant(instant, language) {
      const days = Math.round((new Date(instant).setHours(12, 0, 0, 0) - new Date(this.#now()).setHours(12, 0, 0, 0)) / 86_400_000);
      const options = { hour: "numeric", minute: "2-digit" };
      if (days !== 0) options.weekday = "long";
      if (days > 6) Object.assign(options, { day: "numeric", month: "long" });
      if (this.#config.hours.timeZone !== Intl.DateTimeFormat().resolvedOptions().timeZone) options.timeZoneName = "short";
      return new Intl.DateTimeFormat(this.#locale(language), options).format(instant);
    }

    #facts(texts, language, state) {
      const { hours, covered, hoursLimited, responseTargets, languages, policyURL } = this.#config;
      const list = element("dl");
      const fact = (name, ...values) => list.append(element("dt", {}, name), element("dd", {}, ...values));
      if (hoursLimited) fact(texts.hours, texts.limited);
      else if (hours) {
        const zone = element("span", { class: "zone" }, this.#zone(hours, language));
        fact(texts.hours, ...(hours.alwaysOn ? [texts.always] : this.#weekly(hours.windows ?? [hours], language)), hours.alwaysOn || covered ? "" : zone);
        if (covered) fact(texts.covered, ...(covered.length ? this.#weekly(covered, language) : [texts.never]), zone);
      }
      if (responseTargets?.length) {
        const due = this.#due() ?? [];
        fact(texts.response, ...responseTargets.flatMap(({ severity, minutes }, i) => [
          element("span", { class: "row" },
            element("span", {}, texts.severity.replace("%s", severity)),
            element("span", {}, texts.within.replace("%s", this.#duration(minutes, language)))),
          due[i] ? element("span", { class: "due" },
            (attended(this.#config, due[i]) ? texts.by : texts.outside).replace("%s", this.#instant(due[i], language))) : "",
        ]));
      }
      if (languages?.length) {
        const spoken = this.#spoken(texts, language, state);
        fact(texts.languages, element("span", {}, written(language, languages)), spoken && element("span", { class: "duty" }, spoken));
      }
      if (policyURL?.startsWith("https://")) {
        fact(texts.policy, element("a", { id: "policy", class: "link", href: policyURL, target: "_blank", rel: "noopener noreferrer" },
          new URL(policyURL).hostname, element("span", { class: "hint" }, " " + texts.newTab)));
      }
      return list.children.length ? list : null;
    }

    // #zone is the plan's time zone, in words.
    #zone({ timeZone = "UTC" }, language) {
      return inZone(language, { timeZone, timeZoneName: "longGeneric" })
        ?.formatToParts(this.#now()).find(({ type }) => type === "timeZoneName").value ?? timeZone;
    }

    // #weekly writes the hours of a week as the plan's clock has them.
    #weekly(windows, language) {
      const locale = this.#locale(language);
      const WEEK = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
      const dayName = new Intl.DateTimeFormat(locale, { weekday: "short", timeZone: "UTC" });
      // 5 January 1970 was a Monday.
      const name = (i) => dayName.format(new Date(Date.UTC(1970, 0, 5 + i)));
      const listed = (days) => {
        const runs = [];
        for (const i of days) {
          const run = runs.at(-1);
          if (run && run.at(-1) === i - 1) run.push(i);
          else runs.push([i]);
        }
        return runs.map((run) => (run.length > 2 ? `${name(run[0])} – ${name(run.at(-1))}` : run.map(name).join(", "))).join(", ");
      };
      const clock = new Intl.DateTimeFormat(locale, { hour: "numeric", minute: "2-digit", timeZone: "UTC" });
      const time = (text) => clock.format(new Date(`1970-01-01T${text === "24:00" ? "00:00" : text}:00Z`));
      // Days with the same windows are one line.
      const alike = new Map();
      WEEK.forEach((day, i) => {
        const spans = windows.filter(({ days }) => days.includes(day)).sort((a, b) => (a.opens < b.opens ? -1 : 1))
          .map(({ opens, closes }) => `${time(opens)} – ${time(closes)}`).join(", ");
        if (spans) alike.set(spans, [...(alike.get(spans) ?? []), i]);
      });
      return [...alike].flatMap(([spans, days]) => [element("span", {}, listed(days)), element("span", {}, spans)]);
    }

    #duration(minutes, language) {
      const unit = (value, unit) => new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "long" }).format(value);
      const parts = [];
      if (minutes >= 60) parts.push(unit(Math.floor(minutes / 60), "hour"));
      if (minutes % 60) parts.push(unit(minutes % 60, "minute"));
      return parts.join(" ");
    }

    // #messenger is the messenger's address; null if there is none.
    #messenger(language) {
      const address = this.#config?.contact.messengerURL?.replaceAll("{language}", language);
      return address && safe(address) ? address : null;
    }

    #contact(texts, language, state) {
      const { display, email } = this.#config.contact;
      const messenger = this.#messenger(language);
      const label = (!state || state.open) && !this.#config.hoursLimited ? texts.chat : texts.leave;
      const footer = element("div", { class: "foot" });
      if (messenger && display === "panel") {
        footer.append(element("button", { id: "talk", class: "primary", type: "button", onclick: () => this.#talk(true) }, icon("chat", 20), label));
      } else if (messenger) {
        footer.append(element("a", { id: "talk", class: "primary", href: messenger, target: "_blank", rel: "noopener noreferrer" },
          icon("chat", 20), element("span", {}, label, element("span", { class: "hint" }, " " + texts.newTab))));
      } else if (email) {
        footer.append(element("a", { id: "talk", class: "primary", href: "mailto:" + email }, icon("mail", 20), texts.email));
      }
      if (email) footer.append(element("a", { id: "email", class: "address", href: "mailto:" + email }, email));
      return footer;
    }

    #talk(talking) {
      this.#talking = talking;
      this.#draw();
      this.#root.querySelector(".panel").focus();
    }
  }

  customElements.define("dispel-support", DispelSupport);

  // The script's own element is beside the body, so that it stays when the page replaces
  // that or fades it out, and comes back when the page replaces the whole document,
  // unless what came has one.
  const own = document.createElement("dispel-support");
  const observer = new MutationObserver(keep);
  let returns = [];

  function keep() {
    const others = [...document.querySelectorAll("dispel-support")].filter((element) => element !== own);
    if (others.length) {
      own.remove();
    } else if (!own.isConnected && document.documentElement) {
      // A page that takes it away each time wins.
      returns = [...returns.filter((at) => at > Date.now() - 10_000), Date.now()];
      if (returns.length <= 20) document.documentElement.append(own);
    }
    observer.disconnect();
    for (const node of [document, document.documentElement, document.body]) {
      if (node) observer.observe(node, { childList: true });
    }
  }
  if (document.body && document.readyState !== "loading") keep();
  else document.addEventListener("DOMContentLoaded", keep);
})();
