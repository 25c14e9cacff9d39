/**
 * What staff are called whose accounts this page may not read: the server tells the name, and no more, to who knows the objectId from
 * a row. Asked for a few at a time, each once.
 */

const BREATH = 100;
const MOST = 100;
const AGAIN = 10_000;

export class Names {
  #names;
  #asked = new Set();
  #timer = 0;

  /** @param {object} rest @param {Record<string, string>} known by objectId, from the first paint @param {(ids: string[]) => void} told */
  constructor(rest, known, told) {
    Object.assign(this, { rest, told });
    this.#names = new Map(Object.entries(known ?? {}));
  }

  /** The account as far as it is told; undefined where it is not, or not yet. */
  of(id) {
    const name = this.#names.get(id);
    if (name === undefined && id) this.#ask(id);
    return name ? { objectId: id, displayName: name } : undefined;
  }

  #ask(id) {
    this.#asked.add(id);
    this.#timer ||= setTimeout(() => this.#send(), BREATH);
  }

  async #send() {
    const ids = [...this.#asked].slice(0, MOST);
    try {
      const { results } = await this.rest.ask("GET", `/names?ids=${ids.join(",")}`);
      for (const id of ids) {
        this.#asked.delete(id);
        this.#names.set(id, results[id] ?? "");
      }
      this.#timer = this.#asked.size ? setTimeout(() => this.#send(), BREATH) : 0;
      const found = ids.filter((id) => this.#names.get(id));
      if (found.length) this.told(found);
    } catch {
      this.#timer = setTimeout(() => this.#send(), AGAIN);
    }
  }
}
