/** The pill that says how true the page is, and the banner when it is not: Live, Not sure, Catching up, Reconnecting or Offline. */

import { byId, h } from "./dom.js";
import { clock, hours, onTick, seconds } from "./time.js";

// A connection that comes back within this time was never worth a word (a restart, a change of network).
const PATIENCE = 2000;
const GIVEN_UP = 12_000;

export class Pill {
  #shown = "false";

  /** @param {import("./live.js").LiveQuery} live */
  constructor(live) {
    this.live = live;
    this.pill = byId("pill");
    this.word = this.pill.querySelector(".pill-word");
    this.age = this.pill.querySelector(".pill-age");
    this.banner = byId("banner");
    onTick(() => this.draw());
  }

  /** Draws the state as it is now. */
  draw() {
    const [state, word, age] = this.#words();
    if (this.pill.dataset.state !== state) this.pill.dataset.state = state;
    if (this.word.textContent !== word) this.word.textContent = word;
    if (this.age.textContent !== age) this.age.textContent = age;
    this.#frame(state);
  }

  /** The last moment at which the page was known to be true. */
  get known() {
    return this.live.heardAt || this.live.keptAt || this.live.lostAt;
  }

  #words() {
    const { live } = this;
    const lost = Date.now() - live.lostAt;
    if (live.state === "ended") return ["offline", "Signed out", ""];
    if (live.keptAt && live.heardAt === 0) return ["offline", "As of", `${clock(live.keptAt)}${navigator.onLine && lost < PATIENCE ? "" : ", no network"}`];
    if (live.isUnsure) return ["waiting", "Not sure", `since ${seconds(live.heardAt)}`];
    if (live.state === "live") return ["live", "Live", since(Date.now() - live.heardAt)];
    if (live.state === "catching") return ["catching", "Catching up", live.caught ? String(live.caught) : ""];
    if (live.heardAt === 0 && lost < PATIENCE && navigator.onLine) return ["catching", "Connecting", ""];
    if (lost < PATIENCE && navigator.onLine && !live.isSilent) return ["live", "Live", since(Date.now() - live.heardAt)];
    if (!navigator.onLine || lost > GIVEN_UP) return ["offline", "Offline", `since ${hours(this.known)}`];
    const wait = Math.max(0, Math.ceil((live.retryAt - Date.now()) / 1000));
    return ["waiting", "Reconnecting", live.state === "waiting" && wait ? `in ${wait} s` : "now"];
  }

  #frame(state) {
    const offline = state === "offline";
    const shown = offline && this.live.state === "ended" ? "ended" : `${offline}${offline && this.known}`;
    if (shown === this.#shown) return;
    this.#shown = shown;
    byId("list").classList.toggle("dim", offline);
    byId("panel")?.classList.toggle("dim", offline);
    this.banner.hidden = !offline;
    if (offline) this.banner.replaceChildren(...this.#banner());
    if (this.live.state === "ended") leave();
  }

  #banner() {
    if (this.live.state === "ended") {
      const here = encodeURIComponent(location.pathname + location.search);
      return [h("span", {}, "Your session has ended. What you see is as it was; nothing new reaches this page."), h("a", { class: "button", href: `/?next=${here}` }, "Sign in again")];
    }
    const again = h("button", { class: "button", type: "button" }, "Try now");
    again.addEventListener("click", () => this.live.tryNow());
    const isKept = this.live.keptAt && this.live.heardAt === 0;
    const words = isKept
      ? `No network. This page is as it was at ${clock(this.known)}, from this phone; it may have changed since.`
      : `Offline. The server last spoke at ${seconds(this.known)}: what you see is as it was then, and may have changed since.`;
    return [h("span", {}, document.body.classList.contains("mine") ? `${words} What you do is kept and sent later.` : words), again];
  }
}

/** Who is signed out sees no patient: the page goes, at most once a minute in case the two doors disagree about the session. */
function leave() {
  const last = Number(sessionStorage.getItem("careboard.left"));
  if (Date.now() - last < 60_000) return;
  sessionStorage.setItem("careboard.left", String(Date.now()));
  location.replace(`/?ended=1&next=${encodeURIComponent(location.pathname + location.search)}`);
}

const since = (ms) => (ms < 9950 ? `${(Math.max(0, ms) / 1000).toFixed(1)} s` : `${Math.round(ms / 1000)} s`);
