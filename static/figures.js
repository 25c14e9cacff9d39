/** A page of numbers: reckoned by the server, asked for anew when what they are made of has changed. */

import { frame } from "./frame.js";
import { byId, h, morph } from "./dom.js";
import { refresh } from "./time.js";

// Many changes are one reckoning.
const BREATH = 700;

const { start, live } = frame();
let waiting = 0;
let heard = 0;

function changed() {
  waiting ||= setTimeout(ask, BREATH);
}

async function ask() {
  waiting = 0;
  const answer = await fetch(location.pathname, { headers: { Accept: "application/json" }, credentials: "same-origin" }).catch(() => null);
  if (!answer?.ok) return;
  draw(await answer.json());
}

function draw(figures) {
  morph(byId("figures"), h("ul", {}, ...figures.map(figure)));
  refresh();
}

function figure({ label, value, formula, numbers, note, tone, bars, bars_label: barsLabel }) {
  return h("li", { class: "figure", "data-key": label, "data-tone": tone },
    h("div", { class: "figure-told" },
      h("h2", {}, label),
      h("p", { class: value === null ? "figure-value quiet" : "figure-value" }, value ?? "not known"),
      h("p", { class: "figure-formula" }, formula),
      numbers && h("p", { class: "figure-numbers" }, numbers),
      note && h("p", { class: "quiet" }, note)),
    bars.length > 0 && h("div", { class: "figure-parts" }, h("h3", {}, barsLabel), h("dl", { class: "bars" }, ...bars.map(bar))));
}

function bar([name, share, words]) {
  const track = h("rect", { class: "track", width: 100, height: 6 });
  const fill = h("rect", { class: "fill", width: Math.round(share * 1000) / 10, height: 6 });
  return h("div", {}, h("dt", {}, name), h("dd", {}, h("svg", { viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" }, track, fill), h("span", {}, words)));
}

for (const { className, where } of start.sources)
  live.subscribe({ className, where, keys: ["objectId"], snapshot: false }, {
    snapshot: () => {},
    // After a cut the stream resumes, or says nothing of what it lost: so the first word of each connection asks anew.
    event: changed,
  });
live.onLive = () => heard++ && changed();
live.start();
