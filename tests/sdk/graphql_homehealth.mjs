// The sequence diagram of the home health template, step by step, over GraphQL: node graphql_homehealth.mjs URL APP_ID MASTER_KEY
import assert from "node:assert/strict";
import { Live, arrives, signIn } from "./graphql.mjs";
import { step } from "./steps.mjs";

const aide = await signIn("technician");
const other = await signIn("technician");
const dispatcher = await signIn("dispatcher");
const hire = async (account) => {
  const { createTechnician } = await dispatcher.ask(
    `mutation ($fields: CreateTechnicianFieldsInput) { createTechnician(input: { fields: $fields }) { technician { id objectId } } }`,
    { fields: { name: account.username, availability: "available", user: { link: account.id } } },
  );
  return createTechnician.technician;
};
const technician = await hire(aide);
await hire(other);
step("log in");

const free = await dispatcher.ask(`{
  technicians(where: { availability: { equalTo: "available" } }) { count edges { node { objectId name } } }
}`);
assert.equal(free.technicians.count, 2);
assert.ok(free.technicians.edges.some(({ node }) => node.objectId === technician.objectId));
step("technicians and who is free");

const jobs = await Live.open(aide, `subscription { job(progress: true) { event node { objectId description technician { name } } } }`);
const { createJob } = await dispatcher.ask(
  `mutation ($fields: CreateJobFieldsInput) { createJob(input: { fields: $fields }) { job { id objectId status } } }`,
  {
    fields: {
      description: "Wound care",
      status: "assigned",
      technician: { link: technician.id },
      scheduledTime: new Date().toISOString(),
    },
  },
);
assert.equal(createJob.job.status, "assigned");
const heard = await jobs.until((event) => event.node?.objectId === createJob.job.objectId);
assert.ok(arrives(heard));
assert.equal(heard.node.technician.name, aide.username);
await jobs.close();
const mine = await dispatcher.ask(
  `query ($id: ID!) { technician(id: $id) { assignedJobs { ... on Job { objectId description } } } }`,
  { id: technician.id },
);
assert.deepEqual(mine.technician.assignedJobs, [{ objectId: createJob.job.objectId, description: "Wound care" }]);
step("a job is scheduled and its technician hears of it");

await dispatcher.ask(
  `mutation ($fields: CreatePartsInventoryFieldsInput) { createPartsInventory(input: { fields: $fields }) { partsInventory { id } } }`,
  { fields: { partName: "Gauze", quantity: 6, job: { link: createJob.job.id } } },
);
const PARTS = `{ partsInventories { edges { node { quantity availability job { description } } } } }`;
const part = { quantity: 6, availability: true, job: { description: "Wound care" } };
assert.deepEqual(await aide.ask(PARTS), { partsInventories: { edges: [{ node: part }] } });
assert.deepEqual(await other.ask(PARTS), { partsInventories: { edges: [] } });
step("parts are seen by whose job needs them");

console.log("done");
process.exit(0);
