// The highlights of a comparison: a list below each answer, whose hidden fields go with the verdict, and the same places
// drawn in the answer where the browser can. A field is JSON: {answer, start, end, of, label, note}, in characters (code
// points) of the raw text, of which there are `of`.
import { onComparison } from "./comparison.js";
import { alignView, buildRange, countPoints, findAnswers, findVisible, forget, quote } from "./places.js";

const COLOURS = 6; // that the style sheet has
const watched = new WeakSet();

export const isMarkable = (form) => !!form?.querySelector("[data-marking]");

export const listItems = (form) => [...form.querySelectorAll("[data-spans] > li")];
export const readItem = (item) => JSON.parse(item.querySelector("[name=span]").value);

function read(value) {
  try {
    return JSON.parse(value);
  } catch {
    return {};
  }
}

// Fill the lists with the values of fields, and draw them.
export function fill(form, values) {
  const answers = findAnswers(form);
  const byPlace = (one, other) => read(one).start - read(other).start || read(one).end - read(other).end;
  const sorted = [...new Set(values)].sort(byPlace);
  for (const answer of answers) {
    const own = sorted.filter((value) => read(value).answer === answer.side && fits(answer, read(value)));
    answer.list.replaceChildren(...own.map((value) => buildItem(form, answer, value)));
  }
  draw(form);
}

const fits = ({ source }, { start, end, of }) => 0 <= start && start < end && end <= of && of === countPoints(source);

function buildItem(form, answer, value) {
  const span = read(value);
  const item = form.querySelector("[data-span-item]").content.firstElementChild.cloneNode(true);
  const button = listLabels(form).find((one) => one.dataset.label === span.label);
  item.prepend(Object.assign(document.createElement("input"), { type: "hidden", name: "span", value }));
  item.dataset.colour = findColour(form, span);
  item.querySelector("[data-said-label]").textContent = button?.firstElementChild.textContent ?? span.label;
  item.querySelector("q").textContent = quote(answer, span);
  item.querySelector("[data-said-note]").textContent = span.note;
  return item;
}

export const listLabels = (form) => [...form.querySelectorAll("[data-marking] [data-label]")];

function findColour(form, { label }) {
  const place = listLabels(form).findIndex((one) => one.dataset.label === label);
  return (Math.max(0, place) % COLOURS) + 1;
}

// Replace the highlights; a person did it.
export function change(form, spans) {
  fill(
    form,
    spans.map((span) => JSON.stringify(span)),
  );
  form.querySelector("[data-spans]").dispatchEvent(new Event("input", { bubbles: true }));
}

// Draw all highlights of a comparison. now: one that is being made, {answer, view, from, to}.
export function draw(form, now = null) {
  if (!globalThis.Highlight) return;
  const ranges = new Map([...Array(COLOURS).keys()].map((n) => [`span-${n + 1}`, []]));
  for (const answer of findAnswers(form)) {
    for (const span of [...answer.list.children].map(readItem)) {
      for (const view of [answer.text, answer.raw]) {
        const alignment = alignView(answer, view);
        const visible = findVisible(answer, alignment, span);
        if (visible) ranges.get(`span-${findColour(form, span)}`).push(buildRange(alignment, ...visible));
      }
    }
  }
  ranges.set("span-now", now ? [buildRange(alignView(now.answer, now.view), now.from, now.to)] : []);
  for (const [name, parts] of ranges) CSS.highlights.set(name, new Highlight(...parts));
}

onComparison((form) => {
  if (!isMarkable(form)) return;
  fill(
    form,
    [...form.querySelectorAll("[name=span]")].map((field) => field.value),
  );
  for (const { text } of findAnswers(form)) {
    if (watched.has(text)) continue;
    watched.add(text); // its words change where differences are marked
    new MutationObserver(() => {
      forget(text);
      if (form.isConnected) draw(form);
    }).observe(text, { childList: true });
  }
});

document.addEventListener("drafts:fill", ({ target, detail }) => {
  if (isMarkable(target))
    fill(
      target,
      detail.pairs.filter(([name]) => name === "span").map(([, value]) => value),
    );
});
