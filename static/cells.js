/**
 * What cells say, and the elements that say it; templates/partials/parts.html draws the same ones for the first paint. A cell's
 * `sign` changes when the facts behind it do, not when time passes.
 */

import { h, icon } from "./dom.js";
import { isoOf, read, timeOf } from "./model.js";
import { ago, day, full, now, say } from "./time.js";

/** 2150 -> '2,150'. */
export const number = (value) => value.toLocaleString("en", { maximumFractionDigits: 1 });

/** The value at a path as a person reads it. */
export function words(board, record, path) {
  const value = read(record, path);
  if (typeof value === "number") return number(value);
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
  const column = board.columns.find((each) => each.kind === "age");
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

/** Why an assigned account does not count. */
export const personFault = (person) => (person.objectId && person.active !== true ? "not active" : "not a driver");

/** "Maria Okafor" -> "M. Okafor", so that a name fits its column; a single word stays. */
export function shortName(name) {
  const parts = name.split(" ");
  return parts.length > 1 ? `${parts[0][0]}. ${parts.slice(1).join(" ")}` : name;
}

const KINDS = {
  level: ({ row, model }) => [tag(model.levelOf(row))],
  name: ({ board, column, row, href }) => [h("a", { class: "row-link", href: href(row) }, h("b", {}, words(board, row, column.field) || DASH)), small(detail(board, column, row))],
  text: ({ board, column, row }) => [h("b", {}, words(board, row, column.field) || DASH), small(detail(board, column, row))],
  gauge: ({ column, row, spark }) => {
    const value = read(row, column.field);
    const share = typeof value === "number" && column.full ? Math.round(Math.max(0, Math.min(1, value / column.full)) * 520) / 10 : null;
    return [
      h("span", { class: "value" }, h("b", { class: "num" }, typeof value === "number" ? number(value) : DASH), h("span", { class: "unit" }, column.unit)),
      share !== null && h("svg", { class: "bar", viewBox: "0 0 52 6", "aria-hidden": "true" }, h("rect", { class: "track", width: 52, height: 6, rx: 3 }), h("rect", { class: "fill", width: share, height: 6, rx: 3 })),
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
    const person = read(row, column.field.split(".")[0]) ?? {};
    if (person.ok === false) return [h("span", { title: name || null }, shortName(name) || DASH), small(personFault(person), "warn")];
    if (!name) return [h("span", {}, DASH), small("not shown")];
    const event = happened?.(row);
    return [h("span", { title: name }, shortName(name)), event ? h("small", {}, when(event.iso, "clock"), ` ${event.text.toLowerCase().replace("psi", "PSI")}`) : null];
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
    return iso ? [h("span", {}, when(iso, "ago")), small(isStale(board, row) ? "as read" : "ago")] : [h("span", {}, DASH), small("never read")];
  },
};

function detail(board, column, row) {
  return (column.detail ?? "").split(" · ").filter(Boolean).map((part) => fill(board, part, row) || column.detailMissing || "").filter(Boolean).join(" · ");
}

/**
 * One cell: its element, and the sign of the facts it shows.
 * @param {{board: object, model: object, column: object, row: object, href: Function, spark?: Function, happened?: Function}} what
 */
export function cell(what) {
  const { column, row } = what;
  const tagName = column.kind === "name" ? "th" : "td";
  const role = column.kind === "name" ? { role: "rowheader", scope: "row" } : { role: "cell" };
  const root = column.field.split(".")[0];
  const pending = row.$pending.has(what.board.joins.find((join) => join.name === root)?.field ?? root);
  const attributes = { ...role, class: `c c-${column.kind} k-${column.key}`, "data-pending": pending, title: pending ? "Being saved" : null };
  return h(tagName, attributes, ...KINDS[column.kind](what));
}

/** What a cell shows, as text that only facts change: used to see whether it must flash. */
export function sign(what) {
  const { board, column, row, model } = what;
  if (column.kind === "level") return model.levelOf(row).value;
  const paths = [column.field, column.until, column.against].filter(Boolean);
  const facts = paths.map((path) => isoOf(read(row, path)) ?? read(row, path) ?? null);
  const person = column.kind === "person" ? read(row, column.field.split(".")[0])?.ok : null;
  return JSON.stringify([facts.slice(0, column.kind === "window" ? 2 : 1), detail(board, column, row), person]);
}
