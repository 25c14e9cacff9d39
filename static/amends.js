/**
 * What GraphiQL's widgets leave out for who works by keyboard or by ear, put in as they are drawn: a name for each editor, a way into and out of it,
 * tabs and choices that are told as what they are, and arrow keys where else only a mouse moves something.
 */

import { h } from "./dom.js";

const STEP = 40;
const LEAVES = { Tab: false, "Shift-Tab": false };

/** Sets an attribute, or takes it away for null; only if it is another one, for each change is looked at again. */
function put(el, name, value) {
  if (el.getAttribute(name) === value) return;
  if (value === null) el.removeAttribute(name);
  else el.setAttribute(name, value);
}

/** The first editor of a pane with two is the one for variables. */
function nameOf(editor) {
  const tools = editor.closest(".graphiql-editor-tool");
  if (tools) return [...tools.querySelectorAll(".CodeMirror")].indexOf(editor) ? "Headers" : "Variables";
  return editor.closest(".result-window") ? "Answer" : "Operation";
}

function mendEditor(editor) {
  const name = nameOf(editor);
  for (const field of editor.querySelectorAll("textarea")) put(field, "aria-label", name);
  // What scrolls is reached on its own: the field that is typed in does not lie in it.
  const scroller = editor.querySelector(".CodeMirror-scroll");
  put(scroller, "tabindex", "0");
  put(scroller, "role", "group");
  put(scroller, "aria-label", `${name}, to scroll`);
  if (editor.dataset.leaves) return;
  editor.dataset.leaves = "";
  editor.CodeMirror.addKeyMap(LEAVES);
}

/** A tab with a button to close it in it is no tab: it is a button, and another. */
function mendTabs(list) {
  put(list, "role", "group");
  for (const tab of list.querySelectorAll(".graphiql-tab")) {
    put(tab, "role", tab.localName === "li" ? "presentation" : null);
    put(tab, "aria-selected", null);
    const button = tab.querySelector(".graphiql-tab-button");
    if (button) put(button, "aria-current", tab.classList.contains("graphiql-tab-active") ? "true" : null);
  }
}

function mendSession(session) {
  put(session, "role", null);
  put(session, "aria-labelledby", null);
}

function mendHints(list) {
  put(list, "tabindex", "0");
  put(list, "aria-label", "Words that fit here");
}

function mendDialog(dialog) {
  if (!dialog.hasAttribute("aria-labelledby")) put(dialog, "aria-label", dialog.querySelector(".graphiql-dialog-title")?.textContent ?? null);
}

/** What an operation in the history says is its name. */
const sayText = (button) => put(button, "aria-label", null);

const isChosen = (button) => put(button, "aria-pressed", String(button.classList.contains("active")));

/** What is dragged between two panes is moved by arrow keys too. */
function mendBar(bar) {
  const { left, width } = bar.getBoundingClientRect();
  put(bar, "aria-orientation", "vertical");
  separate(bar, "Width of the panes", (left + width / 2) / innerWidth, { ArrowLeft: () => drag(bar, -STEP, 0), ArrowRight: () => drag(bar, STEP, 0) }, mendBar);
}

/** The bar over the editors of variables and headers is dragged too; as it holds buttons, the handle for keys stands among them. */
function mendTools(tools) {
  const handle = tools.querySelector(".graphiql-handle") ?? tools.appendChild(h("div", { class: "graphiql-handle" }));
  const { top, height } = tools.closest(".graphiql-editors").getBoundingClientRect();
  const toggle = tools.querySelector(".graphiql-chevron-icon").closest("button");
  const isAway = () => tools.parentElement.nextElementSibling?.style.left === "-1000px";
  const up = () => (isAway() ? toggle.click() : drag(tools, 0, -STEP));
  separate(handle, "Height of the editors", (tools.getBoundingClientRect().top - top) / (height || 1), { ArrowUp: up, ArrowDown: () => isAway() || drag(tools, 0, STEP) }, () => mendTools(tools));
}

/** Tells where a separator stands, and what the keys do to it; then it is told anew. */
function separate(bar, label, share, keys, again) {
  put(bar, "role", "separator");
  put(bar, "tabindex", "0");
  put(bar, "aria-label", label);
  put(bar, "aria-valuenow", String(Math.round(100 * share)));
  bar.onkeydown = (event) => {
    const move = keys[event.key];
    if (!move) return;
    event.preventDefault();
    move();
    again(bar);
  };
}

/** A drag that takes no time. */
function drag(bar, wide, high) {
  const { left, top } = bar.getBoundingClientRect();
  const tell = (target, type, clientX, clientY) => target.dispatchEvent(new MouseEvent(type, { clientX, clientY, buttons: 1, bubbles: true, cancelable: true }));
  tell(bar, "mousedown", left, top);
  tell(document, "mousemove", left + wide, top + high);
  tell(document, "mouseup", left + wide, top + high);
}

const MENDS = [
  [".CodeMirror", mendEditor],
  [".graphiql-tabs", mendTabs],
  [".graphiql-session", mendSession],
  [".graphiql-horizontal-drag-bar", mendBar],
  [".graphiql-editor-tools", mendTools],
  [".CodeMirror-hints", mendHints],
  [".graphiql-history-item-label", sayText],
  ["[role=dialog]", mendDialog],
  [".graphiql-button-group > button, .graphiql-editor-tools-tabs > button", isChosen],
];

function mend() {
  for (const [place, how] of MENDS) for (const el of document.querySelectorAll(place)) how(el);
}

/** Mends what is there, and what will be: also where it is drawn anew. */
export function keepMended() {
  const attributeFilter = ["class", "role", "aria-selected", "aria-labelledby", "aria-label"];
  new MutationObserver(mend).observe(document.body, { subtree: true, childList: true, attributeFilter });
  mend();
}
