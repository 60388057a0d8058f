// Keys, and the few things a page with JavaScript does better. Without it the forms work as they are.
"use strict";

// By their place on the keyboard, so that they work while an input method is on.
document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.closest("input, textarea, select, dialog")) return;
  const key = event.key === "?" || (event.shiftKey && event.code === "Slash") ? "?" : event.code;
  if (event.shiftKey && key !== "?") return;
  const button = document.querySelector(`[data-keys~="${CSS.escape(key)}"]`) || document.querySelector(`[data-keys="${key}"]`);
  if (!button) return;
  event.preventDefault();
  button.click();
});

// The second click of a double click belongs to the comparison that is gone.
document.addEventListener("click", (event) => {
  const button = event.target.closest("#work form button");
  if (button && event.detail > 1) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
  const opener = event.target.closest("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens).showModal();
  const toggler = event.target.closest("[data-toggles]");
  if (toggler && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    const panel = document.getElementById(toggler.dataset.toggles);
    panel.hidden = !panel.hidden;
  }
}, true);

const ready = () => document.querySelectorAll("[data-opens]").forEach((opener) => { opener.hidden = false; });
ready();
document.addEventListener("htmx:afterSwap", () => {
  ready();
  document.getElementById("main").focus({ preventScroll: true });
});

// A page that the browser kept from before shows what stands now.
window.addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

// What could not be sent stays on the page, and says so. A form that is too old is replaced by what stands now.
const unsent = (shown) => { document.getElementById("unsent").hidden = !shown; };
document.addEventListener("htmx:beforeRequest", () => unsent(false));
document.addEventListener("htmx:sendError", () => unsent(true));
document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status < 500) location.reload();
  else unsent(true);
});
