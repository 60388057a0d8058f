// Extension of htmx: no verdict leaves before everything is filled in. And its keys: digits fill in the groups of the bar in
// turn; then they give the verdict (keys.js).
import { findShown, findWork, isVerdict } from "./comparison.js";
import { change, findGroup, isFilledIn, nameBestOrWorst, step } from "./groups.js";
import { isTyping } from "./keys.js";
import { takeBack } from "./stops.js";

const SCALE = ["left3", "left2", "left1", "tie", "right1", "right2", "right3"];
const VERDICTS = { Digit0: "tie", Numpad0: "tie", KeyB: "both_bad", ArrowLeft: "left", ArrowRight: "right" };

htmx.defineExtension("entries", {
  onEvent(name, { detail }) {
    if (name !== "htmx:confirm" || !isVerdict(detail)) return;
    const button = detail.triggeringEvent?.submitter;
    return button?.name === "verdict" && isComplete(detail.elt, button);
  },
});

function isComplete(form, button) {
  const verdict = button.value;
  if (["skip", "keep"].includes(verdict)) return true;
  if (verdict === "flag") {
    const chosen = form.querySelector("[name=flag]:checked");
    if (!chosen) form.querySelector("[name=flag]").focus();
    return !!chosen;
  }
  return isFilledIn(form, findWork().dataset) && hasReason(form, button);
}

// Where a reason is required the verdict waits for it.
function hasReason(form, button) {
  const reasons = form.querySelector("[data-reasons=required]");
  if (!reasons || reasons.querySelector(":checked") || form.elements.reason.value.trim()) return true;
  form.dataset.verdict = button.value;
  form.querySelectorAll("[name=verdict]").forEach((one) => one.classList.toggle("awaiting", one === button));
  reasons.querySelector("[data-awaiting]").hidden = false;
  reasons.querySelector("input").focus();
  return false;
}

// A click on the folded reasons opens them.
document.addEventListener("click", ({ target }) => {
  const reasons = target.closest("#work [data-reasons]:not(:focus-within)");
  if (reasons && !target.matches("input")) focusOn(reasons.querySelector("input"));
});

// The second click of a double click belongs to the previous comparison.
let clicked; // the form whose button got the first click; null: it was no button
document.addEventListener(
  "click",
  (event) => {
    const form = event.target.closest("#work form button[type=submit]")?.form || null;
    if (event.detail < 2) clicked = form;
    else if (form && clicked !== null && clicked !== form) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  },
  true,
);

document.addEventListener(
  "keydown",
  (event) => {
    const form = findShown();
    if (!form || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.isComposing || (isTyping(event.target) && event.key === "Process")) return; // Enter confirms a word of the input method
    const did = event.shiftKey ? pressShifted(form, event) : press(form, event);
    if (did) event.preventDefault();
  },
  true,
);

// What a key does; whether it did anything.
function press(form, { code, target }) {
  const inReasons = target.closest("[data-reasons]");
  const inFlag = target.closest("[data-flag]");
  const sends = inFlag ? "flag" : inReasons && form.dataset.verdict;
  if (sends && code.endsWith("Enter") && target.matches("input")) {
    form.querySelector(`[name=verdict][value="${sends}"]`).click();
    return true;
  }
  if (inReasons && !isTyping(target) && (code === "KeyR" || code.endsWith("Enter"))) return leave();
  if (code === "Escape" && target.closest("[data-reasons], [data-flag], [data-repair]")) return leave();
  if (isTyping(target)) return false;
  if (code === "Escape") return step(form, -1);
  if (code.endsWith("Enter") && !target.closest("a, button, summary") && step(form, +1)) return true;
  const digit = readDigit(code);
  if (digit && (inReasons || inFlag)) {
    const choice = findChoice(inReasons || inFlag, digit);
    if (choice) choice.click(), choice.focus();
    return true;
  }
  if (code.startsWith("Arrow") && target.matches("input")) return false; // arrows move between radio buttons
  if (code === "KeyR") return focusOn(form.querySelector("[data-reasons] input"));
  if (code === "KeyE") return openRepair(form);
  if (code === "Backspace") {
    const had = takeBack(form);
    if (had) change(form);
    return had;
  }
  return (digit && nameBestOrWorst(form, digit)) || fillGroup(form, code, digit);
}

// Shift and a digit choose a reason from anywhere.
function pressShifted(form, { code, target }) {
  const reasons = form.querySelector("[data-reasons]");
  const choice = reasons && !isTyping(target) && findChoice(reasons, readDigit(code));
  choice?.click();
  return !!choice;
}

const readDigit = (code) => (code.match(/^(?:Digit|Numpad)(\d)$/) || [])[1];
const findChoice = (part, digit) => part.querySelectorAll("input[type=checkbox], input[type=radio]")[digit - 1];

function leave() {
  document.getElementById("main").focus({ preventScroll: true });
  return true;
}

function focusOn(field) {
  field?.focus();
  return !!field;
}

// Open the next answer to improve.
function openRepair(form) {
  const all = [...form.querySelectorAll("[data-repair]")];
  const details = all.find((one) => !one.open) || all[0];
  if (details) details.open = true;
  return focusOn(details?.querySelector("textarea"));
}

// Choose the key's option in the group whose turn it is. In a row of verdicts, keys mean what they mean on the buttons.
function fillGroup(form, code, digit) {
  const group = findGroup(form);
  if (!group) return false;
  const inputs = [...group.querySelectorAll("input")];
  const values = inputs.map((input) => input.value);
  const isRow = values.includes("tie") || values.includes("left");
  const digits = values.includes("left") ? { 1: "left", 2: "right", 0: "tie" }[digit] : SCALE[digit - 1];
  const value = isRow ? VERDICTS[code] || digits : values[digit - 1];
  const chosen = value && inputs.find((input) => input.value === value);
  if (!chosen) return false;
  chosen.checked = true;
  change(form);
  return true;
}
