/**
 * The service worker: keeps one page, that of the person who is signed in, and the files it is made of, so that a phone opens it
 * without a network, marked with when it was true. Nothing else is kept: no board, no answer of the API. Another person's page, the
 * sign-in page, signing in, or signing out makes it forget. The server puts a line with SHELL on top: this build and its files.
 */

const FILES = "careboard.files.";
const KEPT = "careboard.kept";
const QUEUE = "careboard.queue";
// Whose deeds may lie in the queue: an objectId, which outlives the page.
const OWNED = "careboard.owner";
const OWNER = "/kept/owner";
// What the page has heard since it was made (kept.js reads it): two places by turns, as one that is being written cannot be read.
const HEARD = "/kept/heard/";
const PATIENCE = 8000;
let turn = 0;

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("message", (event) => {
  if (event.data?.keep) event.waitUntil(keep(event.data.keep).then(() => event.source.postMessage({ kept: event.data.keep })));
  if (event.data?.heard) event.waitUntil(hear(event.data.heard));
});
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== location.origin) return;
  if (url.pathname === "/sign-in" || url.pathname.startsWith("/sign-in/callback/")) event.waitUntil(caches.delete(KEPT));
  if (request.method === "POST" && url.pathname === "/sign-out" && isOurs(request)) event.waitUntil(forgetAll());
  else if (request.method !== "GET") return;
  else if (url.pathname.startsWith("/static/")) event.respondWith(file(request));
  else if (request.mode === "navigate") event.respondWith(page(event, url));
});

/** Whether a page of ours asks: another site may send its visitor's browser here too, and must not empty their phone. */
const isOurs = ({ referrer }) => referrer.startsWith(location.origin + "/");

async function install() {
  await (await caches.open(FILES + SHELL.version)).addAll(SHELL.files);
  await self.skipWaiting();
}

/** A page that is open goes on with the files it has: nothing is reloaded under anybody's hands. */
async function activate() {
  await self.clients.claim();
  const kept = await keptPage();
  if (kept) await keep(kept.path).catch(() => {});
  await tidy();
}

const file = async (request) => (await caches.match(request, { ignoreVary: true })) ?? fetch(request);

async function page(event, url) {
  const kept = await keptPage();
  const isKept = kept?.path === url.pathname;
  try {
    const answer = await (isKept ? inTime(fetch(event.request)) : fetch(event.request));
    event.waitUntil(took(answer.clone(), url.pathname));
    return answer;
  } catch {
    if (isKept) return asOf(kept);
    if (kept && url.pathname === "/") return Response.redirect(kept.path);
    return (await caches.match("/offline", { ignoreVary: true })) ?? Response.error();
  }
}

const inTime = (answer) => Promise.race([answer, new Promise((_, fail) => setTimeout(() => fail(new Error("no answer in time")), PATIENCE))]);

/** The page as it was, which says when that was. */
async function asOf(kept) {
  const at = new Date(kept.answer.headers.get("date") ?? 0).toISOString();
  return new Response((await kept.answer.text()).replace("<html ", `<html data-kept="${at}" `), { headers: kept.answer.headers });
}

/** Fetches and keeps a page, unless it is kept already as this build draws it. */
async function keep(path) {
  const kept = await keptPage();
  if (kept?.path === path && versionOf(await kept.answer.text()) === SHELL.version) return;
  const answer = await fetch(path, { credentials: "same-origin" });
  await took(answer, new URL(answer.url).pathname);
}

/** Keeps what the page has heard: here, because a page that is being left does not finish what it writes. */
async function hear(heard) {
  const kept = await keptPage();
  if (kept?.person !== heard.person || kept.path !== heard.path) return;
  turn = 1 - turn;
  await (await caches.open(KEPT)).put(HEARD + turn, new Response(JSON.stringify(heard), { headers: { "Content-Type": "application/json" } }));
}

/** What a page from the network means for what is kept. */
async function took(answer, path) {
  const person = answer.headers.get("Careboard-Person");
  if (person === null) return;
  // Read whole before anything is replaced: a page that breaks off halfway takes nothing away.
  const text = await answer.text();
  const kept = await keptPage();
  if (kept && person !== kept.person) await caches.delete(KEPT);
  // Who is signed out may come back to what waits to be sent, which nobody else can open; another person ends it.
  const owner = person && (await (await caches.match(OWNER))?.text());
  if (owner && owner !== person) await forgetAll();
  if (!answer.headers.has("Careboard-Keep")) return;
  await (await caches.open(OWNED)).put(OWNER, new Response(person));
  // A newer build than this one: its own worker, which has its files, keeps it.
  if (!(await caches.has(FILES + versionOf(text)))) return;
  const cache = await caches.open(KEPT);
  if (kept && kept.path !== path) for (const old of await cache.keys()) await cache.delete(old);
  const headers = new Headers(answer.headers);
  for (const name of ["content-encoding", "content-length", "vary"]) headers.delete(name);
  await cache.put(path, new Response(text, { headers }));
  await tidy();
}

/** The kept page: where it stands, whose it is, and itself. */
async function keptPage() {
  if (!(await caches.has(KEPT))) return null;
  const cache = await caches.open(KEPT);
  for (const request of await cache.keys()) {
    const path = new URL(request.url).pathname;
    if (path.startsWith(HEARD)) continue;
    const answer = await cache.match(request);
    return { path, person: answer.headers.get("Careboard-Person"), answer };
  }
  return null;
}

const versionOf = (text) => /\/static\/([0-9a-f]+)\//.exec(text)?.[1];

/** Drops the files of builds that neither this worker nor the kept page needs. */
async function tidy() {
  const kept = await keptPage();
  const needed = [SHELL.version, kept && versionOf(await kept.answer.text())];
  for (const name of await caches.keys()) if (name.startsWith(FILES) && !needed.includes(name.slice(FILES.length))) await caches.delete(name);
}

async function forgetAll() {
  await caches.delete(KEPT);
  await caches.delete(OWNED);
  await forgetQueue();
}

const forgetQueue = () => new Promise((done) => {
  const asked = indexedDB.deleteDatabase(QUEUE);
  asked.onsuccess = asked.onerror = asked.onblocked = done;
});
