// A ready criterion is put into the list where it is being written. Without this, the button sends the form for it.
"use strict";

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-adds]");
  if (!button) return;
  event.preventDefault();
  const list = button.form.elements.criteria;
  const nameOf = (line) => line.split(/[:：]/)[0].trim().toLowerCase();
  const lines = list.value.split("\n").filter((line) => line.trim());
  if (!lines.some((line) => nameOf(line) === nameOf(button.dataset.adds))) {
    list.value = [...lines, button.dataset.adds].join("\n");
    list.dispatchEvent(new Event("input", { bubbles: true }));
  }
  list.focus();
});

// What the script of the comparison page brings into sight there, is in sight in the preview.
const preview = document.getElementById("preview");
const reveal = () => preview.querySelectorAll("[data-opens], [data-unfolds]").forEach((one) => { one.hidden = false; });
preview.addEventListener("htmx:afterSwap", reveal);
reveal();
