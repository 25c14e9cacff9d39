// Parse.idempotency of the official SDK over a network that loses answers: node idempotency.mjs URL APP_ID MASTER_KEY
import assert from "node:assert/strict";
import { Parse, useMasterKey } from "./app.mjs";
import { step } from "./steps.mjs";

Parse.idempotency = true;
const options = useMasterKey;
const count = () => new Parse.Query("Sent").count(options);

// The answer to the first try is lost on its way; the SDK then sends the same request, with the same number, again.
const numbers = [];
let lost = 0;
const sent = globalThis.fetch;
const losing = async (address, request) => {
  const answer = await sent(address, request);
  const number = new Headers(request.headers).get("X-Parse-Request-Id");
  numbers.push(number);
  if (lost > 0) {
    lost -= 1;
    return new Response("{}", { status: 503 });
  }
  return answer;
};
globalThis.fetch = losing;

await new Parse.Object("Sent", { n: 1 }).save(null, options);
assert.equal(await count(), 1);
assert.ok(numbers.every((number) => number?.length > 10));
step("numbers");

lost = 1;
const object = new Parse.Object("Sent", { n: 1 });
const refusal = await object.save(null, options).then(() => null, (error) => error);
assert.equal(refusal?.code, Parse.Error.DUPLICATE_REQUEST);
assert.equal(await count(), 2);
step("create");

const stored = await new Parse.Query("Sent").first(options);
lost = 1;
stored.increment("n");
await stored.save(null, options).catch((error) => assert.equal(error.code, Parse.Error.DUPLICATE_REQUEST));
assert.equal((await new Parse.Query("Sent").get(stored.id, options)).get("n"), 2);
step("increment");

lost = 1;
const several = [new Parse.Object("Sent", { n: 5 }), new Parse.Object("Sent", { n: 6 })];
await Parse.Object.saveAll(several, options).catch((error) => assert.ok(error.code === Parse.Error.DUPLICATE_REQUEST || error.code === Parse.Error.AGGREGATE_ERROR));
assert.equal(await count(), 4);
step("saveAll");
console.log("done");
