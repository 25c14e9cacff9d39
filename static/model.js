/**
 * The rows of a board: its sources joined, ranked and searched. The same words as app/live/board.py, so that the first paint and
 * the live page agree. Holds what the server said, and beside it what this page has asked for and not heard back yet.
 */

/** The value at a path such as "site.city" or "driver.displayName|driver.username". */
export function read(record, path) {
  for (const option of path.split("|")) {
    let value = record;
    for (const step of option.split(".")) value = value?.[step];
    if (value !== undefined && value !== null && value !== "") return value;
  }
  return undefined;
}

/** The milliseconds of a Date value (or of createdAt); NaN where there is none. */
export const timeOf = (value) => Date.parse(typeof value === "string" ? value : (value?.iso ?? ""));

/** The iso text of a Date value; undefined where there is none. */
export const isoOf = (value) => (typeof value === "string" ? value : value?.iso);

export class Model {
  #sources;
  #overlays = new Map();
  #dirty = new Set();
  #sorted = null;
  #heard = new Set();
  #tell;

  /** @param {object} start the page's data @param {() => void} tell called when rows have changed; read them with `take` */
  constructor(start, tell) {
    this.board = start.board;
    this.me = start.me;
    this.#tell = tell;
    this.#sources = new Map(this.board.sources.map((source) => [source.name, new Map()]));
    this.rankOf = new Map(this.board.levels.map((level, rank) => [level.value, rank]));
    this.rowSource = this.board.sources[0];
    this.rows = new Map();
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
    if (gone) objects.delete(object.objectId);
    else objects.set(object.objectId, object);
    if (name === this.rowSource.name) gone ? this.#drop(object.objectId) : this.#join(object.objectId);
    else for (const id of this.#pointingTo(name, object.objectId)) this.#join(id);
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

  /** Every row, worst first. */
  sorted() {
    this.#sorted ??= [...this.rows.values()].sort(
      (a, b) => a.$rank - b.$rank || a.$at - b.$at || (a.$label < b.$label ? -1 : a.$label > b.$label ? 1 : 0),
    );
    return this.#sorted;
  }

  /** The rows of a tile that hold every word of the search text, worst first. */
  choose(show, text) {
    const tile = this.board.tiles.find((each) => each.key === show);
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    return this.sorted().filter((row) => (!tile || belongs(tile, row)) && words.every((word) => row.$text.includes(word)));
  }

  /** How many rows each tile counts. */
  tally() {
    const counts = new Map(this.board.tiles.map((tile) => [tile.key, 0]));
    for (const row of this.rows.values())
      for (const tile of this.board.tiles) if (belongs(tile, row)) counts.set(tile.key, counts.get(tile.key) + 1);
    return counts;
  }

  /** The level of a row; an unknown value counts as unknown, never as harmless. */
  levelOf(row) {
    return this.board.levels[row.$rank];
  }

  /** An object with its pointers to accounts replaced by the accounts. */
  resolve(object) {
    const people = this.#sources.get("people");
    const known = (value) => (value?.className === "_User" ? people?.get(value.objectId) : undefined);
    return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, known(value) ?? value]));
  }

  #pointingTo(name, targetId) {
    const joins = this.board.joins.filter((join) => join.source === name);
    return [...this.rows.values()].filter((row) => joins.some((join) => row[join.field]?.objectId === targetId)).map((row) => row.objectId);
  }

  #join(id) {
    const base = this.#sources.get(this.rowSource.name).get(id);
    if (!base) return;
    const overlays = [...(this.#overlays.get(id)?.values() ?? [])];
    const row = Object.assign({}, base, ...overlays);
    row.$pending = new Set(overlays.flatMap(Object.keys));
    for (const join of this.board.joins) {
      const target = { ...this.#sources.get(join.source).get(row[join.field]?.objectId) };
      if (join.requires && (target.objectId || this.me.seesPeople))
        target.ok = Boolean(target.objectId) && Object.entries(join.requires).every(([key, value]) => target[key] === value);
      row[join.name] = target;
    }
    const at = timeOf(read(row, this.board.order));
    row.$at = Number.isNaN(at) ? Number.MAX_VALUE : at;
    row.$rank = this.rankOf.get(row[this.board.levelField]) ?? this.rankOf.get("unknown");
    row.$label = String(read(row, this.board.label) ?? "");
    row.$text = this.board.search.map((path) => read(row, path) ?? "").join(" ").toLowerCase();
    this.rows.set(id, row);
    this.#changed(id);
  }

  #drop(id) {
    if (this.rows.delete(id)) this.#changed(id);
  }

  #changed(id) {
    this.#sorted = null;
    this.#dirty.add(id);
    this.#tell();
  }
}

/** Whether a tile counts this row. */
export function belongs(tile, row) {
  return read(row, tile.field) === tile.equals;
}
