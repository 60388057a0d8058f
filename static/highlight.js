// Marking a piece of an answer: what is selected there, by mouse, finger or keys, gets a label in a small toolbar. While
// that is open, digits are its labels, arrows move by words and lines, with Shift they extend, and Enter leads to the note.
import { findShown, onComparison } from "./comparison.js";
import { isTyping } from "./keys.js";
import { barOf, close, edit, last, noteOf, now, open, pick, readSelection, remove, select, viewOf } from "./marking.js";
import { alignView, findAnswers } from "./places.js";
import { isMarkable, listLabels, readItem } from "./spans.js";
import { listWords, step } from "./words.js";

const SETTLED = 100; // ms without a change of the selection
let timer = null;

// Follow the selection.
function follow() {
  const form = findShown();
  if (!isMarkable(form) || barOf(form).contains(document.activeElement)) return;
  const found = readSelection(form);
  if (!found) return now?.item ? undefined : close();
  if (!now || ["view", "from", "to"].some((name) => now[name] !== found[name])) open(found);
}

// Begin with keys: in the answer where they were last, or in the next one.
function start(form, side) {
  const answers = findAnswers(form).filter(({ article }) => !article.hidden);
  const here = answers.find(({ article }) => article.contains(document.activeElement))?.side;
  const wanted = side || now?.answer.side || here || (last?.form === form && last.side);
  const place = answers.findIndex((one) => one.side === wanted);
  const answer = answers[(Math.max(0, place) + (now && !side ? 1 : 0)) % answers.length];
  const view = viewOf(answer);
  const words = listWords(alignView(answer, view));
  const known = last?.form === form && last.side === answer.side ? words.findIndex(({ from }) => from >= last.from) : 0;
  const word = words[Math.max(0, known)];
  if (!word) return;
  view.closest("[tabindex]").focus({ preventScroll: true });
  select({ form, answer, view, ...word });
}

function move(code, extends_) {
  const alignment = alignView(now.answer, now.view);
  const words = now.words || listWords(alignment);
  const at = (place) =>
    Math.max(
      0,
      words.findLastIndex(({ from }) => from <= place),
    );
  const { anchor = at(now.from), head = at(now.to - 1) } = now;
  const next = step(alignment, words, head, code);
  const ends = [extends_ ? anchor : next, next].sort((one, other) => one - other).map((n) => words[n]);
  select({ ...now, words, anchor: extends_ ? anchor : next, head: next, from: ends[0].from, to: ends[1].to });
}

// What a key does; whether it did anything.
function press(form, { code, key, shiftKey, target }) {
  const inNote = target.matches?.("[data-span-note]");
  if (!now) {
    if (code !== "KeyH" || shiftKey || isTyping(target)) return false;
    start(form);
    return true;
  }
  if (code === "Escape") close();
  else if (inNote && code.endsWith("Enter")) {
    const set = now.item ? readItem(now.item).label : null;
    if (set) pick(set);
    else listLabels(form)[0].focus();
  } else if (isTyping(target)) return false;
  else if (code.startsWith("Arrow")) move(code, shiftKey);
  else if (shiftKey) return false;
  else if (code === "KeyH") start(form);
  else if (/^(Digit|Numpad)\d$/.test(code)) {
    const button = listLabels(form)[Number(code.at(-1)) - 1];
    if (button) pick(button.dataset.label);
  } else if (now.item && (key === "Delete" || key === "Backspace")) remove(form, now.item);
  else if (code.endsWith("Enter") && !target.closest("[data-marking] button")) noteOf(form).focus();
  else return false;
  return true;
}

addEventListener(
  "keydown",
  (event) => {
    const form = findShown();
    if (!isMarkable(form) || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (event.repeat && !event.code.startsWith("Arrow")) return;
    if (!press(form, event)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  },
  true,
);

// The selection stays while the toolbar is used.
document.addEventListener("pointerdown", (event) => {
  if (event.target.closest("[data-marking]") && !event.target.matches("input")) event.preventDefault();
});

document.addEventListener("click", ({ target }) => {
  const form = target.closest("#work > form[data-comparison]");
  const button = target.closest("button");
  if (!button || !isMarkable(form)) return;
  const item = target.closest("[data-spans] > li");
  if (button.matches("[data-marking] [data-label]") && now) pick(button.dataset.label);
  if (button.matches("[data-marking] [data-remove]") && now) remove(form, now.item);
  if (button.matches("[data-marking] [data-close]")) close();
  if (button.matches("[data-mark]")) start(form, button.dataset.mark);
  if (item && button.matches("[data-edit]")) edit(form, item);
  if (item && button.matches("[data-drop]")) remove(form, item);
});

document.addEventListener("selectionchange", () => {
  clearTimeout(timer);
  timer = setTimeout(follow, SETTLED);
});

onComparison((form) => {
  close();
  for (const button of form.querySelectorAll("[data-mark]")) button.hidden = false;
});
