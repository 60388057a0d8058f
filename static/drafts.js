// Extension of htmx: nothing that was filled in is lost. It is kept in this browser, by judgment and revision, until the
// verdict is safe in the outbox; and every few seconds on the server, for other devices.
import { findWork, isVerdict, keyOf, onComparison } from "./comparison.js";
import { refresh } from "./groups.js";
import { post } from "./post.js";

const MOST = 30; // drafts
const MOST_CHARACTERS = 500_000; // of all of them
const MOST_SENT = 60_000; // characters: the server takes 64 KiB
const SETTLED = 300; // ms without a key press
const BETWEEN = 5000; // ms between two that are sent

const person = document.getElementById("unsent")?.dataset.person;
const place = `chosen-drafts-${person}`;
const placeOf = (form) => `${form.getAttribute("action").split("?")[0]} ${keyOf(form)}`;
const isKept = () => "draft" in findWork().dataset; // a trial keeps nothing

const read = () => JSON.parse(localStorage.getItem(place) || "{}");

// The newest ones, as many as there is room for.
function write(drafts) {
  const newest = Object.entries(drafts).sort(([, one], [, other]) => other.at - one.at);
  const kept = newest.slice(0, MOST);
  while (JSON.stringify(kept).length > MOST_CHARACTERS) kept.pop();
  try {
    if (kept.length) localStorage.setItem(place, JSON.stringify(Object.fromEntries(kept)));
    else localStorage.removeItem(place);
  } catch {} // no room: the page works on without
}

function forget(form) {
  clearTimeout(settling);
  const { [placeOf(form)]: draft, ...others } = read();
  if (draft) write(others);
  if (waiting?.form === form) waiting = null;
}

// What is filled in, as [name, value]. The text of an answer counts once it was changed.
function collect(form) {
  const isFilled = (field) =>
    field.matches("[type=radio], [type=checkbox]")
      ? field.checked
      : field.value && (!field.closest("[data-repair]") || "typed" in field.dataset);
  const fields = [...form.querySelectorAll("input[name]:not([type=hidden]), textarea[name], input[name=span]")];
  return fields.filter(isFilled).map((field) => [field.name, field.value]);
}

function fill(form, pairs) {
  for (const field of form.querySelectorAll("input[name]:not([type=hidden]), textarea[name]")) {
    const values = pairs.filter(([name]) => name === field.name).map(([, value]) => value);
    if (field.matches("[type=radio], [type=checkbox]")) field.checked = values.includes(field.value);
    else if (values.length) writeIn(field, values[0]);
  }
  refresh(form);
  htmx.trigger(form, "drafts:fill", { pairs });
}

function writeIn(field, value) {
  field.value = value;
  field.dataset.typed = "";
  const details = field.closest("details");
  if (details) details.open = true;
}

let settling = null; // timer: until the keys rest
let waiting = null; // {form, pairs}: to be sent
let timer = null; // until it may be sent

function note(form) {
  clearTimeout(settling);
  settling = setTimeout(save, SETTLED, form);
}

function save(form) {
  clearTimeout(settling);
  const pairs = collect(form);
  const text = JSON.stringify(pairs);
  const drafts = read();
  const before = drafts[placeOf(form)];
  if (!isKept() || text === (before ? JSON.stringify(before.pairs) : form.pristine)) return;
  const at = Date.now();
  write({ ...drafts, [placeOf(form)]: { at, pairs } });
  const { judgment, revision } = form.elements;
  if (waiting && waiting.form !== form) send();
  waiting = { form, pairs: [["judgment", judgment.value], ["revision", revision.value], ["at", at], ...pairs] };
  timer ||= setTimeout(send, BETWEEN);
}

// A draft that does not arrive stays in this browser.
function send() {
  clearTimeout(timer);
  timer = null;
  const url = findWork().dataset.draft;
  const size = JSON.stringify(waiting?.pairs || "").length;
  if (waiting && url && size < MOST_SENT) post(url, waiting.pairs).catch(() => {});
  waiting = null;
}

onComparison((form) => {
  if (!isKept()) return;
  for (const field of form.querySelectorAll("[data-repair][open] textarea")) field.dataset.typed = "";
  form.pristine ??= JSON.stringify(collect(form));
  const draft = read()[placeOf(form)];
  if (draft && draft.at > Number(form.dataset.draft || 0)) fill(form, draft.pairs);
  else save(form); // one that undo brought back as it was filled in
});

for (const name of ["input", "change"]) {
  document.addEventListener(name, ({ target }) => {
    const form = target.closest("#work > form[data-comparison]");
    if (form && target.matches("[data-repair] textarea")) target.dataset.typed = "";
    if (form) note(form);
  });
}
document.addEventListener("visibilitychange", () => {
  const form = document.hidden && document.querySelector("#work > form[data-comparison]");
  if (form) save(form);
  if (document.hidden) send();
});

const isSaved = (to) => to && !to.includes("?next="); // else it leads to the sign-in page
htmx.defineExtension("drafts", {
  onEvent(name, { detail }) {
    if (name === "groups:changed") note(detail.elt);
    if (name === "outbox:kept") forget(detail.elt);
    if (name === "htmx:beforeOnLoad" && isVerdict(detail) && isSaved(detail.xhr.getResponseHeader("HX-Redirect")))
      forget(detail.elt);
  },
});
