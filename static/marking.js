// The toolbar in which a piece of an answer gets a label and a note.
import { tell } from "./comparison.js";
import { alignView, buildRange, buildSpan, findAnswers, findVisible, quote } from "./places.js";
import { change, draw, listItems, listLabels, readItem } from "./spans.js";

const MOST = 50;
export let now = null; // {form, answer, view, from, to}; item: the one that is edited; words, anchor, head: see highlight.js
export let last = null; // where the person was last: {form, side, from}

export const barOf = (form) => form.querySelector("[data-marking]");
export const noteOf = (form) => form.querySelector("[data-span-note]");
export const viewOf = ({ text, raw }) => [text, raw].find((view) => view.offsetParent) || text;

export function open(target) {
  const { form, answer, view, from, to, item } = target;
  const span = buildSpan(answer, alignView(answer, view), from, to);
  if (!span) return;
  const isSame = now && now.item === item;
  now = { ...target, span };
  const bar = barOf(form);
  const label = item && readItem(item).label;
  bar.hidden = false;
  bar.style.bottom = `${form.querySelector(".bar").offsetHeight + 8}px`;
  bar.querySelector("[data-quote]").textContent = quote(answer, span).slice(0, 300);
  bar.querySelector("[data-remove]").hidden = !item;
  if (!isSame) noteOf(form).value = item ? readItem(item).note : "";
  for (const one of listLabels(form)) one.setAttribute("aria-pressed", String(one.dataset.label === label));
  draw(form, now);
}

export function close() {
  if (!now) return;
  const { form, view, answer, from } = now;
  const hadFocus = barOf(form).contains(document.activeElement);
  last = { form, side: answer.side, from };
  now = null;
  barOf(form).hidden = true;
  noteOf(form).value = "";
  if (!form.isConnected) return;
  draw(form);
  getSelection().removeAllRanges();
  if (hadFocus) view.closest("[tabindex]").focus({ preventScroll: true });
}

function listOthers(form, item) {
  const others = listItems(form).filter((one) => one !== item);
  return others.map(readItem);
}

export function pick(label) {
  const { form, item, span } = now;
  const key = (one) => JSON.stringify([one.answer, one.start, one.end, one.label]);
  const spans = listOthers(form, item).filter((one) => key(one) !== key({ ...span, label }));
  if (spans.length >= MOST) return tell(barOf(form).dataset.most);
  const note = noteOf(form).value.trim();
  close();
  change(form, [...spans, { ...span, label, note }]);
}

export function remove(form, item) {
  close();
  change(form, listOthers(form, item));
}

export function edit(form, item) {
  const answer = findAnswers(form).find(({ list }) => list.contains(item));
  const view = viewOf(answer);
  const visible = findVisible(answer, alignView(answer, view), readItem(item));
  if (!visible) return;
  select({ form, answer, view, item, from: visible[0], to: visible[1] });
  noteOf(form).focus();
}

// Select a piece, and show it.
export function select(target) {
  const range = buildRange(alignView(target.answer, target.view), target.from, target.to);
  getSelection().setBaseAndExtent(range.startContainer, range.startOffset, range.endContainer, range.endOffset);
  open(target);
  const { top, bottom } = range.getBoundingClientRect();
  const floor = barOf(target.form).getBoundingClientRect().top - 12;
  if (bottom > floor || top < 80) scrollBy({ top: bottom > floor ? bottom - floor + 80 : top - 120 });
}

// What is selected, within one answer; null where nothing is.
export function readSelection(form) {
  const { anchorNode, focusNode, isCollapsed, rangeCount } = getSelection();
  if (!rangeCount || isCollapsed) return null;
  const range = getSelection().getRangeAt(0);
  const views = findAnswers(form).flatMap((answer) => [answer.text, answer.raw].map((view) => ({ answer, view })));
  const found = [anchorNode, focusNode].map((node) => views.find(({ view }) => view.contains(node))).find(Boolean);
  if (!found) return null;
  const { text, nodes } = alignView(found.answer, found.view);
  let [from, to] = [text.length, 0];
  for (const { node, start } of nodes.filter((one) => range.intersectsNode(one.node))) {
    from = Math.min(from, start + (node === range.startContainer ? range.startOffset : 0));
    to = Math.max(to, start + (node === range.endContainer ? range.endOffset : node.length));
  }
  while (from < to && !text[from].trim()) from++;
  while (to > from && !text[to - 1].trim()) to--;
  return from < to ? { form, ...found, from, to } : null;
}
