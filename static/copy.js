// A button that copies a field. Without this script it is hidden: the field can be copied by hand.
for (const button of document.querySelectorAll("button[data-copies]")) {
  const field = document.getElementById(button.dataset.copies);
  button.hidden = false;
  button.addEventListener("click", async () => {
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      document.execCommand("copy"); // a page over plain http has no navigator.clipboard
    }
    button.textContent = button.dataset.said;
  });
}
