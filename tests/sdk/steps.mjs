// How the apps of these tests tell what they have done: a line for each step, and an end where something is not as it should be.
import assert from "node:assert/strict";

export const step = (name) => console.log(`ok ${name}`);

/** It is refused with this Parse code; `words` is the whole message, or a pattern of it. */
export const refused = async (promise, code, words) => {
  const error = await promise.then(() => null, (cause) => cause);
  assert.ok(error, `expected error ${code}, but it went through`);
  assert.equal(error.code, code, error.message);
  if (words instanceof RegExp) assert.match(error.message, words);
  else if (words !== undefined) assert.equal(error.message, words);
};

/** Waits until something holds. */
export const until = async (what, holds) => {
  for (let tries = 0; tries < 2400; tries += 1) {
    if (holds()) return;
    await new Promise((done) => setTimeout(done, 25));
  }
  assert.fail(`never saw: ${what}`);
};
