// The sequence diagram of the pharmacy template, step by step, over GraphQL: node graphql_pharmacy.mjs URL APP_ID MASTER_KEY
import assert from "node:assert/strict";
import { Live, signIn } from "./graphql.mjs";
import { step } from "./steps.mjs";

const [url] = process.argv.slice(2);
const [patient, pharmacist, courier] = await Promise.all(["patient", "pharmacist", "courier"].map(signIn));
await pharmacist.ask(
  `mutation ($fields: CreatePatientProfileFieldsInput) { createPatientProfile(input: { fields: $fields }) { patientProfile { id } } }`,
  { fields: { user: { link: patient.id }, medicalRecordNumber: "MRN-1", displayName: "Joyce", isActive: true } },
);
const context = await patient.ask(`{ viewer { user { objectId } } patientProfiles { edges { node { objectId user { objectId } } } } }`);
const profile = context.patientProfiles.edges[0].node;
assert.equal(profile.user.objectId, context.viewer.user.objectId);
step("sign in, with the patient's context");

const notices = await Live.open(patient, `subscription { notification(progress: true) { event node { objectId message isRead } } }`);
const { createPrescription } = await patient.ask(
  `mutation {
     createPrescription(input: { fields: { medicationName: "Metformin", dosage: "500 mg" } }) {
       prescription { id status patient { objectId } }
     }
   }`,
);
const prescription = createPrescription.prescription;
assert.deepEqual([prescription.status, prescription.patient.objectId], ["draft", profile.objectId]);
step("a prescription is asked for");

const { createDelivery } = await patient.ask(
  `mutation ($prescription: ID!) {
     createDelivery(input: { fields: { prescription: { link: $prescription }, deliveryAddress: "12 Alder St, Portland" } }) {
       delivery { id status trackingNumber prescription { medicationName } }
     }
   }`,
  { prescription: prescription.id },
);
const delivery = createDelivery.delivery;
assert.deepEqual([delivery.status, delivery.prescription.medicationName], ["requested", "Metformin"]);
step("and a delivery");

await pharmacist.ask(
  `mutation ($id: ID!) { updatePrescription(input: { id: $id, fields: { status: "active" } }) { prescription { status } } }`,
  { id: prescription.id },
);
const move = async (who, status, fields = {}) => {
  const { updateDelivery } = await who.ask(
    `mutation ($id: ID!, $fields: UpdateDeliveryFieldsInput) { updateDelivery(input: { id: $id, fields: $fields }) { delivery { status } } }`,
    { id: delivery.id, fields: { status, ...fields } },
  );
  assert.equal(updateDelivery.delivery.status, status);
};
await move(pharmacist, "scheduled", { courier: { link: courier.id }, proofPolicy: "acknowledgement" });
await move(pharmacist, "packed");
for (const status of ["out_for_delivery", "arrived", "delivered"]) await move(courier, status);
step("the delivery is brought");

const messages = [];
while (messages.length < 6) messages.push((await notices.until((event) => event.event === "create")).node.message);
assert.deepEqual(messages, [
  "Your prescription is active.",
  `Your delivery ${delivery.trackingNumber} is scheduled.`,
  `Your delivery ${delivery.trackingNumber} is packed.`,
  `Your delivery ${delivery.trackingNumber} is on its way.`,
  `The courier with your delivery ${delivery.trackingNumber} has arrived.`,
  `Your delivery ${delivery.trackingNumber} was handed over.`,
]);
await notices.close();
step("the patient is notified");

// The signature image travels with the mutation, as graphql-upload clients send it.
const form = new FormData();
const query = `mutation ($delivery: ID!, $image: Upload) {
  createSignature(input: { fields: { delivery: { link: $delivery }, signatureImage: { upload: $image } } }) {
    signature { recordHash signatureImage { name url } }
  }
}`;
form.set("operations", JSON.stringify({ query, variables: { delivery: delivery.id, image: null } }));
form.set("map", JSON.stringify({ 0: ["variables.image"] }));
form.set("0", new Blob(["\x89PNG a signature"], { type: "image/png" }), "signature.png");
const answer = await fetch(`${url}/graphql`, { method: "POST", headers: patient.headers, body: form });
const { data, errors } = await answer.json();
assert.equal(errors, undefined, JSON.stringify(errors));
assert.equal(data.createSignature.signature.recordHash.length, 64);
assert.match(data.createSignature.signature.signatureImage.name, /_signature\.png$/);
const image = await fetch(data.createSignature.signature.signatureImage.url, { headers: patient.headers });
assert.equal(image.status, 200);
step("a signature with its image");

const unread = await patient.ask(
  `{ notifications(where: { isRead: { equalTo: false } }, order: createdAt_DESC) { count edges { node { id message } } } }`,
);
assert.equal(unread.notifications.count, 6);
await patient.ask(
  `mutation ($id: ID!) { updateNotification(input: { id: $id, fields: { isRead: true } }) { notification { isRead } } }`,
  { id: unread.notifications.edges[0].node.id },
);
step("the dashboard shows the notifications");

console.log("done");
process.exit(0);
