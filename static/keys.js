// Keys of buttons and links (data-keys), dialogs (data-opens) and panels (data-toggles), on every page.

export const isTyping = (target) =>
  target.closest("textarea, select, dialog, input:not([type=radio], [type=checkbox])");

// By position on the keyboard, so that they work while an input method is on.
document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (isTyping(event.target)) return;
  const key = event.key === "?" || (event.shiftKey && event.code === "Slash") ? "?" : event.code;
  if (event.shiftKey && key !== "?" && key !== "Equal") return;
  const inChoice = event.target.matches("input:not([data-keys])");
  if (inChoice && key.startsWith("Arrow")) return;
  if (key.endsWith("Enter") && event.target.closest("a, button, summary")) return;
  const found = [...document.querySelectorAll("[data-keys]")].find(
    (one) => one.dataset.keys.split(" ").includes(key) && !one.disabled && !one.hidden,
  );
  if (!found) {
    if (inChoice && key.endsWith("Enter")) event.preventDefault();
    return;
  }
  event.preventDefault();
  found.click();
});

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens).showModal();
  const unfolder = event.target.closest("[data-unfolds]");
  if (unfolder) {
    const details = document.getElementById(unfolder.dataset.unfolds);
    details.open = !details.open;
    if (details.open) details.querySelector("input").focus();
  }
  const toggler = event.target.closest("[data-toggles]");
  if (toggler && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    const panel = document.getElementById(toggler.dataset.toggles);
    panel.hidden = !panel.hidden;
  }
});

// Show what works with this script only: in the page, and in what htmx puts there later.
const reveal = (root) =>
  root.querySelectorAll("[data-opens], [data-unfolds]").forEach((one) => {
    one.hidden = false;
  });
reveal(document);
document.addEventListener("htmx:load", (event) => reveal(event.target));
