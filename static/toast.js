/** Short notes at the edge of the page, some with a way back that stands for ten seconds. */

import { byId, h } from "./dom.js";

const STAY = 10_000;
const GLANCE = 5000;

/** Shows a note. @param {string} text @param {{label: string, run: () => void}} [way] */
export function toast(text, way) {
  const el = h("div", { class: "toast" }, h("span", {}, text));
  const end = () => el.remove();
  if (way) {
    const button = h("button", { type: "button" }, way.label);
    button.addEventListener("click", () => {
      end();
      way.run();
    });
    el.append(button);
  }
  byId("toasts").append(el);
  setTimeout(end, way ? STAY : GLANCE);
}
