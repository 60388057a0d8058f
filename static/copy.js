// A button copies what stands in a field. Without this script it is not there: the field can be copied by hand.
for (const button of document.querySelectorAll("button[data-copies]")) {
  const field = document.getElementById(button.dataset.copies);
  button.hidden = false;
  button.addEventListener("click", async () => {
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
    } catch {
      document.execCommand("copy"); // a page that came by plain http has no clipboard of its own
    }
    button.textContent = button.dataset.said;
  });
}
