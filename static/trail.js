/**
 * What happened to each row of late: readings for the small line beside the gauge, and the newest event under the person. Read once
 * by REST after the page is live, then kept up by what the page hears anyway.
 */

import { words } from "./cells.js";
import { isoOf, read, timeOf } from "./model.js";
import { now } from "./time.js";

const DAY = 86_400_000;
const MOST = 4000;

export class Trail {
  #readings = new Map();
  #events = new Map();

  /** @param {{board: object, rest: object, live: object, model: object}} parts */
  constructor(parts) {
    Object.assign(this, parts);
    this.gauge = this.board.columns.find((column) => column.kind === "gauge");
    this.age = this.board.columns.find((column) => column.kind === "age");
    this.related = new Map(this.board.panel.related.map((each) => [each.name, each]));
  }

  /** The readings of a row, oldest first, as [time, value]; with the row's own newest one. */
  readings(row) {
    const known = this.#readings.get(row.objectId) ?? [];
    const at = timeOf(read(row, this.age?.field ?? ""));
    const value = read(row, this.gauge?.field ?? "");
    return typeof value === "number" && at > (known.at(-1)?.[0] ?? 0) ? [...known, [at, value]] : known;
  }

  /** The newest event of a row as {text, iso}, if one is known. */
  happened(row) {
    return this.#events.get(row.objectId);
  }

  /** Reads the last day, and goes on listening to events. */
  async begin() {
    const part = this.related.get(this.board.happened);
    if (part) {
      const { at, words: told, values = [] } = this.#about(part);
      const keys = [...new Set([part.field, at, told, ...values].filter(Boolean))];
      this.live.subscribe({ className: part.className, keys, snapshot: false }, {
        snapshot: () => {},
        event: (op, object) => op !== "delete" && op !== "leave" && this.#take(part, [object], at),
      });
    }
    await Promise.all((this.board.trail ?? []).map((each) => this.#read(each)));
  }

  /** Remembers the reading a row holds before a newer one replaces it. */
  note(row) {
    const readings = this.readings(row);
    if (readings.length) this.#readings.set(row.objectId, readings);
  }

  #about = (part) => this.board.trail.find((each) => each.related === part.name);

  async #read({ related, at, values = [], words: told }) {
    const part = this.related.get(related);
    const since = { __type: "Date", iso: new Date(now() - DAY).toISOString() };
    const keys = [part.field, at, ...values, told].filter(Boolean).join(",");
    const found = await this.rest.find(part.className, { where: { [at]: { $gte: since } }, keys, order: `-${at}`, limit: MOST });
    this.#take(part, found, at, values);
  }

  #take(part, objects, at, values = this.#about(part)?.values ?? []) {
    const touched = new Set();
    for (const object of objects) {
      const id = object[part.field]?.objectId;
      const time = timeOf(object[at]);
      if (!id || Number.isNaN(time)) continue;
      for (const value of values) if (typeof object[value] === "number") this.#add(id, time, object[value]);
      if (part.name === this.board.happened && !(Date.parse(this.#events.get(id)?.iso) > time))
        this.#events.set(id, { text: words(this.board, object, this.#about(part).words ?? ""), iso: isoOf(object[at]) });
      touched.add(id);
    }
    for (const id of touched) this.#readings.get(id)?.sort((a, b) => a[0] - b[0]);
    this.model.touch(touched);
  }

  #add(id, time, value) {
    const readings = this.#readings.get(id) ?? [];
    if (!readings.some(([at, known]) => at === time && known === value)) readings.push([time, value]);
    this.#readings.set(id, readings);
  }
}
