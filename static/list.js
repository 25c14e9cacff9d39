/**
 * The list of rows: it takes over the rows of the first paint and keeps them true. A changed cell flashes once; a row slides to its
 * new place, but never while somebody points at the list or is in it with the keyboard: then a chip says how many wait.
 */

import { cell, isStale, number, sign } from "./cells.js";
import { byId, h, icon, morph } from "./dom.js";
import { onTick, refreshScope, setScope } from "./time.js";
import { isWall } from "./wall.js";

// What the first paint has, and how much is added at a time: little enough for one frame.
const FIRST = 250;
const STEP = 80;
const SLIDE = 180;
// A pointer left lying on the list must not keep an urgent row from rising for ever.
const HOLD = 30_000;
const GUARD = 350;
// Under a storm of changes the order settles once a breath, so that the eye can follow it.
const REST = 900;

export class List {
  #rows = new Map();
  #limit = FIRST;
  #over = false;
  #activeAt = -HOLD;
  #movedAt = -GUARD;
  #sortedAt = -REST;
  #waiting = 0;

  /** @param {object} parts board, model, voice, state (show, text, chosen), href(row), spark(row), happened(row) */
  constructor(parts) {
    Object.assign(this, parts);
    this.root = byId("list");
    this.body = byId("rows");
    this.table = this.body.closest("table");
    this.chip = byId("chip");
    for (const el of this.body.children) this.#rows.set(el.dataset.id, { el, signs: null });
    this.#listen();
  }

  /** The ids of the rows as they stand, for the keyboard. */
  get ids() {
    return [...this.body.children].filter((el) => !el.dataset.gone).map((el) => el.dataset.id);
  }

  /** The link of a row. */
  link(id) {
    return this.#rows.get(id)?.el.querySelector(".row-link");
  }

  /** The id of the row with the focus, or of the chosen one. */
  get current() {
    return document.activeElement?.closest?.(".row")?.dataset.id ?? this.state.chosen;
  }

  /** Puts the focus on a row and brings it into view. */
  focus(id) {
    const link = this.link(id);
    link?.focus({ preventScroll: true });
    link?.closest(".row").scrollIntoView({ block: "nearest" });
  }

  /** Draws what has changed. `reset`: the filter did, so rows may move under the pointer, which asked for it. */
  draw(dirty, { reset = false, whole = false } = {}) {
    if (reset) this.#limit = FIRST;
    const chosen = this.model.choose(this.state.show, this.state.text);
    const wanted = chosen.slice(0, this.#limit);
    for (const id of dirty) this.#patch(id);
    this.#settle(wanted, { reset: reset || whole });
    this.#tiles(chosen);
    this.#empty(chosen);
    this.pages?.remove();
  }

  /** Marks the chosen row. */
  mark() {
    for (const [id, { el }] of this.#rows) {
      const chosen = id === this.state.chosen;
      el.toggleAttribute("data-chosen", chosen);
      const link = el.querySelector(".row-link");
      chosen ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
    }
  }

  #listen() {
    this.pages = byId("pages");
    this.body.addEventListener("pointerover", (event) => {
      this.#over = event.pointerType === "mouse";
      this.#activeAt = performance.now();
    });
    this.body.addEventListener("pointermove", () => (this.#activeAt = performance.now()), { passive: true });
    this.body.addEventListener("pointerleave", () => {
      this.#over = false;
      this.#release();
    });
    this.body.addEventListener("focusin", () => (this.#activeAt = performance.now()));
    this.body.addEventListener("keydown", () => (this.#activeAt = performance.now()));
    this.body.addEventListener("focusout", () => setTimeout(() => this.#release()));
    this.body.addEventListener("click", (event) => performance.now() - this.#movedAt < GUARD && event.preventDefault(), { capture: true });
    this.chip.addEventListener("click", () => this.#release(true));
    new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && this.#grow(), {
      root: this.root,
      rootMargin: "1600px",
    }).observe(byId("more"));
    setScope(() => [document.querySelector(".top"), byId("panel"), ...this.#looked()]);
    onTick(() => this.#tick());
    let waiting = 0;
    this.root.addEventListener("scroll", () => (waiting ||= setTimeout(() => ((waiting = 0), this.#seen()), 120)), { passive: true });
    addEventListener("beforeprint", () => {
      this.#limit = Infinity;
      if (this.model.loaded) this.draw([], { whole: true });
    });
  }

  get #held() {
    const inside = this.#over || this.body.contains(document.activeElement);
    return inside && performance.now() - this.#activeAt < HOLD;
  }

  #tick() {
    this.#stale();
    if (this.#waiting) this.#release();
  }

  /** Brings what has just come into sight up to the moment. */
  #seen() {
    refreshScope();
    this.#stale();
    if (byId("more").getBoundingClientRect().top < this.root.getBoundingClientRect().bottom + 1600) this.#grow();
  }

  #stale() {
    for (const el of this.#looked()) {
      const row = this.model.rows.get(el.dataset.id);
      if (row && isStale(this.board, row) !== el.hasAttribute("data-stale")) this.#patch(row.objectId);
    }
  }

  /** The rows in sight: found by halving, for there may be thousands. */
  #looked() {
    const rows = this.body.children;
    const [top, bottom] = [this.root.scrollTop - 200, this.root.scrollTop + this.root.clientHeight + 200];
    let low = 0;
    let high = rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle].offsetTop + rows[middle].offsetHeight < top) low = middle + 1;
      else high = middle;
    }
    const found = [];
    for (let index = low; index < rows.length && rows[index].offsetTop < bottom; index += 1) found.push(rows[index]);
    return found;
  }

  /** More rows at the end of the list; what stands is not looked at again. */
  #grow() {
    const chosen = this.model.loaded ? this.model.choose(this.state.show, this.state.text) : [];
    if (chosen.length <= this.#limit) return;
    const more = chosen.slice(this.#limit, this.#limit + STEP);
    this.#limit += STEP;
    this.body.append(...more.filter((row) => !this.#rows.has(row.objectId)).map((row) => this.#make(row)));
  }

  #release(forced = false) {
    if (!this.#waiting || (this.#held && !forced)) return;
    this.#settle(this.model.choose(this.state.show, this.state.text).slice(0, this.#limit), { reset: forced });
  }

  #what(row, column) {
    return { board: this.board, model: this.model, cards: this.cards, masked: isWall(), column, row, href: this.href, spark: this.spark, happened: this.happened };
  }

  #patch(id) {
    const entry = this.#rows.get(id);
    const row = this.model.rows.get(id);
    if (!entry || !row) return;
    const { el } = entry;
    const level = this.model.levelOf(row).value;
    const signs = this.board.columns.map((column) => sign(this.#what(row, column)));
    this.board.columns.forEach((column, index) => {
      const fresh = cell(this.#what(row, column));
      const old = el.children[index];
      const flashing = old.classList.contains("flash");
      for (const { name, value } of fresh.attributes) if (name !== "class") old.setAttribute(name, value);
      for (const name of ["data-pending", "title", "data-masked"]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
      morph(old, fresh);
      if (entry.signs && entry.signs[index] !== signs[index] && column.flash !== false) flash(old, flashing);
    });
    if (entry.signs && el.dataset.level !== level) this.#tell(row);
    else if (entry.signs && entry.signs.join() !== signs.join()) this.voice.add();
    entry.signs = signs;
    el.dataset.level = level;
    el.dataset.tone = this.model.levelOf(row).tone;
    el.toggleAttribute("data-stale", isStale(this.board, row));
  }

  #tell(row) {
    const level = this.model.levelOf(row);
    this.voice.add(this.model.alarm.includes(level.value) ? `${row.$label} is now ${level.label.toLowerCase()}.` : "");
  }

  #make(row) {
    const cells = this.board.columns.map((column) => cell(this.#what(row, column)));
    const el = h("tr", { role: "row", class: "row", "data-id": row.objectId, "data-level": this.model.levelOf(row).value, "data-tone": this.model.levelOf(row).tone, "data-stale": isStale(this.board, row) }, ...cells);
    if (row.objectId === this.state.chosen) el.setAttribute("data-chosen", "");
    const signs = this.board.columns.map((column) => sign(this.#what(row, column)));
    this.#rows.set(row.objectId, { el, signs });
    return el;
  }

  /** Brings the rows into the wanted order and number, or counts how many wait for it. */
  #settle(wanted, { reset }) {
    const ids = new Set(wanted.map((row) => row.objectId));
    const standing = [...this.body.children].filter((el) => !el.dataset.gone);
    const gone = standing.filter((el) => !ids.has(el.dataset.id));
    const moving = restless(standing.map((el) => el.dataset.id).filter((id) => ids.has(id)), wanted.map((row) => row.objectId));
    const fresh = wanted.filter((row) => !this.#rows.has(row.objectId));
    const changes = gone.length + moving.size + fresh.length;
    const held = this.#held && !reset && standing.length > 0;
    const soon = !reset && performance.now() - this.#sortedAt < REST;
    this.#waiting = held || soon ? changes : 0;
    this.#showChip(held);
    if (held || soon || !changes) return;
    this.#sortedAt = performance.now();
    const growth = fresh.length > 20 || reset;
    const before = growth ? new Map() : this.#places();
    this.#arrange(wanted, gone, moving, { fade: !growth });
    if (!growth) this.#slide(before);
    if (!growth && this.#over) this.#movedAt = performance.now();
  }

  #showChip(held) {
    this.chip.hidden = !held || this.#waiting === 0;
    if (!this.chip.hidden) this.chip.replaceChildren(h("span", {}, icon("sort"), `${this.#waiting} moved`, h("span", { class: "sr" }, ", sort the list now")));
  }

  #arrange(wanted, gone, moving, { fade }) {
    const focused = this.body.contains(document.activeElement) ? document.activeElement : null;
    for (const el of gone) {
      this.#rows.delete(el.dataset.id);
      el.remove();
    }
    let next = null;
    for (const row of wanted.toReversed()) {
      const known = this.#rows.get(row.objectId);
      const el = known?.el ?? this.#make(row);
      if (!known || moving.has(row.objectId)) this.body.insertBefore(el, next);
      if (!known && fade && !calm()) el.animate([{ opacity: 0 }, { opacity: 1 }], { duration: SLIDE });
      next = el;
    }
    if (focused && document.activeElement !== focused && focused.isConnected) focused.focus({ preventScroll: true });
  }

  #places() {
    const view = this.root.getBoundingClientRect();
    const places = new Map();
    for (const el of this.body.children) {
      const { top, bottom } = el.getBoundingClientRect();
      if (bottom > view.top - 200 && top < view.bottom + 200) places.set(el, top);
      else if (top >= view.bottom + 200) break;
    }
    return places;
  }

  #slide(before) {
    if (calm()) return;
    for (const [el, top] of before) {
      if (!el.isConnected) continue;
      const shift = top - el.getBoundingClientRect().top;
      if (Math.abs(shift) > 1) el.animate([{ transform: `translateY(${shift}px)` }, { transform: "none" }], { duration: SLIDE, easing: "ease-out" });
    }
  }

  #tiles(chosen) {
    const counts = this.model.tally();
    for (const el of byId("tiles").children) {
      const { key } = el.dataset;
      const count = counts.get(key);
      const text = number(count);
      const strong = el.querySelector("strong");
      if (strong.textContent !== text) strong.textContent = text;
      el.toggleAttribute("data-some", count > 0);
      const on = this.state.show === key;
      on ? el.setAttribute("aria-current", "true") : el.removeAttribute("aria-current");
      el.href = this.address({ show: on ? "" : key });
    }
    const line = byId("filter-line");
    line.hidden = !(this.state.show || this.state.text);
    line.firstElementChild.textContent = `${number(chosen.length)} of ${number(this.model.rows.size)}`;
  }

  #empty(chosen) {
    const nothing = byId("nothing");
    this.table.hidden = chosen.length === 0;
    nothing.hidden = chosen.length > 0 || !this.model.loaded;
    if (!nothing.hidden) morph(nothing, h("div", {}, ...this.explain()));
  }
}

const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches || document.hidden;

/** Lets a cell flash once; a second change while it does begins anew. */
function flash(el, again) {
  if (again) for (const animation of el.getAnimations()) animation.currentTime = 0;
  el.classList.add("flash");
  clearTimeout(el.flashTimer);
  el.flashTimer = setTimeout(() => el.classList.remove("flash"), 1200);
}

/** The ids that must move so that `from` becomes `to`: all but a longest run that already stands in the right order. */
export function restless(from, to) {
  const place = new Map(to.map((id, index) => [id, index]));
  const tails = [];
  const previous = new Map();
  for (const id of from) {
    const value = place.get(id);
    let low = 0;
    let high = tails.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (place.get(tails[middle]) < value) low = middle + 1;
      else high = middle;
    }
    previous.set(id, tails[low - 1]);
    tails[low] = id;
  }
  const still = new Set();
  for (let id = tails.at(-1); id !== undefined; id = previous.get(id)) still.add(id);
  return new Set(from.filter((id) => !still.has(id)));
}
