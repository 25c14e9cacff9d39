/**
 * The panel of one row, drawn from the board's sections; templates/partials/panel.html draws it for the first paint. While it is
 * open it listens to what belongs to the row (its history, its contacts).
 */

import { cell, fill, fillAll, isStale, personFault, tag, when, windowRisk, words } from "./cells.js";
import { byId, h, icon, morph } from "./dom.js";
import { isoOf, read, timeOf } from "./model.js";
import { plot, span } from "./plot.js";
import { clock, day } from "./time.js";

const FEW = 6;

export class Panel {
  #related = new Map();
  #endings = [];
  #id = "";
  #all = new Set();
  #adopted = false;
  #pending = new Map();

  /** @param {object} parts board, model, live, me, address(changes), act(action, row) */
  constructor(parts) {
    Object.assign(this, parts);
    this.root = byId("panel");
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
    const waiting = this.#adopted && this.#related.size < this.board.panel.related.length;
    if (waiting || (!row && !this.model.loaded)) return;
    this.#adopted = false;
    morph(this.root, h("div", {}, row ? this.#whole(row) : this.#gone()));
  }

  /** Shows an object among its kind before the server has confirmed it; the returned function takes it back. */
  expect(className, object) {
    const part = this.board.panel.related.find((each) => each.className === className);
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

  #follow() {
    const row = this.model.rows.get(this.#id);
    if (!row) return;
    for (const part of this.board.panel.related) {
      const join = this.board.joins.find((each) => each.name === part.of);
      const target = join ? row[join.field] : { __type: "Pointer", className: this.model.rowSource.className, objectId: row.objectId };
      if (!target?.objectId) continue;
      const items = new Map();
      const changed = (tell) => {
        this.#related.set(part.name, items);
        tell();
        this.draw();
      };
      const end = this.live.subscribe({ className: part.className, where: { [part.field]: target } }, {
        snapshot: (objects) => changed(() => { items.clear(); for (const each of objects) items.set(each.objectId, each); }),
        event: (op, object) => changed(() => (op === "leave" || op === "delete" ? items.delete(object.objectId) : items.set(object.objectId, object))),
        refused: () => changed(() => items.clear()),
      });
      this.#endings.push(end);
    }
  }

  #items(name) {
    const known = [...(this.#related.get(name)?.values() ?? [])];
    const pending = [...this.#pending].filter(([, part]) => part === name).map(([item]) => item);
    return [...known, ...pending.filter((item) => item.tankId === undefined || item.tankId === this.#id)].map((item) => this.model.resolve(item));
  }

  #gone() {
    return h("div", { class: "panel-in" },
      h("div", { class: "panel-head" }, h("div", {}, h("h2", { id: "panel-title", tabindex: -1 }, "Not on your board"), h("p", { class: "quiet" }, `This ${this.board.noun[0]} was removed, or is no longer shown to you.`)), this.#close()),
    );
  }

  #close() {
    return h("a", { class: "icon-button close", href: this.address({ [this.board.noun[0]]: "" }), "aria-label": "Close the panel" }, icon("close"));
  }

  #whole(row) {
    const { board } = this;
    return h("div", { class: "panel-in", "data-key": row.objectId },
      h("div", { class: "panel-head" },
        h("div", {}, h("h2", { id: "panel-title", tabindex: -1 }, fill(board, board.panel.title, row) || "Not set"), h("p", { class: "quiet" }, fillAll(board, board.panel.subtitle, row))),
        this.#close(),
      ),
      this.#facts(row),
      this.#acts(row),
      ...board.panel.sections.map((section) => SECTIONS[section.kind].call(this, section, row)),
    );
  }

  #part(row, kind) {
    const column = this.board.columns.find((each) => each.kind === kind);
    return column ? [...cell({ board: this.board, model: this.model, column, row, href: () => "" }).childNodes] : [];
  }

  #facts(row) {
    const { board, model } = this;
    const iso = isoOf(read(row, board.columns.find((each) => each.kind === "age")?.field ?? ""));
    const stale = isStale(board, row);
    const name = fillAll(board, [`{${board.label}}`], row);
    const person = board.columns.find((each) => each.kind === "person");
    const known = person ? words(board, row, person.field) : "";
    const fault = person && read(row, person.field.split(".")[0])?.ok === false;
    const kind = board.columns.find((each) => each.kind === "name");
    const about = this.#part(row, "name").at(1)?.textContent ?? "";
    return h("div", { class: "facts", "data-level": model.levelOf(row).value, "data-stale": stale },
      h("div", { class: "fact f-level" }, tag(model.levelOf(row))),
      h("div", { class: "fact f-gauge" }, ...this.#part(row, "gauge")),
      h("div", { class: "fact f-left" }, ...this.#part(row, "left")),
      h("p", { class: "fact f-name" }, [name, kind && about].filter(Boolean).join(" · ")),
      (known || fault) && h("p", { class: "fact f-person" }, `${person.label} `, h("b", { class: fault ? "warn" : null }, fault ? [known, personFault(row[person.field.split(".")[0]])].filter(Boolean).join(", ") : known)),
      h("p", { class: "fact f-age" }, ...(iso ? [stale ? "as read " : "read ", when(iso, "ago"), " ago"] : ["never read"])),
    );
  }

  #acts(row) {
    const offered = this.board.actions.filter((action) => action.roles.includes(this.me.role));
    const number = this.#contacts()[0]?.phoneNumber;
    if (!offered.length && !number) return null;
    return h("div", { class: "acts", role: "group", "aria-label": "Actions" },
      number && h("a", { class: "button call-now", href: tel(number), "data-key": "call" }, icon("phone"), "Call"),
      ...offered.map((action, index) => h("button", { class: index ? "button" : "button primary", type: "button", "data-act": action.key, "data-key": action.key, "data-row": row.objectId }, icon(action.icon), action.label)),
    );
  }

  #contacts() {
    const section = this.board.panel.sections.find((each) => each.kind === "contacts");
    return section ? this.#items(section.related[0]).sort((a, b) => Number(Boolean(b.isPrimary)) - Number(Boolean(a.isPrimary)) || a.contactName.localeCompare(b.contactName)) : [];
  }

  plotSection(section, row) {
    const points = section.points.flatMap(([name, at, values]) =>
      (name === "row" ? [row] : this.#items(name)).flatMap((item) =>
        values.filter((value) => typeof item[value] === "number").map((value, index) => ({
          at: timeOf(item[at]) + index, value: item[value], said: POINT_WORDS[value] ?? "read", row: name === "row",
        }))),
    ).filter((point) => !Number.isNaN(point.at)).sort((a, b) => a.at - b.at);
    const unique = points.filter((point, index) => !point.row || !points.some((other, place) => place !== index && Math.abs(other.at - point.at) < 60_000 && other.value === point.value));
    const floor = read(row, section.floor) ?? section.floorDefault ?? 0;
    const note = unique.length ? `, ${span(unique).label}` : "";
    return h("section", { "data-key": section.label, "data-level": this.model.levelOf(row).value }, h("h3", {}, section.label + note), plot(unique, { floor, unit: section.unit, label: section.label }));
  }

  windowSection(section, row) {
    const column = this.board.columns.find((each) => each.key === section.field);
    const start = isoOf(read(row, column.field));
    const end = isoOf(read(row, column.until));
    if (!start || !end) return h("section", { "data-key": section.label }, h("h3", {}, section.label), h("p", { class: "quiet" }, section.empty));
    const [risk, tone] = windowRisk(Date.parse(start), Date.parse(end), timeOf(read(row, column.against)));
    const sentence = { "empty before": `Runs empty at ${clock(row.$at)}, before the window opens.`, "empty during": `Runs empty at ${clock(row.$at)}, before the window ends.`, "in time": "The tank lasts beyond the window." }[risk] ?? (risk && `The window ${risk}.`);
    return h("section", { "data-key": section.label }, h("h3", {}, section.label),
      h("p", { class: "strong" }, when(start, "clock"), " – ", when(end, "time"), day(Date.parse(start)) ? null : " today"),
      sentence && h("small", { class: tone || null }, sentence));
  }

  contactsSection(section) {
    const items = this.#contacts();
    const loaded = this.#related.has(section.related[0]);
    return h("section", { "data-key": section.label }, h("h3", {}, section.label),
      h("ul", { class: "contacts" }, ...(items.length ? items.map((item) => this.#contact(item)) : [h("li", { class: "quiet" }, loaded ? section.empty : "Reading…")])));
  }

  #contact(item) {
    const language = words(this.board, item, "preferredLanguage");
    return h("li", { class: "contact", "data-key": item.objectId ?? "" },
      h("div", {}, h("p", {}, h("b", {}, item.contactName), item.isPrimary ? " · primary" : ""), h("small", {}, item.relationship ?? "", language && " ", language && h("span", { class: "badge" }, language))),
      h("a", { class: "call", href: tel(item.phoneNumber), title: item.phoneNumber }, icon("phone"), "Call", h("span", { class: "sr" }, ` ${item.contactName}, ${item.phoneNumber}`)));
  }

  logSection(section) {
    const items = section.related.flatMap((name) => this.#items(name)).sort((a, b) => timeOf(b[section.at]) - timeOf(a[section.at]));
    const loaded = section.related.every((name) => this.#related.has(name));
    const shown = this.#all.has(section.label) ? items : items.slice(0, FEW);
    return h("section", { "data-key": section.label }, h("h3", {}, section.label),
      h("ol", { class: "log" }, ...(items.length ? shown.map((item) => this.#line(section, item)) : [h("li", { class: "quiet" }, loaded ? section.empty : "Reading…")])),
      items.length > shown.length && h("button", { class: "link-button", type: "button", "data-all": section.label }, `Show all ${items.length}`));
  }

  #line(section, item) {
    const text = section.text.map((pattern) => fill(this.board, pattern, item)).filter(Boolean).join(" ");
    const note = [words(this.board, item, section.by), ...section.notes.map((pattern) => fill(this.board, pattern, item))].filter(Boolean).join(" · ");
    const iso = isoOf(item[section.at]);
    return h("li", { "data-key": item.objectId ?? "pending", "data-pending": Boolean(item.$pending) }, iso ? when(iso, "clock") : h("span", {}, "—"),
      h("div", {}, h("span", {}, text || "—"), h("small", {}, item.$pending ? "being saved…" : note)));
  }

  othersSection(section, row) {
    const shared = read(row, section.field);
    const others = this.model.sorted().filter((each) => each.objectId !== row.objectId && shared !== undefined && read(each, section.field) === shared);
    if (!others.length) return null;
    return h("section", { class: "others", "data-key": section.label }, h("h3", {}, section.label),
      ...others.map((other) => h("a", { href: this.address({ [this.board.noun[0]]: other.objectId }), "data-level": this.model.levelOf(other).value, "data-key": other.objectId },
        h("b", {}, other.$label), tag(this.model.levelOf(other)), h("small", {}, ...this.#part(other, "left").slice(0, 1).map((node) => node.textContent)))));
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
    const say = (event) => {
      const text = event.target.closest?.("[data-said]")?.dataset.said;
      if (text) root.querySelector(".plot-said").textContent = text;
    };
    root.addEventListener("pointerover", say);
    root.addEventListener("focusin", say);
    root.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step || !event.target.matches(".hit")) return;
      const points = [...root.querySelectorAll(".hit")];
      points[points.indexOf(event.target) + step]?.focus();
      event.preventDefault();
    });
  }
}

const SECTIONS = {
  plot: Panel.prototype.plotSection,
  window: Panel.prototype.windowSection,
  contacts: Panel.prototype.contactsSection,
  log: Panel.prototype.logSection,
  others: Panel.prototype.othersSection,
};

const POINT_WORDS = { psiBefore: "before the refill", psiAfter: "after the refill", psiLevel: "read" };
const tel = (number) => `tel:${String(number ?? "").replace(/[^\d+*#,;]/g, "")}`;
