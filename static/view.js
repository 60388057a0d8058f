// How the answers are shown: the size of the text, one at a time, with their differences.
import { findShown, findWork, onComparison, tell } from "./comparison.js";

const SIZES = ["small", "normal", "large", "larger", "largest"];
const sizeOf = () => localStorage.getItem("chosen-size") || "normal";
document.documentElement.dataset.size = sizeOf();

function resize(by) {
  const place = Math.max(0, Math.min(SIZES.length - 1, SIZES.indexOf(sizeOf()) + by));
  localStorage.setItem("chosen-size", SIZES[place]);
  document.documentElement.dataset.size = sizeOf();
}

// One answer at a time: as chosen; by default on a phone if the answers are much longer than the screen.
function arrange(form) {
  const bar = form.querySelector("[data-views]");
  const chosen = localStorage.getItem("chosen-one");
  document
    .querySelectorAll("[data-one]")
    .forEach((one) => one.setAttribute("aria-pressed", one.dataset.one === (chosen || "")));
  if (!bar) return;
  look(form, "all");
  const isLong = () => form.querySelector(".answers").scrollHeight > 2.5 * innerHeight;
  const one = chosen ? chosen === "true" : innerWidth <= 760 && isLong();
  bar.hidden = !one;
  if (one) look(form, "0");
}

// Show one answer, by its place, or all.
export function look(form, which) {
  form.querySelectorAll("[data-view]").forEach((one) => one.setAttribute("aria-pressed", one.dataset.view === which));
  form.querySelectorAll(".answer").forEach((answer, n) => {
    answer.hidden = which !== "all" && which !== String(n);
  });
  form.querySelector(".answers").classList.toggle("one", which !== "all");
}

onComparison(arrange);

// Columns scroll with the page, or each alone.
function part(isApart) {
  if (isApart !== undefined) localStorage.setItem("chosen-apart", isApart);
  const apart = localStorage.getItem("chosen-apart") || "false";
  document.documentElement.dataset.apart = apart;
  for (const one of document.querySelectorAll("button[data-apart]")) {
    one.setAttribute("aria-pressed", String(one.dataset.apart === apart));
  }
}
part();

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-size], [data-one], [data-view], [data-differences], button[data-apart]");
  if (!button || button === document.documentElement) return;
  const form = findShown();
  if (button.dataset.size) resize(Number(button.dataset.size));
  if (button.matches("[data-apart]")) part(button.dataset.apart);
  if (button.dataset.one) {
    localStorage.setItem("chosen-one", button.dataset.one);
    if (form) arrange(form);
  }
  if (button.dataset.view) look(form, button.dataset.view);
  if (button.dataset.differences && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    await differ(form, button);
  }
});

// Mark the differences, or show the answers as they are. What the server sends goes into this form only: by the time
// that it comes, another comparison may be on show.
async function differ(form, link) {
  const isMarked = link.getAttribute("aria-current") === "true";
  const answers = [...form.querySelectorAll("[data-response], [data-raw]")];
  form.plain ||= answers.map((answer) => answer.innerHTML);
  try {
    if (!isMarked) form.marked ||= await fetchMarked(link.dataset.differences);
  } catch {
    return tell(findWork().dataset.offline);
  }
  answers.forEach((answer, n) => {
    answer.innerHTML = isMarked ? form.plain[n] : form.marked[n];
  });
  link.setAttribute("aria-current", String(!isMarked));
}

async function fetchMarked(url) {
  const answer = await fetch(url, { redirect: "error" });
  if (!answer.ok) throw new Error(answer.status);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return [...page.querySelectorAll("[data-marked]")].map((one) => one.innerHTML);
}

let touched = null;
const isInWork = (event) => findWork()?.contains(event.target);
addEventListener(
  "touchstart",
  (event) => {
    const text = event.target.closest(".text"); // an overflowing text scrolls itself
    const moves = event.touches.length > 1 || (text && text.scrollWidth > text.clientWidth);
    touched = moves || !isInWork(event) ? null : event.touches[0];
  },
  { passive: true },
);
addEventListener(
  "touchend",
  (event) => {
    const form = findShown();
    const now = form?.querySelector("[data-view][aria-pressed=true]");
    if (!touched || !now || now.dataset.view === "all") return;
    const end = event.changedTouches[0];
    const [right, down] = [end.clientX - touched.clientX, end.clientY - touched.clientY];
    if (Math.abs(right) < 60 || Math.abs(right) < 2 * Math.abs(down)) return;
    const there = form.querySelector(`[data-view="${Number(now.dataset.view) - Math.sign(right)}"]`);
    if (there) look(form, there.dataset.view);
  },
  { passive: true },
);
