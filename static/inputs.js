/** The controls of a dialog, one function a kind: each makes its element; `valueOf` reads what was given, as it is sent. */

import { number, words, fill } from "./cells.js";
import { h } from "./dom.js";
import { meets, read } from "./model.js";
import { upper } from "./text.js";
import { dateKey, now } from "./time.js";

/** @typedef {{common: object, input: object, value: unknown, form: object}} Asked */

export const CONTROLS = {
  number: ({ common, input, value }) => h("div", { class: "with-unit" }, h("input", { ...common, type: "text", inputmode: "decimal", autocomplete: "off", value }), h("span", { "aria-hidden": "true" }, input.unit)),
  text: ({ common, value }) => h("input", { ...common, type: "text", value }),
  note: ({ common }) => h("textarea", { ...common, rows: 2 }),
  list: ({ common, value }) => h("textarea", { ...common, rows: 2 }, Array.isArray(value) ? value.join(", ") : ""),
  time: ({ common, value }) => h("input", { ...common, type: "datetime-local", value }),
  date: ({ common, value }) => h("input", { ...common, type: "date", value: String(value).slice(0, 10) }),
  choice: ({ common, input, value }) => h("select", common, input.required ? null : h("option", { value: "" }, "—"), ...input.choices.map((choice) => h("option", { value: choice.value, selected: choice.value === value }, choice.label))),
  file: ({ common }) => h("input", { ...common, type: "file" }),
  files: ({ common }) => h("input", { ...common, type: "file", multiple: true }),
};
CONTROLS.amount = CONTROLS.number;

/** Kinds that are a group of choices, and so stand in a fieldset. */
export const GROUPS = {
  person: ({ input, form }) => options(form, input, people(form, input), "person"),
  pick: ({ input, form }) => options(form, input, picks(form, input), "pick"),
  state: ({ input, form }) => {
    return radios(form, input, form.next.map((state) => [state, upper(words(form.desk.board, { [input.name]: state }, input.name))]), form.preset ?? (form.next.length === 1 ? form.next[0] : ""));
  },
  scale: ({ input, form, value }) => {
    const labels = new Map((input.choices ?? []).map((choice) => [choice.value, choice.label]));
    const steps = Array.from({ length: input.maximum - input.minimum + 1 }, (_, index) => String(input.minimum + index));
    return radios(form, input, steps.map((step) => [step, labels.has(step) ? `${step} · ${labels.get(step)}` : step]), String(value));
  },
  check: ({ input, form, value }) => h("label", { class: "option" }, h("input", { type: "checkbox", name: input.name, checked: value === true, "data-first": form.isFirst(input) }), h("span", {}, input.hint || input.label)),
  checklist: ({ input, form, value }) => h("div", { class: "options" }, ...(Array.isArray(value) ? value : []).map((item) => h("label", { class: "option" }, h("input", { type: "checkbox", name: input.name, value: item }), h("span", {}, item)))),
  signature: ({ input, form }) => signature(form, input),
};

/** What was given, as text: "" where nothing was. */
export function textOf(form, input) {
  const control = form.control(input.name);
  if (input.kind === "signature") return form.drawn?.(input.name) ? "signed" : "";
  if (input.kind === "check") return control.checked ? "yes" : "no";
  if (input.kind === "checklist") return form.checked(input.name).join(",");
  if (input.kind === "file" || input.kind === "files") return control.files?.length ? "file" : "";
  return String(control.value ?? "").trim();
}

/** What is sent for an input; files are given away first. */
export async function valueOf(form, input, text) {
  const plain = Number(text.replaceAll(",", ""));
  if (input.kind === "number" || input.kind === "scale") return plain;
  if (input.kind === "amount") return { __op: "Increment", amount: -plain };
  if (input.kind === "person") return { __type: "Pointer", className: form.desk.classOf(input.source) ?? "_User", objectId: text };
  if (input.kind === "pick") return { __type: "Pointer", className: form.desk.classOf(input.source), objectId: text };
  if (input.kind === "check") return text === "yes";
  if (input.kind === "checklist") return form.checked(input.name);
  if (input.kind === "list") return text.split(/[,\n]/).map((each) => each.trim()).filter(Boolean);
  if (input.kind === "date") return { __type: "Date", iso: new Date(`${text}T00:00`).toISOString() };
  if (input.kind === "time") return { __type: "Date", iso: (form.isTouched(input.name) ? new Date(text) : new Date(now())).toISOString() };
  if (input.kind === "signature") return form.desk.rest.upload(`signature-${dateKey(now())}.png`, await form.signed(input.name));
  if (input.kind === "file") return form.desk.rest.upload(...named(form.control(input.name).files[0]));
  if (input.kind === "files") return Promise.all([...form.control(input.name).files].map((file) => form.desk.rest.upload(...named(file))));
  return text;
}

/** A name that every server takes. */
const named = (file) => [file.name.replace(/[^\w.-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "").slice(-80) || "file", file];

function radios(form, input, choices, chosen) {
  return h("div", { class: "options" }, ...choices.map(([value, label], index) => h("label", { class: "option" },
    h("input", { type: "radio", name: input.name, value, checked: value === chosen, "data-first": index === 0 && form.isFirst(input) }), h("span", {}, label))));
}

function options(form, input, found, kind) {
  if (!found.length) return h("p", { class: "quiet" }, input.empty || "There is nobody and nothing to choose from.");
  const current = read(form.row, input.default ?? "")?.objectId;
  return h("div", { class: "options" }, ...found.map(({ item, name, note, urgent, tone }, index) => h("label", { class: "option", "data-kind": kind },
    h("input", { type: "radio", name: input.name, value: item.objectId, "data-first": index === 0 && form.isFirst(input), checked: item.objectId === current }),
    h("span", {}, name, item.objectId === current ? h("span", { class: "quiet" }, " · now") : null),
    h("small", { class: tone || null }, note, urgent ? h("span", { class: "bad" }, ` · ${urgent} urgent`) : null))));
}

const nameOf = (person) => person.displayName || person.username || "—";

/** Accounts by name, each with the rows it has already. */
function people(form, input) {
  const found = form.desk.options(input.source).filter((person) => meets(person, input.where));
  const load = form.desk.load(input.name);
  return found.sort((a, b) => nameOf(a).localeCompare(nameOf(b))).map((item) => {
    const [all, urgent] = load.get(item.objectId) ?? [0, 0];
    return { item, name: nameOf(item), note: `${number(all)} ${form.desk.board.noun?.[all === 1 ? 0 : 1] ?? ""}`, urgent };
  });
}

/** Objects by name, or the free and near ones first. */
function picks(form, input) {
  const { board } = form.desk;
  const here = input.near ? read(form.row, input.near) : undefined;
  const load = form.desk.load(input.name);
  const found = form.desk.options(input.source).filter((item) => meets(item, input.where)).map((item) => {
    const away = here && input.point ? kilometres(here, read(item, input.point)) : NaN;
    const isFree = !input.free || meets(item, input.free);
    const [all, urgent] = load.get(item.objectId) ?? [0, 0];
    const facts = [Number.isNaN(away) ? "" : `${away < 10 ? away.toFixed(1) : Math.round(away)} km`, fill(board, input.detail ?? "", item), all ? `${all} ${board.noun?.[all === 1 ? 0 : 1] ?? ""}` : ""];
    return { item, away, isFree, name: fill(board, input.text ?? "{name}", item) || nameOf(item), note: facts.filter(Boolean).join(" · "), urgent, tone: "" };
  });
  const far = (each) => (Number.isNaN(each.away) ? Infinity : each.away);
  return found.sort((a, b) => Number(b.isFree) - Number(a.isFree) || (far(a) === far(b) ? 0 : far(a) - far(b)) || a.name.localeCompare(b.name));
}

/** The way between two GeoPoints over the globe; NaN where one is missing. */
export function kilometres(a, b) {
  if (a?.latitude === undefined || b?.latitude === undefined) return NaN;
  const rad = Math.PI / 180;
  const x = Math.sin(((b.latitude - a.latitude) * rad) / 2) ** 2 + Math.cos(a.latitude * rad) * Math.cos(b.latitude * rad) * Math.sin(((b.longitude - a.longitude) * rad) / 2) ** 2;
  return 12_742 * Math.asin(Math.sqrt(x));
}

/** A field to sign in: drawn with finger, pen or mouse, or typed by who cannot draw. */
function signature(form, input) {
  const canvas = h("canvas", { class: "sign", width: 720, height: 220, role: "img", "aria-label": "Signature field: draw here, or type the name below" });
  const pen = canvas.getContext("2d");
  let drawn = false;
  const typed = h("input", { type: "text", autocomplete: "off", "aria-label": "Or type the full name", placeholder: "Or type the full name", "data-first": form.isFirst(input) });
  const clear = () => {
    pen.fillStyle = "#fff";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    drawn = false;
  };
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * canvas.width, ((event.clientY - box.top) / box.height) * canvas.height];
  };
  clear();
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    if (typed.value) typed.value = "";
    if (!drawn) clear();
    drawn = true;
    pen.strokeStyle = "#12171c";
    pen.lineWidth = 4;
    pen.lineCap = "round";
    pen.beginPath();
    pen.moveTo(...at(event));
    event.preventDefault();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!event.buttons || !drawn) return;
    pen.lineTo(...at(event));
    pen.stroke();
  });
  typed.addEventListener("input", () => {
    clear();
    pen.fillStyle = "#12171c";
    pen.font = "italic 64px cursive";
    pen.fillText(typed.value, 24, 140, canvas.width - 48);
  });
  form.drawn = () => drawn || typed.value.trim() !== "";
  form.signed = () => new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  const again = h("button", { type: "button", class: "link-button" }, "Clear");
  again.addEventListener("click", () => {
    typed.value = "";
    clear();
  });
  return h("div", { class: "sign-field" }, canvas, h("div", { class: "sign-line" }, typed, again));
}
