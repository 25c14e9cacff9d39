// AuditLog and AccessLog by the official Parse SDK: node records.mjs URL APP_ID MASTER_KEY
import assert from "node:assert/strict";
import { Parse, person, useMasterKey } from "./app.mjs";
import { refused, step, until } from "./steps.mjs";

const admin = await person("admin");
const nurse = await person("nurse");

const heard = [];
const subscription = await new Parse.Query("AuditLog").equalTo("entityType", "Prescription").subscribe(admin.user.getSessionToken());
subscription.on("create", (row) => heard.push(row));
const body = { actor: admin.user, action: "call", entityType: "Prescription", entityId: "x1", summary: "called the clinic" };
const note = await new Parse.Object("AuditLog").save({ ...body, metadata: { answer: "yes" } }, admin.options);
const found = await new Parse.Query("AuditLog").include("actor").get(note.id, admin.options);
assert.equal(found.get("actor").get("username"), admin.user.get("username"));
assert.deepEqual([found.get("metadata"), found.get("payload"), found.get("byHand")], [{ answer: "yes" }, { answer: "yes" }, true]);
assert.equal(await new Parse.Query("AuditLog").equalTo("entityId", "x1").count(admin.options), 1);
await until("the note, live", () => heard.length > 0);
assert.equal(heard[0].id, note.id);
await subscription.unsubscribe();
for (const name of Object.keys(body)) {
  const { [name]: _, ...rest } = body;
  await refused(new Parse.Object("AuditLog").save(rest, admin.options), 142, `${name} is required`);
}
await refused(new Parse.Object("AuditLog").save({ ...body, actor: nurse.user }, nurse.options), 119);
for (const options of [admin.options, useMasterKey]) {
  await refused(note.save({ summary: "nothing" }, options), 119);
  await refused(note.destroy(options), 119);
}
step("AuditLog");

const look = await new Parse.Object("AccessLog").save({ user: nurse.user, accessTime: new Date() }, nurse.options);
const seen = await new Parse.Query("AccessLog").include("user").get(look.id, nurse.options);
assert.equal(seen.get("user").id, nurse.user.id);
for (const options of [nurse.options, useMasterKey]) {
  await refused(look.save({ accessTime: new Date(0) }, options), 119);
  await refused(look.destroy(options), 119);
}
await refused(new Parse.Object("AccessLog").save({ user: admin.user, accessTime: new Date() }, nurse.options), 119);
step("AccessLog");
const client = await Parse.CoreManager.getLiveQueryController().getDefaultLiveQueryClient();
await client.close();
console.log("done");
