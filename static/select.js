// A checkbox that selects all of a list. Without this script it is hidden; the form offers the whole page too.
"use strict";

for (const all of document.querySelectorAll("input[data-selects]")) {
  const boxes = [...all.form.querySelectorAll(`input[name="${all.dataset.selects}"]`)];
  all.closest("label").hidden = false;
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
  });
  all.form.addEventListener("change", () => {
    all.checked = boxes.every((box) => box.checked);
  });
}
