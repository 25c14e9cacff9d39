/** What every page inside the frame needs: the live connection with its pill, the bell, the menu, the ticker, the keys. */

import { Bell } from "./bell.js";
import { byId } from "./dom.js";
import { keptSince } from "./kept.js";
import { bindKeys, showKeys } from "./keys.js";
import { helloOf, LiveQuery, socketOf } from "./live.js";
import { Pill } from "./pill.js";
import { bindPreferences } from "./prefs.js";
import { Rest } from "./rest.js";
import { bindSheets, closeSheets, openMenu } from "./sheets.js";
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
    Escape: { words: "Close", run: closeSheets },
    "?": { words: "This list", run: () => showKeys(keys) },
  };
  bindPreferences();
  bindKeys(keys);
  startTicker();
  bell.follow();
  bindSheets();
  const commands = { print: () => print(), menu: openMenu };
  document.addEventListener("click", (event) => commands[event.target.closest("[data-do]")?.dataset.do]?.());
  return { start, rest, live };
}
