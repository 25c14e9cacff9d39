// The sequence diagram of the oncology template, step by step, over GraphQL: node graphql_oncology.mjs URL APP_ID MASTER_KEY
import assert from "node:assert/strict";
import { Live, arrives, signIn } from "./graphql.mjs";
import { step } from "./steps.mjs";

const [patient, nurse, oncologist, stranger] = await Promise.all(["patient", "nurse", "oncologist", "nurse"].map(signIn));
const reference = (account) => ({ __type: "Pointer", className: "_User", objectId: account.objectId });
await patient.ask(
  `mutation ($fields: CreatePatientFieldsInput) { createPatient(input: { fields: $fields }) { patient { id } } }`,
  { fields: { name: "Ines Duarte", contact: "+1 503 555 0170", careTeam: [reference(nurse), reference(oncologist)] } },
);
const now = new Date().toISOString();
await oncologist.ask(
  `mutation ($fields: CreateChemoCycleFieldsInput) { createChemoCycle(input: { fields: $fields }) { chemoCycle { id } } }`,
  { fields: { cycleNumber: 1, startDate: now, endDate: "2030-01-14T00:00:00.000Z", patient: { link: patient.id } } },
);
step("log in");

const CYCLES = `{ chemoCycles { edges { node { id cycleNumber status patient { objectId } } } } }`;
const { chemoCycles } = await patient.ask(CYCLES);
const [{ node: cycle }] = chemoCycles.edges;
assert.equal(chemoCycles.edges.length, 1);
assert.deepEqual([cycle.cycleNumber, cycle.status, cycle.patient.objectId], [1, "planned", patient.objectId]);
step("chemotherapy cycles");

const effects = await Live.open(nurse, `subscription { sideEffect(progress: true) { event node { description severity chemoCycle { cycleNumber } } } }`);
const { createSideEffect } = await patient.ask(
  `mutation ($fields: CreateSideEffectFieldsInput) { createSideEffect(input: { fields: $fields }) { sideEffect { objectId createdAt } } }`,
  { fields: { description: "Tingling fingers", severity: "moderate", chemoCycle: { link: cycle.id }, recordedAt: now } },
);
assert.match(createSideEffect.sideEffect.objectId, /^\w{10}$/);
const heard = await effects.until(arrives);
assert.deepEqual(heard.node, { description: "Tingling fingers", severity: "moderate", chemoCycle: { cycleNumber: 1 } });
await effects.close();
step("a side effect is logged and the care team hears of it");

await nurse.ask(
  `mutation ($fields: CreateLabTrendFieldsInput) { createLabTrend(input: { fields: $fields }) { labTrend { id } } }`,
  { fields: { labTestName: "ANC", result: 2.1, date: now, patient: { link: patient.id } } },
);
const trends = await patient.ask(`{ labTrends(order: date_ASC) { edges { node { labTestName result } } } }`);
assert.deepEqual(trends.labTrends.edges, [{ node: { labTestName: "ANC", result: 2.1 } }]);
step("lab trends");

const { createAccessLog } = await patient.ask(
  `mutation ($fields: CreateAccessLogFieldsInput) { createAccessLog(input: { fields: $fields }) { accessLog { objectId } } }`,
  { fields: { user: { link: patient.id }, accessTime: now } },
);
const logged = await patient.ask(`{ accessLogs(first: 1000) { edges { node { objectId } } } }`);
assert.ok(logged.accessLogs.edges.some(({ node }) => node.objectId === createAccessLog.accessLog.objectId));
step("the access is logged");

assert.deepEqual(await stranger.ask(CYCLES), { chemoCycles: { edges: [] } });
step("another nurse sees nothing");

console.log("done");
process.exit(0);
