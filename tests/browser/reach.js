/** What a page says of itself to tests/browser/reach.py. */

window.reach = (() => {
  const name = (el) => {
    const text = el.getAttribute("aria-label") || el.textContent || el.value || el.name || "";
    return `<${el.localName} ${el.id || el.getAttribute("class") || ""}> ${text.trim().slice(0, 40)}`;
  };
  const style = (el, part) => getComputedStyle(el, part);
  const scrolls = (el) => ["auto", "scroll"].includes(style(el).overflowX);
  const works = "a[href], button, input, select, textarea, summary";

  /** What stands for it before one's eyes: an editor hides the field that is typed in. */
  const shownFor = (el) => el.closest(".CodeMirror") ?? el;

  /** Whether something around it scrolls sideways, as a table of data may: the list itself may not. */
  function isInside(el) {
    for (let up = el.parentElement; up && up !== document.body; up = up.parentElement) if (scrolls(up) && up.id !== "list") return true;
    return false;
  }

  function isShown(el) {
    if (!el.checkVisibility({ visibilityProperty: true, opacityProperty: true }) || !el.getBoundingClientRect().width) return false;
    for (let up = el; up; up = up.parentElement) {
      if (style(up).clipPath !== "none" || style(up).clip === "rect(0px, 0px, 0px, 0px)") return false;
      if (style(up).overflowY === "hidden" && !(up.clientWidth && up.clientHeight)) return false;
    }
    return true;
  }

  /** What lies beside the window, or is cut. */
  function fits() {
    const found = [];
    const over = document.scrollingElement.scrollWidth - innerWidth;
    if (over > 1) found.push(`the page is ${over} px wider than the window`);
    for (const el of document.body.querySelectorAll("*")) {
      const speaks = [...el.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
      if ((!speaks && !el.matches(works)) || el.closest("svg, .sr, .skip, thead") || !isShown(el)) continue;
      const box = el.getBoundingClientRect();
      const { overflowX, overflowY } = style(el);
      if ((box.right > innerWidth + 1 || box.left < -1) && !isInside(el)) found.push(`beside the window: ${name(el)}`);
      if (!speaks || scrolls(el) || el.localName === "input") continue;
      if (overflowY !== "visible" && el.clientHeight && el.scrollHeight > el.clientHeight + 3) found.push(`cut in height: ${name(el)}`);
      if (overflowX !== "visible" && el.matches(works) && el.scrollWidth > el.clientWidth + 2 && !el.closest(".row")) found.push(`cut in width: ${name(el)}`);
    }
    return found;
  }

  /** Numbers what Tab must reach, in the order of the page; of radio buttons one. */
  function mark() {
    document.activeElement?.blur?.();
    const dialog = document.querySelector("dialog[open]");
    const groups = new Set();
    let index = 0;
    for (const el of document.querySelectorAll(`${works}, [tabindex]`)) {
      delete el.dataset.walk;
      if (el.tabIndex < 0 || el.disabled || el.type === "hidden" || !el.checkVisibility({ visibilityProperty: true })) continue;
      if (dialog && !dialog.contains(el)) continue;
      if (el.type === "radio") {
        const all = [...document.querySelectorAll("input[type=radio]")].filter((each) => each.name === el.name);
        if (groups.has(el.name) || el !== (all.find((each) => each.checked) ?? all[0])) continue;
        groups.add(el.name);
      }
      el.dataset.walk = String(index++);
    }
    return index;
  }

  /** What has the focus: its number, whether that is marked, and whether it lies behind something. */
  function focused() {
    const active = document.activeElement;
    if (!active || active === document.body || active === document.documentElement) return null;
    const el = shownFor(active);
    const label = el.closest("label");
    const outlined = (each, part) => style(each, part).outlineStyle !== "none" && Number.parseFloat(style(each, part).outlineWidth) > 0;
    const near = [el, el.nextElementSibling, label].filter(Boolean);
    const isMarked = near.some((each) => outlined(each)) || outlined(el, "::after") || el.nextElementSibling?.matches(".dot") || el.matches("[role=combobox], [type^=date]");
    const box = el.getBoundingClientRect();
    const isHit = ([x, y]) => {
      const hit = document.elementFromPoint(box.left + box.width * x, box.top + box.height * y);
      return hit && (el.contains(hit) || label?.contains(hit) || (el.matches(".hit") && el.closest("svg").contains(hit)));
    };
    const isSeen = [[0.5, 0.5], [0.1, 0.5], [0.9, 0.5], [0.5, 0.15], [0.5, 0.85]].some(isHit);
    return { walk: "walk" in active.dataset ? Number(active.dataset.walk) : null, isMarked: Boolean(isMarked), isSeen: Boolean(isSeen), name: name(active) };
  }

  /** Notes what has the focus after each Tab; what was noted since it was asked last. Where the browser itself has it, there is nothing to note. */
  let steps = null;
  function walked() {
    if (!steps) addEventListener("keyup", (event) => event.key === "Tab" && steps.push(focused()), true);
    const taken = steps ?? [];
    steps = [];
    return taken;
  }

  /** What was numbered and not reached. */
  const missed = (reached) => [...document.querySelectorAll("[data-walk]")].filter((el) => !reached.includes(Number(el.dataset.walk))).map(name);

  return { fits, mark, walked, missed };
})();
