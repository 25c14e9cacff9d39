/** What stands on a person's own page: its cards, notes and trends; app/live/boards/mine.py and templates/boards/mine.html say the same first. */

import { isOffered, nextStates } from "./actions.js";
import { badges, fileLinks, fill, geoLink, placeWords, rangeTone, when, words } from "./cells.js";
import { h, icon } from "./dom.js";
import { isoOf, read, timeOf } from "./model.js";
import { trend } from "./plot.js";
import { tel } from "./sections.js";
import { upper } from "./text.js";
import { dateKey, now } from "./time.js";

/** A part with its items in order. @param {object} desk @param {object} part @param {object[]} items */
export function partOf(desk, part, items) {
  const count = items.filter((item) => !isDone(part, item)).length;
  return h("section", { "data-key": part.key }, h("h2", {}, part.label, count > 1 && part.kind !== "trend" ? h("small", {}, String(count)) : null), ...KINDS[part.kind ?? "cards"](desk, part, items));
}

const KINDS = {
  cards: (desk, part, items) => [h("ul", { class: "owns" }, ...(items.length ? items.map((item, index) => card(desk, part, item, index === 0)) : [h("li", { class: "quiet" }, part.empty)]))],
  notes: (desk, part, items) => [h("ul", { class: "log" }, ...(items.length ? items.map((item) => note(desk, part, item)) : [h("li", { class: "quiet" }, part.empty)]))],
  trend: (desk, part, items) => trends(desk, part, items),
};

/** The items of a part in its order, those that are done last. */
export function inOrder(part, items) {
  const names = part.order.split(",").map((name) => [name.replace(/^-/, ""), name.startsWith("-") ? -1 : 1]);
  const key = (item, name) => isoOf(read(item, name)) ?? read(item, name) ?? "";
  const done = (item) => Number(isDone(part, item));
  return items.sort((a, b) => done(a) - done(b) || names.reduce((sum, [name, turn]) => sum || turn * compare(key(a, name), key(b, name)), 0));
}

const isDone = (part, item) => Boolean(part.done?.includes(read(item, part.status ?? "")));
const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b : String(a) < String(b) ? -1 : String(a) > String(b) ? 1 : 0);

function card(desk, part, item, isFirst) {
  const { mine } = desk;
  const status = part.status ? read(item, part.status) : "";
  const [at, until] = [part.at, part.until].map((path) => (path ? isoOf(read(item, path)) : undefined));
  const done = isDone(part, item);
  const due = part.begun ? "" : (until ?? at);
  const late = due && part.status && !done && Date.parse(due) <= now();
  const point = part.point ? read(item, part.point) : undefined;
  const place = words(mine, item, part.place ?? "") || placeWords(point);
  const phone = part.phone ? read(item, part.phone) : "";
  const flags = part.flags ? badges(part.flags, item) : [];
  return h("li", { class: "own", "data-key": item.objectId, "data-id": item.objectId, "data-tone": part.tones?.[status] ?? "calm", "data-done": done, "data-first": isFirst && !done, "data-pending": item.$pending },
    h("div", { class: "own-head" }, h("h3", { dir: "auto" }, fill(mine, part.title, item) || "—"), status && h("span", { class: "tag" }, part.tones?.[status] && icon("alert"), upper(words(mine, item, part.status)))),
    at && h("p", { class: "own-time" }, part.begun && "since ", h("b", {}, ...span(at, until)), late && h("span", { class: "bad" }, " ", icon("clock"), "late ", when(due, "late"))),
    ...(part.lines ?? []).map((pattern) => fill(mine, pattern, item)).filter(Boolean).map((line) => h("p", {}, line)),
    flags.length > 0 && h("p", { class: "badges" }, ...flags),
    item.$waits && h("p", { class: "own-waits" }, icon("wait"), item.$waits),
    h("div", { class: "own-ways" },
      place && (point ? h("a", { class: "button", href: geoLink(point) }, icon("place"), place) : h("p", { class: "own-place" }, icon("place"), place)),
      phone && h("a", { class: "button", href: tel(phone) }, icon("phone"), "Call", h("span", { class: "sr" }, ` ${phone}`)),
      ...(part.files ? fileLinks(read(item, part.files)) : []).map(([href, name]) => h("a", { class: "button", href, target: "_blank", rel: "noopener" }, icon("file"), name))),
    steps(desk, part, item));
}

/** A time, or from when to when: of one day by the clock, else by the days. */
function span(at, until) {
  if (!until) return [when(at, "clock")];
  const isOneDay = dateKey(Date.parse(at)) === dateKey(Date.parse(until));
  return isOneDay ? [when(at, "clock"), "–", when(until, "time")] : [when(at, "day"), " – ", when(until, "day")];
}

/** The buttons of a card: each state that may follow is one, the first the widest. */
function steps(desk, part, item) {
  const offered = (part.actions ?? []).filter((action) => isOffered(desk, action, item));
  const buttons = offered.flatMap((action) => {
    const name = stateName(action);
    if (!name) return [{ action, label: action.label }];
    return nextStates(desk, action, item).map((state) => ({ action, state, label: stepWords(desk.mine, action, state) }));
  });
  if (!buttons.length) return null;
  const done = isDone(part, item);
  return h("div", { class: "own-steps" }, ...buttons.map(({ action, state, label }, index) => h("button", { type: "button", class: index || done ? "button" : "button primary", "data-act": action.key, "data-part": part.key, "data-id": item.objectId, "data-state": state ?? null, "data-key": `${action.key}-${state ?? ""}` }, icon(action.icon), label)));
}

const stateOf = (action) => action.inputs?.find((input) => input.kind === "state");

/** The field that an action asks a state for. */
export const stateName = (action) => stateOf(action)?.name;

/** What the button that leads to a state says. */
export const stepWords = (mine, action, state) => stateOf(action).verbs?.[state] ?? upper(words(mine, { [stateName(action)]: state }, stateName(action)));

function note(desk, part, item) {
  const iso = part.at ? isoOf(read(item, part.at)) : undefined;
  const lines = (part.lines ?? []).map((pattern) => fill(desk.mine, pattern, item)).filter(Boolean);
  return h("li", { "data-key": item.objectId, "data-pending": item.$pending }, iso ? when(iso, "clock") : h("span", {}),
    h("div", {}, h("span", {}, fill(desk.mine, part.title, item) || "—"), ...lines.map((line) => h("small", {}, line)), steps(desk, part, item)));
}

function trends(desk, part, items) {
  const section = part.section ?? {};
  const series = new Map();
  for (const item of items) {
    const [at, value] = [timeOf(read(item, section.at ?? part.at)), read(item, section.value)];
    if (Number.isNaN(at) || typeof value !== "number") continue;
    const [low, high] = [read(item, section.low ?? ""), read(item, section.high ?? "")];
    const tone = section.flag ? (section.tones?.[read(item, section.flag)] ?? "") : rangeTone(value, low, high)[0];
    const name = words(desk.mine, item, section.series ?? "") || part.label;
    const unit = section.unit?.includes("{") ? fill(desk.mine, section.unit, item) : (section.unit ?? "");
    series.set(name, { unit, points: [...(series.get(name)?.points ?? []), { at, value, low, high, tone }] });
  }
  if (!series.size) return [h("p", { class: "quiet" }, part.empty)];
  return [h("div", { class: "trends" }, ...[...series.keys()].sort().map((name) => h("figure", { class: "trend", "data-key": name }, h("figcaption", {}, h("b", {}, name), h("span", { class: "quiet" }, ` ${series.get(name).unit}`)), trend(series.get(name).points.sort((a, b) => a.at - b.at), { unit: series.get(name).unit, label: name }))))];
}
