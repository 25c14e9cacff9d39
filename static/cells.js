/**
 * What cells say, and the elements that say it; templates/partials/parts.html draws the same ones for the first paint. A cell's
 * `sign` changes when the facts behind it do, not when time passes.
 */

import { h, icon } from "./dom.js";
import { isoOf, read, timeOf } from "./model.js";
import { upper } from "./text.js";
import { ago, clock, day, dayOf, full, now, say, short } from "./time.js";

// Made once: a formatter costs more than a row.
const [FINE, COARSE] = [2, 1].map((maximumFractionDigits) => new Intl.NumberFormat("en", { maximumFractionDigits }));

/** 2150 -> '2,150'. */
export const number = (value) => (Math.abs(value) < 10 ? FINE : COARSE).format(value);

/** The value at a path as a person reads it. */
export function words(board, record, path) {
  const value = read(record, path);
  if (typeof value === "number") return number(value);
  if (value?.__type === "GeoPoint") return placeWords(value);
  if (typeof value !== "string") return "";
  const labels = board.labels?.[path.split(".").at(-1)];
  return labels ? (labels[value] ?? value.replaceAll("_", " ")) : value;
}

/** A pattern such as '{psiBefore} → {psiAfter} psi'; '' when a field is missing. */
export function fill(board, pattern, record) {
  let whole = true;
  const text = pattern.replace(/\{([^}]+)\}/g, (_, path) => {
    const word = words(board, record, path);
    whole &&= word !== "";
    return word;
  });
  return whole ? text : "";
}

/** The patterns that can be filled, joined with a middle dot. */
export const fillAll = (board, patterns, record) => patterns.map((each) => fill(board, each, record)).filter(Boolean).join(" · ");

/** A <time> that the ticker keeps true. */
export const when = (iso, shape) => h("time", { datetime: iso, "data-as": shape, title: full(Date.parse(iso)) }, say(shape, iso));

const small = (text, tone) => (text ? h("small", { class: tone || null }, text) : null);
const DASH = "—";

/** Whether the reading is older than the limit of the board's age column, or there is none. */
export function isStale(board, row) {
  const column = board.columns.find((each) => each.kind === "age" && each.limitMinutes);
  if (!column) return false;
  const at = timeOf(read(row, column.field));
  return Number.isNaN(at) || now() - at > column.limitMinutes * 60_000;
}

/** "empty at 11:31", "empty Sat 03:17", "since 10:02". */
function before(column, iso) {
  const at = Date.parse(iso);
  if (at <= now()) return "since ";
  return `${day(at) ? column.detail.replace(/ at$/, "") : column.detail} `;
}

/** The level's tag: icon and word. */
export const tag = (level) => h("span", { class: "tag" }, icon(level.icon), level.label);

/** What a window means for a row that is empty at `against`, as [words, tone]. */
export function windowRisk(start, end, against) {
  if (end <= now()) return [day(start) ? "ended" : `ended ${ago(end)} ago`, ""];
  if (Number.isNaN(against)) return ["", ""];
  if (against <= start) return ["empty before", "bad"];
  return against < end ? ["empty during", "warn"] : ["in time", ""];
}

/** Why somebody who is assigned does not count. */
export function personFault(board, person, join) {
  if (person.objectId && "active" in (join?.requires ?? {}) && person.active !== true) return "not active";
  const role = join?.requires?.role;
  return role ? `not a ${board.labels?.role?.[role] ?? role}` : "not valid";
}

/** The join whose target a path begins with. */
export const joinOf = (board, path) => (board.joins ?? []).find((join) => join.name === path.split(".")[0]);

/** Whether the pointer behind a person's cell is not set at all. */
export const isUnassigned = (board, column, row) => {
  const join = joinOf(board, column.field);
  return Boolean(join && !join.back && read(row, join.field || "objectId") === undefined);
};

/** "3.4" beside its reference: [tone, icon]. */
export function rangeTone(value, low, high) {
  if (typeof low === "number" && value < low) return ["bad", "down"];
  return typeof high === "number" && value > high ? ["bad", "up"] : ["", ""];
}

/** The (address, name) of a File, or of each in an Array; on this host, whatever name the server knows itself by. */
export function fileLinks(value) {
  const items = Array.isArray(value) ? value : [value];
  return items.filter((item) => item?.__type === "File" && item.url).map((item) => {
    const url = new URL(item.url, location.href);
    return [url.pathname + url.search, item.name.replace(/^[^_]*_/, "") || "file"];
  });
}

/** A geo: link, which a phone opens in its map. */
export const geoLink = (point) => (point?.latitude === undefined ? "" : `geo:${point.latitude},${point.longitude}`);

/** '37.771, -122.270' for a place without an address. */
export const placeWords = (point) => (point?.latitude === undefined ? "" : `${point.latitude.toFixed(3)}, ${point.longitude.toFixed(3)}`);

const SHORT = 40;
const VERBS = { create: "Created", update: "Changed", delete: "Deleted" };

/** What an entry of the audit trail tells: "Status: packed → out for delivery, courier changed"; "Created: status: packed". */
export function deed(board, entry, most = 4) {
  const verb = VERBS[entry.action];
  if (!verb) return words(board, entry, "summary");
  const known = Object.entries(read(entry, "metadata.changes|metadata.was") ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
  const parts = entry.action === "update" ? known.filter(([, change]) => change && typeof change === "object").map(([name, change]) => step(board, name, change))
    : known.map(([name, value]) => [name, told(board, name, value)]).filter(([, said]) => said).map(([name, said]) => `${human(name)}: ${said}`);
  const text = parts.slice(0, most).join(", ") + (parts.length > most ? `, and ${parts.length - most} more` : "");
  if (!text) return verb;
  return entry.action === "update" ? upper(text) : `${verb}: ${text}`;
}

function step(board, name, change) {
  const [before, after] = [change.from, change.to].map((value) => told(board, name, value));
  if (change.to === null || change.to === undefined) return `${human(name)} removed`;
  if (!after || !(before || change.from === null || change.from === undefined)) return `${human(name)} changed`;
  return before ? `${human(name)}: ${before} → ${after}` : `${human(name)}: ${after}`;
}

/** 'nextServiceDue' -> 'next service due'. */
const human = (name) => name.replace(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

/** A value in so few words that a line holds two of them; '' where it has none. */
function told(board, name, value) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (value?.__type === "Date") return clock(Date.parse(value.iso));
  const said = typeof value === "string" || typeof value === "number" ? words(board, { [name]: value }, name).replaceAll("_", " ") : "";
  return said.length <= SHORT ? said : "";
}

const bar = (share) => h("svg", { class: "bar", viewBox: "0 0 52 6", "aria-hidden": "true" }, h("rect", { class: "track", width: 52, height: 6, rx: 3 }), h("rect", { class: "fill", width: share, height: 6, rx: 3 }));

function stepBar(steps, value) {
  const at = steps?.indexOf(value) ?? -1;
  if (at < 0) return null;
  const width = steps.length * 9 - 2;
  return h("svg", { class: "steps", viewBox: `0 0 ${width} 3`, width, "aria-hidden": "true" }, ...steps.map((_, index) => h("rect", { class: index <= at ? "on" : null, x: index * 9, width: 7, height: 3, rx: 1.5 })));
}

const figure = (value, unit, tone, symbol) => h("span", { class: tone || null }, symbol && icon(symbol), h("b", { class: "num" }, number(value)), unit && h("span", { class: "unit" }, unit));

/** "Maria Okafor" -> "M. Okafor", so that a name fits its column; a single word stays. */
export function shortName(name) {
  const parts = name.split(" ");
  return parts.length > 1 ? `${parts[0][0]}. ${parts.slice(1).join(" ")}` : name;
}

/** What is set of these flags, each with icon and word. */
export const badges = (flags, record) => flags.filter((flag) => read(record, flag.field) === (flag.equals ?? true)).map((flag) => h("span", { class: `flag ${flag.tone ?? "warn"}` }, icon(flag.icon ?? "alert"), flag.words));

const KINDS = {
  level: ({ row, model }) => [tag(model.levelOf(row))],
  name: ({ board, column, row, href }) => [h("a", { class: "row-link", href: href(row) }, h("b", { dir: "auto" }, (column.isDeed ? deed(board, row) : words(board, row, column.field)) || DASH)), small(detail(board, column, row))],
  text: ({ board, column, row }) => [h("b", { dir: "auto" }, words(board, row, column.field) || DASH), small(detail(board, column, row))],
  gauge: ({ column, row, spark }) => {
    const value = read(row, column.field);
    const share = typeof value === "number" && column.full ? Math.round(Math.max(0, Math.min(1, value / column.full)) * 520) / 10 : null;
    return [
      h("span", { class: "value" }, h("b", { class: "num" }, typeof value === "number" ? number(value) : DASH), h("span", { class: "unit" }, column.unit)),
      share !== null && bar(share),
      spark?.(row),
    ];
  },
  left: ({ column, row }) => {
    const iso = isoOf(read(row, column.field));
    if (!iso) return [h("b", {}, DASH), small(column.missing?.find((gap) => read(row, gap.field) === undefined)?.words ?? column.detailMissing ?? "not known")];
    return [h("b", {}, when(iso, "left")), h("small", {}, before(column, iso), when(iso, "clock"))];
  },
  person: ({ board, column, row, happened }) => {
    const name = words(board, row, column.field);
    if (isUnassigned(board, column, row)) return [h("span", {}, DASH), small(column.detailMissing || "unassigned")];
    const person = read(row, column.field.split(".")[0]) ?? {};
    if (person.ok === false) return [h("span", { title: name || null }, shortName(name) || DASH), small(personFault(board, person, joinOf(board, column.field)), "warn")];
    if (!name) return [h("span", {}, DASH), small(column.detailMissing || "not shown")];
    const event = happened?.(row);
    return [h("span", { title: name }, shortName(name)), event ? h("small", {}, when(event.iso, "clock"), ` ${event.text.toLowerCase().replace("psi", "PSI")}`) : small(detail(board, column, row))];
  },
  window: ({ column, row }) => {
    const start = isoOf(read(row, column.field));
    const end = isoOf(read(row, column.until));
    if (!start || !end) return [h("span", {}, DASH), small(column.detailMissing)];
    const [risk, tone] = windowRisk(Date.parse(start), Date.parse(end), timeOf(read(row, column.against)));
    return [h("span", {}, when(start, "time"), "–", when(end, "time")), small([day(Date.parse(start)), risk].filter(Boolean).join(", "), tone)];
  },
  age: ({ board, column, row }) => {
    const iso = isoOf(read(row, column.field));
    if (!iso) return [h("span", {}, DASH), small(column.detailMissing || "never read")];
    return [h("span", {}, when(iso, "ago")), small(column.limitMinutes && isStale(board, row) ? "as read" : "ago")];
  },
  due: ({ board, column, row }) => {
    const iso = isoOf(read(row, column.field));
    if (!iso) return [h("b", {}, DASH), small(column.detailMissing || "not set")];
    const main = h("b", {}, when(iso, "near"));
    if (column.status && column.settled?.includes(read(row, column.status))) return [main, small(detail(board, column, row))];
    if (Date.parse(iso) > now()) return [main, h("small", {}, "in ", when(iso, "left"))];
    return [main, h("small", { class: "bad" }, icon("clock"), "late ", when(iso, "late"))];
  },
  status: ({ board, column, row }) => {
    const value = read(row, column.field) ?? "";
    return [h("span", { class: ["state", column.tones?.[value]].filter(Boolean).join(" ") }, upper(words(board, row, column.field)) || DASH), stepBar(column.steps, value), small(detail(board, column, row))];
  },
  count: ({ board, column, row }) => {
    const found = read(row, column.field);
    const value = Array.isArray(found) ? found.length : found;
    if (typeof value !== "number") return [h("span", {}, h("b", { class: "num" }, DASH)), small(column.detailMissing)];
    const low = column.against && typeof read(row, column.against) === "number" && value <= read(row, column.against);
    return [figure(value, column.unit, low && "warn", low && "down"), small(detail(board, column, row))];
  },
  value: ({ board, column, row }) => {
    const value = read(row, column.field);
    if (typeof value !== "number") return [h("span", {}, h("b", { class: "num" }, DASH)), small(column.detailMissing || "not read")];
    let [tone, symbol] = rangeTone(value, read(row, column.low ?? ""), read(row, column.high ?? ""));
    if (column.status) {
      tone = column.tones?.[read(row, column.status)] ?? "";
      symbol = tone ? symbol || "alert" : "";
    }
    const unit = column.unit?.includes("{") ? fill(board, column.unit, row) : column.unit;
    return [figure(value, unit, tone, symbol), small(detail(board, column, row))];
  },
  flags: ({ column, row }) => {
    const set = badges(column.flags, row);
    return set.length ? [h("span", { class: "badges" }, ...set)] : [h("span", {}, DASH), small(column.detailMissing)];
  },
  place: ({ board, column, row }) => [h("b", { dir: "auto" }, words(board, row, column.field) || placeWords(read(row, column.point ?? "")) || DASH), small(detail(board, column, row))],
  date: ({ board, column, row }) => {
    const iso = isoOf(read(row, column.field));
    return iso ? [h("span", {}, when(iso, "day")), small(detail(board, column, row))] : [h("span", {}, DASH), small(column.detailMissing || "not set")];
  },
  span: ({ column, row }) => {
    const start = isoOf(read(row, column.field));
    const end = isoOf(read(row, column.until));
    if (!start || !end) return [h("b", {}, DASH), small(column.detailMissing || "not set")];
    const [at, days] = dayOf(Date.parse(start), Date.parse(end));
    return [h("b", {}, dayWords(at, days)), bar(Math.round(Math.max(0, Math.min(1, at / days)) * 520) / 10), small(`${short(Date.parse(start))} – ${short(Date.parse(end))}`)];
  },
  file: ({ column, row }) => {
    const found = fileLinks(read(row, column.field));
    if (!found.length) return [h("span", {}, DASH), small(column.detailMissing)];
    return [h("a", { class: "file", href: found[0][0], target: "_blank", rel: "noopener" }, found.length > 1 ? `View ${found.length}` : "View")];
  },
};

function dayWords(at, days) {
  if (at < 1) return at === 0 ? "tomorrow" : `in ${1 - at} days`;
  return at <= days ? `day ${at} of ${days}` : "ended";
}

function detail(board, column, row) {
  return (column.detail ?? "").split(" · ").filter(Boolean).map((part) => fill(board, part, row) || column.detailMissing || "").filter(Boolean).join(" · ");
}

/**
 * One cell: its element, and the sign of the facts it shows.
 * @param {{board: object, model: object, column: object, row: object, href: Function, spark?: Function, happened?: Function}} what
 */
export function cell(what) {
  const { column } = what;
  const made = plain(what);
  if (column.personal) made.classList.add("personal");
  if (!column.personal || !what.masked) return made;
  for (const text of made.querySelectorAll("b")) text.textContent = column.kind === "place" ? "not shown" : masked(text.textContent);
  for (const text of made.querySelectorAll("small")) text.remove();
  made.setAttribute("data-masked", "");
  return made;
}

/** "Rosa Delgado" -> "R. D." */
const masked = (text) => text.split(/\s+/).filter(Boolean).map((word) => `${upper([...word][0])}.`).slice(0, 3).join(" ");

function plain(what) {
  const { column, row } = what;
  const tagName = column.kind === "name" ? "th" : "td";
  const role = column.kind === "name" ? { role: "rowheader", scope: "row" } : { role: "cell" };
  const root = (column.field ?? "").split(".")[0];
  const pending = row.$pending.has(joinOf(what.board, root)?.field ?? root);
  const card = what.cards?.[column.key];
  const attributes = { ...role, class: `c c-${column.kind} k-${column.key}${card ? ` p-${card}` : ""}`, "data-label": column.kind === "value" || column.kind === "count" ? column.label : null, "data-pending": pending, title: pending ? "Being saved" : null };
  return h(tagName, attributes, ...KINDS[column.kind](what));
}

/** What a cell shows, as text that only facts change: used to see whether it must flash. */
export function sign(what) {
  const { board, column, row, model } = what;
  if (column.kind === "level") return model.levelOf(row).value;
  const paths = [column.field, column.kind === "window" || column.kind === "span" ? column.until : "", column.kind === "value" ? column.status : "", ...(column.flags ?? []).map((flag) => flag.field)].filter(Boolean);
  const facts = paths.map((path) => isoOf(read(row, path)) ?? read(row, path) ?? null);
  const person = column.kind === "person" ? read(row, column.field.split(".")[0])?.ok : null;
  return JSON.stringify([facts, detail(board, column, row), person]);
}
