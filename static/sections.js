/** The parts of a panel, one function a kind; app/live/boards/sections.py says the same words for the first paint. */

import { deed, fileLinks, fill, geoLink, number, placeWords, rangeTone, tag, when, windowRisk, words } from "./cells.js";
import { h, icon } from "./dom.js";
import { isoOf, read, timeOf } from "./model.js";
import { plot, span, trend } from "./plot.js";
import { clock, dateKey, day, dayOf, now, short } from "./time.js";

const FEW = 6;
const MOST_DAYS = 62;

/** A tel: address. */
export const tel = (text) => `tel:${String(text ?? "").replace(/[^\d+*#,;]/g, "")}`;

/** The contacts of the row, in the order they are called. */
export function contactsOf(panel) {
  const section = panel.board.panel.sections.find((each) => each.kind === "contacts");
  return section ? panel.items(section.related[0]).sort((a, b) => Number(Boolean(b.isPrimary)) - Number(Boolean(a.isPrimary)) || a.contactName.localeCompare(b.contactName)) : [];
}

const frame = (section, note, ...children) => h("section", { "data-key": section.label, class: section.kind === "flowsheet" || section.kind === "trend" ? "wide" : null }, h("h3", {}, section.label + (note ?? "")), ...children);
const quiet = (panel, section) => h("p", { class: "quiet" }, panel.heard(section.related ?? []) ? section.empty : "Reading…");

export const SECTIONS = {
  plot(panel, section, row) {
    const points = section.points.flatMap(([name, at, values]) =>
      (name === "row" ? [row] : panel.items(name)).flatMap((item) =>
        values.filter((value) => typeof item[value] === "number").map((value, index) => ({
          at: timeOf(item[at]) + index, value: item[value], said: POINT_WORDS[value] ?? "read", row: name === "row",
        }))),
    ).filter((point) => !Number.isNaN(point.at)).sort((a, b) => a.at - b.at);
    const unique = points.filter((point, index) => !point.row || !points.some((other, place) => place !== index && Math.abs(other.at - point.at) < 60_000 && other.value === point.value));
    const floor = read(row, section.floor ?? "") ?? section.floorDefault ?? 0;
    const made = frame(section, unique.length ? `, ${span(unique).label}` : "", plot(unique, { floor, unit: section.unit, label: section.label, empty: section.empty }));
    made.dataset.tone = panel.model.levelOf(row).tone;
    return made;
  },

  trend(panel, section) {
    const series = new Map();
    for (const item of section.related.flatMap((name) => panel.items(name))) {
      const at = timeOf(read(item, section.at));
      const value = read(item, section.value);
      if (Number.isNaN(at) || typeof value !== "number") continue;
      const name = words(panel.board, item, section.series ?? "") || section.label;
      const [tone] = section.flag ? [section.tones?.[read(item, section.flag)] ?? ""] : rangeTone(value, read(item, section.low ?? ""), read(item, section.high ?? ""));
      const point = { at, value, tone, low: read(item, section.low ?? ""), high: read(item, section.high ?? ""), flag: section.flag ? read(item, section.flag) : "" };
      const unit = section.unit?.includes("{") ? fill(panel.board, section.unit, item) : (section.unit ?? "");
      series.set(name, { unit, points: [...(series.get(name)?.points ?? []), point] });
    }
    const names = [...series.keys()].sort();
    if (!names.length) return frame(section, "", quiet(panel, section));
    const plots = names.map((name) => {
      const { unit, points } = series.get(name);
      return h("figure", { class: "trend", "data-key": name }, h("figcaption", {}, h("b", {}, name), unit && h("span", { class: "quiet" }, ` ${unit}`)), trend(points.sort((a, b) => a.at - b.at), { unit, label: name }));
    });
    return frame(section, "", h("div", { class: "trends" }, ...plots));
  },

  flowsheet(panel, section, row) {
    const cells = section.rows.flatMap((spec) => panel.items(spec.related).sort((a, b) => timeOf(read(a, spec.at)) - timeOf(read(b, spec.at))).map((item) => ({
      at: timeOf(read(item, spec.at)), label: fill(panel.board, spec.label, item) || spec.label, text: fill(panel.board, spec.text, item) || "•", tone: spec.tones?.[read(item, spec.tone ?? "")] ?? "",
    }))).filter((each) => !Number.isNaN(each.at));
    if (!cells.length) return frame(section, "", h("p", { class: "quiet" }, panel.heard(section.rows.map((spec) => spec.related)) ? section.empty : "Reading…"));
    const [start, end] = [timeOf(read(row, section.start ?? "")), timeOf(read(row, section.end ?? ""))];
    const heads = new Map(cells.map((each) => [dateKey(each.at), each.at]));
    if (start <= end) for (let index = 0, at = start; index < MOST_DAYS && dateKey(at) <= dateKey(end); index += 1, at += 86_400_000) heads.set(dateKey(at), at);
    const days = [...heads.keys()].sort().slice(0, MOST_DAYS);
    const labels = [...new Set(cells.map((each) => each.label))];
    const head = (key) => {
      const count = start ? dayNumber(start, heads.get(key)) : "";
      return h("th", { scope: "col", "aria-current": key === dateKey(now()) ? "date" : null }, short(heads.get(key)), count && h("small", {}, count));
    };
    return frame(section, "", h("div", { class: "sheet", tabindex: 0, role: "region", "aria-label": section.label }, h("table", {},
      h("thead", {}, h("tr", {}, h("td", {}), ...days.map(head))),
      h("tbody", {}, ...labels.map((label) => h("tr", {}, h("th", { scope: "row" }, label), ...days.map((key) =>
        h("td", {}, ...cells.filter((each) => each.label === label && dateKey(each.at) === key).map((each) => h("span", { class: each.tone || null }, each.text))))))))));
  },

  window(panel, section, row) {
    const column = panel.board.columns.find((each) => each.key === section.field);
    const start = isoOf(read(row, column.field));
    const end = isoOf(read(row, column.until));
    if (!start || !end) return frame(section, "", h("p", { class: "quiet" }, section.empty));
    const [risk, tone] = windowRisk(Date.parse(start), Date.parse(end), timeOf(read(row, column.against ?? "")));
    const sentence = { "empty before": `Runs empty at ${clock(row.$at)}, before the window opens.`, "empty during": `Runs empty at ${clock(row.$at)}, before the window ends.`, "in time": "The tank lasts beyond the window." }[risk] ?? (risk && `The window ${risk}.`);
    return frame(section, "", h("p", { class: "strong" }, when(start, "clock"), " – ", when(end, "time"), day(Date.parse(start)) ? null : " today"),
      sentence && h("small", { class: tone || null }, sentence));
  },

  contacts(panel, section) {
    const items = contactsOf(panel);
    return frame(section, "", h("ul", { class: "contacts" }, ...(items.length ? items.map((item) => contact(panel.board, item)) : [h("li", { class: "quiet" }, panel.heard(section.related) ? section.empty : "Reading…")])));
  },

  facts(panel, section, row) {
    const made = section.facts.map((fact) => [fact.label, ...factOf(panel.board, fact, row)]).filter((fact) => fact.length > 1);
    return made.length ? frame(section, "", h("dl", { class: "pairs" }, ...made.map(([label, ...said]) => h("div", {}, h("dt", {}, label), h("dd", {}, ...said))))) : null;
  },

  log(panel, section) {
    return lines(panel, section, section.related.flatMap((name) => panel.items(name)));
  },

  history(panel, section) {
    if (!section.related.some((name) => panel.parts.some((part) => part.name === name))) return null;
    const items = section.related.flatMap((name) => panel.items(name));
    const wanted = panel.filterOf(section.label).toLowerCase();
    const shown = wanted ? items.filter((item) => JSON.stringify(Object.values(item)).toLowerCase().includes(wanted)) : items;
    const made = lines(panel, section, shown);
    const input = h("input", { type: "search", class: "narrow", "data-key": "narrow", "data-narrow": section.label, placeholder: "Filter: an action, a name, a field", "aria-label": `Filter ${section.label.toLowerCase()}`, autocomplete: "off" });
    if (items.length > FEW) made.firstElementChild.after(input);
    return made;
  },

  checklist(panel, section, row) {
    const items = read(row, section.field) ?? [];
    return frame(section, "", h("ul", { class: "checklist" }, ...(items.length ? items.map((item) => h("li", {}, icon("square"), String(item?.label ?? item))) : [h("li", { class: "quiet" }, section.empty)])));
  },

  others(panel, section, row) {
    const shared = read(row, section.field);
    const others = panel.model.sorted().filter((each) => each.objectId !== row.objectId && shared !== undefined && read(each, section.field) === shared).slice(0, 20);
    if (!others.length) return null;
    const made = frame(section, "", ...others.map((other) => h("a", { href: panel.address({ chosen: other.objectId }), "data-level": panel.model.levelOf(other).value, "data-tone": panel.model.levelOf(other).tone, "data-key": other.objectId },
      h("b", {}, other.$label), tag(panel.model.levelOf(other)), h("small", {}, ...panel.part(other, ["left", "due"]).slice(0, 1).map((node) => node.textContent)))));
    made.classList.add("others");
    return made;
  },
};

const POINT_WORDS = { psiBefore: "before the refill", psiAfter: "after the refill", psiLevel: "read" };

function dayNumber(start, at) {
  const count = dayOf(start, at)[1];
  return dateKey(at) >= dateKey(start) ? `d${count}` : "";
}

function factOf(board, fact, row) {
  if (fact.kind === "deed") return [deed(board, row, 99)];
  const value = fact.kind && fact.kind !== "text" ? read(row, fact.field) : undefined;
  const iso = isoOf(value);
  if (!fact.kind || fact.kind === "text") return [fill(board, fact.field, row) || fact.missing].filter(Boolean);
  if (fact.kind === "place") {
    const point = read(row, fact.point ?? "");
    const text = words(board, row, fact.field) || placeWords(point) || fact.missing;
    return [point && text ? h("a", { href: geoLink(point) }, text) : text].filter(Boolean);
  }
  if (fact.kind === "phone") return [value ? h("a", { href: tel(value) }, String(value)) : fact.missing].filter(Boolean);
  if (fact.kind === "file") {
    const links = fileLinks(value).map(([href, name]) => fileLink(href, name));
    return links.length ? links : [fact.missing].filter(Boolean);
  }
  return iso ? [when(iso, fact.kind === "day" ? "date" : fact.kind)] : [fact.missing].filter(Boolean);
}

const fileLink = (href, name) => h("a", { class: "file", href, target: "_blank", rel: "noopener" }, name);

function contact(board, item) {
  const language = words(board, item, "preferredLanguage");
  return h("li", { class: "contact", "data-key": item.objectId ?? "" },
    h("div", {}, h("p", {}, h("b", {}, item.contactName), item.isPrimary ? " · primary" : ""), h("small", {}, item.relationship ?? "", language && " ", language && h("span", { class: "badge" }, language))),
    h("a", { class: "call", href: tel(item.phoneNumber), title: item.phoneNumber }, icon("phone"), "Call", h("span", { class: "sr" }, ` ${item.contactName}, ${item.phoneNumber}`)));
}

function lines(panel, section, found) {
  const items = found.sort((a, b) => timeOf(read(b, section.at)) - timeOf(read(a, section.at)));
  const shown = panel.isWhole(section.label) ? items : items.slice(0, FEW);
  return frame(section, "",
    h("ol", { class: "log" }, ...(items.length ? shown.map((item) => line(panel.board, section, item)) : [h("li", { class: "quiet" }, panel.heard(section.related) ? section.empty : "Reading…")])),
    items.length > shown.length && h("button", { class: "link-button", type: "button", "data-all": section.label }, `Show all ${number(items.length)}`));
}

/** One line of a log. */
export function line(board, section, item) {
  const text = section.kind === "history" ? deed(board, item) : (section.text ?? []).map((pattern) => fill(board, pattern, item)).filter(Boolean).join(" ");
  const note = [words(board, item, section.by ?? ""), ...(section.notes ?? []).map((pattern) => fill(board, pattern, item))].filter(Boolean).join(" · ");
  const iso = isoOf(read(item, section.at));
  const files = section.files ? fileLinks(read(item, section.files)) : [];
  return h("li", { "data-key": item.objectId ?? "pending", "data-pending": Boolean(item.$pending) }, iso ? when(iso, "clock") : h("span", {}, "—"),
    h("div", {}, h("span", {}, text || "—"), h("small", {}, item.$pending ? "being saved…" : note), ...files.map(([href, name]) => fileLink(href, name))));
}
