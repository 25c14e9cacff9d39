/** Small pressure plots, from readings that somebody took: nothing between or after them is made up but the straight line. */

import { number } from "./cells.js";
import { h } from "./dom.js";
import { clock, day, hours, now } from "./time.js";

const DAY = 86_400_000;
const WIDTH = 296;
const HEIGHT = 118;
const LEFT = 34;
const BOTTOM = 18;
const TOP = 8;
const RIGHT = 6;

/** @typedef {{at: number, value: number, said: string, now?: boolean}} Point */

/** The span shown: the last day when it holds two readings, else a week, else all there is. @param {Point[]} points sorted */
export function span(points) {
  for (const [days, label] of [[1, "last 24 h"], [7, "last 7 days"], [31, "last 31 days"]]) {
    const shown = points.filter((point) => now() - point.at <= days * DAY);
    if (shown.length > 1 || shown.length === points.length) return { label, points: shown, from: now() - days * DAY };
  }
  return { label: "all readings", points, from: points[0].at };
}

/** The plot of a panel. @param {Point[]} points sorted by time @param {{floor: number, unit: string, label: string}} options */
export function plot(points, { floor, unit, label }) {
  if (points.length === 0) return h("p", { class: "quiet" }, "No reading is on file. Record a PSI check to begin.");
  const shown = span(points);
  if (shown.points.length === 0) return h("p", { class: "quiet" }, "No reading in the last 31 days.");
  const top = Math.max(1000, Math.ceil(Math.max(...shown.points.map((point) => point.value)) / 500) * 500);
  const until = now();
  const x = (at) => LEFT + ((at - shown.from) / (until - shown.from)) * (WIDTH - LEFT - RIGHT);
  const y = (value) => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
  const steps = [0, top / 2, top];
  const first = shown.points[0];
  const last = shown.points.at(-1);
  const summary = `${label}, ${shown.label}: ${shown.points.length} readings, from ${number(first.value)} to ${number(last.value)} ${unit}.`;
  const path = shown.points.map((point, index) => `${index ? "L" : "M"}${x(point.at).toFixed(1)} ${y(point.value).toFixed(1)}`).join("");
  return h(
    "div",
    { class: "plot" },
    h(
      "svg",
      { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": summary },
      h("rect", { class: "floor", x: LEFT, y: y(floor), width: WIDTH - LEFT - RIGHT, height: y(0) - y(floor) }),
      ...steps.map((step) => h("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(step), y2: y(step) })),
      ...steps.map((step) => h("text", { x: LEFT - 5, y: y(step) + 3.5, "text-anchor": "end" }, number(step))),
      h("text", { x: LEFT, y: HEIGHT - 3 }, clock(shown.from)),
      h("text", { x: WIDTH - RIGHT, y: HEIGHT - 3, "text-anchor": "end" }, "now"),
      h("path", { class: "path", d: path }),
      ...shown.points.map((point, index) => dot(point, x(point.at), y(point.value), { unit, isLast: index === shown.points.length - 1 })),
    ),
    h("p", { class: "plot-said" }, said(last, unit)),
  );
}

function dot(point, x, y, { unit, isLast }) {
  const text = said(point, unit);
  return h(
    "g",
    {},
    h("circle", { class: "hit", cx: x.toFixed(1), cy: y.toFixed(1), r: 11, tabindex: isLast ? 0 : -1, role: "img", "aria-label": text, "data-said": text }),
    h("circle", { class: isLast ? "dot now" : "dot", cx: x.toFixed(1), cy: y.toFixed(1), r: isLast ? 3.8 : 2.6 }),
  );
}

const said = (point, unit) => `${number(point.value)} ${unit}, ${[day(point.at), hours(point.at)].filter(Boolean).join(" ")} · ${point.said}`;

/** The line beside a row's gauge: the last 24 h, or nothing where there are fewer than two readings. */
export function spark(readings, full) {
  const from = now() - DAY;
  const points = readings.filter(([at]) => at >= from);
  if (points.length < 2) return null;
  const line = points.map(([at, value]) => `${(((at - from) / DAY) * 46).toFixed(1)},${(17 - Math.min(1, value / full) * 16).toFixed(1)}`);
  return h("svg", { class: "spark", viewBox: "0 0 46 18", "aria-hidden": "true" }, h("polyline", { points: line.join(" ") }));
}
