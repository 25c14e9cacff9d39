/**
 * The service worker: keeps one page, that of the person who is signed in, and the files it is made of, so that a phone opens it
 * without a network, marked with when it was true. Nothing else is kept: no board, no answer of the API. Another person's page, the
 * sign-in page, or signing out makes it forget. The server puts a line with SHELL on top: this build and its files.
 */

const FILES = "careboard.files.";
const KEPT = "careboard.kept";
const QUEUE = "careboard.queue";
// What page and worker share besides the page itself: what was last heard, by the page (kept.js).
const HEARD = "/kept/heard";
const PATIENCE = 8000;

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("message", (event) => event.data?.keep && event.waitUntil(keep(event.data.keep)));
self.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (url.origin !== location.origin) return;
  if (request.method === "POST" && url.pathname === "/sign-out") event.waitUntil(forgetAll());
  else if (request.method !== "GET") return;
  else if (url.pathname.startsWith("/static/")) event.respondWith(file(request));
  else if (request.mode === "navigate") event.respondWith(page(event, url));
});

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
    if (isKept) return asOf(kept.answer);
    if (kept && url.pathname === "/") return Response.redirect(kept.path);
    return (await caches.match("/offline", { ignoreVary: true })) ?? Response.error();
  }
}

const inTime = (answer) => Promise.race([answer, new Promise((_, fail) => setTimeout(() => fail(new Error("no answer in time")), PATIENCE))]);

/** The page as it was, which says when that was. */
async function asOf(answer) {
  const headers = new Headers(answer.headers);
  headers.delete("content-encoding");
  headers.delete("content-length");
  const at = new Date(answer.headers.get("date") ?? 0).toISOString();
  return new Response((await answer.text()).replace("<html ", `<html data-kept="${at}" `), { headers });
}

/** Fetches and keeps a page, unless it is kept already as this build draws it. */
async function keep(path) {
  const kept = await keptPage();
  if (kept?.path === path && (await versionOf(kept.answer)) === SHELL.version) return;
  const answer = await fetch(path, { credentials: "same-origin" });
  await took(answer, new URL(answer.url).pathname);
}

/** What a page from the network means for what is kept. */
async function took(answer, path) {
  const person = answer.headers.get("Careboard-Person");
  if (person === null) return;
  const kept = await keptPage();
  if (kept && person !== kept.person) await caches.delete(KEPT);
  // Who is signed out may come back to what waits to be sent, which nobody else can open; another person ends it.
  if (kept && person && person !== kept.person) await forgetQueue();
  if (!answer.headers.has("Careboard-Keep")) return;
  // A newer build than this one: its own worker, which has its files, keeps it.
  if (!(await caches.has(FILES + (await versionOf(answer.clone()))))) return;
  const cache = await caches.open(KEPT);
  if (kept && kept.path !== path) for (const old of await cache.keys()) await cache.delete(old);
  await cache.put(path, answer);
  await tidy();
}

/** The kept page: where it stands, whose it is, and itself. */
async function keptPage() {
  if (!(await caches.has(KEPT))) return null;
  const cache = await caches.open(KEPT);
  for (const request of await cache.keys()) {
    const path = new URL(request.url).pathname;
    if (path === HEARD) continue;
    const answer = await cache.match(request, { ignoreVary: true });
    return { path, person: answer.headers.get("Careboard-Person"), answer };
  }
  return null;
}

const versionOf = async (answer) => /\/static\/([0-9a-f]+)\//.exec(await answer.clone().text())?.[1];

/** Drops the files of builds that neither this worker nor the kept page needs. */
async function tidy() {
  const kept = await keptPage();
  const needed = [SHELL.version, kept && (await versionOf(kept.answer))];
  for (const name of await caches.keys()) if (name.startsWith(FILES) && !needed.includes(name.slice(FILES.length))) await caches.delete(name);
}

async function forgetAll() {
  await caches.delete(KEPT);
  await forgetQueue();
}

const forgetQueue = () => new Promise((done) => {
  const asked = indexedDB.deleteDatabase(QUEUE);
  asked.onsuccess = asked.onerror = asked.onblocked = done;
});
