/** Ctrl-K: every command, filter and row by name. */

import { h, icon } from "./dom.js";

const MOST = 9;

/** @typedef {{label: string, note?: string, icon?: string, run: () => void}} Command */

/** @param {(text: string) => Command[]} find what matches, best first */
export function openPalette(find) {
  const opener = document.activeElement;
  let commands = [];
  let at = 0;
  const input = h("input", { type: "text", role: "combobox", "aria-label": "Search commands and rows", "aria-expanded": "true", "aria-controls": "palette-list", "aria-autocomplete": "list", placeholder: "Go to a row, filter, act …", autocomplete: "off", spellcheck: "false" });
  const list = h("ul", { id: "palette-list", role: "listbox", "aria-label": "Results" });
  const none = h("p", { hidden: true }, "Nothing by that name.");
  const dialog = h("dialog", { class: "palette", "aria-label": "Commands" }, input, list, none);

  const draw = () => {
    commands = find(input.value.trim().toLowerCase()).slice(0, MOST);
    at = Math.max(0, Math.min(at, commands.length - 1));
    none.hidden = commands.length > 0;
    list.replaceChildren(...commands.map((command, index) => h("li", { role: "option", id: `palette-${index}`, "aria-selected": String(index === at), "data-index": index }, icon(command.icon ?? "dot"), command.label, command.note && h("small", {}, command.note))));
    commands.length ? input.setAttribute("aria-activedescendant", `palette-${at}`) : input.removeAttribute("aria-activedescendant");
    list.children[at]?.scrollIntoView({ block: "nearest" });
  };
  const run = (index) => {
    dialog.close();
    commands[index]?.run();
  };
  input.addEventListener("input", () => {
    at = 0;
    draw();
  });
  input.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) at = (at + step + commands.length) % Math.max(1, commands.length);
    if (event.key === "Enter") run(at);
    if (step || event.key === "Enter") event.preventDefault();
    if (step) draw();
  });
  list.addEventListener("click", (event) => run(Number(event.target.closest("li")?.dataset.index)));
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (document.activeElement === document.body) opener?.focus?.({ preventScroll: true });
  });
  document.body.append(dialog);
  draw();
  dialog.showModal();
  input.focus();
}
