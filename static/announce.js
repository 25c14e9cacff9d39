/** The page's voice for screen readers: changes are gathered and told together, the alarming ones by name, at most every five seconds. */

import { byId } from "./dom.js";

const PAUSE = 5000;

export class Voice {
  #count = 0;
  #named = [];
  #timer = 0;

  /** Counts one change; `sentence` names it when it matters. */
  add(sentence = "") {
    this.#count += 1;
    if (sentence) this.#named.push(sentence);
    this.#timer ||= setTimeout(() => this.#speak(), PAUSE);
  }

  /** Says something now. */
  say(sentence) {
    byId("said").textContent = sentence;
  }

  #speak() {
    const named = this.#named.slice(0, 4).join(" ");
    this.say(`${this.#count} ${this.#count === 1 ? "change" : "changes"}. ${named}`.trim());
    this.#count = 0;
    this.#named = [];
    this.#timer = 0;
  }
}
