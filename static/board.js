/** The page of a board: puts the parts together. The board itself is the description in the page's data; this file names no class. */

import { doneWords, isOffered, subject } from "./actions.js";
import { Bell } from "./bell.js";
import { Voice } from "./announce.js";
import { fill, number } from "./cells.js";
import { byId, h } from "./dom.js";
import { Form } from "./form.js";
import { bindKeys, showKeys } from "./keys.js";
import { List } from "./list.js";
import { helloOf, LiveQuery, socketOf } from "./live.js";
import { Model } from "./model.js";
import { Names } from "./names.js";
import { openPalette } from "./palette.js";
import { Panel } from "./panel.js";
import { Pill } from "./pill.js";
import { spark } from "./plot.js";
import { bindPreferences, prefer, preference } from "./prefs.js";
import { Rest } from "./rest.js";
import { bindSheets, closeSheets, openMenu } from "./sheets.js";
import { clock, now, onTick, setClock, stamp, startTicker } from "./time.js";
import { toast } from "./toast.js";
import { Trail } from "./trail.js";
import { isWall, wall } from "./wall.js";

const start = JSON.parse(byId("start").textContent);
const { board, me } = start;
const [one, many] = board.noun;
const param = one.replaceAll(" ", "-");
const here = location.pathname;
const actions = board.actions ?? [];
const searchForm = byId("search");
// Faster than the eye, slower than a burst: many events become one drawing.
const BREATH = 80;
const ECHO = 4000;

setClock(start.now);
const state = readAddress();
const rest = new Rest(start.mount, start.keys);
const model = new Model(start, schedule, new Names(rest, start.names, (ids) => model.named(ids)));
const voice = new Voice();
const live = new LiveQuery(socketOf(start), helloOf(start), () => pill.draw());
const pill = new Pill(live);
rest.onAnswer = () => live.tryNow();
const bell = new Bell({ live, rest, me, doors: start.doors });
const trail = new Trail({ board, rest, live, model });
const gauge = board.columns.find((column) => column.kind === "gauge");
const list = start.row ? theRow(start.row) : new List({
  board, model, voice, state, address, explain, cards: start.cards,
  href: (row) => address({ chosen: row.objectId }),
  spark: (row) => spark(trail.readings(row), gauge?.full),
  happened: (row) => trail.happened(row),
});
const desk = {
  board, me, rest, machines: start.machines, rowClass: model.rowSource.className,
  options: (name) => [...(model.source(name)?.values() ?? [])],
  classOf: (name) => board.sources.find((source) => source.name === name)?.className,
  load: loadBy,
  about: (row) => [row.$label, fill(board, board.panel.title, row)].filter((text, index, all) => text && all.indexOf(text) === index).join(" · "),
};
const panel = new Panel({ board, model, live, me, machines: start.machines, address, act, page: start.row ? here.replace(/\/rows\/[^/]+$/, `?${param}=${start.row}`) : "" });

let drawing = 0;
let isReset = false;

/** The wall shows no panel, and masks names. */
function turn(on) {
  if (start.row) return;
  wall(on);
  if (on && state.chosen) go(address({ chosen: "" }));
  model.touch(model.rows.keys());
}

/** What stands for the list on a row's own page. */
function theRow(id) {
  return { ids: [id], current: id, draw() {}, mark() {}, focus() {}, link: () => null };
}

/** How many rows (and urgent ones) point to each object by that field. */
function loadBy(name) {
  const counts = new Map();
  for (const row of model.rows.values()) {
    const id = row[name]?.objectId;
    const [all, urgent] = counts.get(id) ?? [0, 0];
    counts.set(id, [all + 1, urgent + (model.alarm.includes(model.levelOf(row).value) ? 1 : 0)]);
  }
  return counts;
}

function schedule() {
  drawing ||= setTimeout(draw, BREATH);
}

function draw() {
  clearTimeout(drawing);
  drawing = 0;
  if (!model.loaded) return;
  list.draw(model.take(), { reset: isReset });
  isReset = false;
  panel.draw();
  foot();
  heading();
}

/** Filters and the chosen row, as the address says. */
function readAddress() {
  const params = new URLSearchParams(location.search);
  return { show: params.get("show") ?? "", text: (params.get("q") ?? "").trim(), chosen: start.row || (params.get(param) ?? "") };
}

/** This page's address with some parts changed; empty ones are left out. */
function address(changes = {}) {
  const { chosen, ...parts } = { show: state.show, q: state.text, chosen: state.chosen, ...changes };
  const query = new URLSearchParams(Object.entries({ ...parts, [param]: chosen }).filter(([, value]) => value));
  return query.size ? `${here}?${query}` : here;
}

/** Goes to an address of this page without loading it again. */
function go(url, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", url);
  follow();
}

function follow() {
  const before = { ...state };
  Object.assign(state, readAddress());
  const input = searchForm?.elements.q;
  if (input && document.activeElement !== input) input.value = state.text;
  isReset = before.show !== state.show || before.text !== state.text;
  if (isReset) byId("list").scrollTop = 0;
  panel.show(state.chosen);
  list.mark();
  links();
  draw();
  if (before.chosen !== state.chosen) leaveOrEnter(before.chosen);
}

/** Where the panel covers the list, the focus goes with it. */
function leaveOrEnter(before) {
  if (!matchMedia("(max-width: 1239px)").matches) return;
  if (state.chosen) byId("panel-title")?.focus({ preventScroll: true });
  else list.link(before)?.focus({ preventScroll: true });
}

/** Rows' and tiles' links carry the filters of the moment. */
function links() {
  if (start.row) return;
  for (const el of byId("rows").children) el.querySelector(".row-link").href = address({ chosen: el.dataset.id });
  byId("export").href = `${here}/rows.csv${new URL(address({ chosen: "" }), location.href).search}`;
}

function foot() {
  const size = model.rows.size;
  const { limit } = model.rowSource;
  // A list that is kept to a length must not look as if that were all there is.
  const which = limit && size >= limit && !start.row ? (board.newestFirst ? "the newest " : "the first ") : "";
  const text = `${which}${number(size)} ${size === 1 ? one : many} · ${stamp()}`;
  if (byId("foot").textContent !== text) byId("foot").textContent = text;
}

/** The tab tells what waits: how many rows alarm, in its title and its icon. */
function heading() {
  const counts = model.alarms;
  const title = counts ? `(${counts}) ${board.title}` : board.title;
  if (document.title !== title) document.title = title;
  const icon = byId("favicon");
  const href = counts ? icon.dataset.alarm : icon.dataset.calm;
  if (icon.getAttribute("href") !== href) icon.href = href;
}

/** What an empty list says: why, and what comes next. */
function explain() {
  if (model.rows.size === 0) return [h("h2", {}, `No ${many} yet`), h("p", {}, board.empty), start.adds && h("p", {}, "You may add the first one: by hand in ", h("a", { href: "/graphql" }, "GraphQL"), ", or by a program with ", h("code", {}, `POST ${start.adds}`), ".")];
  const all = h("p", {}, h("a", { class: "button clear", href: here }, `Show all ${many}`));
  const tile = model.tiles.find((each) => each.key === state.show);
  if (state.text || !tile) {
    const elsewhere = tile ? model.choose("", state.text).length : 0;
    const wider = h("p", {}, h("a", { class: "button", href: address({ show: "" }) }, `Look in all ${many}: ${number(elsewhere)}`));
    const where = tile ? ` among ${tile.one}` : "";
    return [h("h2", {}, `Nothing matches “${state.text}”${where}`), h("p", {}, `Try fewer letters${board.searchHint ? `: ${board.searchHint}` : ""}.`), elsewhere ? wider : all];
  }
  const horizon = (tile.horizonMinutes ?? 0) * 60_000;
  const next = tile.horizonMinutes === undefined ? null : model.sorted().filter((row) => row.$at < Number.MAX_VALUE && row.$at > now()).sort((a, b) => a.$at - b.$at)[0];
  const words = next ? `Next: ${next.$label}, expected ${clock(next.$at - horizon)}.` : (tile.none ?? "Nothing is expected here for now.");
  return [h("h2", {}, `No ${tile.one}`), h("p", {}, words), all];
}

const chooseFirst = () => (list.ids.length ? `Choose a ${one} first: j and k move, Enter opens.` : `There is no ${one} here to do that to.`);

/** Opens the dialog of an action for a row. */
function act(key, id = list.current) {
  const action = actions.find((each) => each.key === key && each.roles.includes(me.role));
  const row = model.rows.get(id);
  if (!action || !row) {
    if (action) toast(chooseFirst());
    return;
  }
  if (!isOffered(desk, action, row)) {
    toast(`${action.label} is not possible for ${row.$label} as it is now.`);
    return;
  }
  if (state.chosen !== id) go(address({ chosen: id }));
  new Form(desk, action, row, (body, shown) => perform(action, row, body, shown)).open();
}

async function perform(action, row, body, shown) {
  const target = subject(action, row);
  const before = Object.fromEntries(Object.keys(body).map((name) => [name, target[name]]));
  const forget = Object.keys(shown).length ? model.overlay(row.objectId, shown) : () => {};
  const withdraw = !action.updates ? panel.expect(action.className, { ...body, $row: row.objectId }) : () => {};
  try {
    await (action.updates ? rest.update(action.className, target.objectId, body) : rest.create(action.className, body));
  } catch (refusal) {
    forget();
    withdraw();
    throw refusal;
  }
  // The live connection brings the truth within moments; until then the row keeps showing what was asked for.
  echo(row, shown).then(() => {
    forget();
    withdraw();
  });
  const words = doneWords(board, action, model.rows.get(row.objectId) ?? row);
  const hasState = action.inputs.some((input) => input.kind === "state" || input.kind === "amount");
  toast(words, action.updates && !action.of && !hasState && !action.fixed && { label: "Undo", run: () => undo(action, row, before) });
}

async function undo(action, row, values) {
  // What was not there before is taken away again.
  const before = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value === undefined ? { __op: "Delete" } : value]));
  list.focus(row.objectId);
  const forget = model.overlay(row.objectId, values);
  try {
    await rest.update(action.className, row.objectId, before);
    toast(`${row.$label} is as it was.`);
    await echo(row, values);
  } catch (refusal) {
    toast(`Not undone. ${refusal.message}`);
  }
  forget();
}

/** Waits until the server's row says what was asked for, or for a few seconds. */
async function echo(row, shown) {
  const base = () => model.source(model.rowSource.name).get(row.objectId);
  const same = () => Object.entries(shown).every(([name, value]) => JSON.stringify(base()?.[name]?.objectId ?? base()?.[name]) === JSON.stringify(value?.objectId ?? value));
  const until = Date.now() + ECHO;
  do await new Promise((resolve) => setTimeout(resolve, 60));
  while (Date.now() < until && !same());
}

/** Calls the first contact of the row at hand. */
function call() {
  const id = list.current;
  if (!id) return toast(chooseFirst());
  if (state.chosen !== id) go(address({ chosen: id }));
  const until = Date.now() + 3000;
  const dial = () => {
    if (panel.firstNumber) location.href = panel.firstNumber;
    else if (Date.now() < until) setTimeout(dial, 60);
    else toast("No contact is on file here.");
  };
  dial();
}

function step(by) {
  const { ids } = list;
  const at = ids.indexOf(list.current);
  const id = ids[at < 0 ? (by > 0 ? 0 : ids.length - 1) : Math.max(0, Math.min(ids.length - 1, at + by))];
  if (id) list.focus(id);
}

function search() {
  const form = searchForm;
  if (!form) return;
  form.classList.add("open");
  form.elements.q.focus();
  form.elements.q.select();
}

function escape() {
  const input = searchForm?.elements.q;
  if (closeSheets()) return;
  if (isWall()) turn(false);
  else if (input && document.activeElement === input && input.value) type("");
  else if (input && document.activeElement === input) input.blur();
  else if (start.row) location.href = panel.page;
  else if (state.chosen) {
    const last = state.chosen;
    go(address({ chosen: "" }));
    list.focus(last);
  } else if (state.text || state.show) go(here);
}

function type(text) {
  const input = searchForm.elements.q;
  if (input.value !== text) input.value = text;
  go(address({ q: text.trim() }), { replace: true });
}

const commands = {
  search, help: () => showKeys(keys), print: () => print(), wall: () => turn(true),
  menu: openMenu,
};

const keys = {
  j: { words: "Next row", run: () => step(1) },
  k: { words: "Row before; Enter opens", run: () => step(-1) },
  c: { words: "Call the first contact", run: call },
  o: { words: "Open the row on a page of its own", run: () => list.current && !start.row && (location.href = `${here}/rows/${list.current}`) },
  b: { words: "Alerts", run: () => bell.toggle() },
  w: { words: "Wall display", run: () => turn(!isWall()) },
  "/": { words: "Search", run: search },
  "Ctrl-K": { words: "Go to anything", run: () => openPalette(find) },
  Escape: { words: "Close, or clear the filter", run: escape },
  "?": { words: "This list", run: () => showKeys(keys) },
  ...Object.fromEntries(actions.filter((action) => action.shortcut && action.roles.includes(me.role)).map((action) => [action.shortcut, { words: action.label, run: () => act(action.key) }])),
};

/** What Ctrl-K finds. */
function find(text) {
  const hit = (label) => label.toLowerCase().includes(text);
  const filters = model.tiles.filter((tile) => byId("tiles").querySelector(`[data-key="${tile.key}"]`)).map((tile) => ({ label: `Show: ${tile.label}`, icon: "sort", run: () => go(address({ show: tile.key, q: "" })) }));
  const row = model.rows.get(list.current);
  const acts = row ? actions.filter((action) => isOffered(desk, action, row)).map((action) => ({ label: action.label, note: row.$label, icon: action.icon, run: () => act(action.key, row.objectId) })) : [];
  const views = [
    { label: `Show all ${many}`, icon: "sort", run: () => go(here) },
    { label: preference("theme") === "dark" ? "Light colours" : "Dark colours", run: () => prefer("theme", preference("theme") === "dark" ? "light" : "dark") },
    { label: "Export this list (CSV)", run: () => byId("export").click() },
    { label: "Wall display", note: "w", run: () => turn(true) },
    { label: "Print this list", run: () => print() },
    { label: "Keyboard", note: "?", run: () => showKeys(keys) },
  ];
  const rows = text ? model.choose("", text).slice(0, 6).map((each) => ({ label: each.$label, note: [fill(board, board.panel.title, each), model.levelOf(each).label].filter((text) => text && text !== each.$label).join(" · "), icon: board.icon, run: () => { go(address({ chosen: each.objectId })); list.focus(each.objectId); } })) : [];
  const pages = [...document.querySelectorAll(".rail-link[href], .tabs a")].filter((link) => link.pathname !== here).map((link) => ({ label: `Go to ${link.textContent.trim()}`, icon: "open", run: () => (location.href = link.href) }));
  return [...rows, ...[...acts, ...filters, ...views, ...pages].filter((command) => hit(command.label))];
}

function listen() {
  document.addEventListener("click", (event) => {
    const asked = event.target.closest("[data-do]");
    if (asked) {
      if (asked.dataset.do !== "menu") closeSheets();
      commands[asked.dataset.do]();
      return;
    }
    const link = event.target.closest("a[href]");
    if (!link || link.target || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || link.hasAttribute("download")) return;
    const url = new URL(link.href);
    if (url.origin !== location.origin || url.pathname !== here || !model.loaded) return;
    event.preventDefault();
    go(url.pathname + url.search);
  });
  addEventListener("popstate", follow);
  const form = searchForm;
  if (!form) return;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    form.elements.q.blur();
    if (list.ids.length === 1) go(address({ chosen: list.ids[0] }));
  });
  form.addEventListener("input", () => type(form.elements.q.value));
  form.addEventListener("focusout", () => setTimeout(() => form.contains(document.activeElement) || form.classList.remove("open")));
}

function subscribe() {
  for (const source of board.sources) {
    const isRow = start.row && source === board.sources[0];
    const where = isRow ? { ...source.where, objectId: start.row } : (source.where ?? {});
    live.subscribe({ className: source.className, where, keys: source.keys, order: source.order, limit: isRow ? undefined : source.limit, include: source.include }, {
      snapshot: (objects) => {
        model.replace(source.name, objects);
        schedule();
      },
      event: (op, object) => {
        const before = model.rows.get(object.objectId);
        if (source === board.sources[0] && before) trail.note(before);
        model.apply(source.name, op, object);
      },
      refused: (words) => {
        if (source === board.sources[0]) refuse(words);
        else model.replace(source.name, []);
      },
    });
  }
}

function refuse(words) {
  const banner = byId("banner");
  banner.hidden = false;
  banner.replaceChildren(h("span", {}, `The live list was refused: ${words} What you see is as it was when the page was opened.`), h("a", { class: "button", href: location.href }, "Load again"));
}

function begin() {
  bindPreferences();
  bindKeys(keys);
  bindSheets();
  listen();
  startTicker();
  onTick(() => model.loaded && foot());
  subscribe();
  bell.follow();
  live.start();
  if (state.chosen) panel.show(state.chosen, { adopt: Boolean(byId("panel-title")) });
  if (start.row) return;
  const wait = () => (live.state === "live" && model.loaded ? trail.begin().catch(() => {}) : setTimeout(wait, 300));
  wait();
}

begin();
