// Inserts a ready-made criterion into the list being edited. Without this script, the button submits the form.
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

// The preview shows everything that the comparison page's script would reveal.
const preview = document.getElementById("preview");
const reveal = () =>
  preview.querySelectorAll("[data-opens], [data-unfolds], [data-mark]").forEach((one) => {
    one.hidden = false;
  });
preview.addEventListener("htmx:afterSwap", reveal);
reveal();
