// A pharmacy app on the official Parse SDK: every class of the template created, read, updated, queried, included and followed live.
// node pharmacy.mjs URL APP_ID MASTER_KEY
import assert from "node:assert/strict";
import { live, Parse, person, tag, useMasterKey } from "./app.mjs";
import { refused, step, until } from "./steps.mjs";

const pharmacist = await person("pharmacist");
const patient = await person("patient");
const provider = await person("provider");
const courier = await person("courier");
const admin = await person("admin");
step("people");

// Everything that happens is followed by those it concerns
const client = live();
const seen = {};
const follow = async (name, who) => {
  seen[name] = [];
  const subscription = client.subscribe(new Parse.Query(name), who.options.sessionToken);
  for (const event of ["create", "update", "delete"]) subscription.on(event, (object) => seen[name].push([event, object.id]));
  await subscription.subscribePromise;
};
for (const name of ["PatientProfile", "Provider", "Prescription", "Delivery", "Signature", "Notification"]) await follow(name, pharmacist);
await follow("Message", patient);
await follow("AuditLog", admin);
const saw = (event, object) => until(`${event} of ${object.className}`, () => seen[object.className].some(([kind, id]) => kind === event && id === object.id));
const make = async (name, fields, who) => {
  const object = new Parse.Object(name);
  await object.save(fields, who.options);
  await saw("create", object);
  return object;
};
step("subscribed");

const born = new Date("1948-02-01T00:00:00.000Z");
const profile = await make("PatientProfile", { user: patient.user, medicalRecordNumber: `MRN-${tag}`, displayName: "Joyce Hammond", dateOfBirth: born, primaryClinic: "East", isActive: true }, pharmacist);
const doctor = await make("Provider", { user: provider.user, pharmacyDetails: "Window 3" }, admin);
const paper = await make("Prescription", { patient: profile, medicationName: "Metformin", dosage: "500 mg", status: "active", provider: doctor, refrigerated: false }, pharmacist);
const due = new Date(Date.now() + 86_400_000);
const place = new Parse.GeoPoint(45.5, -122.6);
const parcel = await make("Delivery", { prescription: paper, deliveryAddress: "12 Alder St", status: "requested", expectedDeliveryDate: due, location: place }, pharmacist);
assert.match(parcel.get("trackingNumber"), /^CB-[0-9A-Z]{10}$/);
step("create");

const read = await new Parse.Query("Delivery").include("prescription.patient", "prescription.provider").get(parcel.id, pharmacist.options);
assert.equal(read.get("prescription").get("patient").get("dateOfBirth").toISOString(), born.toISOString());
assert.equal(read.get("prescription").get("provider").get("pharmacyDetails"), "Window 3");
assert.equal(read.get("expectedDeliveryDate").toISOString(), due.toISOString());
assert.equal(read.get("location").latitude, 45.5);
assert.equal(read.get("urgency"), "on_track");
const mine = await new Parse.Query("Delivery").matchesQuery("prescription", new Parse.Query("Prescription").equalTo("patient", profile)).find(patient.options);
assert.deepEqual(mine.map((each) => each.id), [parcel.id]);
assert.equal(await new Parse.Query("Prescription").equalTo("medicationName", "Metformin").count(provider.options), 1);
assert.equal(await new Parse.Query("Prescription").count(courier.options), 0);
assert.equal((await new Parse.Query("PatientProfile").equalTo("isActive", true).first(patient.options)).get("displayName"), "Joyce Hammond");
assert.equal((await new Parse.Query("Provider").include("user").find(patient.options)).length, 1);
step("read, query, include");

await profile.save({ primaryClinic: "West" }, patient.options);
await saw("update", profile);
await doctor.save({ pharmacyDetails: "Window 4" }, provider.options);
await saw("update", doctor);
await paper.save({ dosage: "850 mg" }, provider.options);
await saw("update", paper);
await parcel.save({ courier: courier.user, status: "scheduled" }, pharmacist.options);
await parcel.save({ status: "packed" }, pharmacist.options);
for (const status of ["out_for_delivery", "arrived"]) await parcel.save({ status }, courier.options);
await saw("update", parcel);
await refused(parcel.save({ status: "delivered" }, courier.options), 142, /proofPolicy asks for a signature/);
parcel.revert();
step("update");

const image = new Parse.File("signature.png", { base64: Buffer.from("not really a picture").toString("base64") }, "image/png");
const signature = new Parse.Object("Signature");
await signature.save({ delivery: parcel, signatureImage: image, signerName: "Joyce", relationship: "self" }, courier.options);
await saw("create", signature);
const signed = await new Parse.Query("Signature").include("delivery").equalTo("delivery", parcel).first(patient.options);
assert.equal(signed.get("delivery").get("status"), "delivered");
assert.equal(signed.get("signatureImage").name(), image.name());
assert.ok(signed.get("delivery").get("deliveredAt") instanceof Date);
const picture = await fetch(signed.get("signatureImage").url(), { headers: { "X-Parse-Session-Token": patient.options.sessionToken } });
assert.equal(await picture.text(), "not really a picture");
step("signature");

const [note] = await new Parse.Query("Notification").include("patient").descending("createdAt").find(patient.options);
assert.match(note.get("message"), /was handed over/);
assert.equal(note.get("isRead"), false);
assert.equal(note.get("patient").get("displayName"), "Joyce Hammond");
assert.deepEqual(note.get("about"), { className: "Delivery", objectId: parcel.id });
await note.save({ isRead: true }, patient.options);
await saw("update", note);
const told = await make("Notification", { patient: profile, message: "We close early on Friday.", isRead: false }, pharmacist);
await told.destroy(pharmacist.options);
await saw("delete", told);
step("notification");

const scan = await new Parse.File("label.txt", { base64: Buffer.from("label").toString("base64") }, "text/plain").save(patient.options);
const message = await make("Message", { sender: patient.user, recipient: pharmacist.user, body: "May I take it with milk?", attachments: [scan] }, patient);
const inbox = await new Parse.Query("Message").equalTo("recipient", pharmacist.user).include("sender").find(pharmacist.options);
assert.deepEqual(inbox.map((each) => [each.get("body"), each.get("status"), each.get("attachments")[0].name()]), [["May I take it with milk?", "sent", scan.name()]]);
await inbox[0].save({ status: "read" }, pharmacist.options);
await saw("update", message);
assert.ok((await message.fetch(patient.options)).get("readAt") instanceof Date);
assert.equal(await new Parse.Query("Message").count(admin.options), 0);
await message.save({ status: "retracted" }, patient.options);
assert.equal((await inbox[0].fetch(pharmacist.options)).get("body"), "(retracted)");
step("message");

const trail = await new Parse.Query("AuditLog").equalTo("entityId", parcel.id).ascending("createdAt").include("actor").find(admin.options);
assert.equal(trail[0].get("action"), "create");
assert.equal(trail[0].get("entityType"), "Delivery");
assert.equal(trail.at(-1).get("actor").id, courier.user.id);
assert.ok(trail[0].get("summary") && trail[0].get("metadata").changes);
await until("the audit trail, live", () => seen.AuditLog.length > 0);
await refused(trail[0].save({ summary: "nothing" }, useMasterKey), 119);
const entry = { actor: admin.user, action: "note", entityType: "Delivery", entityId: parcel.id, summary: "Checked.", metadata: { by: "phone" } };
await refused(new Parse.Object("AuditLog").save({ ...entry, actor: courier.user }, courier.options), 119);
const noted = await new Parse.Object("AuditLog").save(entry, admin.options);
assert.deepEqual((await new Parse.Query("AuditLog").get(noted.id, admin.options)).get("metadata"), { by: "phone" });
step("audit");

const whole = {
  PatientProfile: { user: patient.user, medicalRecordNumber: "x", displayName: "x", isActive: true },
  Provider: { user: provider.user },
  Prescription: { patient: profile, medicationName: "x", dosage: "x", status: "active" },
  Delivery: { prescription: paper, deliveryAddress: "x", status: "requested" },
  Signature: { delivery: parcel, signatureImage: image },
  Message: { sender: pharmacist.user, recipient: patient.user, body: "x" },
  Notification: { patient: profile, message: "x", isRead: false },
};
for (const [name, fields] of Object.entries(whole)) {
  for (const missing of Object.keys(fields)) {
    const rest = Object.fromEntries(Object.entries(fields).filter(([field]) => field !== missing));
    await refused(new Parse.Object(name).save(rest, useMasterKey), 142, new RegExp(`^${missing} is required$`));
  }
}
await refused(new Parse.Object("Prescription").save({ ...whole.Prescription, dosage: 5 }, pharmacist.options), 111);
await refused(new Parse.Object("Delivery").save({ ...whole.Delivery, prescription: profile }, pharmacist.options), 111);
await refused(new Parse.Object("Delivery").save({ ...whole.Delivery, status: "lost" }, pharmacist.options), 142, /it knows requested/);
await refused(new Parse.Object("PatientProfile").save({ ...whole.PatientProfile, medicalRecordNumber: `MRN-${tag}` }, pharmacist.options), 137);
step("refusals");
client.close();
console.log("done");
process.exit(0);
