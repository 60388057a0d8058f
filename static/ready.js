// Extension of htmx: the next comparisons are there before they are asked for. A verdict shows the first of them at once,
// and the server's answer to it brings another.
import { findShown, findWork, isVerdict, keyOf, tell } from "./comparison.js";
import { flush, unsent } from "./outbox.js";
import { post } from "./post.js";
import { listForms, prepare, shelf, shelve, show, takeOff } from "./shelf.js";

const kept = Number(findWork().dataset.kept);
const judged = new Set(); // keys of comparisons judged here: a response in transit may contain one of them again
let dry = false; // the last response had nothing more
let asking = false;

const isWaiting = () => !!findWork().querySelector("[data-coming]");

// The next comparison; if there is none yet, a message until the server responds.
function next() {
  const form = takeOff();
  if (form) return show(form);
  show(buildWaiting());
  dry = false;
  fill();
}

function buildWaiting() {
  const main = Object.assign(document.createElement("main"), { id: "main", className: "page empty", tabIndex: -1 });
  const textContent = findWork().dataset.waiting;
  main.append(Object.assign(document.createElement("h1"), { className: "quiet", textContent }));
  main.dataset.coming = "";
  return main;
}

// A comparison that has just arrived on the shelf.
function take(template) {
  const form = template.content.querySelector("form");
  const key = keyOf(form);
  const isThere = listForms().filter((other) => keyOf(other) === key).length > 1;
  if (isThere || judged.has(key) || unsent.find(key)) return template.remove();
  dry = false;
  prepare(form);
  if (!findShown()) next();
}

// Request more until enough is ready or nothing is left. A person who still waits after that is asked for again soon.
async function fill() {
  const waits = isWaiting();
  if (asking || (!waits && (dry || shelf.children.length >= kept))) return;
  asking = true;
  const isAnswered = (!waits || (await flush())) && (await ask());
  asking = false;
  if (isWaiting() && !isAnswered) findWork().querySelector("[data-coming] h1").textContent = findWork().dataset.dry;
  if (isWaiting() && (waits || !isAnswered)) setTimeout(fill, 2000);
  else if (isAnswered) fill();
}

// Request one more; whether the server answered.
async function ask() {
  const have = [...listForms().map(keyOf), ...unsent.items.map((item) => item.key)];
  const pairs = have.map((key) => ["have", key.split(":")[0]]);
  let answer;
  try {
    answer = await post(shelf.dataset.ahead, pairs);
  } catch {
    return false;
  }
  if (answer.status !== 200 || answer.isSignedOut) return false;
  dry = true; // unless something is taken from it
  htmx.swap(findWork(), answer.html, { swapStyle: findShown() ? "none" : answer.swapStyle });
  return true;
}

function answer({ item, status, html, swapStyle }) {
  if (item.url !== location.pathname) return;
  if (status !== 200 && status !== 422) return tell(findWork().dataset.lost);
  if (status === 422) {
    judged.delete(item.key);
    if (swapStyle !== "none") shelve(findShown());
  }
  htmx.swap(findWork(), html, { swapStyle });
  if (status === 422 && !findShown()) next();
  if (!unsent.items.length) fill();
}

const ACTS = {
  "htmx:confirm": (detail) => {
    if (isVerdict(detail)) tell("");
  },
  "outbox:kept": ({ item }) => {
    judged.add(item.key);
    next();
  },
  "outbox:recalled": ({ item }) => {
    judged.delete(item.key);
  },
  "outbox:sending": (detail) => {
    if (detail.item.url === location.pathname) detail.ready = 1;
  },
  "outbox:answered": answer,
  "htmx:load": ({ elt }) => {
    if (elt.parentElement === shelf) take(elt);
    if (elt.parentElement !== findWork()) return;
    scrollTo(0, 0);
    document.getElementById("main").focus({ preventScroll: true });
  },
};
htmx.defineExtension("ready", { onEvent: (name, { detail }) => ACTS[name]?.(detail) });

// Return the leases of comparisons that were never shown, instead of letting them expire.
addEventListener("pagehide", () => {
  const leases = [...shelf.children].filter((one) => one.dataset.lease).map((one) => ["lease", one.dataset.lease]);
  if (!leases.length || unsent.items.length) return;
  const token = document.getElementById("undo").elements.csrfmiddlewaretoken.value;
  navigator.sendBeacon(findWork().dataset.giveBack, new URLSearchParams([...leases, ["csrfmiddlewaretoken", token]]));
});

// Only after htmx has read the page.
addEventListener("DOMContentLoaded", () => {
  const form = findShown();
  if (form && unsent.find(keyOf(form))) next();
  if (kept) fill();
});
