// The words of an answer, for moving in it with keys.
import { buildRange } from "./places.js";

const SIGNS = /^[\p{P}\s]*$/u;

// The visible words, symbols and emoji of an alignment (source.js), as [{from, to}].
export function listWords({ text, nodes, low }) {
  const isHidden = ({ node }) => node.parentElement.checkVisibility?.() === false;
  const hidden = nodes.filter(isHidden).map(({ node, start }) => ({ from: start, to: start + node.length }));
  return split(text)
    .filter(([word, from]) => !SIGNS.test(word) && low[from] >= 0)
    .map(([word, from]) => ({ from, to: from + word.length }))
    .filter((word) => !hidden.some(({ from, to }) => word.from >= from && word.to <= to));
}

function split(text) {
  if (Intl.Segmenter) {
    const segments = new Intl.Segmenter(undefined, { granularity: "word" }).segment(text);
    return [...segments].map(({ segment, index }) => [segment, index]);
  }
  return [...text.matchAll(/[\p{L}\p{N}]+|[^\s\p{L}\p{N}]/gu)].map((match) => [match[0], match.index]);
}

// The word to which an arrow leads from the n-th one.
export function step(alignment, words, n, code) {
  const by = code === "ArrowLeft" || code === "ArrowUp" ? -1 : 1;
  if (code === "ArrowLeft" || code === "ArrowRight") return Math.max(0, Math.min(words.length - 1, n + by));
  const boxOf = ({ from, to }) => buildRange(alignment, from, to).getBoundingClientRect();
  const isOnLine = (box, line) => Math.abs(box.top + box.bottom - line.top - line.bottom) < line.height;
  const here = boxOf(words[n]);
  let next = n + by;
  while (words[next] && isOnLine(boxOf(words[next]), here)) next += by;
  if (!words[next]) return by < 0 ? 0 : words.length - 1;
  const line = boxOf(words[next]);
  const distance = (place) => Math.abs(boxOf(words[place]).left - here.left);
  let best = next;
  for (; words[next] && isOnLine(boxOf(words[next]), line); next += by)
    if (distance(next) < distance(best)) best = next;
  return best;
}
