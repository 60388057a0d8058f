// The groups of radio buttons in the bar: whose turn it is, and what is still missing.
import { onComparison, tell } from "./comparison.js";
import { drawLadder } from "./ladder.js";
import {
  clearOthers,
  findOpen,
  findShared,
  groupsOf,
  hasOne,
  inputsOf,
  isBestWorst,
  isFilled,
  stopsOf,
} from "./stops.js";
import { look } from "./view.js";

// The stop whose turn it is: the one that the person went to, else the first that is missing.
const findTurn = (form) => stopsOf(form).find((stop) => stop.includes(form.chosenGroup)) || findOpen(form);
export const findGroup = (form) => findTurn(form)?.[0];

// Mark whose turn it is, in the bar and among the answers.
function mark(form) {
  const turn = findTurn(form) || [];
  const side = turn.length === 1 && turn[0].dataset.side;
  groupsOf(form).forEach((group) => group.classList.toggle("turn", turn.includes(group)));
  form.querySelectorAll(".answer").forEach((answer) => {
    answer.classList.toggle("asked", !!side && !!answer.querySelector(`[data-response="${side}"]`));
  });
}

function goTo(form, group) {
  form.chosenGroup = group;
  mark(form);
  bring(form, group);
}

// If answers are shown one at a time, show the one of this group.
function bring(form, group) {
  const answer =
    group?.dataset.side && form.querySelector(`[data-response="${group.dataset.side}"]`).closest(".answer");
  if (answer?.hidden) look(form, String([...form.querySelectorAll(".answer")].indexOf(answer)));
}

// Go back to the previous stop, or on from the one that the person went back to. Whether there was one.
export function step(form, by) {
  const stops = stopsOf(form);
  if (by > 0 && !form.chosenGroup) return false;
  const turn = findTurn(form);
  const place = (turn ? stops.findIndex(([group]) => group === turn[0]) : stops.length) + by;
  if (place < 0) return false;
  goTo(form, stops[place]?.[0]);
  if (document.activeElement.closest("[data-group]")) document.getElementById("main").focus({ preventScroll: true });
  return true;
}

// After each entry: what is filled in is no longer wrong, and the next stop has its turn.
export function change(form) {
  for (const stop of stopsOf(form).filter(isFilled)) stop.forEach((group) => group.classList.remove("wrong"));
  const stays = arrow && document.activeElement.closest("[data-group]"); // arrows try one option after the other
  goTo(form, stays || null);
  if (!stays) bring(form, findGroup(form));
  drawLadder(form);
  htmx.trigger(form, "groups:changed");
}

// Show what is filled in.
export function refresh(form) {
  form.chosenGroup = null;
  mark(form);
  drawLadder(form);
}

let arrow = false; // an arrow key is down
document.addEventListener("keydown", ({ code }) => (arrow = code.startsWith("Arrow")), true);
for (const name of ["keyup", "pointerdown"]) document.addEventListener(name, () => (arrow = false), true);

document.addEventListener("change", ({ target }) => {
  const form = target.closest("#work > form[data-comparison]");
  if (!form) return;
  if (target.closest(".best-worst") && target.value !== "2") clearOthers(form, target);
  if (target.closest("[data-group], [data-ladder]")) change(form);
});

// The focus, or a click on what is filled in, goes to that group.
for (const name of ["focusin", "click"]) {
  document.addEventListener(name, ({ target, detail }) => {
    const form = target.closest("#work > form[data-comparison]");
    const group = target.closest("[data-group]");
    if (!form || !group) return;
    if (name === "focusin" || !target.matches("input")) goTo(form, group);
    else if (detail) document.getElementById("main").focus({ preventScroll: true }); // keys are free again
  });
}

// Whether everything is filled in; if not, show what is missing.
export function isFilledIn(form, words) {
  const open = findOpen(form);
  if (open) return point(form, open, isBestWorst(open) ? words.oneEach : words.open);
  const shared = form.dataset.ties === "no" ? findShared(form) : [];
  return !shared.length || point(form, shared, words.noTie);
}

// Show what to correct, and where; always false.
function point(form, wrong, words) {
  goTo(form, wrong[0]);
  wrong.forEach((group) => group.classList.add("wrong"));
  tell(words);
  return false;
}

// Best and worst: the first digit names the best answer, the second the worst. Whether the digit did.
export function nameBestOrWorst(form, digit) {
  const turn = findTurn(form);
  if (!turn || !isBestWorst(turn)) return false;
  const inputs = inputsOf(turn);
  const value = hasOne(inputs, "1") && !hasOne(inputs, "3") ? "3" : "1";
  const input = inputs.filter((one) => one.value === value)[digit - 1];
  if (!input) return false;
  input.checked = true;
  clearOthers(form, input);
  change(form);
  return true;
}

onComparison(refresh);
