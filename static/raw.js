// The switch between rendered and raw answers works by style sheet alone. Here it is remembered, as the other options of
// the view are, where it differs from the dataset's own setting.
"use strict";

{
  const box = document.getElementById("raw-text");
  const kept = "chosen-raw";
  if (box && localStorage.getItem(kept)) box.checked = localStorage.getItem(kept) === "true";
  document.addEventListener("change", (event) => {
    if (event.target.id !== "raw-text") return;
    if (event.target.checked === event.target.defaultChecked) localStorage.removeItem(kept);
    else localStorage.setItem(kept, event.target.checked);
  });
}
