/**
 * A person's own page: what is theirs, in order, with the next step within the thumb's reach. It opens without a network as it was;
 * what is done then waits on this phone and is sent when the network is back.
 */

import { doneWords } from "./actions.js";
import { inOrder, partOf, stepWords } from "./cards.js";
import { fill, when, words } from "./cells.js";
import { byId, h, icon, morph } from "./dom.js";
import { Form } from "./form.js";
import { frame } from "./frame.js";
import { forgetPage, keepPage, keptSince, loadHeard, saveHeard } from "./kept.js";
import { read } from "./model.js";
import { readPoints } from "./panel.js";
import { shrunk } from "./photo.js";
import { findPlace } from "./place.js";
import { Queue } from "./queue.js";
import { Safe } from "./safe.js";
import { upper } from "./text.js";
import { clock, onTick, stamp } from "./time.js";
import { toast } from "./toast.js";

// How often what was heard is kept anew, and how often what could not be sent is tried again.
const SAVE = 3000;
const AGAIN = 20_000;
// How long a page from the server waits to hear what is true now, before what was last heard stands on it.
const PATIENCE = 3000;

const { start, rest, live } = frame();
const { mine, me } = start;
const found = new Map(mine.parts.map((part) => [part.key, null]));
const sources = new Map((mine.sources ?? []).map((source) => [source.name, new Map()]));
const overlays = new Map();
const held = new Map();
let drawing = 0;
let saving = 0;
let leaving = false;

const queue = new Queue(rest, {
  changed: () => schedule(),
  refused: (deed) => (deed.quiet ? queue.discard(deed.id) : toast(`${deed.words}: not done. ${deed.refusal.message}`)),
  ended: () => live.tryNow(),
});

const desk = {
  mine, me, machines: start.machines, rowClass: "", board: { ...mine, joins: [], noun: ["", ""] },
  // A file is not given away yet: it goes with the deed.
  rest: { upload: hold },
  options: (name) => [...(sources.get(name)?.values() ?? [])],
  classOf: (name) => mine.sources?.find((source) => source.name === name)?.className,
  load: () => new Map(),
  about: (item) => item?.$label ?? "",
};

function schedule() {
  drawing ||= setTimeout(draw, 60);
}

function draw() {
  clearTimeout(drawing);
  drawing = 0;
  if ([...found.values()].some((items) => items === null)) return;
  const add = mine.add?.filter((action) => action.roles.includes(me.role)) ?? [];
  morph(byId("mine"), h("div", {}, waitingList(), ...mine.parts.map((part) => partOf(desk, part, inOrder(part, shownOf(part)))),
    add.length > 0 && h("div", { class: "own-add", "data-key": "add", role: "group", "aria-label": "New" },
      ...add.map((action) => h("button", { type: "button", class: "button", "data-add": action.key, "data-key": action.key }, icon(action.icon), action.label)))));
  const text = stamp();
  if (byId("foot").textContent !== text) byId("foot").textContent = text;
}

/** What waits to be sent, and what was refused, with its way out. */
function waitingList() {
  const deeds = queue.deeds.filter((deed) => !deed.quiet);
  if (!deeds.length) return null;
  const refused = deeds.filter((deed) => deed.refusal);
  const waits = deeds.length - refused.length;
  const title = [waits > 0 && `${waits} to send`, refused.length > 0 && `${refused.length} not done`].filter(Boolean).join(", ");
  return h("section", { class: "to-send", "data-key": "queue", "aria-label": "To send" }, h("h2", { role: "status" }, title),
    h("ol", {}, ...deeds.map((deed) => h("li", { "data-key": deed.id, "data-refused": Boolean(deed.refusal) }, icon(deed.refusal ? "alert" : "wait"),
      h("div", {}, h("b", {}, deed.words), h("small", {}, "done ", when(new Date(deed.at).toISOString(), "clock"), deed.files?.length ? `, ${deed.files.length === 1 ? "1 file" : `${deed.files.length} files`}` : "", deed.refusal ? "" : ", waits for the network"),
        deed.refusal && h("p", {}, deed.refusal.message, meanwhile(deed)),
        deed.refusal && h("div", { class: "own-steps" },
          h("button", { type: "button", class: "button", "data-discard": deed.id, "data-key": "discard" }, icon("close"), "Throw away", h("span", { class: "sr" }, ` ${deed.words}`)),
          h("button", { type: "button", class: "button", "data-retry": deed.id, "data-key": "retry" }, "Try again", h("span", { class: "sr" }, ` ${deed.words}`))))))));
}

/** What became of the card between the deed and its refusal. */
function meanwhile(deed) {
  const part = mine.parts.find((each) => each.key === deed.part);
  if (!part?.status) return "";
  const item = found.get(part.key)?.get(deed.about);
  if (!item) return " It is not on your page any more.";
  const state = read(item, part.status);
  return state === deed.from ? "" : ` Meanwhile it became “${upper(words(mine, item, part.status))}”.`;
}

/** The items of a part as the server has them, with what this page has done and not heard back. */
function shownOf(part) {
  return [...(found.get(part.key)?.values() ?? [])].map((item) => {
    const waiting = queue.waiting.filter((deed) => deed.about === item.objectId && !deed.quiet);
    const over = Object.assign({}, ...waiting.map((deed) => deed.shown), overlays.get(item.objectId));
    const kept = waiting.filter((deed) => Date.now() - deed.at > 1500);
    return { ...item, ...over, $pending: waiting.length > 0 || Object.keys(over).length > 0, $waits: kept.length ? `${kept.length} to send` : "" };
  });
}

/** Does an action: asks what is missing, shows it at once, and keeps it when there is no network. */
function act(action, part, item, state) {
  const row = { ...item, $label: item ? fill(mine, part.title, item) : "" };
  const place = action.place && (!action.placeWhen || action.placeWhen.includes(state)) ? findPlace() : null;
  const save = async (body, shown) => {
    const label = [state ? stepWords(mine, action, state) : action.label, row.$label].filter(Boolean).join(" · ");
    const deed = {
      method: action.updates ? "update" : "create", className: action.className, objectId: action.updates ? row.objectId : undefined, body, shown,
      about: item?.objectId ?? "", part: part?.key, from: part?.status ? read(row, part.status) : undefined, words: label, files: [],
    };
    const files = await takeHeld(deed);
    await tellPlace(action, row, deed, await place);
    const outcome = await queue.do(deed, files, live.state === "live");
    if (outcome === "kept") return toast(`${label}: kept${queue.safe ? "" : " while this page is open"}, and sent when the network is back.`);
    if (item) overlay(item.objectId, shown);
    toast(doneWords(desk.board, action, { ...row, ...shown }));
    if (item) setTimeout(() => overlay(item.objectId, null), 4000);
  };
  const form = new Form({ ...desk, rowClass: part?.className ?? "" }, action, row, save, state);
  if (form.isEmpty) form.send().catch((refusal) => toast(refusal.message));
  else form.open();
}

/** Puts where it was done into a deed, or beside it into what the row points to; without a place it goes on without. */
async function tellPlace(action, row, deed, place) {
  if (!place) return;
  const [pointer, field] = action.place.includes(".") ? action.place.split(".") : ["", action.place];
  if (!pointer) {
    deed.body[field] = place.point;
    return;
  }
  const target = read(row, pointer);
  if (!target?.objectId) return;
  const body = { [field]: place.point, [`${field}At`]: { __type: "Date", iso: place.at } };
  await queue.do({ method: "update", className: target.className, objectId: target.objectId, body, shown: {}, about: row.objectId, words: "Place", quiet: true, files: [] }, new Map(), false);
}

async function hold(name, content) {
  const id = crypto.randomUUID?.() ?? String(Math.random()).slice(2);
  held.set(id, { name, content: await shrunk(content) });
  return { $held: id };
}

/** Takes the files out of a deed's body; they are given away before it. */
async function takeHeld(deed) {
  const files = new Map();
  for (const [field, value] of Object.entries(deed.body)) {
    const several = Array.isArray(value);
    const ids = (several ? value : [value]).map((each) => each?.$held).filter(Boolean);
    if (!ids.length) continue;
    delete deed.body[field];
    for (const id of ids) {
      const { name, content } = held.get(id);
      held.delete(id);
      files.set(id, content);
      deed.files.push({ id, field, several, name, type: content.type });
    }
  }
  return files;
}

function overlay(id, shown) {
  if (shown && Object.keys(shown).length) overlays.set(id, shown);
  else overlays.delete(id);
  schedule();
}

function listen() {
  byId("mine").addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.add) act(mine.add.find((each) => each.key === button.dataset.add), null, null);
    else if (button.dataset.discard) queue.discard(button.dataset.discard);
    else if (button.dataset.retry) queue.retry(button.dataset.retry);
    else if (button.dataset.act) {
      const part = mine.parts.find((each) => each.key === button.dataset.part);
      const item = shownOf(part).find((each) => each.objectId === button.dataset.id);
      if (item) act(part.actions.find((each) => each.key === button.dataset.act), part, item, button.dataset.state);
    }
  });
  readPoints(byId("mine"));
  addEventListener("online", () => queue.send());
  document.addEventListener("visibilitychange", () => (document.hidden ? save() : queue.send()));
  addEventListener("pagehide", () => save());
  document.querySelector('form[action="/sign-out"]').addEventListener("submit", signOut);
}

/** Signing out leaves nothing of this person on the phone, so what was not sent would be lost: that is asked about first. */
function signOut(event) {
  event.preventDefault();
  const form = event.currentTarget;
  const go = async () => {
    leaving = true;
    await Promise.all([queue.clear(), forgetPage()]);
    form.submit();
  };
  const count = queue.deeds.filter((deed) => !deed.quiet).length;
  if (!count) return go();
  const dialog = h("dialog", { "aria-labelledby": "leaving" }, h("div", { class: "form" },
    h("h2", { id: "leaving" }, `${count} ${count === 1 ? "step is" : "steps are"} not sent`),
    h("p", {}, "Signing out removes everything of yours from this phone, these too."),
    h("div", { class: "form-foot" }, h("button", { type: "button", class: "button primary", onclick: () => dialog.close() }, "Stay"), h("button", { type: "button", class: "button", onclick: () => go() }, "Sign out and lose them"))));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

/** A condition with "$me" replaced by the caller. */
function forCaller(value) {
  if (value === "$me") return { __type: "Pointer", className: "_User", objectId: me.objectId };
  if (Array.isArray(value)) return value.map(forCaller);
  return value && typeof value === "object" ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, forCaller(each)])) : value;
}

function follow(query, take) {
  let items = new Map();
  live.subscribe(query, {
    snapshot: (objects) => {
      items = new Map(objects.map((object) => [object.objectId, object]));
      take(items);
      schedule();
      saveSoon();
    },
    event: (op, object) => {
      op === "leave" || op === "delete" ? items.delete(object.objectId) : items.set(object.objectId, object);
      overlays.delete(object.objectId);
      schedule();
      saveSoon();
    },
    refused: () => {
      take(items);
      schedule();
    },
  });
}

function saveSoon() {
  saving ||= setTimeout(save, SAVE);
}

/** Keeps what was heard, with the last moment at which it was true. */
function save() {
  clearTimeout(saving);
  saving = 0;
  if (leaving || !live.heardAt || [...found.values()].some((items) => items === null)) return;
  const plain = (maps) => Object.fromEntries([...maps].map(([name, items]) => [name, [...items.values()]]));
  saveHeard({ person: me.objectId, path: location.pathname, at: live.state === "live" ? Date.now() : live.heardAt, parts: plain(found), sources: plain(sources) });
}

/**
 * What was last heard stands on a page that came from this phone, and on one that came from the server but hears nothing; the pill
 * says since when it stands.
 */
async function takeUp() {
  const heard = await loadHeard(me.objectId, location.pathname).catch(() => null);
  if (live.heardAt || !(heard || keptSince)) return;
  live.keptAt = heard?.at ?? Date.parse(keptSince);
  if (!heard) return;
  const filled = (items) => new Map((items ?? []).map((item) => [item.objectId, item]));
  for (const key of found.keys()) found.get(key) ?? found.set(key, filled(heard.parts[key]));
  for (const name of sources.keys()) sources.set(name, filled(heard.sources[name]));
  schedule();
}

/** What waits on the phone, from before. */
async function openQueue() {
  const lost = await queue.open(await Safe.open(me.objectId, start.seal));
  if (lost) toast(`${lost} of what waited on this phone cannot be read any more: the server has another key. It was removed.`);
}

for (const part of mine.parts)
  follow({ className: part.className, where: forCaller(part.where ?? {}), keys: part.keys, order: part.order, limit: part.limit ?? 100, include: part.include }, (items) => found.set(part.key, items));
for (const source of mine.sources ?? [])
  follow({ className: source.className, where: forCaller(source.where ?? {}), keys: source.keys, order: source.order, limit: source.limit, include: source.include }, (items) => sources.set(source.name, items));
listen();
let tried = 0;
live.onLive = () => queue.send();
live.onEnded = () => {
  leaving = true;
  forgetPage();
};
onTick(() => {
  schedule();
  if (queue.waiting.length && live.state === "live" && Date.now() - tried > AGAIN) {
    tried = Date.now();
    queue.send();
  }
  if (live.state === "live" && !saving && Math.floor(Date.now() / 1000) % 30 === 0) save();
});
if (keptSince) await takeUp();
else setTimeout(takeUp, PATIENCE);
await openQueue();
schedule();
live.start();
// What was heard before the page was kept went nowhere.
keepPage(save);
