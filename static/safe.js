/**
 * Where this phone keeps what waits to be sent: IndexedDB, each entry sealed (AES-GCM) with a key that only the person's own page
 * carries. With that page gone, what is left opens at their next sign-in and to nobody else. Entries of others are removed.
 */

const NAME = "careboard.queue";
const IV = 12;
/** The most that files may take, all together. */
export const MOST_BYTES = 60 * 1024 * 1024;

export class Safe {
  #db;
  #key;

  constructor(db, key, owner) {
    this.#db = db;
    this.#key = key;
    this.owner = owner;
  }

  /** Opens it; null where this browser keeps nothing or cannot seal. @param {string} owner @param {string} seal the key, base64 */
  static async open(owner, seal) {
    try {
      const bytes = Uint8Array.from(atob(seal), (each) => each.charCodeAt(0));
      const key = await crypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt", "decrypt"]);
      const db = await opened();
      const safe = new Safe(db, key, owner);
      await safe.#removeOthers();
      return safe;
    } catch {
      return null;
    }
  }

  /** Every entry, oldest first, with how many could not be opened (and were removed). */
  async entries() {
    const found = [];
    let lost = 0;
    for (const { id, sealed } of await this.#do("readonly", ["deeds"], ([deeds]) => deeds.getAll())) {
      try {
        found.push(JSON.parse(new TextDecoder().decode(await this.#unseal(sealed))));
      } catch {
        lost += 1;
        await this.remove(id, []);
      }
    }
    return { entries: found.sort((a, b) => a.order - b.order), lost };
  }

  /** Keeps an entry and its new files, all or nothing. @param {{id: string}} entry @param {Map<string, Blob>} files by id */
  async put(entry, files = new Map()) {
    const sealed = await this.#seal(new TextEncoder().encode(JSON.stringify(entry)));
    const contents = [];
    for (const [id, file] of files) contents.push({ id, owner: this.owner, size: file.size, sealed: await this.#seal(await file.arrayBuffer()) });
    const size = contents.reduce((sum, each) => sum + each.size, 0);
    if (size && size + (await this.#size()) > MOST_BYTES) throw new Error("This phone keeps too many files that wait already; send those first, or take smaller ones.");
    await this.#do("readwrite", ["deeds", "files"], ([deeds, kept]) => {
      for (const each of contents) kept.put(each);
      return deeds.put({ id: entry.id, owner: this.owner, sealed });
    });
  }

  /** The bytes of a file, or null. */
  async file(id) {
    const found = await this.#do("readonly", ["files"], ([files]) => files.get(id));
    return found ? this.#unseal(found.sealed) : null;
  }

  /** Removes an entry and its files. */
  async remove(id, files) {
    await this.#do("readwrite", ["deeds", "files"], ([deeds, kept]) => {
      for (const each of files) kept.delete(each);
      return deeds.delete(id);
    });
  }

  /** Removes everything. */
  async clear() {
    await this.#do("readwrite", ["deeds", "files"], ([deeds, files]) => {
      files.clear();
      return deeds.clear();
    });
  }

  async #size() {
    const files = await this.#do("readonly", ["files"], ([kept]) => kept.getAll());
    return files.reduce((sum, each) => sum + each.size, 0);
  }

  async #removeOthers() {
    for (const name of ["deeds", "files"]) {
      const all = await this.#do("readonly", [name], ([store]) => store.getAll());
      const others = all.filter((each) => each.owner !== this.owner);
      if (others.length) await this.#do("readwrite", [name], ([store]) => others.map((each) => store.delete(each.id)).at(-1));
    }
  }

  async #seal(bytes) {
    const iv = crypto.getRandomValues(new Uint8Array(IV));
    const sealed = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv }, this.#key, bytes));
    const whole = new Uint8Array(IV + sealed.length);
    whole.set(iv);
    whole.set(sealed, IV);
    return whole;
  }

  #unseal(whole) {
    return crypto.subtle.decrypt({ name: "AES-GCM", iv: whole.subarray(0, IV) }, this.#key, whole.subarray(IV));
  }

  /** Runs `work` on stores in one transaction; gives what its request gives once all of it is on disk. */
  #do(mode, names, work) {
    return new Promise((done, fail) => {
      const transaction = this.#db.transaction(names, mode, { durability: "strict" });
      const request = work(names.map((name) => transaction.objectStore(name)));
      transaction.oncomplete = () => done(request.result);
      transaction.onerror = transaction.onabort = () => fail(transaction.error ?? new Error("This phone could not keep it."));
    });
  }
}

function opened() {
  return new Promise((done, fail) => {
    const asked = indexedDB.open(NAME, 1);
    asked.onupgradeneeded = () => {
      asked.result.createObjectStore("deeds", { keyPath: "id" });
      asked.result.createObjectStore("files", { keyPath: "id" });
    };
    asked.onsuccess = () => {
      // The worker removes it all when somebody else signs in.
      asked.result.onversionchange = () => asked.result.close();
      done(asked.result);
    };
    asked.onerror = asked.onblocked = () => fail(asked.error);
  });
}
