/**
 * The dialog of an action, made from its description. What is sent is shown at once as pending; a refusal is told in the dialog, in
 * the server's sentence, with everything that was typed still there.
 */

import { number, words } from "./cells.js";
import { fixedOf, nextStates, shownOf } from "./actions.js";
import { h, icon } from "./dom.js";
import { CONTROLS, GROUPS, textOf, valueOf } from "./inputs.js";
import { read } from "./model.js";
import { now, toInput } from "./time.js";

let serial = 0;

/**
 * @typedef {object} Desk what a form needs of its page
 * @property {object} board labels and nouns @property {object} me @property {object} machines @property {object} rest
 * @property {(source: string) => object[]} options what a person or pick is chosen from
 * @property {(source: string) => string} classOf @property {(name: string) => Map<string, [number, number]>} load rows (and urgent ones) by that field
 * @property {string} rowClass the class of the rows @property {(row: object) => string} [about] what the dialog is about
 */

export class Form {
  #touched = new Set();

  /**
   * @param {Desk} desk
   * @param {object} action @param {object} row
   * @param {(body: object, shown: object) => Promise<void>} save throws when the server refuses
   * @param {string} [preset] the state that was asked for already
   */
  constructor(desk, action, row, save, preset) {
    Object.assign(this, { desk, action, row, save, preset });
    this.id = `form-${++serial}`;
    this.opener = document.activeElement;
    this.next = preset ? [preset] : nextStates(desk, action, row);
    this.inputs = preset ? action.inputs.filter((input) => input.kind !== "state") : action.inputs;
  }

  /** Whether nothing has to be asked: then `send` may go at once. */
  get isEmpty() {
    return !this.inputs.some((input) => this.#isShown(input));
  }

  /** Sends what needs no asking. */
  async send() {
    const body = { ...this.#preset(), ...this.#fixed() };
    await this.save(body, shownOf(this.action, body));
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

  /** Whether an input is the first of the dialog. */
  isFirst(input) {
    return input === this.inputs[0];
  }

  /** Whether somebody has changed an input. */
  isTouched(name) {
    return this.#touched.has(name);
  }

  /** The values ticked in a checklist. */
  checked(name) {
    return [...this.dialog.querySelectorAll("input:checked")].filter((each) => each.name === name).map((each) => each.value);
  }

  /** The control of that name, or one that holds nothing. */
  control(name) {
    return this.dialog?.querySelector("form").elements[name] ?? { value: name === this.#stateName ? (this.preset ?? "") : "" };
  }

  get #stateName() {
    return this.action.inputs.find((input) => input.kind === "state")?.name;
  }

  #form() {
    const { action, row, desk } = this;
    const about = desk.about?.(row) ?? "";
    const title = this.preset ? `${action.label}: ${words(desk.board, { [this.#stateName]: this.preset }, this.#stateName)}` : action.label;
    const pairs = this.inputs.filter((input) => input.kind === "number" && !input.when);
    const fields = this.inputs.map((input) => [input, this.#field(input)]);
    const paired = pairs.length === 2 ? h("div", { class: "pair" }, ...fields.filter(([input]) => pairs.includes(input)).map(([, field]) => field)) : null;
    const rest = fields.filter(([input]) => !paired || !pairs.includes(input)).map(([, field]) => field);
    return h("form", { class: "form", novalidate: true, method: "dialog", onsubmit: (event) => this.#submit(event), oninput: (event) => this.#changed(event) },
      h("div", {}, h("h2", { id: `${this.id}-title` }, title), about && h("p", { class: "quiet" }, about)),
      paired, ...rest,
      h("p", { class: "refusal", role: "alert", hidden: true }),
      h("div", { class: "form-foot" },
        h("button", { class: "button", type: "button", onclick: () => this.dialog.close() }, "Cancel"),
        h("button", { class: "button primary", "data-submit": true }, action.submit)));
  }

  #field(input) {
    const id = `${this.id}-${input.name}`;
    const wrong = h("p", { class: "wrong", id: `${id}-wrong`, hidden: true });
    const hint = input.hint && input.kind !== "check" ? h("p", { class: "hint", id: `${id}-hint` }, input.hint) : null;
    const frame = { class: "field", "data-name": input.name };
    const value = this.#default(input);
    const optional = input.required || input.kind === "check" ? null : h("span", { class: "quiet" }, " (optional)");
    if (GROUPS[input.kind]) return h("fieldset", frame, h("legend", {}, input.label, optional), GROUPS[input.kind]({ input, value, form: this }), hint, wrong);
    const common = { id, name: input.name, "aria-describedby": [hint && `${id}-hint`, `${id}-wrong`].filter(Boolean).join(" "), "aria-required": input.required ? "true" : null, "data-first": this.isFirst(input) };
    return h("div", frame, h("label", { for: id }, input.label, optional), CONTROLS[input.kind]({ common, input, value, form: this }), hint, wrong);
  }

  #default(input) {
    if (input.default === "now") return toInput(now());
    const value = input.default ? read(this.row, input.default) : undefined;
    if (value?.iso && (input.kind === "time" || input.kind === "date")) return toInput(Date.parse(value.iso));
    return value === undefined ? "" : value;
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
    for (const input of this.inputs) if (input.when) this.#frameOf(input.name).hidden = !this.#isShown(input);
  }

  #isShown(input) {
    return !input.when || input.when[1].split("|").includes(this.control(input.when[0]).value);
  }

  #frameOf(name) {
    return [...this.dialog.querySelectorAll(".field")].find((frame) => frame.dataset.name === name);
  }

  async #submit(event) {
    event.preventDefault();
    const given = this.#read();
    if (!given) return;
    const submit = this.dialog.querySelector("[data-submit]");
    const refusal = this.dialog.querySelector(".refusal");
    refusal.hidden = true;
    submit.disabled = true;
    submit.replaceChildren(icon("wait"), "Saving…");
    try {
      const body = { ...this.#preset() };
      for (const [input, text] of given) body[input.name] = await valueOf(this, input, text);
      Object.assign(body, this.#fixed());
      await this.save(body, shownOf(this.action, body));
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
    const control = place === refusal ? null : this.control(error.field);
    control?.setAttribute?.("aria-invalid", "true");
    control?.focus?.();
  }

  /** What was given, by input, or nothing when a field is wrong: then the first one that is has the focus. */
  #read() {
    const given = [];
    let first = null;
    for (const input of this.inputs.filter((each) => this.#isShown(each))) {
      const control = this.control(input.name);
      const text = textOf(this, input);
      const wrong = this.#fault(input, text);
      const place = this.#frameOf(input.name).querySelector(".wrong");
      place.hidden = !wrong;
      place.textContent = wrong;
      if (wrong) {
        control.setAttribute?.("aria-invalid", "true");
        first ??= control;
      } else if (text) {
        given.push([input, text]);
      }
    }
    if (!first) return given;
    (first.focus ? first : first[0])?.focus?.();
    return null;
  }

  #fault(input, text) {
    if (!text) return input.required ? `Choose or fill in “${input.label.toLowerCase()}”.` : "";
    if (input.kind !== "number" && input.kind !== "amount") return "";
    const value = Number(text.replaceAll(",", ""));
    const inside = Number.isFinite(value) && value >= (input.minimum ?? -Infinity) && value <= (input.maximum ?? Infinity);
    if (inside) return "";
    if (input.minimum !== undefined && input.maximum !== undefined) return `Give a number from ${number(input.minimum)} to ${number(input.maximum)}.`;
    return input.minimum !== undefined ? `Give a number, ${number(input.minimum)} or more.` : "Give a number.";
  }

  #preset() {
    return this.preset ? { [this.#stateName]: this.preset } : {};
  }

  #fixed() {
    return fixedOf(this.desk, this.action, this.row, this.desk.rowClass);
  }
}
