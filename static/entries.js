// Extension of htmx: no verdict leaves before everything is filled in. And its keys: digits fill in the marked groups in
// turn; then they give the verdict (keys.js).
import { findShown, findWork, isVerdict } from "./comparison.js";
import { bring, change, isFilledIn, nameBestOrWorst, openGroup, takeBack } from "./groups.js";
import { isTyping } from "./keys.js";

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
  reasons.scrollIntoView({ block: "center" });
  return false;
}

// The second click of a double click belongs to the previous comparison.
document.addEventListener(
  "click",
  (event) => {
    if (event.detail > 1 && event.target.closest("#work form button[type=submit]")) {
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
    if (!form || event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    if (event.isComposing || (isTyping(event.target) && event.key === "Process")) return; // Enter confirms a word of the input method
    if (press(form, event)) event.preventDefault();
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
  if (code === "Escape" && form.contains(target)) document.getElementById("main").focus();
  if (code === "Escape" || isTyping(target)) return false;
  const digit = (code.match(/^(?:Digit|Numpad)(\d)$/) || [])[1];
  if (digit && (inReasons || inFlag)) {
    const choice = (inReasons || inFlag).querySelectorAll("input[type=checkbox], input[type=radio]")[digit - 1];
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
  const group = openGroup(form);
  if (!group) return false;
  const inputs = [...group.querySelectorAll("input")];
  const values = inputs.map((input) => input.value);
  const isRow = values.includes("tie") || values.includes("left");
  const digits = values.includes("left") ? { 1: "left", 2: "right", 0: "tie" }[digit] : SCALE[digit - 1];
  const value = isRow ? VERDICTS[code] || digits : values[digit - 1];
  const chosen = value && inputs.find((input) => input.value === value);
  if (!chosen) return false;
  chosen.checked = true;
  bring(form, openGroup(form));
  change(form);
  return true;
}
