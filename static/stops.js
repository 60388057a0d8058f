// The stops of a comparison: what is filled in together. A stop is one group of radio buttons; for best and worst, those of
// all answers.

export const groupsOf = (form) => [...form.querySelectorAll("[data-group]")];
export const inputsOf = (stop) => stop.flatMap((group) => [...group.querySelectorAll("input")]);
export const isBestWorst = (stop) => stop[0].matches(".best-worst");
const criterionOf = (input) => input.name.replace(/rank_\d+$/, "");

export function stopsOf(form) {
  const stops = new Map();
  for (const group of groupsOf(form)) {
    const key = isBestWorst([group]) ? criterionOf(group.querySelector("input")) : group;
    stops.set(key, [...(stops.get(key) || []), group]);
  }
  return [...stops.values()];
}

export const hasOne = (inputs, value) => inputs.filter((one) => one.checked && one.value === value).length === 1;
export const isFilled = (stop) =>
  isBestWorst(stop)
    ? ["1", "3"].every((value) => hasOne(inputsOf(stop), value))
    : inputsOf(stop).some((input) => input.checked);
export const findOpen = (form) => stopsOf(form).find((stop) => !isFilled(stop));

// The groups in which two answers share a place.
export function findShared(form) {
  const set = [...form.querySelectorAll(".rank input:checked")];
  const isShared = (one) =>
    set.some((other) => other !== one && other.value === one.value && criterionOf(other) === criterionOf(one));
  return set.filter(isShared).map((input) => input.closest("[data-group]"));
}

// Clear the last entry; whether there was one.
export function takeBack(form) {
  const isNamed = (stop) => inputsOf(stop).some((input) => input.checked && input.value !== "2");
  const last = stopsOf(form)
    .filter((stop) => (isBestWorst(stop) ? isNamed(stop) : isFilled(stop)))
    .at(-1);
  if (!last) return false;
  const chosen = inputsOf(last).filter((input) => input.checked);
  if (isBestWorst(last)) setBetween(chosen.find((one) => one.value === "3") || chosen.find((one) => one.value === "1"));
  else chosen[0].checked = false;
  return true;
}

// There is one best and one worst answer: reset the previous one.
export function clearOthers(form, input) {
  for (const other of form.querySelectorAll(`.best-worst input[value="${input.value}"]:checked`)) {
    if (other !== input && criterionOf(other) === criterionOf(input)) setBetween(other);
  }
}

function setBetween(input) {
  input.closest("[data-group]").querySelector("input[value='2']").checked = true;
}
