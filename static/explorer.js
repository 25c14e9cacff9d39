/** GraphQL for people: runs what is in the editor with the session of the page, streams subscriptions, shows the schema. */

import { byId, h } from "./dom.js";

const start = JSON.parse(byId("start").textContent);
const [query, variables, answer, state, docs] = ["query", "variables", "answer", "state", "docs"].map(byId);
const MOST_SHOWN = 200;

/** What one operation sends. */
function operation() {
  const text = variables.value.trim();
  return { query: query.value, variables: text ? JSON.parse(text) : {} };
}

const show = (value) => {
  answer.textContent = typeof value === "string" ? value : JSON.stringify(value, null, 2);
};

async function post(body) {
  const headers = { ...start.keys, "Content-Type": "application/json" };
  const response = await fetch(start.path, { method: "POST", headers, body: JSON.stringify(body), credentials: "same-origin" });
  return response.json();
}

// ---- running

let socket = null;

const isSubscription = (text) => /^\s*subscription\b/m.test(text.replace(/#.*$/gm, "").replace(/"""[\s\S]*?"""|"(?:\\.|[^"\\])*"/g, ""));

async function run() {
  if (socket) return stop("Stopped");
  let body;
  try {
    body = operation();
  } catch (error) {
    state.textContent = `The variables are no JSON: ${error.message}`;
    variables.focus();
    return undefined;
  }
  if (isSubscription(body.query)) return subscribe(body);
  const began = performance.now();
  state.textContent = "Asking …";
  try {
    show(await post(body));
    state.textContent = `${Math.round(performance.now() - began)} ms`;
  } catch {
    state.textContent = "There is no connection, so there is no answer. Run it again when you are online.";
  }
  return undefined;
}

/** One subscription over graphql-transport-ws; the newest event is shown first. */
function subscribe(body) {
  const events = [];
  socket = new WebSocket(`${location.origin.replace("http", "ws")}${start.path}`, "graphql-transport-ws");
  byId("run").textContent = "Stop";
  state.textContent = "Listening …";
  const send = (message) => socket?.send(JSON.stringify(message));
  socket.addEventListener("open", () => send({ type: "connection_init", payload: start.keys }));
  socket.addEventListener("message", ({ data }) => {
    const message = JSON.parse(data);
    if (message.type === "connection_ack") send({ id: "1", type: "subscribe", payload: body });
    if (message.type === "ping") send({ type: "pong" });
    if (message.type === "error") {
      show({ errors: message.payload });
      stop("Refused");
    }
    if (message.type === "complete") stop("Complete");
    if (message.type === "next") {
      events.unshift(message.payload);
      events.length = Math.min(events.length, MOST_SHOWN);
      show(events);
      state.textContent = `Listening … ${events.length} ${events.length === 1 ? "event" : "events"}`;
    }
  });
  socket.addEventListener("close", ({ reason }) => socket && stop(reason || "The connection is closed. Run it again."));
}

function stop(words) {
  const open = socket;
  socket = null;
  open?.close();
  byId("run").textContent = "Run";
  state.textContent = words;
}

// ---- the editor

/** The same operation, its lines moved in by how deep they are. */
function tidied(text) {
  let depth = 0;
  return text
    .split("\n")
    .map((line) => line.trim())
    .map((line) => {
      const bare = line.replace(/"(?:\\.|[^"\\])*"|#.*$/g, "");
      const closes = /^[}\])]/.test(bare) ? 1 : 0;
      const made = line && "  ".repeat(Math.max(0, depth - closes)) + line;
      depth += (bare.match(/[{[(]/g) ?? []).length - (bare.match(/[}\])]/g) ?? []).length;
      return made;
    })
    .join("\n");
}

query.addEventListener("keydown", (event) => {
  if (event.key === "Tab" && !event.shiftKey && !event.ctrlKey && !event.altKey && query.selectionStart !== query.selectionEnd) return;
  if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) {
    const line = query.value.slice(0, query.selectionStart).split("\n").at(-1);
    const indent = /^\s*/.exec(line)[0] + (/[{[(]\s*$/.test(line) ? "  " : "");
    event.preventDefault();
    query.setRangeText(`\n${indent}`, query.selectionStart, query.selectionEnd, "end");
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    run();
  }
});
byId("run").addEventListener("click", run);
byId("tidy").addEventListener("click", () => {
  query.value = tidied(query.value);
});

// ---- the schema

const INTROSPECTION = `{ __schema {
  queryType { name } mutationType { name } subscriptionType { name }
  types { kind name description
    fields { name description args { name type { ...T } } type { ...T } }
    inputFields { name type { ...T } } enumValues { name } possibleTypes { name } } } }
fragment T on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }`;

let types = new Map();
let roots = [];
const trail = [];

const written = (type) =>
  type.kind === "NON_NULL" ? `${written(type.ofType)}!` : type.kind === "LIST" ? `[${written(type.ofType)}]` : type.name;
const named = (type) => (type.ofType ? named(type.ofType) : type.name);

function typeLink(type) {
  return h("button", { type: "button", onclick: () => open(named(type)) }, written(type));
}

/** `name(a: A, b: B): T`; the name puts the field into the editor where the caret is. */
function fieldLine(field) {
  const args = (field.args ?? []).flatMap((arg, index) => [index ? ", " : "(", `${arg.name}: `, typeLink(arg.type)]);
  const put = () => {
    query.setRangeText(field.name, query.selectionStart, query.selectionEnd, "end");
    query.focus();
  };
  const name = h("button", { type: "button", class: "name", title: field.description || "Put it into the query", onclick: put }, field.name);
  return h("li", {}, name, ...args, args.length ? ")" : "", field.type ? ": " : "", field.type ? typeLink(field.type) : "");
}

function open(name) {
  if (!types.has(name)) return;
  if (trail.at(-1) !== name) trail.push(name);
  draw();
  enter();
}

/** What was pressed is gone: the focus goes to the first that stands in its place. */
const enter = () => docs.querySelector("button, summary")?.focus();

function back() {
  trail.pop();
  draw();
  enter();
}

function draw() {
  const name = trail.at(-1);
  if (!name) {
    docs.replaceChildren(...roots.map(([label, root]) => h("details", { open: label === "Query" }, h("summary", {}, label), list(types.get(root)))));
    return;
  }
  const type = types.get(name);
  docs.replaceChildren(
    h("p", { class: "path" }, h("button", { type: "button", onclick: back }, "← back"), h("b", {}, name), h("small", {}, type.kind.toLowerCase().replace("_", " "))),
    type.description ? h("p", { class: "quiet small" }, type.description) : "",
    list(type),
  );
}

function list(type) {
  const lines = [...(type?.fields ?? []), ...(type?.inputFields ?? [])].map(fieldLine);
  const plain = [...(type?.enumValues ?? []), ...(type?.possibleTypes ?? [])].map(({ name }) => h("li", {}, typeLink({ name })));
  return h("ul", {}, ...lines, ...plain);
}

byId("search").addEventListener("input", ({ target }) => {
  const wanted = target.value.trim().toLowerCase();
  if (!wanted) return draw();
  const found = [];
  for (const type of types.values()) {
    if (type.name.toLowerCase().includes(wanted)) found.push(h("li", {}, typeLink({ name: type.name })));
    for (const field of [...(type.fields ?? []), ...(type.inputFields ?? [])]) {
      if (field.name.toLowerCase().includes(wanted)) found.push(h("li", {}, typeLink({ name: type.name }), ".", field.name));
    }
  }
  docs.replaceChildren(h("ul", {}, ...found.slice(0, MOST_SHOWN)));
  return undefined;
});

try {
  const { data, errors } = await post({ query: INTROSPECTION });
  if (errors) throw new Error(errors[0].message);
  const schema = data.__schema;
  types = new Map(schema.types.filter(({ name }) => !name.startsWith("__")).map((type) => [type.name, type]));
  roots = [
    ["Query", schema.queryType],
    ["Mutation", schema.mutationType],
    ["Subscription", schema.subscriptionType],
  ].filter(([, type]) => type).map(([label, type]) => [label, type.name]);
  draw();
} catch (error) {
  docs.replaceChildren(h("p", { class: "quiet" }, `The schema is not shown: ${error.message}`));
}
