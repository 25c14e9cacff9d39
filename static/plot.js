/** Small plots, from readings that somebody took: nothing between or after them is made up but the straight line. */

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
export function plot(points, { floor, unit, label, empty }) {
  if (points.length === 0) return h("p", { class: "quiet" }, empty || "No reading is on file.");
  const shown = span(points);
  if (shown.points.length === 0) return h("p", { class: "quiet" }, "No reading in the last 31 days.");
  const top = ceiling(Math.max(floor, ...shown.points.map((point) => point.value)));
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

/** The next round number above. */
function ceiling(value) {
  const step = 10 ** Math.max(0, Math.floor(Math.log10(Math.max(1, value)))) / 2;
  return Math.max(step * 2, Math.ceil(value / step) * step);
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

const SPAN_WIDTH = 264;
const SPAN_HEIGHT = 122;

/**
 * A trend with its reference band. Each reading has its own reference, as its laboratory gave it; the band follows them.
 * @param {(Point & {low?: number, high?: number, tone: string, flag?: string})[]} points sorted by time
 */
export function trend(points, { unit, label }) {
  const known = (name) => points.map((point) => point[name]).filter((value) => typeof value === "number");
  const values = [...points.map((point) => point.value), ...known("low"), ...known("high")];
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const pad = (most - least || Math.abs(most) || 1) * 0.12;
  const [bottom, top] = [least >= 0 && least - pad < 0 ? 0 : least - pad, most + pad];
  const [from, until] = [points[0].at, points.at(-1).at];
  const x = (at) => LEFT + (until === from ? 0.5 : (at - from) / (until - from)) * (SPAN_WIDTH - LEFT - RIGHT - 4);
  const y = (value) => TOP + (1 - (value - bottom) / (top - bottom)) * (SPAN_HEIGHT - TOP - BOTTOM);
  const last = points.at(-1);
  const path = points.map((point, index) => `${index ? "L" : "M"}${x(point.at).toFixed(1)} ${y(point.value).toFixed(1)}`).join("");
  const summary = `${label}: ${points.length} readings, from ${number(points[0].value)} to ${number(last.value)} ${unit}.`;
  const marks = [...new Set([last.low, last.high].filter((value) => typeof value === "number"))];
  const steps = marks.length ? marks : [least, most];
  return h("div", { class: "plot" },
    h("svg", { viewBox: `0 0 ${SPAN_WIDTH} ${SPAN_HEIGHT}`, role: "group", "aria-label": summary },
      band(points, x, y, { bottom, top }),
      ...steps.map((step) => h("line", { class: "grid", x1: LEFT, x2: SPAN_WIDTH - RIGHT, y1: y(step), y2: y(step) })),
      ...steps.map((step) => h("text", { x: LEFT - 5, y: y(step) + 3.5, "text-anchor": "end" }, number(step))),
      h("text", { x: LEFT, y: SPAN_HEIGHT - 3 }, day(from) || hours(from)),
      points.length > 1 && h("text", { x: SPAN_WIDTH - RIGHT, y: SPAN_HEIGHT - 3, "text-anchor": "end" }, day(until) || hours(until)),
      h("path", { class: "path", d: path }),
      ...points.map((point, index) => reading(point, x(point.at), y(point.value), { unit, isLast: index === points.length - 1 }))),
    h("p", { class: "plot-said" }, valueWords(last, unit)));
}

/** The reference as steps: each reading's own range holds around it. */
function band(points, x, y, { bottom, top }) {
  const known = points.filter((point) => typeof point.low === "number" || typeof point.high === "number");
  if (!known.length) return null;
  const edges = known.map((point, index) => [index ? (x(known[index - 1].at) + x(point.at)) / 2 : LEFT, index < known.length - 1 ? (x(point.at) + x(known[index + 1].at)) / 2 : SPAN_WIDTH - RIGHT]);
  return h("g", { class: "band" }, ...known.map((point, index) => {
    const [upper, lower] = [y(point.high ?? top), y(point.low ?? bottom)];
    return h("rect", { x: edges[index][0].toFixed(1), width: Math.max(0, edges[index][1] - edges[index][0]).toFixed(1), y: upper.toFixed(1), height: Math.max(0, lower - upper).toFixed(1) });
  }));
}

function valueWords(point, unit) {
  const reference = typeof point.low === "number" && typeof point.high === "number" ? `reference ${number(point.low)}–${number(point.high)}` : "";
  const side = typeof point.low === "number" && point.value < point.low ? "below" : typeof point.high === "number" && point.value > point.high ? "above" : "";
  return [`${number(point.value)} ${unit}`.trim(), [day(point.at), hours(point.at)].filter(Boolean).join(" "), [side, reference].filter(Boolean).join(" ")].filter(Boolean).join(" · ");
}

function reading(point, x, y, { unit, isLast }) {
  const text = valueWords(point, unit);
  const mark = point.tone
    ? h("path", { class: `dot out ${point.tone}`, d: `M${x.toFixed(1)} ${(y - 5).toFixed(1)}l5 8.5h-10z` })
    : h("circle", { class: isLast ? "dot now" : "dot", cx: x.toFixed(1), cy: y.toFixed(1), r: isLast ? 3.8 : 2.6 });
  return h("g", {}, h("circle", { class: "hit", cx: x.toFixed(1), cy: y.toFixed(1), r: 11, tabindex: isLast ? 0 : -1, role: "img", "aria-label": text, "data-said": text }), mark);
}
