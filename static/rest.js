/** The REST door as a board uses it: same origin, the session cookie, JSON in and out; a refusal is an error with its sentence. */

import { upper } from "./text.js";

/** A refusal by the server (its words, Parse code and HTTP status), or the lack of an answer (`code` 100). */
export class Refusal extends Error {
  /** @param {string} words @param {number} code `field` is the field the words are about, where they name one */
  constructor(words, code, status = 0) {
    const [, field = "", rest = words] = /^([A-Za-z]\w*): (.+)$/s.exec(words) ?? [];
    super(sentence(rest));
    this.field = field;
    this.code = code;
    this.status = status;
  }
}

const OFFLINE = "There is no connection, so nothing was saved. Try again when the board is live.";
const LATE = "The server did not answer in time. Look at the list before you try again: it may have been saved.";

export class Rest {
  /** @param {string} mount @param {Record<string, string>} keys headers that name the application */
  constructor(mount, keys) {
    this.mount = mount;
    this.keys = keys;
    /** Called when the server has answered anything at all: it can be reached. */
    this.onAnswer = () => {};
  }

  /** @param {string} [number] by which the server does it once @returns {Promise<any>} the answer; throws Refusal */
  async ask(method, path, body, number) {
    const headers = { ...this.keys, ...(body && { "Content-Type": "application/json" }), ...(number && { "X-Parse-Request-Id": number }) };
    return this.#answer(() => fetch(this.mount + path, { method, headers, body: body && JSON.stringify(body), credentials: "same-origin", signal: AbortSignal.timeout(15_000) }));
  }

  async #answer(send) {
    let response;
    try {
      response = await send();
    } catch (error) {
      throw new Refusal(error.name === "TimeoutError" ? LATE : OFFLINE, 100);
    }
    this.onAnswer();
    const answer = await response.json().catch(() => ({}));
    if (response.ok) return answer;
    throw new Refusal(answer.error || `The server could not do this (${response.status}). Try again; if it stays, tell whoever runs it.`, answer.code ?? 0, response.status);
  }

  /** Gives a file away and answers with the value that holds it. @param {string} name @param {Blob} content */
  async upload(name, content) {
    const type = content.type || "application/octet-stream";
    const answer = await this.#answer(() => fetch(`${this.mount}/files/${encodeURIComponent(name)}`, {
      method: "POST", headers: { ...this.keys, "Content-Type": type }, body: content, credentials: "same-origin", signal: AbortSignal.timeout(60_000),
    }));
    return { __type: "File", name: answer.name, url: answer.url };
  }

  /** The objects of one class. @param {Record<string, unknown>} params as the REST door takes them */
  async find(className, params) {
    const query = new URLSearchParams();
    for (const [key, value] of Object.entries(params)) query.set(key, typeof value === "object" ? JSON.stringify(value) : String(value));
    return (await this.ask("GET", `${path(className)}?${query}`)).results;
  }

  /** @returns {Promise<{objectId: string, createdAt: string}>} */
  create(className, body, number) {
    return this.ask("POST", path(className), body, number);
  }

  /** @returns {Promise<{updatedAt: string}>} */
  update(className, objectId, body, number) {
    return this.ask("PUT", `${path(className)}/${objectId}`, body, number);
  }
}

const path = (className) => (className === "_User" ? "/users" : `/classes/${className}`);

function sentence(words) {
  const text = upper(words);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
