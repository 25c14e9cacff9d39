// Every class of the home health template on the official Parse SDK: node homehealth.mjs URL APP_ID MASTER_KEY
import assert from "node:assert/strict";
import { live, Parse, person } from "./app.mjs";
import { refused, step, until } from "./steps.mjs";

const desk = await person("dispatcher");
const aide = await person("technician");
assert.equal(aide.user.get("role"), "technician");
step("User");

const Technician = Parse.Object.extend("Technician");
const Job = Parse.Object.extend("Job");
const PartsInventory = Parse.Object.extend("PartsInventory");
const ServiceLog = Parse.Object.extend("ServiceLog");

// Live queries of all four classes, opened before anything is there
const seen = [];
const client = live();
for (const kind of [Technician, Job, PartsInventory, ServiceLog]) {
  const subscription = client.subscribe(new Parse.Query(kind), desk.options.sessionToken);
  for (const event of ["create", "update", "delete"]) {
    subscription.on(event, (object) => seen.push(`${event} ${object.className} ${object.id}`));
  }
  await subscription.subscribePromise;
}

// Technician
const technician = await new Technician().save({ name: "Ann Cole", availability: "available", user: aide.user }, desk.options);
await refused(new Technician().save({ name: "Nobody" }, desk.options), 142, /availability is required/);
await refused(new Technician().save({ name: 7, availability: "busy" }, desk.options), 111);
await technician.save({ availability: "busy" }, aide.options);
const again = await new Parse.Query(Technician).include("user").get(technician.id, desk.options);
assert.equal(again.get("availability"), "busy");
assert.equal(again.get("user").get("username"), aide.user.get("username"));
assert.deepEqual(again.get("assignedJobs"), []);
step("Technician");

// Job
const scheduledTime = new Date(Date.now() + 3 * 3600 * 1000);
const job = await new Job().save({ description: "Wound care", status: "open", technician, scheduledTime }, desk.options);
for (const missing of ["description", "status", "technician", "scheduledTime"]) {
  const body = { description: "x", status: "open", technician, scheduledTime };
  delete body[missing];
  await refused(new Job().save(body, desk.options), 142, new RegExp(`${missing} is required`));
}
await refused(job.save({ status: "done" }, desk.options), 142, /open cannot become done; from open it may become offered, assigned/);
job.revert();
await job.save({ status: "assigned" }, desk.options);
await job.save({ status: "confirmed" }, aide.options);
const found = await new Parse.Query(Job).equalTo("technician", technician).include("technician").find(aide.options);
assert.deepEqual(found.map((each) => [each.id, each.get("status"), each.get("technician").get("name")]), [[job.id, "confirmed", "Ann Cole"]]);
assert.equal(found[0].get("scheduledTime").getTime(), scheduledTime.getTime());
assert.equal(found[0].get("urgency"), "ok");
const mine = await new Parse.Query(Technician).include("assignedJobs").get(technician.id, aide.options);
assert.deepEqual(mine.get("assignedJobs").map((each) => each.get("description")), ["Wound care"]);
step("Job");

// PartsInventory
const part = await new PartsInventory().save({ partName: "Gauze", quantity: 4, job }, desk.options);
for (const missing of ["partName", "quantity"]) {
  const body = { partName: "x", quantity: 1 };
  delete body[missing];
  await refused(new PartsInventory().save(body, desk.options), 142, new RegExp(`${missing} is required`));
}
part.increment("quantity", -3);
await part.save(null, aide.options);
assert.equal(part.get("quantity"), 1);
part.increment("quantity", -3);
await refused(part.save(null, aide.options), 142, /it cannot go below 0/);
part.revert();
const parts = await new Parse.Query(PartsInventory).equalTo("job", job).include("job.technician").find(aide.options);
assert.deepEqual(parts.map((each) => [each.get("quantity"), each.get("availability"), each.get("job").get("technician").get("name")]), [[1, true, "Ann Cole"]]);
step("PartsInventory");

// ServiceLog
const log = await new ServiceLog().save({ technician, job, serviceTime: new Date(), description: "Dressing changed" }, aide.options);
for (const missing of ["technician", "job", "serviceTime", "description"]) {
  const body = { technician, job, serviceTime: new Date(), description: "x" };
  delete body[missing];
  await refused(new ServiceLog().save(body, desk.options), 142, new RegExp(`${missing} is required`));
}
await refused(log.save({ description: "never mind" }, aide.options), 119, /What is recorded stays/);
log.revert();
await log.save({ description: "Dressing changed twice" }, desk.options);
const logs = await new Parse.Query(ServiceLog).equalTo("job", job).include(["job", "technician"]).find(aide.options);
assert.deepEqual(logs.map((each) => [each.get("description"), each.get("job").get("status"), each.get("technician").get("name")]), [["Dressing changed twice", "confirmed", "Ann Cole"]]);
step("ServiceLog");

// What the live queries told
for (const object of [technician, job, part, log]) {
  await until(`create ${object.className}`, () => seen.includes(`create ${object.className} ${object.id}`));
  await until(`update ${object.className}`, () => seen.includes(`update ${object.className} ${object.id}`));
}
await Parse.Object.destroyAll([log, part], desk.options);
await job.destroy(desk.options);
await technician.destroy(desk.options);
for (const object of [technician, job, part, log]) {
  await until(`delete ${object.className}`, () => seen.includes(`delete ${object.className} ${object.id}`));
}
client.close();
step("live queries");
console.log("done");
process.exit(0);
