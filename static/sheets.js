/** The sheets that open from the top of a page (alerts, menu): one is closed by Escape, by a click beside it, and when the focus goes on. */

import { byId } from "./dom.js";

const SHEETS = ["menu", "bell"];
const openers = new Map();

/** Wires the sheets. */
export function bindSheets() {
  for (const id of SHEETS) {
    const sheet = byId(id);
    sheet.addEventListener("focusout", ({ relatedTarget }) => relatedTarget && !sheet.contains(relatedTarget) && (sheet.open = false));
  }
  document.addEventListener("click", (event) => {
    // The way of the click, for what was clicked may be gone by now: an alert that is acknowledged leaves at once.
    const path = event.composedPath();
    const isOf = (id) => path.some((each) => each.id === id || each.dataset?.do === "menu");
    for (const id of SHEETS) if (byId(id).open && !isOf(id)) byId(id).open = false;
  });
}

/** Opens a sheet, or closes it, and puts the focus into it. @param {string} id @param {string} first what gets the focus @param {() => void} [draw] */
export function toggleSheet(id, first, draw = () => {}) {
  const sheet = byId(id);
  if (sheet.open) return closeSheets();
  closeSheets();
  openers.set(id, document.activeElement);
  sheet.open = true;
  draw();
  (sheet.querySelector(first) ?? sheet.querySelector("summary")).focus();
  return true;
}

/** Opens the menu from elsewhere than its own button. */
export const openMenu = () => byId("menu").open || toggleSheet("menu", ".menu-sheet :is(input:checked, a, button)");

/** Closes what is open and gives the focus back to where it came from. @returns {boolean} whether one was open */
export function closeSheets() {
  const open = SHEETS.map(byId).find((sheet) => sheet.open);
  if (!open) return false;
  const opener = openers.get(open.id);
  const back = opener?.isConnected && opener !== document.body ? opener : open.querySelector("summary");
  openers.delete(open.id);
  const isInside = open.contains(document.activeElement);
  open.open = false;
  if (isInside) back.focus({ preventScroll: true });
  return true;
}
