/**
 * Time as a person reads it, in the viewer's zone; app/live/boards/cells.py says the same words for the first paint. One ticker a second
 * rewrites every <time data-as="…"> from its absolute datetime. The server's clock counts: one that is wrong here is corrected.
 */

const MINUTE = 60_000;
const DAY = 86_400_000;
const DAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const listeners = new Set();
let offset = 0;

/** Now, by the server's clock, in milliseconds. */
export const now = () => Date.now() - offset;

/** Learns how far this machine's clock is off, from the time the page was made at and the time it began to arrive. */
export function setClock(serverIso) {
  const [entry] = performance.getEntriesByType("navigation");
  if (!entry?.responseStart) return;
  const error = performance.timeOrigin + entry.responseStart - Date.parse(serverIso);
  offset = Math.abs(error) > 3000 ? error : 0;
}

const two = (value) => String(value).padStart(2, "0");
const midnight = (date) => Date.UTC(date.getFullYear(), date.getMonth(), date.getDate());

/** '' for today, 'Sat' within six days, else '3 Dec' (with the year when it is another). */
export function day(at) {
  const date = new Date(at);
  const today = new Date(now());
  const days = Math.round((midnight(date) - midnight(today)) / DAY);
  if (days === 0) return "";
  if (Math.abs(days) <= 6) return DAYS[date.getDay()];
  const year = date.getFullYear() === today.getFullYear() ? "" : ` ${date.getFullYear()}`;
  return `${date.getDate()} ${MONTHS[date.getMonth()]}${year}`;
}

/** 'today', 'Mon 16 Nov', or '9 Oct': of days this near the weekday alone could be the last or the next one. */
export const date = (at) => (day(at) ? (/\d/.test(day(at)) ? day(at) : `${day(at)} ${short(at)}`) : "today");

/** '11:31'. */
export const hours = (at) => `${two(new Date(at).getHours())}:${two(new Date(at).getMinutes())}`;

/** '11:31:05'. */
export const seconds = (at) => `${hours(at)}:${two(new Date(at).getSeconds())}`;

/** '11:31', 'Sat 03:17' or '3 Dec 03:17'. */
export const clock = (at) => `${day(at)} ${hours(at)}`.trim();

/** '11:31', 'Sat 03:17'; further off than six days the day alone. */
export const near = (at) => (/\d/.test(day(at)) ? day(at) : clock(at));

/** Days and hours; from four days on the hours say nothing any more. */
function days(minutes) {
  const whole = Math.floor(minutes / 1440);
  return whole >= 4 ? `${whole} d` : `${whole} d ${Math.floor((minutes % 1440) / 60)} h`;
}

/** How long until then: '0 min', '52 min', '1 h 34', '1 d 13 h', '39 d'. */
export function left(at) {
  const minutes = Math.max(0, Math.floor((at - now()) / MINUTE));
  if (minutes < 60) return `${minutes} min`;
  if (minutes < 1440) return `${Math.floor(minutes / 60)} h ${two(minutes % 60)}`;
  return days(minutes);
}

/** How late it is: '0:24', '11:05', '2 d 3 h', '16 d'. */
export function late(at) {
  const minutes = Math.max(0, Math.floor((now() - at) / MINUTE));
  if (minutes >= 1440) return days(minutes);
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}`;
}

/** '3 Dec'. */
export const short = (at) => `${new Date(at).getDate()} ${MONTHS[new Date(at).getMonth()]}`;

/** Which day of a span today is, the first being 1, and how many it has. */
export function dayOf(start, end) {
  const first = midnight(new Date(start));
  return [Math.round((midnight(new Date(now())) - first) / DAY) + 1, Math.max(1, Math.round((midnight(new Date(end)) - first) / DAY) + 1)];
}

/** '2026-11-20' in the viewer's zone, for an instant. */
export const dateKey = (at) => {
  const date = new Date(at);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
};

/** How long since then: '22 s', '3 min', '9 h', '2 d'. */
export function ago(at) {
  const seconds = Math.max(0, Math.floor((now() - at) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** The whole truth, for titles: 'Fri 20 Nov 2026, 10:39:05'. */
export function full(at) {
  const date = new Date(at);
  const text = `${DAYS[date.getDay()]} ${date.getDate()} ${MONTHS[date.getMonth()]} ${date.getFullYear()}`;
  return `${text}, ${seconds(at)}`;
}

const ZONE = new Intl.DateTimeFormat("en", { timeZoneName: "short" });

/** 'Fri 20 Nov, 10:39 PST' for the foot of the page. */
export function stamp() {
  const date = new Date(now());
  const name = ZONE.formatToParts(date).find((part) => part.type === "timeZoneName")?.value ?? "";
  return `${DAYS[date.getDay()]} ${date.getDate()} ${MONTHS[date.getMonth()]}, ${hours(date)} ${name}`;
}

/** The value of a datetime-local input for an instant. */
export const toInput = (at) => `${dateKey(at)}T${hours(at)}`;

const SHAPES = { ago, left, clock, near, late, short, time: hours, day: (at) => day(at) || "today", date };

/** The words for a <time data-as>. */
export const say = (shape, iso) => SHAPES[shape](Date.parse(iso));

/** Calls `tell` once a second, after the times on the page were brought up to date. */
export function onTick(tell) {
  listeners.add(tell);
}

/** Rewrites every time under `root` whose words have changed. */
export function refresh(root = document) {
  for (const el of root.querySelectorAll("time[data-as]")) {
    const text = say(el.dataset.as, el.dateTime);
    if (el.firstChild?.data !== text) el.textContent = text;
  }
}

let scope = () => [document];

/** Says which parts of a long page are looked at: only their times are rewritten. @param {() => Iterable<ParentNode>} parts */
export function setScope(parts) {
  scope = parts;
}

/** Rewrites the times of what is looked at. */
export function refreshScope() {
  for (const root of scope()) refresh(root);
}

/** Starts the one ticker of the page. */
export function startTicker() {
  const tick = () => {
    if (!document.hidden) refreshScope();
    for (const tell of listeners) tell();
    setTimeout(tick, 1000 - (Date.now() % 1000));
  };
  document.addEventListener("visibilitychange", () => document.hidden || refreshScope());
  addEventListener("beforeprint", () => refresh());
  // Lets the server draw its next first paint in this zone.
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) document.cookie = `careboard_zone=${zone};path=/;max-age=31536000;samesite=lax`;
  tick();
}
