/**
 * What this phone keeps of the page, beside static/worker.js: what was last heard, so that the page opens without a network as it
 * was. Only for the person whose page it is, only while the worker keeps the page; gone with it.
 */

const KEPT = "careboard.kept";
const HEARD = ["/kept/heard/0", "/kept/heard/1"];
const SCRIPT = "/worker.js";
// The worker, once it is active: a page that was on its way meanwhile is not under its control before it is opened again.
let worker = null;

/** When the page that is shown was made, if it came from this phone and not from the server; else undefined. */
export const keptSince = document.documentElement.dataset.kept;

/** Has the worker keep this page; without https there is none, and nothing is kept. @param {() => void} kept called when it is */
export async function keepPage(kept) {
  if (!navigator.serviceWorker) return;
  navigator.serviceWorker.addEventListener("message", ({ data }) => data?.kept === location.pathname && kept());
  const policy = window.trustedTypes?.createPolicy("careboard-worker", { createScriptURL: (url) => (url === SCRIPT ? url : "") });
  try {
    await navigator.serviceWorker.register(policy ? policy.createScriptURL(SCRIPT) : SCRIPT, { updateViaCache: "none" });
    ({ active: worker } = await navigator.serviceWorker.ready);
    if (!keptSince) worker.postMessage({ keep: location.pathname });
  } catch {
    // A browser that keeps nothing (a private window, a full disk) still has the page for as long as it is open.
  }
}

/** Has the worker keep what was heard. @param {{person: string, path: string, at: number, parts: object, sources: object}} heard */
export const saveHeard = (heard) => (navigator.serviceWorker?.controller ?? worker)?.postMessage({ heard });

/** What was heard last of this page by this person, or null. */
export async function loadHeard(person, path) {
  if (!globalThis.caches || !(await caches.has(KEPT))) return null;
  const cache = await caches.open(KEPT);
  const found = await Promise.all(HEARD.map(async (each) => (await cache.match(each))?.json().catch(() => null)));
  return found.filter((heard) => heard?.person === person && heard.path === path).sort((a, b) => b.at - a.at)[0] ?? null;
}

/** Forgets the page and what was heard; what waits to be sent stays sealed. */
export const forgetPage = () => globalThis.caches?.delete(KEPT);
