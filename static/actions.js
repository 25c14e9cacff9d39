/** What may be done to a row, read from the description: which actions are offered, which states may follow, what is sent. */

import { fill } from "./cells.js";
import { meets, read } from "./model.js";

/** @typedef {{me: object, machines?: Record<string, object>, board: object}} Desk who acts, and the state machines of the page's classes */

/** The states that may follow the row's own, for this caller: as the server's table has them. */
export function nextStates(desk, action, row) {
  const input = action.inputs?.find((each) => each.kind === "state");
  const machine = input && machineOf(desk, action, input);
  if (!machine) return [];
  const from = action.updates ? (read(subject(action, row), input.name) ?? null) : null;
  const isKept = (state) => input.unless?.[state] && meets(row, input.unless[state]);
  const leads = (state) => (input.leads?.includes(state) ? 0 : 1);
  const next = machine.transitions.filter((step) => step.from === from && step.to !== from && step.roles.includes(desk.me.role) && !isKept(step.to)).map((step) => step.to);
  return next.sort((a, b) => leads(a) - leads(b));
}

/** The table of the states of an input's field. */
export const machineOf = (desk, action, input) => desk.machines?.[action.className]?.find((machine) => machine.field === input.name);

/** Whether an action stands in the panel of this row. */
export function isOffered(desk, action, row) {
  if (!action.roles.includes(desk.me.role) || !meets(row, action.offered)) return false;
  if (action.of && !subject(action, row)?.objectId) return false;
  return !action.inputs?.some((input) => input.kind === "state") || nextStates(desk, action, row).length > 0;
}

/** What an updating action changes: the row, or what it is joined to. */
export const subject = (action, row) => (action.of ? read(row, action.of) : row);

/** What is sent beside what is typed. */
export function fixedOf(desk, action, row, rowClass) {
  const made = (target) => {
    if (target === "row") return { __type: "Pointer", className: rowClass, objectId: row.objectId };
    if (target === "me") return { __type: "Pointer", className: "_User", objectId: desk.me.objectId };
    if (target === "+me") return { __op: "AddUnique", objects: [{ __type: "Pointer", className: "_User", objectId: desk.me.objectId }] };
    if (target === "now") return { __type: "Date", iso: new Date().toISOString() };
    if (target.startsWith("=")) return { true: true, false: false }[target.slice(1)] ?? target.slice(1);
    const value = read(row, target);
    return value?.objectId ? { __type: "Pointer", className: value.className ?? classOf(desk, target), objectId: value.objectId } : value;
  };
  return Object.fromEntries(Object.entries(action.fixed ?? {}).map(([name, target]) => [name, made(target)]).filter(([, value]) => value !== undefined));
}

/** The class that a joined object is of, which finds do not say. */
function classOf(desk, path) {
  const join = (desk.board.joins ?? []).find((each) => each.name === path);
  return desk.board.sources?.find((source) => source.name === join?.source)?.className;
}

/** What the row shows while it is saved. */
export function shownOf(action, body) {
  const { shows = {}, showsWhen } = action;
  if (showsWhen && body[showsWhen[0]] !== showsWhen[1]) return {};
  const typed = Object.fromEntries(Object.entries(shows).filter(([, input]) => body[input] !== undefined).map(([field, input]) => [field, body[input]]));
  const state = action.updates && !action.of ? action.inputs?.find((input) => input.kind === "state")?.name : undefined;
  return { ...action.then, ...(state && body[state] !== undefined && { [state]: body[state] }), ...typed };
}

/** What is told when it is done. */
export const doneWords = (board, action, row) => fill(board, action.done, row) || `${action.label}: done.`;
