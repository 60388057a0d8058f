// The groups of radio buttons of a comparison: which is to be filled in next, and what is still missing.
import { onComparison, tell } from "./comparison.js";
import { drawLadder } from "./ladder.js";
import { look } from "./view.js";

const groupsOf = (form) => [...form.querySelectorAll("[data-group]")];
const isFilled = (group) => group.querySelector("input:checked");
export const openGroup = (form) => groupsOf(form).find((group) => !isFilled(group));

// Mark the target of the digits: first best and worst of all answers, then each group in turn.
function mark(form, scrolls = false) {
  const part = openPart(form);
  const now = part ? null : openGroup(form);
  const marked = part ? part.map((input) => input.closest("[data-group]")) : [now];
  groupsOf(form).forEach((group) => group.classList.toggle("turn", marked.includes(group)));
  if (now && scrolls) now.scrollIntoView({ block: "nearest" });
}

// If answers are shown one at a time, show the one of this group.
export function bring(form, group) {
  const answer = group?.closest(".answer");
  if (answer?.hidden) look(form, String([...form.querySelectorAll(".answer")].indexOf(answer)));
}

// After each entry: what is filled in is no longer wrong, and the next group has its turn.
export function change(form) {
  groupsOf(form)
    .filter(isFilled)
    .forEach((group) => group.classList.remove("wrong"));
  mark(form, true);
  drawLadder(form);
  htmx.trigger(form, "groups:changed");
}

// Show what is filled in.
export function refresh(form) {
  mark(form);
  drawLadder(form);
}

document.addEventListener("change", ({ target }) => {
  const form = target.closest("#work > form[data-comparison]");
  if (!form) return;
  if (target.closest(".best-worst") && target.value !== "2") clearOthers(form, target);
  change(form);
});

// Whether everything is filled in; if not, show what is missing.
export function isFilledIn(form, words) {
  const open = openGroup(form);
  if (open) return point(form, [open], words.open);
  const part = openPart(form);
  if (part) {
    const groups = part.map((input) => input.closest("[data-group]"));
    return point(form, groups, words.oneEach);
  }
  const shared = form.dataset.ties === "no" ? findShared(form) : [];
  return !shared.length || point(form, shared, words.noTie);
}

// Show what to correct, and where; always false.
function point(form, wrong, words) {
  mark(form);
  bring(form, wrong[0]);
  wrong.forEach((group) => group.classList.add("wrong"));
  wrong[0].scrollIntoView({ block: "center" });
  tell(words);
  return false;
}

// The groups in which two answers share a place.
function findShared(form) {
  const set = [...form.querySelectorAll(".rank input:checked")];
  const isShared = (one) =>
    set.some((other) => other !== one && other.value === one.value && criterionOf(other) === criterionOf(one));
  return set.filter(isShared).map((input) => input.closest("[data-group]"));
}

// Clear the last entry; whether there was one.
export function takeBack(form) {
  const last = groupsOf(form)
    .filter((group) => isFilled(group) && !group.matches(".best-worst"))
    .at(-1);
  if (last) isFilled(last).checked = false;
  const named = last ? [] : partsOf(form).map((part) => part.filter((input) => input.checked && input.value !== "2"));
  const part = named.filter((inputs) => inputs.length).at(-1) || [];
  const [best, worst] = ["1", "3"].map((value) => part.find((one) => one.value === value));
  if (worst || best) setBetween(worst || best);
  return !!(last || worst || best);
}

// --- best and worst: for each criterion, one answer each ----------------------------------------------------------------

const criterionOf = (input) => input.name.replace(/rank_\d+$/, "");

// The inputs, per criterion.
function partsOf(form) {
  const parts = new Map();
  for (const input of form.querySelectorAll(".best-worst input")) {
    parts.set(criterionOf(input), [...(parts.get(criterionOf(input)) || []), input]);
  }
  return [...parts.values()];
}

const hasOneEach = (inputs) =>
  ["1", "3"].every((value) => inputs.filter((one) => one.checked && one.value === value).length === 1);
const openPart = (form) => partsOf(form).find((inputs) => !hasOneEach(inputs));

// The first digit names the best answer, the second the worst. Whether the digit did.
export function nameBestOrWorst(form, digit) {
  const part = openPart(form);
  if (!part) return false;
  const value = part.some((input) => input.checked && input.value === "1") ? "3" : "1";
  const input = part.filter((one) => one.value === value)[digit - 1];
  if (!input) return false;
  input.checked = true;
  clearOthers(form, input);
  change(form);
  return true;
}

// There is one best and one worst answer: reset the previous one.
function clearOthers(form, input) {
  for (const other of form.querySelectorAll(`.best-worst input[value="${input.value}"]:checked`)) {
    if (other !== input && criterionOf(other) === criterionOf(input)) setBetween(other);
  }
}

function setBetween(input) {
  input.closest("[data-group]").querySelector("input[value='2']").checked = true;
}

onComparison(refresh);
