/**
 * The dialog of an action, made from its description. What is sent is shown at once as pending; a refusal is told in the dialog, in
 * the server's sentence, with everything that was typed still there.
 */

import { fill, number, words } from "./cells.js";
import { h, icon } from "./dom.js";
import { read } from "./model.js";
import { now, toInput } from "./time.js";

let serial = 0;

export class Form {
  #touched = new Set();

  /**
   * @param {object} parts board, model, me
   * @param {object} action @param {object} row
   * @param {(body: object, shown: object) => Promise<void>} save throws when the server refuses
   */
  constructor(parts, action, row, save) {
    Object.assign(this, parts, { action, row, save });
    this.id = `form-${++serial}`;
    this.opener = document.activeElement;
  }

  /** Opens it; the focus goes to the first field, and back when it closes. */
  open() {
    this.dialog = h("dialog", { "aria-labelledby": `${this.id}-title` }, this.#form());
    this.dialog.addEventListener("close", () => {
      this.dialog.remove();
      if (this.opener?.isConnected) this.opener.focus({ preventScroll: true });
    });
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.#touched.size === 0 && this.dialog.close());
    document.body.append(this.dialog);
    this.#show();
    this.dialog.showModal();
    (this.dialog.querySelector("input:checked") ?? this.dialog.querySelector("[data-first]"))?.focus();
  }

  #form() {
    const { action, row, board } = this;
    const about = [row.$label, words(board, row, "site.siteName")].filter(Boolean).join(" · ");
    const pairs = action.inputs.filter((input) => input.kind === "number" && !input.when);
    const fields = action.inputs.map((input) => [input, this.#field(input, input === action.inputs[0])]);
    const paired = pairs.length === 2 ? h("div", { class: "pair" }, ...fields.filter(([input]) => pairs.includes(input)).map(([, field]) => field)) : null;
    const rest = fields.filter(([input]) => !paired || !pairs.includes(input)).map(([, field]) => field);
    return h("form", { class: "form", novalidate: true, method: "dialog", onsubmit: (event) => this.#submit(event), oninput: (event) => this.#changed(event) },
      h("div", {}, h("h2", { id: `${this.id}-title` }, action.label), h("p", { class: "quiet" }, about)),
      paired, ...rest,
      h("p", { class: "refusal", role: "alert", hidden: true }),
      h("div", { class: "form-foot" },
        h("button", { class: "button", type: "button", onclick: () => this.dialog.close() }, "Cancel"),
        h("button", { class: "button primary", "data-submit": true }, action.submit)));
  }

  #field(input, isFirst) {
    const id = `${this.id}-${input.name}`;
    const wrong = h("p", { class: "wrong", id: `${id}-wrong`, hidden: true });
    const hint = input.hint ? h("p", { class: "hint", id: `${id}-hint` }, input.hint) : null;
    const frame = { class: "field", "data-name": input.name };
    if (input.kind === "person") return h("fieldset", frame, h("legend", {}, input.label), this.#people(input), wrong);
    const common = { id, name: input.name, "aria-describedby": [hint && `${id}-hint`, `${id}-wrong`].filter(Boolean).join(" "), "aria-required": input.required ? "true" : null, "data-first": isFirst };
    const optional = input.required ? null : h("span", { class: "quiet" }, " (optional)");
    return h("div", frame, h("label", { for: id }, input.label, optional), CONTROLS[input.kind](common, input, this.#default(input)), hint, wrong);
  }

  #default(input) {
    if (input.default === "now") return toInput(now());
    const value = input.default ? read(this.row, input.default) : undefined;
    return value === undefined ? "" : value;
  }

  #people(input) {
    const current = this.row[input.default]?.objectId;
    const people = [...this.model.source(input.source).values()].filter((person) => Object.entries(input.where ?? {}).every(([key, value]) => person[key] === value));
    if (!people.length) return h("p", { class: "quiet" }, "No driver is active. An administrator can make one with careboard user role.");
    const load = new Map();
    for (const row of this.model.rows.values()) {
      const id = row[input.name]?.objectId;
      const counts = load.get(id) ?? [0, 0];
      load.set(id, [counts[0] + 1, counts[1] + (this.board.alarm.includes(this.model.levelOf(row).value) ? 1 : 0)]);
    }
    people.sort((a, b) => nameOf(a).localeCompare(nameOf(b)));
    return h("div", { class: "options" }, ...people.map((person, index) => {
      const [all, urgent] = load.get(person.objectId) ?? [0, 0];
      const noun = this.board.noun[all === 1 ? 0 : 1];
      return h("label", { class: "option" },
        h("input", { type: "radio", name: input.name, value: person.objectId, "data-first": index === 0, checked: person.objectId === current }),
        h("span", {}, nameOf(person), person.objectId === current ? h("span", { class: "quiet" }, " · now") : null),
        h("small", {}, `${number(all)} ${noun}`, urgent ? h("span", { class: "bad" }, ` · ${urgent} urgent`) : null));
    }));
  }

  #changed(event) {
    this.#touched.add(event.target.name);
    const frame = event.target.closest(".field");
    const wrong = frame?.querySelector(".wrong");
    if (wrong) wrong.hidden = true;
    event.target.removeAttribute("aria-invalid");
    this.#show();
  }

  #show() {
    for (const input of this.action.inputs) if (input.when) this.#frameOf(input.name).hidden = !this.#isShown(input);
  }

  #isShown(input) {
    return !input.when || this.#control(input.when[0]).value === input.when[1];
  }

  #frameOf(name) {
    return [...this.dialog.querySelectorAll(".field")].find((frame) => frame.dataset.name === name);
  }

  #control(name) {
    const control = this.dialog.querySelector("form").elements[name];
    return control ?? { value: "" };
  }

  async #submit(event) {
    event.preventDefault();
    const body = this.#read();
    if (!body) return;
    const submit = this.dialog.querySelector("[data-submit]");
    const refusal = this.dialog.querySelector(".refusal");
    refusal.hidden = true;
    submit.disabled = true;
    submit.replaceChildren(icon("wait"), "Saving…");
    try {
      await this.save(body, this.#shown(body));
      this.dialog.close();
    } catch (error) {
      this.#refuse(error, refusal);
    } finally {
      submit.disabled = false;
      submit.replaceChildren(this.action.submit);
    }
  }

  /** Tells a refusal beside the field it is about, else above the buttons. */
  #refuse(error, refusal) {
    const place = this.#frameOf(error.field)?.querySelector(".wrong") ?? refusal;
    place.textContent = error.message;
    place.hidden = false;
    place.scrollIntoView({ block: "nearest" });
    const control = place === refusal ? null : this.#control(error.field);
    control?.setAttribute?.("aria-invalid", "true");
    control?.focus?.();
  }

  /** The body to send, or nothing when a field is wrong: then the first one that is has the focus. */
  #read() {
    const body = {};
    let first = null;
    for (const input of this.action.inputs.filter((each) => this.#isShown(each))) {
      const control = this.#control(input.name);
      const text = String(control.value ?? "").trim();
      const wrong = this.#fault(input, text);
      const place = this.#frameOf(input.name).querySelector(".wrong");
      place.hidden = !wrong;
      place.textContent = wrong;
      if (wrong) {
        control.setAttribute?.("aria-invalid", "true");
        first ??= control;
      } else if (text) {
        body[input.name] = this.#value(input, text);
      }
    }
    if (first) {
      (first.focus ? first : first[0])?.focus();
      return null;
    }
    return { ...body, ...this.#fixed() };
  }

  #fault(input, text) {
    if (!text) return input.required ? `Choose or fill in “${input.label.toLowerCase()}”.` : "";
    if (input.kind !== "number") return "";
    const value = Number(text.replaceAll(",", ""));
    const inside = Number.isFinite(value) && value >= (input.minimum ?? -Infinity) && value <= (input.maximum ?? Infinity);
    return inside ? "" : `Give a number from ${number(input.minimum ?? 0)} to ${number(input.maximum ?? 0)}.`;
  }

  #value(input, text) {
    if (input.kind === "number") return Number(text.replaceAll(",", ""));
    if (input.kind === "person") return { __type: "Pointer", className: "_User", objectId: text };
    if (input.kind !== "time") return text;
    const at = this.#touched.has(input.name) ? new Date(text) : new Date(now());
    return { __type: "Date", iso: at.toISOString() };
  }

  #fixed() {
    const targets = { row: { className: this.model.rowSource.className, objectId: this.row.objectId }, me: { className: "_User", objectId: this.me.objectId } };
    return Object.fromEntries(Object.entries(this.action.fixed ?? {}).map(([name, target]) => [name, { __type: "Pointer", ...targets[target] }]));
  }

  /** What the row shows while it is saved. */
  #shown(body) {
    const { shows = {}, showsWhen } = this.action;
    if (showsWhen && body[showsWhen[0]] !== showsWhen[1]) return {};
    return Object.fromEntries(Object.entries(shows).filter(([, input]) => body[input] !== undefined).map(([field, input]) => [field, body[input]]));
  }
}

const nameOf = (person) => person.displayName || person.username || "—";

const CONTROLS = {
  number: (common, input, value) => h("div", { class: "with-unit" }, h("input", { ...common, type: "text", inputmode: "decimal", autocomplete: "off", value }), h("span", { "aria-hidden": "true" }, input.unit)),
  text: (common, input, value) => h("input", { ...common, type: "text", value }),
  note: (common) => h("textarea", { ...common, rows: 2 }),
  time: (common, input, value) => h("input", { ...common, type: "datetime-local", value }),
  choice: (common, input) => h("select", common, ...input.choices.map((choice) => h("option", { value: choice.value }, choice.label))),
};

/** What is told when it is done. */
export const doneWords = (board, action, row) => fill(board, action.done, row) || `${action.label}: done.`;
