// The answers of a comparison and places in them: visible characters, and characters (code points) of the raw text.
import { align } from "./source.js";

const aligned = new WeakMap(); // element: its alignment
export const countPoints = (text) => [...text].length;
const findUnit = (text, points) => [...text].slice(0, points).join("").length;

// The answers: {side, list, article, text, raw, source}; text and raw are the elements that show it.
export function findAnswers(form) {
  return [...form.querySelectorAll("[data-spans]")].map((list) => {
    const article = list.closest(".answer");
    const raw = article.querySelector("[data-raw] > pre");
    const text = article.querySelector("[data-response]");
    return { side: list.dataset.spans, list, article, text, raw, source: raw.textContent };
  });
}

// The alignment (source.js) of one of an answer's elements.
export function alignView({ text, raw, source }, view) {
  if (!aligned.has(view)) {
    const hasBeside = view === text && raw.parentElement.querySelector(":scope > details");
    aligned.set(view, align(view, source, hasBeside ? text.querySelector(":scope > details") : null));
  }
  return aligned.get(view);
}

export const forget = (view) => aligned.delete(view);

// The part of the page from one visible character to another.
export function buildRange({ nodes }, from, to) {
  const range = document.createRange();
  const [first, last] = [from, to - 1].map((place) => nodes.findLast(({ start }) => start <= place));
  range.setStart(first.node, from - first.start);
  range.setEnd(last.node, to - last.start);
  return range;
}

// The field of a highlight on the visible characters from one to another; null where nothing of the source is there.
export function buildSpan({ side, source }, { low, high }, from, to) {
  let [first, last] = [from, to - 1];
  while (first < to && low[first] < 0) first++;
  while (last >= first && low[last] < 0) last--;
  if (first > last || low[first] >= high[last]) return null;
  const [start, end] = [low[first], high[last]].map((place) => countPoints(source.slice(0, place)));
  return { answer: side, start, end, of: countPoints(source) };
}

export const quote = ({ source }, { start, end }) => [...source].slice(start, end).join("");

// The visible characters of a highlight, as [from, to]; null where it is not visible.
export function findVisible({ source }, { low, high }, { start, end }) {
  const [from, to] = [start, end].map((points) => findUnit(source, points));
  const isIn = (place, n) => place >= 0 && place < to && high[n] > from;
  const first = low.findIndex(isIn);
  return first < 0 ? null : [first, low.findLastIndex(isIn) + 1];
}
