/**
 * The rows of a board: its sources joined, ranked and searched. The same words as app/live/boards/rows.py, so that the first paint and
 * the live page agree. Holds what the server said, and beside it what this page has asked for and not heard back yet.
 */

// The paths of a description are few, and read for thousands of rows.
const steps = new Map();

function stepsOf(path) {
  if (!steps.has(path)) steps.set(path, path.split("|").map((option) => option.split(".")));
  return steps.get(path);
}

/** The value at a path such as "site.city" or "driver.displayName|driver.username"; "=text" is that text. */
export function read(record, path) {
  for (const option of stepsOf(path)) {
    if (option[0].startsWith("=")) return option.join(".").slice(1);
    let value = record;
    for (const step of option) value = value?.[step];
    if (value !== undefined && value !== null && value !== "") return value;
  }
  return undefined;
}

/** The milliseconds of a Date value (or of createdAt); NaN where there is none. */
export const timeOf = (value) => Date.parse(typeof value === "string" ? value : (value?.iso ?? ""));

/** The iso text of a Date value; undefined where there is none. */
export const isoOf = (value) => (typeof value === "string" ? value : value?.iso);

/** Whether a record has these facts; a list is one of them, null is nothing there. */
export const meets = (record, facts) =>
  Object.entries(facts ?? {}).every(([path, wanted]) => (Array.isArray(wanted) ? wanted : [wanted]).includes(read(record, path) ?? null));

const CALM = { value: "", label: "", icon: "dot", tone: "calm" };

export class Model {
  #sources;
  #backs = new Map();
  #overlays = new Map();
  #dirty = new Set();
  #sorted = null;
  #moved = new Set();
  #counts;
  #ranks = new Map();
  #heard = new Set();
  #tell;

  /**
   * @param {object} start the page's data @param {() => void} tell called when rows have changed; read them with `take`
   * @param {{of(id: string): object | undefined}} names of people whose accounts are not shown
   */
  constructor(start, tell, names) {
    this.names = names;
    this.board = start.board;
    this.me = start.me;
    this.#tell = tell;
    this.#sources = new Map(this.board.sources.map((source) => [source.name, new Map()]));
    this.levels = this.board.levels ?? [];
    this.joins = this.board.joins ?? [];
    this.tiles = this.board.tiles ?? [];
    this.alarm = this.board.alarm ?? [];
    this.turn = this.board.newestFirst ? -1 : 1;
    this.rankOf = new Map(this.levels.map((level, rank) => [level.value, rank]));
    this.rowSource = this.board.sources[0];
    this.rows = new Map();
    this.#counts = new Map(this.tiles.map((tile) => [tile.key, 0]));
  }

  /** The objects of one source, by id. */
  source(name) {
    return this.#sources.get(name);
  }

  /** Whether every source was heard: half a join would show blanks that are not true. */
  get loaded() {
    return this.#heard.size === this.#sources.size;
  }

  /** Takes the whole of one source; what is not in it is gone. */
  replace(name, objects) {
    this.#heard.add(name);
    const fresh = new Map(objects.map((object) => [object.objectId, object]));
    const old = this.#sources.get(name);
    this.#sources.set(name, fresh);
    for (const join of this.joins) if (join.back && join.source === name) this.#backs.delete(join.name);
    if (name === this.rowSource.name) {
      for (const id of old.keys()) if (!fresh.has(id)) this.#drop(id);
      for (const id of fresh.keys()) this.#join(id);
    } else {
      for (const id of this.#sources.get(this.rowSource.name).keys()) this.#join(id);
    }
  }

  /** Takes one event of one source. */
  apply(name, op, object) {
    const objects = this.#sources.get(name);
    const gone = op === "leave" || op === "delete";
    const before = objects.get(object.objectId);
    if (gone) objects.delete(object.objectId);
    else objects.set(object.objectId, object);
    this.#turnBack(name, before, gone ? null : object);
    if (name === this.rowSource.name) gone ? this.#drop(object.objectId) : this.#join(object.objectId);
    for (const id of this.#touching(name, before, object)) this.#join(id);
  }

  /** What the rows' keys find through a `back` join: the objects that point there, by that key. */
  #pointers(join) {
    let found = this.#backs.get(join.name);
    if (!found) {
      found = new Map();
      for (const object of this.#sources.get(join.source).values()) add(found, read(object, `${join.back}.objectId`), object);
      this.#backs.set(join.name, found);
    }
    return found;
  }

  #turnBack(name, before, after) {
    for (const join of this.joins) {
      if (!join.back || join.source !== name || !this.#backs.has(join.name)) continue;
      const found = this.#backs.get(join.name);
      if (before) found.get(read(before, `${join.back}.objectId`))?.delete(before.objectId);
      if (after) add(found, read(after, `${join.back}.objectId`), after);
    }
  }

  /** The rows that an object of a source is joined to, before or after it changed. */
  #touching(name, before, after) {
    const joins = this.joins.filter((join) => join.source === name);
    if (!joins.length) return [];
    const touched = [];
    for (const row of this.rows.values())
      if (joins.some((join) => {
        const key = keyOf(join, row);
        if (!join.back) return key === after.objectId;
        return key !== undefined && (key === read(before ?? {}, `${join.back}.objectId`) || key === read(after, `${join.back}.objectId`));
      })) touched.push(row.objectId);
    return touched;
  }

  #targetOf(join, row) {
    const key = keyOf(join, row);
    if (!join.back) return { ...(this.#sources.get(join.source).get(key) ?? (join.source === "people" ? this.#named(key) : undefined)) };
    const items = [...(this.#pointers(join).get(key)?.values() ?? [])];
    if (!items.length) return {};
    const at = (item) => isoOf(read(item, join.newest ?? "createdAt")) ?? "";
    const newest = items.reduce((best, item) => (at(item) > at(best) ? item : best));
    return { ...newest, count: items.length };
  }

  /** Shows `fields` of a row as if they were saved, until the returned function is called. */
  overlay(id, fields) {
    const token = {};
    const overlays = this.#overlays.get(id) ?? new Map();
    this.#overlays.set(id, overlays.set(token, fields));
    this.#join(id);
    return () => {
      overlays.delete(token);
      this.#join(id);
    };
  }

  /** The ids whose rows have changed since it was last asked. */
  take() {
    const dirty = this.#dirty;
    this.#dirty = new Set();
    return dirty;
  }

  /** Marks rows as changed for a reason outside of the model. */
  touch(ids) {
    for (const id of ids) this.#dirty.add(id);
    this.#tell();
  }

  /** Every row, worst first. Of many rows those that changed are put in their places; the others are not compared again. */
  sorted() {
    if (!this.#sorted || this.#moved.size > this.rows.size / 20) {
      this.#sorted = [...this.rows.values()].sort(this.#compare);
    } else if (this.#moved.size) {
      this.#sorted = this.#sorted.filter((row) => !this.#moved.has(row.objectId));
      for (const id of this.#moved) if (this.rows.has(id)) this.#insert(this.rows.get(id));
    }
    this.#moved.clear();
    return this.#sorted;
  }

  #compare = (a, b) => a.$rank - b.$rank || this.turn * (a.$at - b.$at) || order(a.$label, b.$label) || order(a.objectId, b.objectId);

  #insert(row) {
    let low = 0;
    let high = this.#sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compare(this.#sorted[middle], row) < 0) low = middle + 1;
      else high = middle;
    }
    this.#sorted.splice(low, 0, row);
  }

  /** The rows of a tile that hold every word of the search text, worst first. */
  choose(show, text) {
    const tile = this.tiles.find((each) => each.key === show);
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    if (!tile && !words.length) return this.sorted();
    return this.sorted().filter((row) => (!tile || belongs(tile, row)) && words.every((word) => row.$text.includes(word)));
  }

  /** How many rows each tile counts. */
  tally() {
    return this.#counts;
  }

  /** How many rows alarm. */
  get alarms() {
    return this.alarm.reduce((sum, value) => sum + (this.#ranks.get(this.rankOf.get(value)) ?? 0), 0);
  }

  /** Counts a row in or out. */
  #count(row, by) {
    for (const tile of this.tiles) if (belongs(tile, row)) this.#counts.set(tile.key, this.#counts.get(tile.key) + by);
    this.#ranks.set(row.$rank, (this.#ranks.get(row.$rank) ?? 0) + by);
  }

  /** The level of a row; an unknown value counts as unknown, never as harmless. */
  levelOf(row) {
    return this.levels[row.$rank] ?? CALM;
  }

  /** Takes up names that were told: the rows that point to these people are joined anew. */
  named(ids) {
    const joins = this.joins.filter((join) => join.source === "people");
    for (const row of this.rows.values()) if (joins.some((join) => ids.includes(keyOf(join, row)))) this.#join(row.objectId);
    this.#tell();
  }

  /** Somebody whose account is not shown; asked for only once it is known which accounts are. */
  #named(id) {
    return this.#heard.has("people") ? this.names.of(id) : undefined;
  }

  /** An object with its pointers to accounts replaced by the accounts. */
  resolve(object) {
    const people = this.#sources.get("people");
    const known = (value) => (people && value?.className === "_User" ? (people.get(value.objectId) ?? this.#named(value.objectId)) : undefined);
    return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, known(value) ?? value]));
  }

  #join(id) {
    const base = this.#sources.get(this.rowSource.name).get(id);
    if (!base) return;
    const overlays = [...(this.#overlays.get(id)?.values() ?? [])];
    const row = Object.assign({}, base, ...overlays);
    row.$pending = new Set(overlays.flatMap(Object.keys));
    for (const join of this.joins) {
      const target = this.#targetOf(join, row);
      if (join.requires && (this.me.seesPeople || Object.keys(join.requires).some((key) => key in target)))
        target.ok = Boolean(target.objectId) && Object.entries(join.requires).every(([key, value]) => target[key] === value);
      row[join.name] = target;
    }
    const at = timeOf(read(row, this.board.order));
    row.$at = Number.isNaN(at) ? (this.turn < 0 ? -Number.MAX_VALUE : Number.MAX_VALUE) : at;
    row.$rank = this.levels.length ? (this.rankOf.get(read(row, this.board.levelField)) ?? this.rankOf.get("unknown") ?? 0) : 0;
    row.$label = String(read(row, this.board.label) ?? "");
    row.$text = (this.board.search ?? []).map((path) => read(row, path) ?? "").join(" ").toLowerCase();
    if (this.rows.has(id)) this.#count(this.rows.get(id), -1);
    this.rows.set(id, row);
    this.#count(row, 1);
    this.#changed(id);
  }

  #drop(id) {
    const row = this.rows.get(id);
    if (!row) return;
    this.rows.delete(id);
    this.#count(row, -1);
    this.#changed(id);
  }

  #changed(id) {
    this.#moved.add(id);
    this.#dirty.add(id);
    this.#tell();
  }
}

/** Whether a tile counts this row. */
export function belongs(tile, row) {
  const value = read(row, tile.field);
  return tile.among ? tile.among.includes(value) : value === tile.equals;
}

const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

const keyOf = (join, row) => read(row, join.field ? `${join.field}.objectId` : "objectId");

function add(found, key, object) {
  if (key === undefined) return;
  if (!found.has(key)) found.set(key, new Map());
  found.get(key).set(object.objectId, object);
}
