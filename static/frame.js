/** What every page inside the frame needs: the live connection with its pill, the bell, the menu, the ticker, the keys. */

import { Bell } from "./bell.js";
import { byId } from "./dom.js";
import { keptSince } from "./kept.js";
import { bindKeys, showKeys } from "./keys.js";
import { helloOf, LiveQuery, socketOf } from "./live.js";
import { Pill } from "./pill.js";
import { bindPreferences } from "./prefs.js";
import { Rest } from "./rest.js";
import { setClock, startTicker } from "./time.js";

/** Sets a page up that is no list; the caller subscribes and then starts `live`. */
export function frame() {
  const start = JSON.parse(byId("start").textContent);
  if (!keptSince) setClock(start.now);
  const rest = new Rest(start.mount, start.keys);
  let was = "";
  const live = new LiveQuery(socketOf(start), helloOf(start), () => {
    pill.draw();
    if (live.state === "live" && was !== "live") live.onLive?.();
    if (live.state === "ended" && was !== "ended") live.onEnded?.();
    was = live.state;
  });
  live.keptAt = keptSince && Date.parse(keptSince);
  const pill = new Pill(live);
  rest.onAnswer = () => live.tryNow();
  const bell = new Bell({ live, rest, me: start.me, doors: start.doors });
  const keys = {
    b: { words: "Alerts", run: () => bell.toggle() },
    Escape: { words: "Close", run: () => closeSheets() },
    "?": { words: "This list", run: () => showKeys(keys) },
  };
  bindPreferences();
  bindKeys(keys);
  startTicker();
  bell.follow();
  const commands = { print: () => print(), menu: () => (byId("menu").open = true) };
  document.addEventListener("click", (event) => {
    const asked = event.target.closest("[data-do]");
    if (asked) commands[asked.dataset.do]?.();
    for (const id of ["menu", "bell"]) if (byId(id).open && !asked && !event.target.closest(`#${id}`)) byId(id).open = false;
  });
  return { start, rest, live };
}

function closeSheets() {
  for (const id of ["menu", "bell"]) byId(id).open = false;
}
