// The sequence diagram of the oxygen template, step by step, over GraphQL: node graphql_oxygen.mjs URL APP_ID MASTER_KEY
import assert from "node:assert/strict";
import { Live, signIn } from "./graphql.mjs";
import { step } from "./steps.mjs";

const dispatcher = await signIn("dispatcher");
const driver = await signIn("driver");
const contact = await signIn("patient");
step("log in");

const { createPatientSite } = await dispatcher.ask(
  `mutation ($fields: CreatePatientSiteFieldsInput) {
     createPatientSite(input: { fields: $fields }) { patientSite { id siteName } }
   }`,
  {
    fields: {
      siteName: "Knott St",
      addressLine1: "4 Knott St",
      city: "Portland",
      region: "OR",
      postalCode: "97211",
      primaryContact: { link: contact.id },
    },
  },
);
const site = createPatientSite.patientSite;
const { createTankAssignment } = await dispatcher.ask(
  `mutation ($fields: CreateTankAssignmentFieldsInput!) {
     createTankAssignment(input: { fields: $fields }) { tankAssignment { id objectId urgency } }
   }`,
  {
    fields: {
      tankSerialNumber: "OX-1001",
      psiLevel: 1900,
      status: "in_use",
      assignedSite: { link: site.id },
      assignedDriver: { link: driver.id },
      cylinderSize: "E",
      flowLpm: 2,
    },
  },
);
const tank = createTankAssignment.tankAssignment;

const listed = await driver.ask(`{
  tankAssignments(order: emptyAt_ASC) {
    count
    edges { node { objectId tankSerialNumber psiLevel assignedSite { siteName } assignedDriver { objectId username } } }
  }
}`);
assert.deepEqual(listed.tankAssignments, {
  count: 1,
  edges: [
    {
      node: {
        objectId: tank.objectId,
        tankSerialNumber: "OX-1001",
        psiLevel: 1900,
        assignedSite: { siteName: "Knott St" },
        assignedDriver: { objectId: driver.objectId, username: driver.username },
      },
    },
  ],
});
step("tank assignments with site and driver");

const HISTORY = `query ($tank: ID!) {
  refillLogs(where: { tankAssignment: { have: { id: { equalTo: $tank } } } }, order: refillTime_DESC) {
    edges { node { objectId psiBefore psiAfter refilledBy { objectId } } }
  }
}`;
assert.deepEqual(await driver.ask(HISTORY, { tank: tank.id }), { refillLogs: { edges: [] } });
step("refill history of a site's tank");

const TANKS = `subscription ($since: String) {
  tankAssignment(since: $since, progress: true) { event cursor node { objectId psiLevel assignedSite { siteName } } }
}`;
const tanks = await Live.open(dispatcher, TANKS);
const contacts = await Live.open(dispatcher, `subscription { emergencyContact(progress: true) { event cursor node { contactName } } }`);

const now = new Date().toISOString();
const { createRefillLog } = await driver.ask(
  `mutation ($fields: CreateRefillLogFieldsInput!) { createRefillLog(input: { fields: $fields }) { refillLog { objectId } } }`,
  {
    fields: {
      tankAssignment: { link: tank.id },
      refillTime: now,
      psiBefore: 400,
      psiAfter: 2000,
      refilledBy: { link: driver.id },
      refillReason: "scheduled",
    },
  },
);
const { createDispatchEvent } = await driver.ask(
  `mutation ($fields: CreateDispatchEventFieldsInput!) { createDispatchEvent(input: { fields: $fields }) { dispatchEvent { objectId } } }`,
  { fields: { tankAssignment: { link: tank.id }, eventType: "arrived", eventTime: now, recordedBy: { link: driver.id } } },
);
assert.match(createRefillLog.refillLog.objectId, /^\w{10}$/);
assert.match(createDispatchEvent.dispatchEvent.objectId, /^\w{10}$/);
const history = await driver.ask(HISTORY, { tank: tank.id });
assert.deepEqual(history.refillLogs.edges, [
  { node: { objectId: createRefillLog.refillLog.objectId, psiBefore: 400, psiAfter: 2000, refilledBy: { objectId: driver.objectId } } },
]);
step("a refill and a dispatch event are saved");

const refilled = await tanks.until((event) => event.node?.psiLevel === 2000);
assert.equal(refilled.event, "update");
assert.equal(refilled.node.assignedSite.siteName, "Knott St");
await dispatcher.ask(
  `mutation ($fields: CreateEmergencyContactFieldsInput!) { createEmergencyContact(input: { fields: $fields }) { emergencyContact { id } } }`,
  {
    fields: { site: { link: site.id }, contactName: "Ana", relationship: "daughter", phoneNumber: "+1 503 555 0142", isPrimary: true },
  },
);
const called = await contacts.until((event) => event.event === "create");
assert.equal(called.node.contactName, "Ana");
step("live updates of pressure and contacts");

await tanks.close();
await contacts.close();
await driver.ask(
  `mutation ($id: ID!) { updateTankAssignment(input: { id: $id, fields: { psiLevel: 1500 } }) { tankAssignment { psiLevel } } }`,
  { id: tank.id },
);
const later = await Live.open(dispatcher, TANKS, { since: refilled.cursor });
const missed = await later.until((event) => event.node?.psiLevel === 1500);
assert.equal(missed.event, "update");
await later.close();
step("what was missed comes with the cursor");

const stranger = await signIn("driver");
assert.deepEqual(await stranger.ask(`{ tankAssignments { edges { node { id } } } }`), { tankAssignments: { edges: [] } });
assert.equal(
  await stranger.refused(
    `mutation ($id: ID!) { updateTankAssignment(input: { id: $id, fields: { psiLevel: 1 } }) { tankAssignment { id } } }`,
    { id: tank.id },
  ),
  101,
);
step("who is not concerned sees nothing");

console.log("done");
process.exit(0);
