// A search field above a long list of checkboxes. Without this script it is hidden, and the whole list is there.
const LONG = 12; // entries; a shorter list is read at a glance

for (const search of document.querySelectorAll("input[data-filters]")) {
  const entries = [...document.getElementById(search.dataset.filters).querySelectorAll("label")];
  search.hidden = entries.length <= LONG;
  search.addEventListener("input", () => {
    const wanted = search.value.trim().toLowerCase();
    for (const entry of entries) entry.parentElement.hidden = !entry.textContent.toLowerCase().includes(wanted);
  });
  search.addEventListener("keydown", (event) => {
    if (event.key === "Enter") event.preventDefault(); // it would send the form
  });
}
