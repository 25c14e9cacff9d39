// Parse.File of the official Parse SDK against a running server: node files.mjs URL APP_ID MASTER_KEY
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { appId, Parse, url } from "./app.mjs";
import { step } from "./steps.mjs";

const name = `fay-${Math.random().toString(36).slice(2)}`;
const fay = await Parse.User.signUp(name, "correct horse");
const options = { sessionToken: fay.getSessionToken() };
const read = (address, headers = {}) => fetch(address, { headers });
const asFay = { "X-Parse-Session-Token": fay.getSessionToken() };

const text = new Parse.File("hello.txt", { base64: Buffer.from("hello").toString("base64") }, "text/plain");
await text.save(options);
assert.match(text.name(), /^[0-9a-f]{32}_hello\.txt$/);
assert.equal(text.url(), `${url}/files/${appId}/${text.name()}`);
assert.equal(await (await read(text.url(), asFay)).text(), "hello");
assert.equal((await read(text.url())).status, 404);
step("base64");

const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251));
const binary = await new Parse.File("data.bin", bytes).save(options);
assert.deepEqual(Buffer.from(await (await read(binary.url(), asFay)).arrayBuffer()), bytes);
step("a buffer, sent as raw bytes");

const streamed = await new Parse.File("data.bin", Readable.from([bytes, bytes])).save(options);
assert.equal((await (await read(streamed.url(), asFay)).arrayBuffer()).byteLength, 200_000);
step("a stream");

const tagged = new Parse.File("tagged.txt", { base64: "aGk=" }, "text/plain", { page: 2 }, { kind: "scan" });
await tagged.save(options);
const about = await (await read(tagged.url().replace(`/${appId}/`, `/${appId}/metadata/`), asFay)).json();
assert.deepEqual([about.metadata, about.tags], [{ page: 2 }, { kind: "scan" }]);
step("metadata and tags");

const Letter = Parse.Object.extend("FileLetter");
const letter = new Letter({ scan: text, pages: [binary, streamed] });
letter.setACL(new Parse.ACL(fay));
await letter.save(null, options);
const again = await new Parse.Query(Letter).get(letter.id, options);
assert.equal(again.get("scan").url(), text.url());
assert.deepEqual(again.get("pages").map((page) => page.url()), [binary.url(), streamed.url()]);
assert.equal((await read(text.url())).status, 404);
await new Letter({ scan: text }).save(null, options);
assert.equal(await (await read(text.url())).text(), "hello");
assert.equal(Buffer.from(await Parse.File.fromJSON(text.toJSON()).getData(), "base64").toString(), "hello");
step("held by an object, and public where that is");

const unsaved = new Letter({ scan: new Parse.File("late.txt", { base64: "aGk=" }, "text/plain") });
await unsaved.save(null, options);
assert.ok(unsaved.get("scan").url());
step("saved along with its object");

await assert.rejects(new Parse.File("page.html", { base64: "aGk=" }, "text/html").save(options), { code: 130 });
await Parse.User.logOut();
await assert.rejects(new Parse.File("a.txt", { base64: "aGk=" }, "text/plain").save(), { code: 130 });
step("refusals");

await text.destroy();
assert.equal((await read(text.url(), asFay)).status, 404);
step("destroy");
console.log("done");
