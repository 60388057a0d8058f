// Where the source of an answer has what the page shows of it: the visible text is the source less its markup. Each line is
// looked for from the beginning and from the end; where both disagree the true place lies between, and a range widens.

import { collect, isBlank } from "./visible.js";

const FAR = 20_000; // characters searched for one line
const MOST_STEPS = 5_000_000; // characters compared for one answer: a hostile one may repeat itself at every place
let steps = 0;
const ENTITY = /&(?:#\d{1,7}|#[xX][\da-fA-F]{1,6}|[A-Za-z][A-Za-z\d]{1,31});/y;
const PUNCTUATION = /[!-/:-@[-`{-~]/;
const LINK_END = /\]\(<?((?:[^()\s]|\([^()\s]*\))*)>?(?:\s+(?:"[^"\n]*"|'[^'\n]*'))?\s*\)/g;
const FENCE = /^[\t >]*(?:```|~~~).*$/gm;
const entities = new Map();

function decode(entity) {
  if (!entities.has(entity)) {
    entities.set(entity, new DOMParser().parseFromString(entity, "text/html").documentElement.textContent);
  }
  return entities.get(entity);
}

// The place in the source of each character of a unit that begins at `at`: {starts, ends}; null if it does not stand there.
function matchAt(source, at, text, unit) {
  if (source[at] !== text[unit.start] && source[at] !== "\\" && source[at] !== "&") return null;
  const [starts, ends] = [[], []];
  let place = at;
  for (let n = unit.start; n < unit.end; n++) {
    const character = text[n];
    steps += 1;
    const [step, covers] = isBlank(character)
      ? [countBlanks(source, place), 1]
      : stepOver(source, place, text, n, unit.kind === "code");
    if (!step && !(isBlank(character) && isBlank(source[place - 1]))) return null;
    for (let k = 0; k < covers; k++) {
      starts.push(place);
      ends.push(place + step);
    }
    n += covers - 1;
    place += step;
  }
  return { starts, ends, from: at, to: place };
}

function countBlanks(source, place) {
  let n = 0;
  while (isBlank(source[place + n])) n++;
  return n;
}

// How much of the source one character takes, and how many of the text that is: an escape, an entity, or itself.
function stepOver(source, place, text, n, isCode) {
  const character = text[n];
  if (source[place] === "\\" && source[place + 1] === character && PUNCTUATION.test(character)) {
    if (!isCode || character === "|") return [2, 1];
  }
  if (source[place] === "&" && !isCode) {
    ENTITY.lastIndex = place;
    const [entity] = ENTITY.exec(source) || [];
    const shown = entity && decode(entity);
    if (shown && text.startsWith(shown, n)) return [entity.length, shown.length];
  }
  return source[place] === character ? [1, 1] : [0, 1];
}

// Finds the units one after another; gives each its `left` or `right` match. Whether all were found.
function findAll(source, text, units, isFromLeft) {
  const side = isFromLeft ? "left" : "right";
  let place = isFromLeft ? 0 : source.length;
  let isWhole = true;
  for (const unit of isFromLeft ? units : [...units].reverse()) {
    unit[side] = null;
    if (unit.kind === "math") continue;
    for (let far = 0; far < FAR && steps < MOST_STEPS && !unit[side]; far++) {
      const at = isFromLeft ? place + far : place - unit.least - far;
      if (at < 0 || at >= source.length) break;
      const match = matchAt(source, at, text, unit);
      if (match && (isFromLeft || match.to <= place)) unit[side] = match;
    }
    if (unit[side]) place = isFromLeft ? unit[side].to : unit[side].from;
    else isWhole = false;
  }
  return isWhole;
}

// The source with what is certainly no text made unreadable: addresses of the links that are there, lines of fences.
function hideMarkup(root, source) {
  const links = new Set([...root.querySelectorAll("a[href]")].map((link) => link.getAttribute("href")));
  const blank = (text) => "\0".repeat(text.length);
  const isLink = (href) => links.has(href) || links.has(encodeURI(href));
  return source
    .replace(LINK_END, (whole, href) => (isLink(href) ? blank(whole) : whole))
    .replace(FENCE, (line) => (root.querySelector("pre") ? blank(line) : line));
}

// The visible text of an element with the range of the source for each of its characters: {text, nodes, low, high}; -1
// for blanks between lines. beside: an element in it whose text is not in the source, or null.
export function align(root, source, beside) {
  const { text, nodes, units } = collect(root, beside);
  steps = 0;
  const hidden = hideMarkup(root, source);
  const isClear = findAll(hidden, text, units, true) && findAll(hidden, text, units, false);
  if (!isClear) for (const isFromLeft of [true, false]) findAll(source, text, units, isFromLeft);
  const low = new Int32Array(text.length).fill(-1);
  const high = new Int32Array(text.length).fill(-1);
  let before = 0; // where the last unit that was found ends
  units.forEach((unit, n) => {
    const isFound = unit.left && unit.right;
    const [from, to] = isFound ? [0, 0] : trim(source, before, findNext(units, n) ?? source.length);
    for (let place = unit.start; place < unit.end; place++) {
      low[place] = isFound ? unit.left.starts[place - unit.start] : from;
      high[place] = isFound ? unit.right.ends[place - unit.start] : to;
    }
    if (isFound) before = unit.left.to;
  });
  return { text, nodes, low, high };
}

const findNext = (units, n) => units.find((unit, place) => place > n && unit.left && unit.right)?.right.from;

function trim(source, from, to) {
  while (from < to && isBlank(source[from])) from++;
  while (to > from && isBlank(source[to - 1])) to--;
  return [from, to];
}
