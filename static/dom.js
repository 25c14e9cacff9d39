/** Making elements, and making one look like another without losing focus. Text is always text: nothing here parses HTML. */

const SVG = new Set(["svg", "use", "rect", "path", "circle", "line", "text", "polyline", "g"]);

/**
 * An element. An attribute of null or false is left out, true is an empty one; "on…" takes a listener.
 * @param {string} tag
 * @param {Record<string, unknown>} attributes
 * @param {...(Node | string | null | undefined | false)} children
 */
export function h(tag, attributes = {}, ...children) {
  const el = SVG.has(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") el.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) el.setAttribute(name, value === true ? "" : String(value));
  }
  el.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false && child !== ""));
  return el;
}

/** An icon of the page's sprite, by name. */
export function icon(name) {
  return h("svg", { class: "i", "aria-hidden": "true" }, h("use", { href: `#i-${name}` }));
}

/** The element with that id. */
export const byId = (id) => document.getElementById(id);

/**
 * Gives `old` the children of `fresh`, keeping every element that can stay (same tag and data-key), so that focus, scroll and
 * running animations survive. Listeners are not carried over: where they matter, elements are delegated to or replaced.
 */
export function morph(old, fresh) {
  const wanted = [...fresh.childNodes];
  const keyed = new Map([...old.children].filter((el) => el.dataset?.key).map((el) => [el.dataset.key, el]));
  wanted.forEach((node, index) => {
    const here = old.childNodes[index];
    const match = node.dataset?.key ? keyed.get(node.dataset.key) : here;
    if (match && canBecome(match, node)) {
      if (match !== here) old.insertBefore(match, here ?? null);
      become(match, node);
    } else if (here && !here.dataset?.key) {
      here.replaceWith(node);
    } else {
      old.insertBefore(node, here ?? null);
    }
  });
  while (old.childNodes.length > wanted.length) old.lastChild.remove();
}

const canBecome = (old, node) =>
  old.nodeName === node.nodeName && old.nodeType === node.nodeType && (old.dataset?.key ?? "") === (node.dataset?.key ?? "");

function become(old, node) {
  if (node.nodeType !== Node.ELEMENT_NODE) {
    if (old.data !== node.data) old.data = node.data;
    return;
  }
  for (const { name } of [...old.attributes]) if (!node.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of node.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  morph(old, node);
}
