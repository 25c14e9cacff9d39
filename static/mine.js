/**
 * A person's own page: what is theirs, in order, with the next step within the thumb's reach. What is done without a network waits
 * in this browser and is sent when it is back.
 */

import { doneWords, isOffered, nextStates } from "./actions.js";
import { fileLinks, fill, geoLink, placeWords, rangeTone, when, words } from "./cells.js";
import { byId, h, icon, morph } from "./dom.js";
import { Form } from "./form.js";
import { frame } from "./frame.js";
import { isoOf, read, timeOf } from "./model.js";
import { readPoints } from "./panel.js";
import { trend } from "./plot.js";
import { Queue } from "./queue.js";
import { tel } from "./sections.js";
import { dateKey, now, onTick, stamp } from "./time.js";
import { toast } from "./toast.js";

const { start, rest, live } = frame();
const { mine, me } = start;
const found = new Map(mine.parts.map((part) => [part.key, null]));
const sources = new Map((mine.sources ?? []).map((source) => [source.name, new Map()]));
const overlays = new Map();
const queue = new Queue(me.objectId, rest, { changed: () => schedule(), refused: (deed, sentence) => toast(`${deed.words}: not done. ${sentence}`) });
let drawing = 0;

const desk = {
  board: { ...mine, joins: [], noun: ["", ""] }, me, rest, machines: start.machines, rowClass: "",
  options: (name) => [...(sources.get(name)?.values() ?? [])],
  classOf: (name) => mine.sources?.find((source) => source.name === name)?.className,
  load: () => new Map(),
  about: (item) => item?.$label ?? "",
};

function schedule() {
  drawing ||= setTimeout(draw, 60);
}

function draw() {
  clearTimeout(drawing);
  drawing = 0;
  if ([...found.values()].some((items) => items === null)) return;
  const waiting = queue.deeds;
  const top = [
    waiting.length > 0 && h("p", { class: "note", "data-key": "queue", role: "status" }, icon("wait"), `${waiting.length} ${waiting.length === 1 ? "step waits" : "steps wait"} for the network: ${waiting.map((deed) => deed.words).join(", ")}.`),
    mine.add?.some((action) => action.roles.includes(me.role)) && h("div", { class: "own-add", "data-key": "add", role: "group", "aria-label": "New" },
      ...mine.add.filter((action) => action.roles.includes(me.role)).map((action) => h("button", { type: "button", class: "button", "data-add": action.key, "data-key": action.key }, icon(action.icon), action.label))),
  ];
  morph(byId("mine"), h("div", {}, ...top, ...mine.parts.map(partOf)));
  const text = stamp();
  if (byId("foot").textContent !== text) byId("foot").textContent = text;
}

function partOf(part) {
  const items = ordered(part);
  return h("section", { "data-key": part.key }, h("h2", {}, part.label, items.length > 1 && part.kind !== "trend" ? h("small", {}, String(items.length)) : null), ...KINDS[part.kind ?? "cards"](part, items));
}

const KINDS = {
  cards: (part, items) => [h("ul", { class: "owns" }, ...(items.length ? items.map((item) => card(part, item)) : [h("li", { class: "quiet" }, part.empty)]))],
  notes: (part, items) => [h("ul", { class: "log" }, ...(items.length ? items.map((item) => note(part, item)) : [h("li", { class: "quiet" }, part.empty)]))],
  trend: (part, items) => trends(part, items),
};

/** The items of a part as the server has them, with what this page has done and not heard back; those that are done last. */
function ordered(part) {
  const waiting = queue.deeds;
  const items = [...found.get(part.key).values()].map((item) => {
    const kept = Object.assign({}, ...waiting.filter((deed) => deed.objectId === item.objectId).map((deed) => deed.body));
    const over = { ...kept, ...overlays.get(item.objectId) };
    return { ...item, ...over, $pending: Object.keys(over).length > 0 };
  });
  const names = part.order.split(",").map((name) => [name.replace(/^-/, ""), name.startsWith("-") ? -1 : 1]);
  const key = (item, name) => isoOf(read(item, name)) ?? read(item, name) ?? "";
  const isDone = (item) => Number(part.done?.includes(read(item, part.status ?? "")) ?? false);
  return items.sort((a, b) => isDone(a) - isDone(b) || names.reduce((sum, [name, turn]) => sum || turn * compare(key(a, name), key(b, name)), 0));
}

const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0);

function card(part, item) {
  const status = part.status ? read(item, part.status) : "";
  const [at, until] = [part.at, part.until].map((path) => (path ? isoOf(read(item, path)) : undefined));
  const done = part.done?.includes(status);
  const due = until ?? at;
  const late = due && part.status && !done && Date.parse(due) <= now();
  const point = part.point ? read(item, part.point) : undefined;
  const place = words(mine, item, part.place ?? "") || placeWords(point);
  const phone = part.phone ? read(item, part.phone) : "";
  return h("li", { class: "own", "data-key": item.objectId, "data-id": item.objectId, "data-tone": part.tones?.[status] ?? "calm", "data-done": Boolean(done), "data-pending": item.$pending },
    h("div", { class: "own-head" }, h("h3", {}, fill(mine, part.title, item) || "—"), status && h("span", { class: "tag" }, part.tones?.[status] && icon("alert"), upper(words(mine, item, part.status)))),
    at && h("p", { class: "own-time" }, h("b", {}, ...span(at, until)), late && h("span", { class: "bad" }, " ", icon("clock"), "late ", when(due, "late"))),
    ...(part.lines ?? []).map((pattern) => fill(mine, pattern, item)).filter(Boolean).map((line) => h("p", {}, line)),
    h("div", { class: "own-ways" },
      place && (point ? h("a", { class: "button", href: geoLink(point) }, icon("place"), place) : h("p", { class: "own-place" }, icon("place"), place)),
      phone && h("a", { class: "button", href: tel(phone) }, icon("phone"), "Call", h("span", { class: "sr" }, ` ${phone}`)),
      ...(part.files ? fileLinks(read(item, part.files)) : []).map(([href, name]) => h("a", { class: "button", href, target: "_blank", rel: "noopener" }, icon("file"), name))),
    steps(part, item));
}

/** A time, or from when to when: of one day by the clock, else by the days. */
function span(at, until) {
  if (!until) return [when(at, "clock")];
  const isOneDay = dateKey(Date.parse(at)) === dateKey(Date.parse(until));
  return isOneDay ? [when(at, "clock"), "–", when(until, "time")] : [when(at, "day"), " – ", when(until, "day")];
}

/** The buttons of a card: each state that may follow is one, the first the widest. */
function steps(part, item) {
  const offered = (part.actions ?? []).filter((action) => isOffered(desk, action, item));
  const buttons = offered.flatMap((action) => {
    const next = nextStates(desk, action, item);
    const name = action.inputs?.find((input) => input.kind === "state")?.name;
    if (!name) return [{ action, label: action.label }];
    return next.map((state) => ({ action, state, label: upper(words(mine, { [name]: state }, name)) }));
  });
  if (!buttons.length) return null;
  const isDone = part.done?.includes(read(item, part.status ?? ""));
  return h("div", { class: "own-steps" }, ...buttons.map(({ action, state, label }, index) => h("button", { type: "button", class: index || isDone ? "button" : "button primary", "data-act": action.key, "data-part": part.key, "data-id": item.objectId, "data-state": state ?? null, "data-key": `${action.key}-${state ?? ""}` }, icon(action.icon), label)));
}

function note(part, item) {
  const iso = part.at ? isoOf(read(item, part.at)) : undefined;
  const lines = (part.lines ?? []).map((pattern) => fill(mine, pattern, item)).filter(Boolean);
  return h("li", { "data-key": item.objectId, "data-pending": item.$pending }, iso ? when(iso, "clock") : h("span", {}),
    h("div", {}, h("span", {}, fill(mine, part.title, item) || "—"), ...lines.map((line) => h("small", {}, line)), steps(part, item)));
}

function trends(part, items) {
  const section = part.section ?? {};
  const series = new Map();
  for (const item of items) {
    const [at, value] = [timeOf(read(item, section.at ?? part.at)), read(item, section.value)];
    if (Number.isNaN(at) || typeof value !== "number") continue;
    const [low, high] = [read(item, section.low ?? ""), read(item, section.high ?? "")];
    const tone = section.flag ? (section.tones?.[read(item, section.flag)] ?? "") : rangeTone(value, low, high)[0];
    const name = words(mine, item, section.series ?? "") || part.label;
    const unit = section.unit?.includes("{") ? fill(mine, section.unit, item) : (section.unit ?? "");
    series.set(name, { unit, points: [...(series.get(name)?.points ?? []), { at, value, low, high, tone }] });
  }
  if (!series.size) return [h("p", { class: "quiet" }, part.empty)];
  return [h("div", { class: "trends" }, ...[...series.keys()].sort().map((name) => h("figure", { class: "trend", "data-key": name }, h("figcaption", {}, h("b", {}, name), h("span", { class: "quiet" }, ` ${series.get(name).unit}`)), trend(series.get(name).points.sort((a, b) => a.at - b.at), { unit: series.get(name).unit, label: name }))))];
}

/** Does an action: asks what is missing, shows it at once, and keeps it when there is no network. */
function act(action, part, item, state) {
  const row = { ...item, $label: item ? fill(mine, part.title, item) : "" };
  const save = async (body, shown) => {
    const label = [action.label, state && words(mine, { [stateName(action)]: state }, stateName(action)), row.$label].filter(Boolean).join(" · ");
    const deed = { method: action.updates ? "update" : "create", className: action.className, objectId: action.updates ? row.objectId : undefined, body, words: label };
    if (queue.deeds.length && navigator.onLine === false) return keep(deed);
    if (item) overlay(item.objectId, shown);
    try {
      await (action.updates ? rest.update(action.className, row.objectId, body) : rest.create(action.className, body));
      toast(doneWords(desk.board, action, { ...row, ...shown }));
      if (item) setTimeout(() => overlay(item.objectId, null), 4000);
    } catch (refusal) {
      if (item) overlay(item.objectId, null);
      if (refusal.code !== 100 || !refusal.isOffline) throw refusal;
      keep(deed);
    }
  };
  const form = new Form({ ...desk, rowClass: part?.className ?? "" }, action, row, save, state);
  if (form.isEmpty) form.send().catch((refusal) => toast(refusal.message));
  else form.open();
}

const stateName = (action) => action.inputs.find((input) => input.kind === "state")?.name;

function keep(deed) {
  if (!queue.add(deed)) throw new Error("There is no connection and this browser keeps nothing, so this was not saved. Try again when the page is live.");
  toast(`${deed.words}: kept, and sent when the network is back.`);
}

function overlay(id, shown) {
  if (shown && Object.keys(shown).length) overlays.set(id, shown);
  else overlays.delete(id);
  schedule();
}

function listen() {
  byId("mine").addEventListener("click", (event) => {
    const button = event.target.closest("button[data-act], button[data-add]");
    if (!button) return;
    if (button.dataset.add) return act(mine.add.find((each) => each.key === button.dataset.add), null, null);
    const part = mine.parts.find((each) => each.key === button.dataset.part);
    const item = found.get(part.key).get(button.dataset.id);
    if (item) act(part.actions.find((each) => each.key === button.dataset.act), part, item, button.dataset.state);
  });
  readPoints(byId("mine"));
  addEventListener("online", () => queue.send());
}

/** A condition with "$me" replaced by the caller. */
function forCaller(value) {
  if (value === "$me") return { __type: "Pointer", className: "_User", objectId: me.objectId };
  if (Array.isArray(value)) return value.map(forCaller);
  return value && typeof value === "object" ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, forCaller(each)])) : value;
}

function follow(query, take) {
  let items = new Map();
  live.subscribe(query, {
    snapshot: (objects) => {
      items = new Map(objects.map((object) => [object.objectId, object]));
      take(items);
      schedule();
    },
    event: (op, object) => {
      op === "leave" || op === "delete" ? items.delete(object.objectId) : items.set(object.objectId, object);
      overlays.delete(object.objectId);
      schedule();
    },
    refused: () => {
      take(items);
      schedule();
    },
  });
}

const upper = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);

for (const part of mine.parts)
  follow({ className: part.className, where: forCaller(part.where ?? {}), keys: part.keys, order: part.order, limit: part.limit ?? 100, include: part.include }, (items) => found.set(part.key, items));
for (const source of mine.sources ?? [])
  follow({ className: source.className, where: forCaller(source.where ?? {}), keys: source.keys, order: source.order, limit: source.limit, include: source.include }, (items) => sources.set(source.name, items));
listen();
live.onLive = () => queue.send();
onTick(() => schedule());
live.start();
