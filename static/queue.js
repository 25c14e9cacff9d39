/**
 * What was done without a network, kept in this browser until it can be sent: in order, each once. A refusal ends nothing: it is told,
 * with the server's sentence, and the next is tried.
 */

const KEEP = 7 * 86_400_000;

/** @typedef {{id: string, at: number, method: "create" | "update", className: string, objectId?: string, body: object, words: string}} Deed */

export class Queue {
  #sending = false;

  /** @param {string} owner whose deeds they are @param {object} rest @param {{changed: () => void, refused: (deed: Deed, words: string) => void}} tell */
  constructor(owner, rest, tell) {
    this.key = `careboard.queue.${owner}`;
    this.rest = rest;
    this.tell = tell;
  }

  /** What waits, oldest first. @returns {Deed[]} */
  get deeds() {
    try {
      return JSON.parse(localStorage.getItem(this.key) ?? "[]").filter((deed) => Date.now() - deed.at < KEEP);
    } catch {
      return [];
    }
  }

  /** Keeps a deed; false where this browser keeps nothing. @param {Omit<Deed, "id" | "at">} deed */
  add(deed) {
    return this.#keep([...this.deeds, { ...deed, id: crypto.randomUUID(), at: Date.now() }]);
  }

  /** Sends what waits; stops where there is still no network. */
  async send() {
    if (this.#sending) return;
    this.#sending = true;
    try {
      for (let deed = this.deeds[0]; deed; deed = this.deeds[0]) {
        try {
          await (deed.method === "update" ? this.rest.update(deed.className, deed.objectId, deed.body) : this.rest.create(deed.className, deed.body));
        } catch (refusal) {
          if (refusal.code === 100) return;
          this.tell.refused(deed, refusal.message);
        }
        this.#keep(this.deeds.filter((each) => each.id !== deed.id));
      }
    } finally {
      this.#sending = false;
      this.tell.changed();
    }
  }

  #keep(deeds) {
    try {
      deeds.length ? localStorage.setItem(this.key, JSON.stringify(deeds)) : localStorage.removeItem(this.key);
      this.tell.changed();
      return true;
    } catch {
      return false;
    }
  }
}
