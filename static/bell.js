/** The bell: what the caller must look at, live, with their word that they did. */

import { when } from "./cells.js";
import { byId, h, icon, morph } from "./dom.js";
import { toggleSheet } from "./sheets.js";
import { upper } from "./text.js";
import { now, onTick } from "./time.js";
import { toast } from "./toast.js";

const RANK = { critical: 0, high: 1, normal: 2 };
const TONES = { critical: "filled", high: "bad", normal: "calm" };
const ICONS = { critical: "alert", high: "alert", normal: "dot" };
const SNOOZE = 30;
const MOST = 200;

export class Bell {
  #alerts = new Map();
  #leaving = new Set();

  /** @param {{live: object, rest: object, me: object, doors?: Record<string, string>}} parts `doors`: class -> where its rows are opened */
  constructor(parts) {
    Object.assign(this, parts);
    this.root = byId("bell");
    this.sheet = this.root.querySelector(".bell-sheet");
    this.count = this.root.querySelector(".bell-count");
    this.sheet.addEventListener("click", (event) => this.#click(event));
    this.root.addEventListener("toggle", () => this.#draw());
    onTick(() => this.#draw());
  }

  /** Begins to listen. */
  follow() {
    const where = { acknowledgedAt: { $exists: false } };
    this.live.subscribe({ className: "Alert", where, order: "-raisedAt", limit: MOST }, {
      snapshot: (objects) => {
        this.#alerts = new Map(objects.map((object) => [object.objectId, object]));
        this.root.hidden = false;
        this.#draw();
      },
      event: (op, object) => {
        if (op === "leave" || op === "delete") this.#alerts.delete(object.objectId);
        else this.#alerts.set(object.objectId, object);
        this.#draw();
      },
      refused: () => (this.root.hidden = true),
    });
  }

  /** Opens or closes the list. */
  toggle() {
    if (this.root.hidden) return;
    toggleSheet("bell", ".bell-sheet :is(a, button)", () => this.#draw());
  }

  /** What waits, the worst and newest first. */
  get waiting() {
    const snoozed = (alert) => Date.parse(alert.snoozedUntil?.iso ?? "") > now();
    return [...this.#alerts.values()].filter((alert) => !snoozed(alert) && !this.#leaving.has(alert.objectId))
      .sort((a, b) => RANK[a.urgency] - RANK[b.urgency] || b.raisedAt.iso.localeCompare(a.raisedAt.iso));
  }

  #draw() {
    if (this.root.hidden) return;
    const { waiting } = this;
    const worst = waiting.some((alert) => alert.urgency === "critical");
    const text = waiting.length > 99 ? "99+" : String(waiting.length);
    if (this.count.textContent !== text) this.count.textContent = text;
    this.count.hidden = waiting.length === 0;
    this.count.dataset.tone = worst ? "filled" : "bad";
    const name = waiting.length ? `Alerts: ${waiting.length}${worst ? ", some critical" : ""}` : "Alerts: none";
    const summary = this.root.querySelector("summary");
    if (summary.getAttribute("aria-label") !== name) summary.setAttribute("aria-label", name);
    if (!this.root.open) return;
    morph(this.sheet, h("div", {}, h("h2", {}, "Alerts"), waiting.length ? h("ul", { class: "alerts" }, ...waiting.slice(0, 30).map((alert) => this.#item(alert))) : h("p", { class: "quiet" }, "Nothing waits for you.")));
  }

  #item(alert) {
    const door = this.doors?.[alert.about?.className];
    const words = door ? h("a", { href: `${door}/rows/${alert.about.objectId}` }, alert.message) : h("span", {}, alert.message);
    return h("li", { "data-key": alert.objectId, "data-tone": TONES[alert.urgency] },
      h("span", { class: "tag" }, icon(ICONS[alert.urgency] ?? "dot"), upper(alert.urgency)), h("p", {}, words), h("small", {}, when(alert.raisedAt.iso, "ago"), " ago"),
      h("div", { class: "alert-acts" },
        h("button", { class: "button primary", type: "button", "data-alert": alert.objectId, "data-key": "ack" }, "Acknowledge", h("span", { class: "sr" }, ` ${alert.message}`)),
        h("button", { class: "button", type: "button", "data-alert": alert.objectId, "data-snooze": true, "data-key": "snooze" }, `Snooze ${SNOOZE} min`)));
  }

  async #click(event) {
    const button = event.target.closest("[data-alert]");
    if (!button) return;
    const id = button.dataset.alert;
    const iso = new Date(now() + ("snooze" in button.dataset ? SNOOZE * 60_000 : 0)).toISOString();
    const date = { __type: "Date", iso };
    this.#leaving.add(id);
    this.#draw();
    this.sheet.querySelector("button")?.focus();
    try {
      await this.rest.update("Alert", id, "snooze" in button.dataset ? { snoozedUntil: date } : { acknowledgedAt: date });
      if ("snooze" in button.dataset && this.#alerts.has(id)) this.#alerts.set(id, { ...this.#alerts.get(id), snoozedUntil: date });
      else this.#alerts.delete(id);
    } catch (refusal) {
      toast(refusal.message);
    }
    this.#leaving.delete(id);
    this.#draw();
  }
}
