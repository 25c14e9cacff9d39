// Every class of the hospital asset template on the official Parse SDK: node assets.mjs URL APP_ID MASTER_KEY
import assert from "node:assert/strict";
import { live, Parse, person, tag } from "./app.mjs";
import { refused, step, until } from "./steps.mjs";

const admin = await person("admin");
const biomed = await person("biomed");
const technician = await person("technician");
const nurse = await person("nurse");
const manager = await person("departmentManager", { department: "ICU" });
assert.equal(manager.user.get("department"), "ICU");
step("User");

const soon = (days) => new Date(Date.now() + days * 86400000);
const now = () => new Date();

// What each class is made of; `wrong` changes it, `find` is a query that must give it
let asset;
const classes = {
  Facility: {
    body: () => ({ name: "Main", code: `M-${tag}`, campus: "North", floorCount: 7, isOperational: true }),
    required: ["name", "code", "isOperational"],
    change: { floorCount: 8 },
  },
  Location: {
    body: () => ({ name: "ICU Room 12", type: "room", floor: 5, department: "ICU", wing: "East", room: "Room 12" }),
    required: ["name", "type"],
    change: { wing: "West" },
  },
  Asset: {
    body: () => ({
      facility: made.Facility,
      assetTag: `VENT-${Math.random().toString(36).slice(2)}`,
      name: "Ventilator",
      category: "ventilator",
      manufacturer: "Aurelia Respiratory",
      model: "AR-840",
      serialNumber: "S1",
      status: "available",
      criticality: "critical",
      currentLocation: "Equipment store",
      purchaseDate: soon(-400),
      nextServiceDue: soon(100),
      lastInspectionAt: soon(-3),
      technician: technician.user,
    }),
    required: ["facility", "assetTag", "name", "category", "serialNumber", "status", "criticality", "currentLocation"],
    change: { manufacturer: "Halden Medical" },
    include: ["facility"],
  },
  MaintenancePlan: {
    body: () => ({ asset, frequencyDays: 180, nextDueAt: soon(90), status: "active", checklist: ["leak test", "alarm test"] }),
    required: ["asset", "frequencyDays", "nextDueAt", "status"],
    change: { frequencyDays: 90 },
    include: ["asset"],
  },
  MaintenanceLog: {
    body: () => ({
      asset,
      performedBy: biomed.user,
      maintenanceType: "corrective",
      status: "completed",
      startedAt: soon(-1),
      completedAt: now(),
      findings: "Filter clogged",
      partsUsed: ["filter"],
      nextDueAt: soon(60),
      downtimeMinutes: 45,
    }),
    required: ["asset", "performedBy", "maintenanceType", "status", "startedAt"],
    change: { findings: "Filter replaced" },
    include: ["asset"],
  },
  Inspection: {
    body: () => ({ asset, inspectedBy: biomed.user, inspectedAt: now(), status: "passed", findings: "All within limits." }),
    required: ["asset", "inspectedBy", "inspectedAt", "status"],
    change: { findings: "Label renewed" },
    include: ["asset"],
  },
  AssetAssignment: {
    body: () => ({
      asset,
      assignedTo: nurse.user,
      departmentName: "ICU",
      roomLabel: "Room 12",
      assignedAt: now(),
      assignmentStatus: "active",
      usageNotes: "Long tubing",
    }),
    required: ["asset", "assignedTo", "departmentName", "assignedAt", "assignmentStatus"],
    change: { usageNotes: "Short tubing" },
    include: ["asset"],
  },
  ComplianceEvent: {
    body: () => ({ asset, actor: biomed.user, eventType: "note", severity: "info", summary: "Label renewed", details: { old: "A1" }, occurredAt: now() }),
    required: ["asset", "actor", "eventType", "severity", "summary", "occurredAt"],
    change: { summary: "Label and cable renewed" },
    changedBy: admin,
    include: ["asset"],
  },
};
const made = {};

const client = live();

for (const [className, { body, required, change, changedBy, include }] of Object.entries(classes)) {
  const Class = Parse.Object.extend(className);
  const heard = [];
  const subscription = client.subscribe(new Parse.Query(Class), biomed.options.sessionToken);
  for (const event of ["create", "update", "delete"]) subscription.on(event, (object) => heard.push(`${event} ${object.id}`));
  await subscription.subscribePromise;

  for (const name of required) {
    const lacking = body();
    delete lacking[name];
    await refused(new Class(lacking).save(null, biomed.options), 142, new RegExp(`^${name} is required$`));
  }
  const fields = body();
  const object = await new Class(fields).save(null, biomed.options);
  made[className] = object;
  if (className === "Asset") asset = object;
  await until(`create of ${className}`, () => heard.includes(`create ${object.id}`));

  const read = await new Parse.Query(Class).get(object.id, biomed.options);
  for (const [name, value] of Object.entries(fields)) {
    const got = read.get(name);
    if (value instanceof Parse.Object) assert.equal(got.id, value.id, name);
    else if (value instanceof Date) assert.equal(got.toISOString(), value.toISOString(), name);
    else assert.deepEqual(got, value, name);
  }
  const by = (changedBy ?? biomed).options;
  await read.save(change, by);
  await until(`update of ${className}`, () => heard.includes(`update ${object.id}`));
  const [name, value] = Object.entries(change)[0];
  const found = await new Parse.Query(Class).equalTo(name, value).equalTo("objectId", object.id).find(biomed.options);
  assert.deepEqual(found.map((each) => each.id), [object.id]);
  for (const key of include ?? []) {
    const joined = await new Parse.Query(Class).include(key).get(object.id, biomed.options);
    assert.ok(joined.get(key).createdAt, `${className}.${key} is included`);
  }
  await refused(new Parse.Query(Class).get(object.id), 101);
  await refused(new Class(body()).save(null, nurse.options), 119);
  subscription.unsubscribe();
  step(className);
}

// A move, heard by the manager of the department that it enters, and by the one who looks after it
const Asset = Parse.Object.extend("Asset");
const AssetAssignment = Parse.Object.extend("AssetAssignment");
const seen = [];
const watch = client.subscribe(new Parse.Query(Asset).equalTo("department", "ICU"), manager.options.sessionToken);
for (const event of ["create", "enter", "update", "leave"]) watch.on(event, (object) => seen.push(`${event} ${object.get("currentLocation")}`));
await watch.subscribePromise;
const other = await new Asset({ ...classes.Asset.body(), assetTag: `V2-${tag}` }).save(null, biomed.options);
await refused(new Parse.Query(Asset).get(other.id, manager.options), 101);
const first = await new AssetAssignment({ ...classes.AssetAssignment.body(), asset: other }).save(null, biomed.options);
await until("enter", () => seen.includes("enter ICU Room 12"));
assert.equal((await new Parse.Query(Asset).get(other.id, manager.options)).get("status"), "in_use");
await refused(new AssetAssignment({ ...classes.AssetAssignment.body(), asset: other }).save(null, biomed.options), 137, /previous/);
await new AssetAssignment({ ...classes.AssetAssignment.body(), asset: other, departmentName: "Emergency", previous: first }).save(null, biomed.options);
await until("leave", () => seen.some((event) => event.startsWith("leave")));
await refused(new Parse.Query(Asset).get(other.id, manager.options), 101);
assert.equal((await first.fetch(biomed.options)).get("assignmentStatus"), "transferred");
step("a move");

// A failed inspection, by the technician who looks after the asset
const Inspection = Parse.Object.extend("Inspection");
const failed = { asset: other, inspectedBy: technician.user, inspectedAt: now(), status: "failed", findings: "Cracked" };
await new Inspection(failed).save(null, technician.options);
const down = await new Parse.Query(Asset).get(other.id, technician.options);
assert.deepEqual([down.get("status"), down.get("urgency")], ["out_of_service", "critical"]);
const events = await new Parse.Query("ComplianceEvent").equalTo("asset", other).descending("occurredAt").find(technician.options);
assert.equal(events.length >= 3, true);
await refused(down.save({ status: "available" }, biomed.options), 142, /maintenance or retired/);
step("a failed inspection");

// What is made is taken away again by an administrator, and heard
await first.fetch(admin.options);
const spare = await new Parse.Object("Location", { name: "Spare", type: "room" }).save(null, biomed.options);
await refused(spare.destroy(biomed.options), 119);
await spare.destroy(admin.options);
await refused(new Parse.Query("Location").get(spare.id, biomed.options), 101);
client.close();
step("deletes");
console.log("done");
process.exit(0);
