/** Colours and row height, as this browser's owner likes them; theme.js applies them before the first paint. */

const FALLBACK = { theme: "auto", density: "normal" };

/** The value now. @param {"theme" | "density"} name */
export const preference = (name) => document.documentElement.dataset[name] || FALLBACK[name];

/** Sets and keeps a value. */
export function prefer(name, value) {
  const { dataset } = document.documentElement;
  if (value === FALLBACK[name]) delete dataset[name];
  else dataset[name] = value;
  try {
    value === FALLBACK[name] ? localStorage.removeItem(`careboard.${name}`) : localStorage.setItem(`careboard.${name}`, value);
  } catch {
    // Not kept where storage is closed; it still holds for this page.
  }
  showPreferences();
}

/** Wires the choices of the menu. */
export function bindPreferences() {
  for (const group of document.querySelectorAll("[data-pref]")) group.addEventListener("change", (event) => prefer(group.dataset.pref, event.target.value));
  showPreferences();
}

function showPreferences() {
  for (const group of document.querySelectorAll("[data-pref]"))
    for (const input of group.querySelectorAll("input")) input.checked = input.value === preference(group.dataset.pref);
}
