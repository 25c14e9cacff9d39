// The sequence diagram of the hospital asset template, step by step, over GraphQL: node graphql_assets.mjs URL APP_ID MASTER_KEY
import assert from "node:assert/strict";
import { Caller, Live, arrives, signIn } from "./graphql.mjs";
import { step } from "./steps.mjs";

const master = new Caller("master");
const nurse = await signIn("nurse");
const technician = await signIn("technician");
const made = await master.ask(
  `mutation { createFacility(input: { fields: { name: "Main", code: "MAIN", isOperational: true } }) { facility { id } } }`,
);
const asset = async (name, more) => {
  const fields = {
    facility: { link: made.createFacility.facility.id },
    assetTag: name,
    name,
    category: "ventilator",
    serialNumber: `S-${name}`,
    status: "available",
    criticality: "high",
    currentLocation: "Equipment store",
    nextServiceDue: "2027-01-10T08:00:00.000Z",
    technician: { link: technician.id },
    ...more,
  };
  const { createAsset } = await master.ask(
    `mutation ($fields: CreateAssetFieldsInput) { createAsset(input: { fields: $fields }) { asset { id objectId } } }`,
    { fields },
  );
  return createAsset.asset;
};
const ventilator = await asset("VENT-12");
const mri = await asset("MRI-3", { category: "imaging", nextServiceDue: "2026-12-01T08:00:00.000Z" });
await asset("PUMP-1", { criticality: "low" });
const engineer = await signIn("biomed");
const { viewer } = await engineer.ask(`{ viewer { user { role username } } }`);
assert.deepEqual(viewer.user, { role: "biomed", username: engineer.username });
step("log in");

const dashboard = await engineer.ask(`{
  assets(where: { criticality: { equalTo: "high" } }, order: nextServiceDue_ASC) { edges { node { objectId name status nextServiceDue } } }
}`);
assert.deepEqual(
  dashboard.assets.edges.map(({ node }) => [node.objectId, node.name, node.status]),
  [
    [mri.objectId, "MRI-3", "available"],
    [ventilator.objectId, "VENT-12", "available"],
  ],
);
step("critical equipment in the order of its due dates");

const moves = await Live.open(
  engineer,
  `subscription {
     asset(where: { currentLocation: { equalTo: "ICU Room 12" } }, progress: true) { event node { objectId assignment { objectId } } }
   }`,
);
const logs = await Live.open(engineer, `subscription { maintenanceLog(progress: true) { event node { objectId asset { name } } } }`);
const now = new Date().toISOString();
const { createMaintenanceLog } = await engineer.ask(
  `mutation ($fields: CreateMaintenanceLogFieldsInput) {
     createMaintenanceLog(input: { fields: $fields }) { maintenanceLog { objectId asset { nextServiceDue } } }
   }`,
  {
    fields: {
      asset: { link: mri.id },
      performedBy: { link: engineer.id },
      maintenanceType: "preventive",
      status: "completed",
      startedAt: now,
      completedAt: now,
      findings: "Coil replaced",
      partsUsed: ["RF coil"],
      nextDueAt: "2027-06-01T08:00:00.000Z",
      downtimeMinutes: 90,
    },
  },
);
assert.equal(createMaintenanceLog.maintenanceLog.asset.nextServiceDue, "2027-06-01T08:00:00.000Z");
step("preventive maintenance is recorded");

const { createAssetAssignment } = await engineer.ask(
  `mutation ($fields: CreateAssetAssignmentFieldsInput) {
     createAssetAssignment(input: { fields: $fields }) { assetAssignment { objectId } }
   }`,
  {
    fields: {
      asset: { link: ventilator.id },
      assignedTo: { link: nurse.id },
      departmentName: "ICU",
      roomLabel: "Room 12",
      assignedAt: now,
      assignmentStatus: "active",
    },
  },
);
const { updateAsset } = await engineer.ask(
  `mutation ($id: ID!) {
     updateAsset(input: { id: $id, fields: { currentLocation: "ICU Room 12" } }) {
       asset { currentLocation status assignment { objectId } }
     }
   }`,
  { id: ventilator.id },
);
const assignment = { objectId: createAssetAssignment.assetAssignment.objectId };
assert.deepEqual(updateAsset.asset, { currentLocation: "ICU Room 12", status: "in_use", assignment });
step("the ventilator moves to its room");

const entered = await moves.until((event) => event.node?.objectId === ventilator.objectId);
assert.equal(entered.event, "enter");
const logged = await logs.until(arrives);
assert.deepEqual(logged.node, { objectId: createMaintenanceLog.maintenanceLog.objectId, asset: { name: "MRI-3" } });
await moves.close();
await logs.close();
step("live updates of assets and maintenance");

console.log("done");
process.exit(0);
