// Parse.Config of the official Parse SDK against a running server: node config.mjs URL APP_ID MASTER_KEY
import assert from "node:assert/strict";
import { Parse } from "./app.mjs";
import { step } from "./steps.mjs";

assert.deepEqual((await Parse.Config.get()).attributes, {});
step("none yet");

const place = new Parse.GeoPoint(45.5, -122.6);
const given = { welcome: "Hello", most: 12, place, since: new Date("2026-01-02T03:04:05.678Z"), internal: "for us" };
const saved = await Parse.Config.save(given, { internal: true });
assert.equal(saved.get("internal"), "for us");
step("saved");

const config = await Parse.Config.get();
assert.deepEqual([config.get("welcome"), config.get("most"), config.get("internal")], ["Hello", 12, undefined]);
assert.ok(config.get("place").equals(place));
assert.equal(config.get("since").toISOString(), "2026-01-02T03:04:05.678Z");
assert.equal(config.escape("welcome"), "Hello");
step("read");

assert.equal(Parse.Config.current().get("welcome"), "Hello");
step("current");

await Parse.Config.save({ most: 13 });
assert.deepEqual([(await Parse.Config.get()).get("most"), Parse.Config.current().get("welcome")], [13, "Hello"]);
step("one changed");
console.log("done");
