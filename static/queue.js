/**
 * What a person does on their own page, on its way to the server: kept on this phone first, then sent, in order, each once. Each
 * carries a number by which the server does it once however often it arrives. A refusal stays, with the server's sentence, until the
 * person throws it away; it stops nothing but what comes after it for the same thing.
 */

import { Refusal } from "./rest.js";

const KEEP = 7 * 86_400_000;
// How long a dialog waits for the answer; after that the deed goes on by itself.
const PATIENCE = 5000;
const DONE_BEFORE = 159;
const ENDED = 209;
// Parse codes and statuses that say nothing about the deed itself: no network, a broken or busy server, a session that ended.
const PASSING_CODES = new Set([1, 100, 124, 155, ENDED]);
const PASSING_STATUS = new Set([401, 403, 408, 429]);

/**
 * @typedef {object} Deed
 * @property {string} id the number of the request @property {number} order @property {number} at when it was done
 * @property {"create" | "update"} method @property {string} className @property {string} [objectId] @property {object} body
 * @property {string} about the objectId of the card it was done on @property {object} shown what the card shows meanwhile
 * @property {string} words @property {string} [from] the state it was done from @property {boolean} [quiet] told to nobody
 * @property {{id: string, field: string, several: boolean, name: string, type: string, value?: object}[]} files
 * @property {{message: string, field: string, code: number}} [refusal]
 */

export class Queue {
  #deeds = [];
  #files = new Map();
  #running = Promise.resolve();
  #order = 0;

  /** @param {object} rest @param {{changed: () => void, refused: (deed: Deed) => void, ended: () => void}} tell */
  constructor(rest, tell) {
    this.rest = rest;
    this.tell = tell;
    this.safe = null;
    this.channel = globalThis.BroadcastChannel ? new BroadcastChannel("careboard.queue") : null;
    if (this.channel) this.channel.onmessage = () => this.safe && this.#read();
  }

  /** Takes up what an earlier page left. Gives how much of it could not be opened. @param {import("./safe.js").Safe | null} safe */
  async open(safe) {
    this.safe = safe;
    return safe ? this.#read() : 0;
  }

  /** What waits or was refused, oldest first. @returns {Deed[]} */
  get deeds() {
    return this.#deeds;
  }

  /** What waits. */
  get waiting() {
    return this.#deeds.filter((deed) => !deed.refusal);
  }

  /**
   * Keeps a deed and sends it. "done" when the server did it, "kept" when it waits; throws what the server refuses at once.
   * @param {Omit<Deed, "id" | "order" | "at">} deed @param {Map<string, Blob>} files @param {boolean} isLive whether to wait for it
   */
  async do(deed, files, isLive) {
    const made = { ...deed, id: crypto.randomUUID?.() ?? String(Math.random()).slice(2) + Date.now(), at: Date.now(), order: (this.#order = Math.max(Date.now(), this.#order + 1)) };
    for (const [id, content] of files) this.#files.set(id, content);
    await this.safe?.put(made, files);
    if (!this.#deeds.some((each) => each.id === made.id)) this.#deeds.push(made);
    this.#changed();
    const sent = this.send();
    if (isLive) await Promise.race([sent, new Promise((done) => setTimeout(done, PATIENCE))]);
    const left = this.#deeds.find((each) => each.id === made.id);
    if (!left) return "done";
    if (!left.refusal) return "kept";
    await this.discard(left.id);
    throw Object.assign(new Refusal(left.refusal.message, left.refusal.code), { field: left.refusal.field });
  }

  /** Throws a deed away; what waited behind it goes on. */
  async discard(id) {
    const deed = this.#deeds.find((each) => each.id === id);
    if (!deed) return;
    await this.#remove(deed);
    this.send();
  }

  /** Tries a refused one again, at its place. */
  async retry(id) {
    const deed = this.#deeds.find((each) => each.id === id);
    if (!deed) return;
    delete deed.refusal;
    await this.#keep(deed);
    await this.send();
  }

  /** Throws everything away. */
  async clear() {
    this.#deeds = [];
    this.#files.clear();
    await this.safe?.clear();
    this.#changed();
  }

  /** Sends what waits, one page at a time; stops where there is no network. */
  send() {
    const work = () => this.#sendAll().catch(() => {});
    this.#running = this.#running.then(() => (navigator.locks ? navigator.locks.request("careboard.queue", work) : work()));
    return this.#running;
  }

  async #sendAll() {
    const held = new Set();
    const hold = ({ about, quiet }) => about && !quiet && held.add(about);
    for (const deed of [...this.#deeds]) {
      if (deed.refusal) hold(deed);
      if (deed.refusal || held.has(deed.about)) continue;
      if (Date.now() - deed.at > KEEP) {
        hold(deed);
        await this.#refuse(deed, new Refusal("It waited for more than seven days and was not sent. Do it again if it still counts.", 0));
        continue;
      }
      try {
        await this.#sendOne(deed);
      } catch (refusal) {
        if (refusal.code === ENDED) this.tell.ended();
        if (refusal.code === 100 || refusal.code === ENDED) return;
        if (refusal.code !== DONE_BEFORE) {
          hold(deed);
          if (!isPassing(refusal)) await this.#refuse(deed, refusal);
          continue;
        }
      }
      await this.#remove(deed);
    }
  }

  /** Gives its files away, each once, then the deed itself. */
  async #sendOne(deed) {
    const body = structuredClone(deed.body);
    for (const file of deed.files ?? []) {
      if (!file.value) {
        file.value = await this.rest.upload(file.name, await this.#contentOf(file));
        await this.#keep(deed);
      }
      if (file.several) (body[file.field] ??= []).push(file.value);
      else body[file.field] = file.value;
    }
    await (deed.method === "update" ? this.rest.update(deed.className, deed.objectId, body, deed.id) : this.rest.create(deed.className, body, deed.id));
  }

  async #contentOf({ id, name, type }) {
    const content = this.#files.get(id) ?? (await this.safe?.file(id));
    if (!content) throw new Refusal(`The file ${name} is not on this phone any more. Do this step again.`, 0);
    return new Blob([content], { type });
  }

  async #refuse(deed, { message, field = "", code }) {
    deed.refusal = { message, field, code };
    await this.#keep(deed);
    this.tell.refused(deed);
  }

  async #keep(deed) {
    await this.safe?.put(deed);
    this.#changed();
  }

  async #remove(deed) {
    const files = (deed.files ?? []).map((file) => file.id);
    for (const id of files) this.#files.delete(id);
    this.#deeds = this.#deeds.filter((each) => each.id !== deed.id);
    await this.safe?.remove(deed.id, files);
    this.#changed();
  }

  async #read() {
    const { entries, lost } = await this.safe.entries();
    this.#deeds = entries;
    this.tell.changed();
    return lost;
  }

  #changed() {
    if (this.safe) this.channel?.postMessage("changed");
    this.tell.changed();
  }
}

const isPassing = (refusal) => PASSING_CODES.has(refusal.code) || PASSING_STATUS.has(refusal.status) || refusal.status >= 500;
