// Oncology care on the official Parse SDK: node oncology.mjs URL APP_ID MASTER_KEY
// Every class of the template by its own names: create, read, update, query, include, live query; then the rules.
import assert from "node:assert/strict";
import { live, Parse, person } from "./app.mjs";
import { refused, step, until } from "./steps.mjs";

const patient = await person("patient");
const nurse = await person("nurse");
const oncologist = await person("oncologist");
const stranger = await person("nurse");
step("accounts");

// A patient's own profile, and the team they choose
const profile = await new Parse.Object("Patient").save(
  { name: "Ines Duarte", contact: "+1 503 555 0170", medicalHistory: { allergies: ["latex"] }, careTeam: [nurse.user, oncologist.user] },
  patient.options,
);
assert.equal(profile.get("user").id, patient.user.id);
await profile.save({ contact: "+1 503 555 0171" }, patient.options);
await refused(new Parse.Object("Patient", { id: profile.id }).save({ contact: "mine" }, nurse.options), 119);
await refused(new Parse.Object("Patient", { id: profile.id }).save({ contact: "mine" }, stranger.options), 119);
const read = await new Parse.Query("Patient").include("user").get(profile.id, nurse.options);
assert.deepEqual([read.get("contact"), read.get("medicalHistory")], ["+1 503 555 0171", { allergies: ["latex"] }]);
step("Patient");

// A live query of every class, held by the patient while things happen
const client = live();
const seen = [];
const watch = async (className, who) => {
  const subscription = client.subscribe(new Parse.Query(className), who.options.sessionToken);
  for (const event of ["create", "enter", "update", "leave", "delete"]) {
    subscription.on(event, (object) => seen.push(`${className} ${event} ${object.id}`));
  }
  await subscription.subscribePromise;
};
for (const className of ["Patient", "ChemoCycle", "Treatment", "SideEffect", "LabTrend"]) await watch(className, patient);
const told = (object, event) => until(`${object.className} ${event}`, () => seen.includes(`${object.className} ${event} ${object.id}`));

// Each class as the template names it: create, read, update, query, include
const now = new Date();
const day = 24 * 3600 * 1000;
const work = async (className, who, fields, change, includes) => {
  const object = await new Parse.Object(className).save(fields, who.options);
  await told(object, "create");
  const again = await new Parse.Query(className).include(includes).get(object.id, who.options);
  for (const [name, value] of Object.entries(fields)) {
    const stored = again.get(name);
    if (value instanceof Date) assert.equal(stored.toISOString(), value.toISOString(), name);
    else if (value instanceof Parse.Object) assert.equal(stored.id, value.id, name);
    else assert.deepEqual(stored, value, name);
  }
  const [key, value] = Object.entries(fields)[0];
  assert.equal(await new Parse.Query(className).equalTo(key, value).equalTo("objectId", object.id).count(who.options), 1);
  await object.save(change, nurse.options);
  await told(object, "update");
  await refused(new Parse.Query(className).get(object.id, stranger.options), 101);
  for (const name of Object.keys(fields)) {
    const { [name]: _, ...rest } = fields;
    if (!["regimen", "notes", "patient"].includes(name) || className !== "Treatment") {
      await refused(new Parse.Object(className).save(rest, who.options), 142, `${name} is required`);
    }
  }
  return object;
};

const cycle = await work(
  "ChemoCycle",
  oncologist,
  { cycleNumber: 1, startDate: new Date(now.getTime() + 5 * day), endDate: new Date(now.getTime() + 19 * day), patient: patient.user },
  { regimen: "mFOLFOX6" },
  "patient",
);
step("ChemoCycle");
const drug = await work("Treatment", oncologist, { type: "Oxaliplatin", date: now, patient: patient.user }, { notes: "85 mg/m²" }, "patient");
step("Treatment");
const effect = await work(
  "SideEffect",
  patient,
  { description: "Nausea", severity: "mild", chemoCycle: cycle, recordedAt: now },
  { grade: 2, ctcaeVersion: "5.0" },
  "chemoCycle",
);
const included = await new Parse.Query("SideEffect").include("chemoCycle").get(effect.id, patient.options);
assert.equal(included.get("chemoCycle").get("regimen"), "mFOLFOX6");
step("SideEffect");
const lab = await work("LabTrend", nurse, { labTestName: "ANC", result: 1.1, date: now, patient: patient.user }, { referenceLow: 1.8 }, "patient");
assert.equal((await lab.fetch(patient.options)).get("flag"), "L");
assert.equal((await cycle.fetch(patient.options)).get("labs").ANC.result, 1.1);
step("LabTrend");

const access = await new Parse.Object("AccessLog").save({ user: patient.user, accessTime: now }, patient.options);
assert.equal((await new Parse.Query("AccessLog").get(access.id, patient.options)).get("user").id, patient.user.id);
const looks = await new Parse.Query("AccessLog").equalTo("subject", patient.user).equalTo("user", nurse.user).count(patient.options);
assert.ok(looks > 0, "the nurse's looks are not in the log");
for (const missing of ["user", "accessTime"]) {
  const { [missing]: _, ...rest } = { user: patient.user, accessTime: now };
  await refused(new Parse.Object("AccessLog").save(rest, patient.options), 142, `${missing} is required`);
}
step("AccessLog");

// The way of a cycle: two sign, each for themselves
const move = (who, fields) => new Parse.Object("ChemoCycle", { id: cycle.id }).save(fields, who.options);
await refused(move(nurse, { status: "in_progress" }), 142, /from planned it may become labs_due, discontinued or skipped/);
await move(nurse, { status: "labs_due" });
await move(nurse, { status: "review" });
const sign = (who) => {
  const signing = new Parse.Object("ChemoCycle", { id: cycle.id });
  signing.addUnique("clearedBy", who.user);
  return signing.save(null, who.options);
};
await sign(nurse);
await refused(move(nurse, { status: "cleared" }), 142, /two different people sign/);
await sign(oncologist);
await move(oncologist, { status: "cleared" });
await move(nurse, { status: "in_progress" });
assert.equal((await cycle.fetch(patient.options)).get("clearedBy").length, 2);
step("two sign a cycle");

// A severe side effect calls for a nurse, live
const alerts = [];
const bell = client.subscribe(new Parse.Query("Alert"), nurse.options.sessionToken);
bell.on("create", (alert) => alerts.push(alert));
await bell.subscribePromise;
const severe = await new Parse.Object("SideEffect").save(
  { description: "Fever 39.1", severity: "severe", chemoCycle: cycle, recordedAt: new Date() },
  patient.options,
);
await until("the alert", () => alerts.some((alert) => alert.get("about").objectId === severe.id));
assert.ok(!JSON.stringify(alerts.map((alert) => alert.toJSON())).includes("Fever"));
step("a severe side effect calls a nurse");

// Off the team: what was shown leaves, and the owner deletes what is theirs
await profile.save({ careTeam: [oncologist.user] }, patient.options);
await refused(new Parse.Query("LabTrend").get(lab.id, nurse.options), 101);
await refused(new Parse.Object("LabTrend", { id: lab.id }).destroy(stranger.options), 101);
await lab.destroy(patient.options);
await told(lab, "delete");
await drug.destroy(oncologist.options);
await told(drug, "delete");
await until("Patient update", () => seen.includes(`Patient update ${profile.id}`));
client.close();
step("the owner and the team delete");
console.log("done");
process.exit(0);
