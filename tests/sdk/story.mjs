// A developer's app on the official Parse SDK, told as one story against a running server: node story.mjs URL APP_ID MASTER_KEY
import assert from "node:assert/strict";
import { live, Parse, useMasterKey } from "./app.mjs";
import { refused, step, until } from "./steps.mjs";

// Accounts
const name = `ada-${Math.random().toString(36).slice(2)}`;
const user = await Parse.User.signUp(name, "correct horse", { email: `${name}@example.com` });
assert.ok(user.id && user.getSessionToken().startsWith("r:"));
await refused(Parse.User.signUp(name, "other"), 202);
await Parse.User.logOut().catch(() => {});
await refused(Parse.User.logIn(name, "wrong"), 101);
const ada = await Parse.User.logIn(name, "correct horse");
const options = { sessionToken: ada.getSessionToken() };
assert.equal((await Parse.User.me(ada.getSessionToken())).id, ada.id);
step("sign up, log in, me");

// A class made with the master key; its columns come at first use
await new Parse.Schema("StoryNote").addString("text").addNumber("count").save();
step("classes");

// Objects of every type
const Note = Parse.Object.extend("StoryNote");
const note = new Note();
const when = new Date("2026-11-21T08:00:00.123Z");
await note.save(
  { text: "hello", count: 1, done: false, when, tags: ["a", "b"], shape: { deep: { n: 1 } }, place: new Parse.GeoPoint(37.77, -122.27), owner: ada },
  options,
);
const again = await new Parse.Query(Note).include("owner").get(note.id, options);
assert.equal(again.get("when").toISOString(), when.toISOString());
assert.deepEqual(again.get("shape"), { deep: { n: 1 } });
assert.deepEqual(again.get("tags"), ["a", "b"]);
assert.equal(again.get("place").latitude, 37.77);
assert.equal(again.get("owner").get("username"), name);
step("save and read every type");

// Operations
note.increment("count", 4);
note.addUnique("tags", "c");
await note.save(null, options);
note.remove("tags", "a");
note.unset("done");
note.set("shape.deep.n", 2);
await note.save(null, options);
const after = await new Parse.Query(Note).get(note.id, options);
assert.equal(after.get("count"), 5);
assert.deepEqual(after.get("tags"), ["b", "c"]);
assert.equal(after.has("done"), false);
step("increment, add, remove, unset");

// Many, in a batch, and every operator the SDK sends
const many = Array.from({ length: 12 }, (_, i) => new Note({ text: `n${i}`, count: 10 + i, tags: [`t${i % 3}`], owner: i % 2 ? ada : undefined }));
await Parse.Object.saveAll(many, options);
const count = (build) => { const query = new Parse.Query(Note); build(query); return query.count(options); };
assert.equal(await count((q) => q.greaterThanOrEqualTo("count", 10)), 12);
assert.equal(await count((q) => q.containedIn("count", [10, 11, 99])), 2);
assert.equal(await count((q) => q.notContainedIn("count", [10, 11]).exists("count").greaterThan("count", 9)), 10);
assert.equal(await count((q) => q.startsWith("text", "n1")), 3);
assert.equal(await count((q) => q.matches("text", /^N1$/i)), 1);
assert.equal(await count((q) => q.equalTo("tags", "t1")), 4);
assert.equal(await count((q) => q.containsAll("tags", ["b", "c"])), 1);
assert.equal(await count((q) => q.equalTo("owner", ada).greaterThan("count", 9)), 6);
assert.equal(await count((q) => q.doesNotExist("owner").greaterThan("count", 9)), 6);
assert.equal(await count((q) => q.equalTo("shape.deep.n", 2)), 1);
assert.equal(await count((q) => q.near("place", new Parse.GeoPoint(37.8, -122.3))), 1);
assert.equal(await count((q) => q.matchesQuery("owner", new Parse.Query(Parse.User).equalTo("objectId", ada.id))), 7);
const either = Parse.Query.or(new Parse.Query(Note).equalTo("text", "n3"), new Parse.Query(Note).equalTo("text", "n4"));
assert.deepEqual((await either.descending("count").find(options)).map((each) => each.get("text")), ["n4", "n3"]);
const page = await new Parse.Query(Note).greaterThan("count", 9).ascending("count").skip(2).limit(3).select("text").find(options);
assert.deepEqual(page.map((each) => each.get("text")), ["n2", "n3", "n4"]);
assert.equal(page[0].get("count"), undefined);
const counted = await new Parse.Query(Note).greaterThan("count", 9).limit(1).withCount().find(options);
assert.equal(counted.count, 12);
step("queries");

// Relations
const friends = note.relation("friends");
friends.add(many[0]);
friends.add(many[1]);
await note.save(null, options);
assert.equal(await note.relation("friends").query().count(options), 2);
friends.remove(many[0]);
await note.save(null, options);
assert.deepEqual((await note.relation("friends").query().find(options)).map((each) => each.id), [many[1].id]);
step("relations");

// Access: another person, roles, anonymous
const secret = new Note({ text: "private" });
secret.setACL(new Parse.ACL(ada));
await secret.save(null, options);
await refused(new Parse.Query(Note).get(secret.id), 101);
const bob = await Parse.User.signUp(`bob-${name}`, "correct horse", {});
const bobs = { sessionToken: bob.getSessionToken() };
await refused(new Parse.Query(Note).get(secret.id, bobs), 101);
await refused(new Note({ id: secret.id }).save({ text: "mine now" }, bobs), 101);
const role = new Parse.Role(`crew_${name.replace(/-/g, "_")}`, new Parse.ACL());
role.getUsers().add(bob);
await role.save(null, useMasterKey);
const acl = new Parse.ACL(ada);
acl.setRoleReadAccess(role.getName(), true);
secret.setACL(acl);
await secret.save(null, options);
assert.equal((await new Parse.Query(Note).get(secret.id, bobs)).get("text"), "private");
step("ACL and roles");

// A live query, held while things change
const seen = [];
const client = live();
const large = new Parse.Query(Note).greaterThan("count", 100);
const subscription = client.subscribe(large, bob.getSessionToken());
for (const event of ["create", "enter", "update", "leave", "delete"]) {
  subscription.on(event, (object, original) => seen.push([event, object.get("text"), original?.get?.("count")]));
}
await subscription.subscribePromise;
const hot = await new Note().save({ text: "hot", count: 101 }, options);
await until("create", () => seen.some(([event]) => event === "create"));
await hot.save({ count: 102 }, options);
await until("update", () => seen.some(([event]) => event === "update"));
await hot.save({ count: 1 }, options);
await until("leave", () => seen.some(([event]) => event === "leave"));
await hot.save({ count: 103 }, options);
await until("enter", () => seen.some(([event]) => event === "enter"));
await hot.destroy(options);
await until("delete", () => seen.some(([event]) => event === "delete"));
assert.deepEqual(seen.map(([event]) => event), ["create", "update", "leave", "enter", "delete"]);
assert.equal(seen[1][2], 101, "the original comes with an update");
const hidden = new Note({ text: "hidden", count: 500 });
hidden.setACL(new Parse.ACL(ada));
await hidden.save(null, options);
const shown = await new Note().save({ text: "shown", count: 501 }, options);
await until("shown", () => seen.some(([, text]) => text === "shown"));
assert.ok(!seen.some(([, text]) => text === "hidden"), "a stranger's object was pushed");
if (subscription.find) {
  let results;
  subscription.on("result", (objects) => { results = objects; });
  subscription.find();
  await until("the results of subscription.find()", () => results);
  assert.deepEqual(results.map((each) => each.id), [shown.id]);
}
subscription.unsubscribe();
client.close();
step("live query");

// Refusals
await refused(new Parse.Query(Note).equalTo("$bad", 1).find(options), 105).catch(() => refused(new Parse.Query(Note).equalTo("$bad", 1).find(options), 102));
await refused(new Note({ text: 5 }).save(null, options), 111);
await refused(shown.save({ count: "many" }, options), 111);
await Parse.Object.destroyAll([...many, note, secret, hidden, shown], options);
await Parse.User.logOut().catch(() => {});
await refused(Parse.User.me("r:00000000000000000000000000000000"), 209);
step("refusals");
console.log("done");
process.exit(0);
