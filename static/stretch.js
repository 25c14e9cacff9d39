/**
 * Which part of a long list stands in the document. Knows how high each row is, or guesses it from the others, and so where each
 * begins. Numbers in, numbers out: touches no element.
 */

export class Stretch {
  #ids = [];
  #known = new Map();
  #guess;
  #starts = null;

  /** @param {number} guess the height of a row before one was measured */
  constructor(guess) {
    this.#guess = guess;
  }

  get ids() {
    return this.#ids;
  }

  set ids(ids) {
    this.#ids = ids;
    this.#starts = null;
  }

  /** How high all of it is. */
  get height() {
    return this.start(this.#ids.length);
  }

  /** Where a row begins. @param {number} index */
  start(index) {
    this.#starts ??= this.#add();
    return this.#starts[index];
  }

  /** The first row that ends below `y`, as an index; the number of rows where none does. */
  at(y) {
    let low = 0;
    let high = this.#ids.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.start(middle + 1) <= y) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The rows between two heights, as [first, behind the last]. */
  between(top, bottom) {
    return [this.at(Math.max(0, top)), Math.min(this.#ids.length, this.at(bottom) + 1)];
  }

  /** Takes measured heights. Where most of them are new, something about every row has changed: what was known is forgotten. @param {[string, number][]} measured */
  learn(measured) {
    const changed = measured.filter(([id, height]) => this.#known.get(id) !== height);
    if (!changed.length) return;
    const isOther = changed.filter(([id]) => this.#known.has(id)).length > measured.length / 2;
    if (isOther) this.#known.clear();
    for (const [id, height] of isOther ? measured : changed) this.#known.set(id, height);
    const heights = measured.map(([, height]) => height).sort((a, b) => a - b);
    if (isOther || this.#known.size === measured.length) this.#guess = heights[heights.length >> 1];
    this.#starts = null;
  }

  #add() {
    const starts = new Float64Array(this.#ids.length + 1);
    this.#ids.forEach((id, index) => (starts[index + 1] = starts[index] + (this.#known.get(id) ?? this.#guess)));
    return starts;
  }
}

/** Whether two lists hold the same in the same order. */
export const same = (a, b) => a.length === b.length && a.every((each, index) => each === b[index]);

/** The ids that must move so that `from` becomes `to`: all but a longest run that already stands in the right order. */
export function restless(from, to) {
  if (same(from, to)) return new Set();
  const place = new Map(to.map((id, index) => [id, index]));
  const tails = [];
  const previous = new Map();
  for (const id of from) {
    const value = place.get(id);
    let low = 0;
    let high = tails.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (place.get(tails[middle]) < value) low = middle + 1;
      else high = middle;
    }
    previous.set(id, tails[low - 1]);
    tails[low] = id;
  }
  const still = new Set();
  for (let id = tails.at(-1); id !== undefined; id = previous.get(id)) still.add(id);
  return new Set(from.filter((id) => !still.has(id)));
}
