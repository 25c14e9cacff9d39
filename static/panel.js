/**
 * The panel of one row, drawn from the board's sections; templates/partials/panel.html draws it for the first paint. While it is
 * open it listens to what belongs to the row (its history, its contacts).
 */

import { isOffered, nextStates } from "./actions.js";
import { cell, deed, fill, fillAll, isStale, isUnassigned, joinOf, personFault, tag, when, words } from "./cells.js";
import { byId, h, icon, morph } from "./dom.js";
import { isoOf, read } from "./model.js";
import { SECTIONS, contactsOf, tel } from "./sections.js";

const LEAD = ["gauge", "value", "span", "count", "status", "flags"];
const END = ["left", "due", "date"];

export class Panel {
  #related = new Map();
  #endings = [];
  #id = "";
  #all = new Set();
  #filters = new Map();
  #adopted = false;
  #pending = new Map();

  /** @param {object} parts board, model, live, me, machines, address(changes), act(action, row), page (the row's own page) */
  constructor(parts) {
    Object.assign(this, parts);
    this.root = byId("panel");
    this.parts = this.board.panel.related.filter((part) => !part.roles || part.roles.includes(this.me.role));
    this.#listen();
  }

  /** Shows a row, or closes with an empty id. `adopt`: the server has drawn it already, so wait for its data before redrawing. */
  show(id, { adopt = false } = {}) {
    if (id === this.#id) return;
    for (const end of this.#endings) end();
    this.#endings = [];
    this.#related.clear();
    this.#all.clear();
    this.#id = id;
    this.#adopted = adopt;
    this.root.hidden = !id;
    document.body.classList.toggle("has-panel", Boolean(id));
    if (!id) {
      this.root.replaceChildren();
      return;
    }
    if (!adopt) this.root.scrollTop = 0;
    this.#follow();
    this.draw();
  }

  /** Draws the panel again, from what is known now. */
  draw() {
    if (!this.#id) return;
    const row = this.model.rows.get(this.#id);
    if (row && this.#endings.length === 0) this.#follow();
    const waiting = this.#adopted && this.#related.size < this.#endings.length;
    if (waiting || !this.model.loaded) return;
    this.#adopted = false;
    morph(this.root, h("div", {}, row ? this.#whole(row) : this.#gone()));
  }

  /** Shows an object among its kind before the server has confirmed it; the returned function takes it back. */
  expect(className, object) {
    const part = this.parts.find((each) => each.className === className);
    if (!part) return () => {};
    const item = { ...object, $pending: true };
    this.#pending.set(item, part.name);
    this.draw();
    return () => {
      this.#pending.delete(item);
      this.draw();
    };
  }

  /** The telephone number of the first contact to call. */
  get firstNumber() {
    return this.root.querySelector("a.call")?.getAttribute("href") ?? "";
  }

  /** What belongs to the row, by the name of its part; pointers to accounts resolved. */
  items(name) {
    const known = [...(this.#related.get(name)?.values() ?? [])];
    const pending = [...this.#pending].filter(([, part]) => part === name).map(([item]) => item);
    return [...known, ...pending.filter((item) => item.$row === this.#id)].map((item) => this.model.resolve(item));
  }

  /** Whether everything of these parts was heard. */
  heard(names) {
    return names.every((name) => this.#related.has(name) || !this.parts.some((part) => part.name === name));
  }

  /** Whether a long list was asked for whole, and what it is narrowed to. */
  isWhole(label) {
    return this.#all.has(label) || this.page;
  }

  filterOf(label) {
    return this.#filters.get(label) ?? "";
  }

  /** The nodes of the cell of a column of that kind. */
  part(row, kinds) {
    const column = this.board.columns.find((each) => kinds.includes(each.kind));
    return column ? [...cell({ board: this.board, model: this.model, column, row, href: () => "" }).childNodes] : [];
  }

  #follow() {
    const row = this.model.rows.get(this.#id);
    if (!row) return;
    for (const part of this.parts) {
      const target = this.#targetOf(part, row);
      if (!target) continue;
      const items = new Map();
      const changed = (tell) => {
        this.#related.set(part.name, items);
        tell();
        this.draw();
      };
      const where = { ...part.where, [part.field]: target };
      const end = this.live.subscribe({ className: part.className, where, order: part.order, limit: part.limit ?? 200 }, {
        snapshot: (objects) => changed(() => { items.clear(); for (const each of objects) items.set(each.objectId, each); }),
        event: (op, object) => changed(() => (op === "leave" || op === "delete" ? items.delete(object.objectId) : items.set(object.objectId, object))),
        refused: () => changed(() => items.clear()),
      });
      this.#endings.push(end);
    }
  }

  /** What the objects' `field` must hold: a pointer to the row or to what it is joined to, or the bare objectId. */
  #targetOf(part, row) {
    const join = (this.board.joins ?? []).find((each) => each.name === part.of);
    const value = part.of ? read(row, join?.field && !join.back ? join.field : part.of) : { ...row, className: this.model.rowSource.className };
    const className = value?.className ?? this.board.sources.find((source) => source.name === join?.source)?.className;
    if (!value?.objectId) return null;
    return part.byId ? value.objectId : { __type: "Pointer", className, objectId: value.objectId };
  }

  #gone() {
    return h("div", { class: "panel-in" },
      h("div", { class: "panel-head" }, h("div", {}, h("h2", { id: "panel-title", tabindex: -1 }, "Not on your board"), h("p", { class: "quiet" }, `This ${this.board.noun[0]} was removed, or is no longer shown to you.`)), this.#close()),
    );
  }

  #close() {
    if (this.page) return h("a", { class: "button close", href: this.page }, "Back to the list");
    return h("a", { class: "icon-button close", href: this.address({ chosen: "" }), "aria-label": "Close the panel" }, icon("close"));
  }

  #whole(row) {
    const { board } = this;
    const sections = board.panel.sections.filter((section) => this.page || !section.wide);
    return h("div", { class: "panel-in", "data-key": row.objectId },
      h("div", { class: "panel-head" },
        h("div", {}, h("h2", { id: "panel-title", tabindex: -1, dir: "auto" }, fill(board, board.panel.title, row) || "Not set"), h("p", { class: "quiet" }, fillAll(board, board.panel.subtitle, row))),
        !this.page && h("a", { class: "icon-button whole", href: `${location.pathname}/rows/${row.objectId}`, "aria-label": "Open on a page of its own" }, icon("open")),
        this.#close(),
      ),
      this.#facts(row),
      this.#acts(row),
      h("div", { class: "sections" }, ...sections.map((section) => SECTIONS[section.kind](this, section, row))),
    );
  }

  #facts(row) {
    const { board, model } = this;
    const age = board.columns.find((each) => each.kind === "age");
    const iso = isoOf(read(row, age?.field ?? ""));
    const stale = isStale(board, row);
    const person = board.columns.find((each) => each.kind === "person");
    const known = person ? words(board, row, person.field) : "";
    const missing = person && isUnassigned(board, person, row);
    const fault = person && !missing && read(row, person.field.split(".")[0])?.ok === false;
    const said = fault ? [known, personFault(board, read(row, person.field.split(".")[0]), joinOf(board, person.field))].filter(Boolean).join(", ") : missing ? person.detailMissing || "unassigned" : known;
    const about = this.part(row, ["name"]).at(1)?.textContent ?? "";
    const name = board.columns.find((each) => each.kind === "name");
    const head = [fill(board, board.panel.title, row), fillAll(board, board.panel.subtitle, row)].join(" · ");
    const lead = board.columns.find((each) => LEAD.includes(each.kind));
    return h("div", { class: "facts", "data-level": model.levelOf(row).value, "data-tone": model.levelOf(row).tone, "data-stale": stale },
      model.levels.length > 0 && h("div", { class: "fact f-level" }, tag(model.levelOf(row))),
      lead && h("div", { class: `fact f-gauge c-${lead.kind}` }, ...this.part(row, [lead.kind])),
      h("div", { class: "fact f-left" }, ...this.part(row, END)),
      h("p", { class: "fact f-name" }, [name && (name.isDeed ? deed(board, row) : words(board, row, name.field)), about].filter((text) => text && !head.includes(text)).join(" · ")),
      said && h("p", { class: "fact f-person" }, `${person.label} `, h("b", { class: fault ? "warn" : null }, said)),
      age && h("p", { class: "fact f-age" }, ...(iso ? [stale ? "as read " : `${age.label.toLowerCase()} `, when(iso, "ago"), " ago"] : [age.detailMissing || "never read"])),
    );
  }

  #acts(row) {
    const offered = (this.board.actions ?? []).filter((action) => isOffered(this, action, row));
    const number = contactsOf(this)[0]?.phoneNumber;
    if (!offered.length && !number) return null;
    return h("div", { class: "acts", role: "group", "aria-label": "Actions" },
      number && h("a", { class: "button call-now", href: tel(number), "data-key": "call" }, icon("phone"), "Call"),
      ...offered.map((action, index) => h("button", { class: index ? "button" : "button primary", type: "button", "data-act": action.key, "data-key": action.key, "data-row": row.objectId }, icon(action.icon), this.#label(action, row))),
    );
  }

  /** An action with one way on says which. */
  #label(action, row) {
    const next = nextStates(this, action, row);
    const name = action.inputs?.find((input) => input.kind === "state")?.name;
    return next.length === 1 && action.inputs.length === 1 ? `${action.label}: ${words(this.board, { [name]: next[0] }, name)}` : action.label;
  }

  #listen() {
    const root = this.root;
    root.addEventListener("click", (event) => {
      const button = event.target.closest("[data-act]");
      if (button) this.act(button.dataset.act, button.dataset.row);
      const all = event.target.closest("[data-all]");
      if (all) {
        this.#all.add(all.dataset.all);
        this.draw();
      }
    });
    root.addEventListener("input", (event) => {
      const label = event.target.dataset?.narrow;
      if (!label) return;
      this.#filters.set(label, event.target.value);
      this.draw();
    });
    readPoints(root);
  }
}

/** Lets the points of plots be read by pointer, focus and arrow keys. */
export function readPoints(root) {
  const say = (event) => {
    const text = event.target.closest?.("[data-said]")?.dataset.said;
    if (text) event.target.closest(".plot").querySelector(".plot-said").textContent = text;
  };
  root.addEventListener("pointerover", say);
  root.addEventListener("focusin", say);
  root.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || !event.target.matches(".hit")) return;
    const points = [...event.target.closest("svg").querySelectorAll(".hit")];
    points[points.indexOf(event.target) + step]?.focus();
    event.preventDefault();
  });
}
