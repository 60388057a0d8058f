// Says that the preview is out of date, from the first change until the answer to the last one is there.
const preview = document.getElementById("comes-of-it");
const counting = document.querySelector("[data-counting]");
const notCounted = document.querySelector("[data-not-counted]");
const update = document.getElementById("update");
let changes = 0;
let asked = 0;

function setBusy(isBusy) {
  preview.setAttribute("aria-busy", isBusy);
  counting.hidden = !isBusy;
  notCounted.hidden = true;
}

function fail() {
  setBusy(false);
  preview.setAttribute("aria-busy", "true");
  notCounted.hidden = update.hidden = false;
}

update.hidden = true; // the preview follows the fields
document.getElementById("main").addEventListener("input", () => {
  changes += 1;
  setBusy(true);
});
preview.addEventListener("htmx:beforeRequest", () => {
  asked = changes;
  setBusy(true);
});
preview.addEventListener("htmx:afterSwap", () => {
  if (asked === changes) setBusy(false);
  update.hidden = true;
});
for (const name of ["htmx:responseError", "htmx:sendError", "htmx:timeout"]) preview.addEventListener(name, fail);
document.getElementById("choosing").addEventListener(
  "invalid",
  (event) => {
    const fold = event.target.closest("details");
    if (fold) fold.open = true; // else the browser refuses to send, and cannot show why
  },
  true,
);
