/** The keyboard: one letter each, never while somebody types; and the sheet that lists them. */

import { h } from "./dom.js";

/** @param {Record<string, {words: string, run: (event: KeyboardEvent) => void}>} bindings key -> what it does */
export function bindKeys(bindings) {
  addEventListener("keydown", (event) => {
    const name = event.ctrlKey || event.metaKey ? `Ctrl-${event.key.toUpperCase()}` : event.key;
    const binding = bindings[name];
    if (!binding || event.defaultPrevented || event.altKey) return;
    const typing = event.target.closest?.("input:not([type=radio]), textarea, select");
    const busy = document.querySelector("dialog[open]");
    if ((typing || busy) && name !== "Escape" && name !== "Ctrl-K") return;
    if (busy) return;
    event.preventDefault();
    binding.run(event);
  });
}

/** Shows what every key does. */
export function showKeys(bindings) {
  const opener = document.activeElement;
  const close = h("button", { class: "button", type: "button" }, "Close");
  const list = Object.entries(bindings).filter(([, binding]) => binding.words);
  const dialog = h("dialog", { "aria-labelledby": "keys-title" },
    h("div", { class: "form" },
      h("h2", { id: "keys-title" }, "Keyboard"),
      h("dl", { class: "keys" }, ...list.flatMap(([key, binding]) => [h("dt", {}, h("kbd", {}, NAMES[key] ?? key)), h("dd", {}, binding.words)])),
      h("div", { class: "form-foot" }, close)));
  close.addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    opener?.focus?.({ preventScroll: true });
  });
  document.body.append(dialog);
  dialog.showModal();
}

const NAMES = { Escape: "Esc", "Ctrl-K": "Ctrl K" };
