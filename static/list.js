/**
 * The list of rows: it takes over the rows of the first paint and keeps them true. A changed cell flashes once; a row slides to its
 * new place, but never while somebody points at the list or is in it with the keyboard: then a chip says how many wait. Of thousands
 * of rows those in sight stand in the document, with some before and behind them; a row that has the focus always does.
 */

import { cell, isStale, number, sign } from "./cells.js";
import { byId, h, icon, morph } from "./dom.js";
import { restless, same, Stretch } from "./stretch.js";
import { onTick, setScope } from "./time.js";
import { isWall } from "./wall.js";

const SLIDE = 180;
// A pointer left lying on the list must not keep an urgent row from rising for ever.
const HOLD = 30_000;
const GUARD = 350;
// Under a storm of changes the order settles once a breath, so that the eye can follow it.
const REST = 900;
// Rows stand ready for as many pixels beyond what is seen; a few at a time are made when some of that is used up, little enough for one frame.
const AHEAD = 700;
const STEP = 140;
const ROW = 49;

export class List {
  #rows = new Map();
  #stretch = new Stretch(ROW);
  #drawn = [0, 0];
  #whole = false;
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
    this.#stretch.ids = [...this.#rows.keys()];
    this.#listen();
  }

  /** The ids of all rows as they are listed, for the keyboard. */
  get ids() {
    return this.#stretch.ids;
  }

  /** The link of a row that stands in the document. */
  link(id) {
    return this.#rows.get(id)?.el.querySelector(".row-link");
  }

  /** The id of the row with the focus, or of the chosen one. */
  get current() {
    return document.activeElement?.closest?.(".row")?.dataset.id ?? this.state.chosen;
  }

  /** Puts the focus on a row and brings it into view. */
  focus(id) {
    const index = this.ids.indexOf(id);
    if (index >= 0 && this.model.loaded) this.#reach(index);
    const link = this.link(id);
    link?.focus({ preventScroll: true });
    link?.closest(".row").scrollIntoView({ block: "nearest" });
  }

  /** Draws what has changed. `reset`: the filter did, so rows may move under the pointer, which asked for it. */
  draw(dirty, { reset = false } = {}) {
    const chosen = this.model.choose(this.state.show, this.state.text);
    this.#tiles(chosen);
    this.#empty(chosen);
    this.pages?.remove();
    for (const id of dirty) this.#patch(id);
    this.#settle(chosen.map((row) => row.objectId), { reset });
  }

  /** Marks the chosen row. */
  mark() {
    for (const [id, { el }] of this.#rows) this.#mark(id, el);
  }

  #mark(id, el) {
    const chosen = id === this.state.chosen;
    el.toggleAttribute("data-chosen", chosen);
    const link = el.querySelector(".row-link");
    chosen ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
  }

  #listen() {
    this.pages = byId("pages");
    this.body.addEventListener("pointerover", (event) => {
      this.#over = event.pointerType === "mouse";
      this.#activeAt = performance.now();
    });
    this.body.addEventListener("pointerover", ({ target }) => {
      const cut = target.closest?.("b, small, span, a");
      if (cut && !cut.title && (cut.scrollWidth > cut.clientWidth || cut.scrollHeight > cut.clientHeight + 2) && cut.clientWidth) cut.title = cut.textContent;
    }, { passive: true });
    this.body.addEventListener("pointermove", () => (this.#activeAt = performance.now()), { passive: true });
    this.body.addEventListener("pointerleave", () => {
      this.#over = false;
      this.#release();
    });
    this.body.addEventListener("focusin", () => {
      this.#activeAt = performance.now();
      this.#follow();
    });
    this.body.addEventListener("keydown", (event) => {
      this.#activeAt = performance.now();
      // From a row that was scrolled away the way leads on to its neighbours.
      if (event.key === "Tab") this.#reach(this.ids.indexOf(this.current));
    });
    this.body.addEventListener("focusout", () => setTimeout(() => this.#release()));
    this.body.addEventListener("click", (event) => performance.now() - this.#movedAt < GUARD && event.preventDefault(), { capture: true });
    this.chip.addEventListener("click", () => this.#release(true));
    setScope(() => [document.querySelector(".top"), byId("panel"), this.body]);
    onTick(() => this.#tick());
    // The list scrolls by itself, on a screen without height the page does.
    addEventListener("scroll", () => this.#follow(), { passive: true, capture: true });
    new ResizeObserver(() => this.#follow()).observe(this.root);
    addEventListener("beforeprint", () => this.#print(true));
    addEventListener("afterprint", () => this.#print(false));
  }

  get #held() {
    const inside = this.#over || this.body.contains(document.activeElement);
    return inside && performance.now() - this.#activeAt < HOLD;
  }

  #tick() {
    for (const [id, { el }] of this.#rows) {
      const row = this.model.rows.get(id);
      if (row && isStale(this.board, row) !== el.hasAttribute("data-stale")) this.#patch(id);
    }
    if (this.#waiting) this.#release();
    this.#follow();
  }

  #print(on) {
    this.#whole = on;
    if (this.model.loaded) this.#fill();
  }

  // ---- which rows stand in the document

  /** From where to where the list is seen, in its own pixels. */
  #seen() {
    const { top, bottom } = this.root.getBoundingClientRect();
    const zoom = this.body.currentCSSZoom ?? 1;
    const start = this.body.getBoundingClientRect().top;
    return [Math.max(top, 0), Math.min(bottom, innerHeight)].map((edge) => (edge - start) / zoom);
  }

  /** Makes rows ready before they are scrolled to. */
  #follow() {
    if (!this.model.loaded || this.#whole || this.table.hidden) return;
    const [top, bottom] = this.#seen();
    const [first, last] = this.#stretch.between(top - AHEAD + STEP, bottom + AHEAD - STEP);
    if (first < this.#drawn[0] || last > this.#drawn[1]) this.#fill();
  }

  /** Brings a row into the document and into view. */
  #reach(index) {
    if (index < 0 || this.table.hidden) return;
    const [top, bottom] = this.#seen();
    const start = this.#stretch.start(index);
    if (start < top || this.#stretch.start(index + 1) > bottom) {
      this.#scroller.scrollTop += start - (start < top ? top + STEP : bottom - STEP);
    }
    this.#fill();
  }

  /** Brings the rows that are seen, and some beyond, into the document in their order; the others go. What is seen stays where it is. */
  #fill({ fresh = new Set(), moving = new Set() } = {}) {
    const { ids } = this.#stretch;
    // Whatever is asked of the layout is asked before rows go: the list must at no moment be shorter than where it is scrolled to.
    const still = this.#still(moving);
    const gap = Number.parseFloat(getComputedStyle(this.body).rowGap) || 0;
    const [top, bottom] = this.#whole ? [0, Infinity] : this.#seen();
    const [first, last] = this.#stretch.between(top - AHEAD, bottom + AHEAD);
    const focused = this.body.contains(document.activeElement) ? document.activeElement : null;
    const parked = focused?.closest(".row")?.dataset.id;
    const wanted = ids.slice(first, last);
    const at = parked === undefined ? -1 : ids.indexOf(parked);
    if (at >= 0 && at < first) wanted.unshift(parked);
    if (at >= last) wanted.push(parked);
    this.#arrange(wanted, fresh);
    for (const el of this.body.querySelectorAll(".parked")) el.classList.remove("parked");
    if (at >= 0 && (at < first || at >= last)) this.#park(this.#rows.get(parked).el, at);
    this.#drawn = [first, last];
    this.table.dataset.window = "";
    this.#number(first);
    this.#measure(first, last, gap);
    const shift = still?.el.isConnected ? still.el.getBoundingClientRect().top - still.top : 0;
    if (Math.abs(shift) > 0.5) this.#scroller.scrollTop += shift;
    if (focused && document.activeElement !== focused && focused.isConnected) focused.focus({ preventScroll: true });
  }

  /** The first row in sight that does not move, where others stand before it; at the top of the list what rises there is to be seen. */
  #still(moving) {
    const [top] = this.#seen();
    if (top <= 0 || this.#whole) return null;
    const edge = Math.max(0, this.root.getBoundingClientRect().top);
    for (const el of this.body.children) {
      if (el.classList.contains("parked") || moving.has(el.dataset.id)) continue;
      const box = el.getBoundingClientRect();
      if (box.bottom > edge) return { el, top: box.top };
    }
    return null;
  }

  get #scroller() {
    return this.root.scrollHeight > this.root.clientHeight + 1 ? this.root : document.scrollingElement;
  }

  /** A row with the focus keeps it though it is scrolled away. */
  #park(el, index) {
    el.classList.add("parked");
    el.style.top = `${this.#stretch.start(index)}px`;
    el.setAttribute("aria-rowindex", String(index + 2));
  }

  #number(first) {
    const count = String(this.ids.length + 1);
    if (this.table.getAttribute("aria-rowcount") !== count) this.table.setAttribute("aria-rowcount", count);
    let index = first + 2;
    for (const el of this.body.children) {
      if (el.classList.contains("parked")) continue;
      const text = String(index++);
      if (el.getAttribute("aria-rowindex") !== text) el.setAttribute("aria-rowindex", text);
    }
  }

  /** Makes room for the rows that are not here, by what these turn out to measure. */
  #measure(first, last, gap) {
    this.#pad(first, last, gap);
    const zoom = this.body.currentCSSZoom ?? 1;
    const standing = [...this.body.children].filter((el) => !el.classList.contains("parked"));
    this.#stretch.learn(standing.map((el) => [el.dataset.id, el.getBoundingClientRect().height / zoom + gap]));
    this.#pad(first, last, gap);
  }

  #pad(first, last, gap) {
    const before = `${this.#stretch.start(first)}px`;
    const behind = `${Math.max(0, this.#stretch.height - this.#stretch.start(last) - (last ? 0 : gap))}px`;
    if (this.body.style.paddingTop !== before) this.body.style.paddingTop = before;
    if (this.body.style.paddingBottom !== behind) this.body.style.paddingBottom = behind;
  }

  /** These rows and no others, moving as few as can be. */
  #arrange(wanted, fresh) {
    const kept = new Set(wanted);
    for (const el of [...this.body.children]) {
      if (kept.has(el.dataset.id)) continue;
      this.#rows.delete(el.dataset.id);
      el.remove();
    }
    const moving = restless([...this.body.children].map((el) => el.dataset.id), wanted);
    let next = null;
    for (const id of wanted.toReversed()) {
      const known = this.#rows.get(id);
      const el = known?.el ?? this.#make(this.model.rows.get(id));
      if (!known || moving.has(id)) this.body.insertBefore(el, next);
      if (fresh.has(id) && !calm()) el.animate([{ opacity: 0 }, { opacity: 1 }], { duration: SLIDE });
      next = el;
    }
  }

  // ---- what a row says

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
    if (id === this.state.chosen) this.#mark(id, el);
  }

  #tell(row) {
    const level = this.model.levelOf(row);
    this.voice.add(this.model.alarm.includes(level.value) ? `${row.$label} is now ${level.label.toLowerCase()}.` : "");
  }

  #make(row) {
    const cells = this.board.columns.map((column) => cell(this.#what(row, column)));
    const level = this.model.levelOf(row);
    const el = h("tr", { role: "row", class: "row", "data-id": row.objectId, "data-level": level.value, "data-tone": level.tone, "data-stale": isStale(this.board, row) }, ...cells);
    if (row.objectId === this.state.chosen) this.#mark(row.objectId, el);
    const signs = this.board.columns.map((column) => sign(this.#what(row, column)));
    this.#rows.set(row.objectId, { el, signs });
    return el;
  }

  // ---- the order

  #release(forced = false) {
    if (!this.#waiting || (this.#held && !forced)) return;
    this.#settle(this.model.choose(this.state.show, this.state.text).map((row) => row.objectId), { reset: forced });
  }

  /** Brings the rows into the wanted order and number, or counts how many wait for it. */
  #settle(wanted, { reset }) {
    const { ids } = this.#stretch;
    const isSame = same(ids, wanted);
    const held = this.#held && !reset && ids.length > 0;
    const soon = !reset && performance.now() - this.#sortedAt < REST;
    this.#waiting = isSame ? 0 : held ? changesBetween(ids, wanted) : Number(soon);
    this.#showChip(held);
    if (isSame && this.#drawn[1]) return this.#follow();
    if ((held || soon) && this.#drawn[1]) return;
    this.#sortedAt = performance.now();
    const known = new Set(ids);
    const fresh = new Set(wanted.filter((id) => !known.has(id)));
    const growth = fresh.size > 20 || reset || !this.#drawn[1];
    const before = growth ? new Map() : this.#places();
    const after = new Set(wanted);
    const moving = growth ? new Set() : restless(ids.filter((id) => after.has(id)), wanted.filter((id) => known.has(id)));
    this.#stretch.ids = wanted;
    this.#fill(growth ? {} : { fresh, moving });
    if (!growth) this.#slide(before);
    if (!growth && this.#over) this.#movedAt = performance.now();
  }

  #showChip(held) {
    this.chip.hidden = !held || this.#waiting === 0;
    if (!this.chip.hidden) this.chip.replaceChildren(h("span", {}, icon("sort"), `${this.#waiting} moved`, h("span", { class: "sr" }, ", sort the list now")));
  }

  /** Where the rows in sight stand, top to bottom. */
  #places() {
    const places = new Map();
    for (const el of this.body.children) {
      const { top, bottom } = el.getBoundingClientRect();
      if (bottom > -200 && top < innerHeight + 200) places.set(el, top);
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

/** How many rows come, go or move. */
function changesBetween(from, to) {
  const [before, after] = [new Set(from), new Set(to)];
  const stay = from.filter((id) => after.has(id));
  return from.length - stay.length + (to.length - stay.length) + restless(stay, to.filter((id) => before.has(id))).size;
}
