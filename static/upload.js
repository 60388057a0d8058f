// Upload progress, and a stop button. Without JavaScript the same form sends the same files.
"use strict";

const form = document.getElementById("upload");
const sending = document.getElementById("sending");
const bar = sending.querySelector("progress");
const words = sending.querySelector("[data-words]");
let request = null;

const size = (bytes) => {
  const units = ["B", "KB", "MB", "GB"];
  let unit = 0;
  for (; bytes >= 1000 && unit < 3; unit += 1) bytes /= 1000;
  return `${bytes.toFixed(unit ? 1 : 0)} ${units[unit]}`;
};

const time = (seconds) => {
  const [unit, n] =
    seconds < 90 ? ["second", seconds] : seconds < 5400 ? ["minute", seconds / 60] : ["hour", seconds / 3600];
  const style = { style: "unit", unit, unitDisplay: "long" };
  return new Intl.NumberFormat(document.documentElement.lang, style).format(Math.max(1, Math.round(n)));
};

function show(sent, whole, begun) {
  bar.value = whole ? sent / whole : 0;
  const seconds = (performance.now() - begun) / 1000;
  const left =
    seconds > 2 && sent ? ` · ${sending.dataset.left.replace("{0}", time((seconds * (whole - sent)) / sent))}` : "";
  words.textContent = sent < whole ? `${size(sent)} / ${size(whole)}${left}` : sending.dataset.checking;
}

function over(said) {
  sending.hidden = true;
  form.querySelector("[type=submit]").disabled = false;
  request = null;
  document.getElementById("said").textContent = said;
}

// The errors of the fields, as the answer has them; the values stay. The first wrong field gets the focus.
function showErrors(page) {
  for (const stale of form.querySelectorAll(".field > .errorlist")) stale.remove();
  for (const field of form.querySelectorAll(".field.wrong")) field.classList.remove("wrong");
  const wrong = [...page.querySelectorAll("#upload .field > .errorlist")];
  for (const errors of wrong.reverse()) {
    const name = errors.closest(".field").querySelector("[name]").name;
    const control = form.elements[name];
    control.closest(".field").classList.add("wrong");
    control.closest(".field").append(errors);
    control.setAttribute("aria-describedby", `id_${name}_helptext ${errors.id}`);
    control.focus();
  }
  return wrong.length > 0;
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (request) return;
  const begun = performance.now();
  request = new XMLHttpRequest();
  request.upload.addEventListener("progress", (progress) => show(progress.loaded, progress.total, begun));
  request.addEventListener("error", () => over(sending.dataset.cut));
  request.addEventListener("abort", () => over(sending.dataset.stopped));
  request.addEventListener("load", () => {
    if (request.status < 400) return location.assign(request.responseURL);
    const page = new DOMParser().parseFromString(request.responseText, "text/html");
    const isAtField = showErrors(page);
    const wrong = page.querySelectorAll("#upload > .errorlist li, main [role=alert] li");
    over([...wrong].map((one) => one.textContent.trim()).join(" ") || (isAtField ? "" : sending.dataset.cut));
  });
  request.open("POST", location.href);
  request.send(new FormData(form));
  form.querySelector("[type=submit]").disabled = true;
  document.getElementById("said").textContent = "";
  sending.hidden = false;
  show(0, 0, begun);
});

sending.querySelector("button").addEventListener("click", () => request?.abort());
addEventListener("beforeunload", (event) => {
  if (request && !sending.hidden && bar.value < 1) event.preventDefault();
});
