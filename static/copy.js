// Buttons that copy a field. Without this script they are hidden: the field can be copied by hand.
function showCopyButtons(root) {
  for (const button of root.querySelectorAll("button[data-copies]")) button.hidden = false;
}

showCopyButtons(document);
document.addEventListener("htmx:load", (event) => showCopyButtons(event.target.parentElement ?? document));
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copies]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copies);
  field.select();
  try {
    await navigator.clipboard.writeText(field.value);
  } catch {
    document.execCommand("copy"); // a page over plain http has no navigator.clipboard
  }
  button.textContent = button.dataset.said;
});
