// The comparison page at speed: the next comparison is there before it is asked for, a judgment travels while the next
// is read. Without JavaScript the same forms work as they are.
"use strict";

const work = document.getElementById("work");
const kept = Number(work.dataset.kept);
const ready_ones = []; // {form, lease}: comparisons that wait to be shown
const answered = new Set(); // keys of what was judged here: an answer on its way may bring one of them again
const past = []; // {key, form}: what was judged here, to be taken back while it has not left
let shown = work.querySelector("form[data-comparison]");
const plain = "plain" in work.dataset; // one page after the other: nothing is kept ready, nothing waits to be sent
let leaving = false;
let dry = false; // the server had nothing more when it was last asked
let filling = null;

const keyOf = (form) => `${form.elements.judgment.value}:${form.elements.revision.value}`;
const parsed = (html) => new DOMParser().parseFromString(html, "text/html").body.firstElementChild;
const told = document.getElementById("told");
const tell = (text) => { told.textContent = text || ""; };

// --- time at work: while the page is in view, and somebody moves ------------------------------------------------------

const STILL = 60_000;
const clock = { active: 0, last: performance.now(), moved: performance.now(), inView: !document.hidden };
function tick() {
  const now = performance.now();
  if (clock.inView && now - clock.moved < STILL) clock.active += now - clock.last;
  Object.assign(clock, { last: now, inView: !document.hidden });
}
setInterval(tick, 1000);
document.addEventListener("visibilitychange", tick);
for (const name of ["pointermove", "pointerdown", "keydown", "wheel", "scroll", "touchstart"]) {
  addEventListener(name, () => { tick(); clock.moved = performance.now(); }, { passive: true, capture: true });
}

// --- showing ----------------------------------------------------------------------------------------------------------

function show(element) {
  work.replaceChildren(element);
  shown = element.matches("form[data-comparison]") ? element : null;
  if (shown) {
    tick();
    clock.active = 0;
    clock.moved = clock.last;
  }
  settle();
  scrollTo(0, 0);
  document.getElementById("main").focus({ preventScroll: true });
}

// What each comparison gets once it stands on the page.
function settle() {
  ready(work);
  work.querySelectorAll("[form=undo]").forEach((button) => { button.hidden = !undo.elements.judgment.value && !past.length; });
  if (shown) {
    view.set(shown);
    turn(shown);
    ladder(shown);
  }
}

// The next comparison; where there is none yet, a word, until the server has spoken.
function next() {
  const following = ready_ones.shift();
  if (following) return show(following.form);
  const waiting = document.createElement("main");
  Object.assign(waiting, { id: "main", className: "page empty", tabIndex: -1 });
  waiting.append(Object.assign(document.createElement("h1"), { className: "quiet", textContent: work.dataset.waiting }));
  show(waiting);
  dry = false;
  return fill();
}

function take(said) {
  if (!said.next) return false;
  const form = parsed(said.next);
  const key = keyOf(form);
  const there = [shown, ...ready_ones.map((one) => one.form)].some((one) => one && keyOf(one) === key);
  if (there || answered.has(key) || outbox.has(key)) return true;
  ready_ones.push({ form, lease: said.lease });
  if (!shown) next();
  return true;
}

// What stands in the header. Answers come in any order: one's own count only rises, but for a verdict withdrawn.
const counted = { judged: 0, at: 0 };
function count(said, falls = false) {
  const judged = Number((said.judged || "").match(/\d+/));
  if (judged >= counted.judged || falls) {
    counted.judged = judged;
    document.getElementById("judged").textContent = said.judged;
  }
  if (!(said.at >= counted.at)) return;
  counted.at = said.at;
  const meter = document.querySelector(".meter");
  if (!meter || !said.done_of) return;
  [meter.firstElementChild.value, meter.firstElementChild.max] = said.done_of;
  meter.lastElementChild.textContent = meter.dataset.words.replace("{0}", said.done_of[0]).replace("{1}", said.done_of[1]);
}

// Ask for more until enough is kept ready, or there is no more.
function fill() {
  filling ||= filled().finally(() => { filling = null; });
  return filling;
}

// Where somebody waits for the next comparison, ask again soon.
function later() {
  if (!shown) setTimeout(fill, 2000);
}

async function filled() {
  while (!shown || (!dry && ready_ones.length < kept)) { // what was dry may have been asked before the last verdict
    if (!shown && !await outbox.idle()) return later();
    const forms = [shown, ...ready_ones.map((one) => one.form)].filter(Boolean);
    const waiting = outbox.items.map((item) => item.key.split(":")[0]);
    const have = [...forms.map((form) => form.elements.judgment.value), ...waiting].map((pk) => ["have", pk]);
    let said;
    try {
      const answer = await request(work.dataset.ahead, have);
      if (!answer.ok) return later();
      said = await answer.json();
    } catch {
      return later();
    }
    dry = !take(said);
    count(said);
    if (said.done && !shown) return show(parsed(said.done));
  }
}

// --- judging ----------------------------------------------------------------------------------------------------------

const undo = document.getElementById("undo");

work.addEventListener("submit", (event) => {
  const form = event.target.closest("form[data-comparison]");
  if (!form || form !== shown) return;
  if (plain) return leave(form, event);
  event.preventDefault();
  if (event.submitter && event.submitter.name === "verdict") judge(form, event.submitter);
});

// The form goes as it is, with the time at work.
function leave(form, event) {
  if (leaving || !complete(form, event.submitter)) return event.preventDefault();
  tick();
  form.append(Object.assign(document.createElement("input"), { type: "hidden", name: "seconds", value: (clock.active / 1000).toFixed(2) }));
  leaving = true;
}

function judge(form, button) {
  if (undoing) return;
  tell("");
  if (!complete(form, button)) return;
  if (outbox.isFull) return outbox.show();
  tick();
  const body = [...new FormData(form, button)].filter(([name]) => name !== "csrfmiddlewaretoken");
  body.push(["seconds", (clock.active / 1000).toFixed(2)]);
  const key = keyOf(form);
  outbox.add({ key, url: location.pathname, body });
  answered.add(key);
  past.push({ key, form });
  past.splice(0, past.length - 10);
  next();
  outbox.send();
}

outbox.listeners.push((item, status, said) => {
  if (item.url !== location.pathname) return;
  if (status === 422) return refused(item, said);
  if (status !== 200) return tell(work.dataset.lost);
  if (past.every((one) => one.key !== item.key) || past.at(-1).key === item.key) { // answers come in any order
    const [judgment, revision] = item.key.split(":");
    undo.elements.judgment.value = judgment;
    undo.elements.revision.value = Number(revision) + 1;
  }
  work.querySelectorAll("[form=undo]").forEach((one) => { one.hidden = false; });
  const verdict = item.body.findLast(([name]) => name === "verdict")[1];
  count(said, ["skip", "flag"].includes(verdict));
  if (said.told) tell(said.told);
  if (said.next) dry = false;
  take(said);
  if (!outbox.items.length) fill();
});

// What the server does not take stands on the page again, with what is wrong.
function refused(item, said) {
  const form = said.again && parsed(said.again);
  if (!form) {
    tell(said.errors && said.errors.join(" "));
    return shown || next();
  }
  answered.delete(keyOf(form));
  if (shown && keyOf(shown) !== keyOf(form)) ready_ones.unshift({ form: shown });
  show(form);
}

// The second click of a double click belongs to the comparison that is gone.
document.addEventListener("click", (event) => {
  if (event.detail > 1 && event.target.closest("#work form button[type=submit]")) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
}, true);

// One after the other; until the last is done, a verdict would be on another comparison than the one asked for.
let undoing = 0, undone = Promise.resolve();
undo.addEventListener("submit", (event) => {
  if (plain) return;
  event.preventDefault();
  undoing += 1;
  undone = undone.then(undoLast).catch(console.error).finally(() => { undoing -= 1; });
});

async function undoLast() {
  tell("");
  const last = past.at(-1);
  if (last && outbox.recall(last.key)) {
    past.pop();
    answered.delete(last.key);
    if (shown) ready_ones.unshift({ form: shown });
    return show(last.form);
  }
  if (!await outbox.idle()) return outbox.show();
  const pairs = [...new FormData(undo)];
  let answer;
  try {
    answer = await request(undo.action, pairs);
  } catch {
    return tell(work.dataset.offline);
  }
  if (!answer.ok) return location.reload();
  const said = await answer.json();
  count(said);
  tell(said.told);
  undo.elements.judgment.value = said.undo ? said.undo.judgment : "";
  undo.elements.revision.value = said.undo ? said.undo.revision : "";
  past.length = 0;
  if (!said.next) return settle();
  const form = parsed(said.next);
  if (shown) ready_ones.unshift({ form: shown });
  show(form);
}

// --- what is filled in: digits answer what is marked, in turn; then they are the verdict ------------------------------

const groups = (form) => [...form.querySelectorAll("[data-group]")];
const isFilled = (group) => group.querySelector("input:checked");
const open_group = (form) => groups(form).find((group) => !isFilled(group));

// Marked is what the digits go to: best and worst of all answers first, then each group in turn.
function turn(form, scrolls = false) {
  const part = openPart(form), now = part ? null : open_group(form);
  const marked = part ? part.map((input) => input.closest("[data-group]")) : [now];
  groups(form).forEach((group) => group.classList.toggle("turn", marked.includes(group)));
  if (now && scrolls) now.scrollIntoView({ block: "nearest" });
}

// Of answers that stand one at a time, the one of this group.
function bring(form, group) {
  const answer = group && group.closest(".answer");
  if (answer && answer.hidden) view.look(form, String([...form.querySelectorAll(".answer")].indexOf(answer)));
}

function complete(form, button) {
  const verdict = button.value;
  if (["skip", "keep"].includes(verdict)) return true;
  if (verdict === "flag") {
    if (form.querySelector("[name=flag]:checked")) return true;
    form.querySelector("[name=flag]").focus();
    return false;
  }
  const open = open_group(form);
  if (open) return point(form, [open], work.dataset.open);
  const unsure = openPart(form);
  if (unsure) return point(form, unsure.map((input) => input.closest("[data-group]")), work.dataset.oneEach);
  const shared = form.dataset.ties === "no" && sharedPlaces(form);
  if (shared && shared.length) return point(form, shared, work.dataset.noTie);
  const reasons = form.querySelector("[data-reasons=required]");
  if (reasons && !reasons.querySelector(":checked") && !form.elements.reason.value.trim()) {
    form.dataset.verdict = verdict;
    form.querySelectorAll("[name=verdict]").forEach((one) => one.classList.toggle("awaiting", one === button));
    reasons.querySelector("[data-awaiting]").hidden = false;
    reasons.querySelector("input").focus();
    reasons.scrollIntoView({ block: "center" });
    return false;
  }
  return true;
}

// Say what is to be put right, and where; always false.
function point(form, wrong, words) {
  turn(form);
  bring(form, wrong[0]);
  wrong.forEach((group) => group.classList.add("wrong"));
  wrong[0].scrollIntoView({ block: "center" });
  tell(words);
  return false;
}

// The groups in which two answers have the same place.
function sharedPlaces(form) {
  const set = [...form.querySelectorAll(".rank input:checked")];
  const isShared = (one) => set.some((other) =>
    other !== one && other.value === one.value && criterionOf(other) === criterionOf(one));
  return set.filter(isShared).map((input) => input.closest("[data-group]"));
}

document.addEventListener("keydown", (event) => {
  if (!shown || event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
  if (event.isComposing || (typing(event.target) && event.key === "Process")) return; // Enter ends a word there
  const inReasons = event.target.closest("[data-reasons]"), inFlag = event.target.closest("[data-flag]");
  const sends = inFlag ? "flag" : inReasons && shown.dataset.verdict;
  if (sends && event.code.endsWith("Enter") && event.target.matches("input")) {
    event.preventDefault();
    return shown.querySelector(`[name=verdict][value="${sends}"]`).click();
  }
  if (event.code === "Escape" && shown.contains(event.target)) return document.getElementById("main").focus();
  if (typing(event.target)) return;
  const digit = (event.code.match(/^(?:Digit|Numpad)(\d)$/) || [])[1];
  if (digit && (inReasons || inFlag)) {
    const choice = (inReasons || inFlag).querySelectorAll("input[type=checkbox], input[type=radio]")[digit - 1];
    if (choice) choice.click(), choice.focus();
    return event.preventDefault();
  }
  if (event.code.startsWith("Arrow") && event.target.matches("input")) return; // they move within the buttons
  if (event.code === "KeyR") {
    const chip = shown.querySelector("[data-reasons] input");
    if (chip) event.preventDefault();
    return chip && chip.focus();
  }
  if (event.code === "KeyE") {
    const details = [...shown.querySelectorAll("[data-repair]")].find((one) => !one.open) || shown.querySelector("[data-repair]");
    if (!details) return;
    details.open = true;
    event.preventDefault();
    return details.querySelector("textarea").focus();
  }
  if (event.code === "Backspace") {
    if (!takeBack(shown)) return;
    event.preventDefault();
    return changed(shown);
  }
  if (digit && bestAndWorst(shown, digit)) return event.preventDefault();
  const group = open_group(shown);
  if (!group) return;
  const inputs = [...group.querySelectorAll("input")];
  const asVerdict = { Digit0: "tie", Numpad0: "tie", KeyB: "both_bad", ArrowLeft: "left", ArrowRight: "right" }[event.code];
  const isRow = inputs.some((input) => input.value === "tie" || input.value === "left");
  const chosen = isRow && asVerdict ? inputs.find((input) => input.value === asVerdict)
    : digit && (isRow ? rowKey(inputs, digit) : inputs[digit - 1]);
  if (!chosen) return;
  event.preventDefault();
  chosen.checked = true;
  bring(shown, open_group(shown));
  changed(shown);
}, true);

// In a row of verdicts the digits mean what they mean on the buttons.
function rowKey(inputs, digit) {
  const values = inputs.map((input) => input.value);
  const scale = ["left3", "left2", "left1", "tie", "right1", "right2", "right3"];
  const value = values.includes("left") ? { 1: "left", 2: "right", 0: "tie" }[digit] : scale[digit - 1];
  return inputs.find((input) => input.value === value);
}

work.addEventListener("change", (event) => {
  const best = event.target.closest(".best-worst");
  if (best && event.target.value !== "2") oneOnly(event.target);
  changed(shown);
});

function changed(form) {
  groups(form).filter(isFilled).forEach((group) => group.classList.remove("wrong"));
  turn(form, true);
  ladder(form);
}

// Clear what was filled in last; whether there was anything.
function takeBack(form) {
  const last = groups(form).filter((group) => isFilled(group) && !group.matches(".best-worst")).at(-1);
  if (last) isFilled(last).checked = false;
  const named = last ? [] : partsOf(form).map((part) => part.filter((input) => input.checked && input.value !== "2"));
  const [best, worst] = ["1", "3"].map((value) => named.filter((part) => part.length).at(-1)?.find((one) => one.value === value));
  if (worst || best) between(worst || best);
  return !!(last || worst || best);
}

// Of best and worst: the first digit names the best answer, the second the worst; for each criterion in turn.
function bestAndWorst(form, digit) {
  const part = openPart(form);
  if (!part) return false;
  const value = part.some((input) => input.checked && input.value === "1") ? "3" : "1";
  const input = part.filter((one) => one.value === value)[digit - 1];
  if (!input) return false;
  input.checked = true;
  oneOnly(input);
  changed(form);
  return true;
}

// The inputs of best and worst, for each criterion.
function partsOf(form) {
  const parts = new Map();
  for (const input of form.querySelectorAll(".best-worst input")) {
    parts.set(criterionOf(input), [...parts.get(criterionOf(input)) || [], input]);
  }
  return [...parts.values()];
}

const hasOneEach = (inputs) => ["1", "3"].every((value) => inputs.filter((one) => one.checked && one.value === value).length === 1);

const openPart = (form) => partsOf(form).find((inputs) => !hasOneEach(inputs));

// There is one best answer and one worst: the one before is set back.
function oneOnly(input) {
  for (const other of shown.querySelectorAll(`.best-worst input[value="${input.value}"]:checked`)) {
    if (other === input || criterionOf(other) !== criterionOf(input)) continue;
    between(other);
  }
}
const between = (input) => { input.closest("[data-group]").querySelector("input[value='2']").checked = true; };
const criterionOf = (input) => input.name.replace(/rank_\d+$/, "");

// --- how it is looked at ----------------------------------------------------------------------------------------------

const view = {
  sizes: ["small", "normal", "large", "larger", "largest"],
  get size() { return localStorage.getItem("chosen-size") || "normal"; },
  resize(by) {
    const place = Math.max(0, Math.min(this.sizes.length - 1, this.sizes.indexOf(this.size) + by));
    localStorage.setItem("chosen-size", this.sizes[place]);
    document.documentElement.dataset.size = this.size;
  },
  // One answer at a time: as chosen; else on a phone, where the answers are much longer than the screen.
  set(form) {
    const bar = form.querySelector("[data-views]");
    const chosen = localStorage.getItem("chosen-one");
    document.querySelectorAll("[data-one]").forEach((one) => one.setAttribute("aria-pressed", one.dataset.one === (chosen || "")));
    if (!bar) return;
    this.look(form, "all");
    const long = form.querySelector(".answers").scrollHeight > 2.5 * innerHeight;
    const one = chosen ? chosen === "true" : innerWidth <= 760 && long;
    bar.hidden = !one;
    if (one) this.look(form, "0");
  },
  look(form, which) {
    form.querySelectorAll("[data-view]").forEach((one) => one.setAttribute("aria-pressed", one.dataset.view === which));
    form.querySelectorAll(".answer").forEach((answer, n) => { answer.hidden = which !== "all" && which !== String(n); });
    form.querySelector(".answers").classList.toggle("one", which !== "all");
  },
};
document.documentElement.dataset.size = view.size;

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-size], [data-one], [data-view], [data-differences]");
  if (!button || button === document.documentElement) return;
  if (button.dataset.size) view.resize(Number(button.dataset.size));
  if (button.dataset.one) {
    localStorage.setItem("chosen-one", button.dataset.one);
    if (shown) view.set(shown);
  }
  if (button.dataset.view) view.look(shown, button.dataset.view);
  if (button.dataset.differences && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    await differ(shown, button);
  }
});

async function differ(form, link) {
  const answers = [...form.querySelectorAll("[data-response]")];
  form.plain ||= answers.map((answer) => answer.innerHTML);
  if (link.getAttribute("aria-current") === "true") {
    answers.forEach((answer, n) => { answer.innerHTML = form.plain[n]; });
    return link.setAttribute("aria-current", "false");
  }
  try {
    form.marked ||= await (await fetch(link.dataset.differences, { headers: { Accept: "application/json" } })).json();
  } catch {
    return tell(work.dataset.offline);
  }
  answers.forEach((answer) => { answer.innerHTML = form.marked[answer.dataset.response]; });
  link.setAttribute("aria-current", "true");
}

let touched = null;
work.addEventListener("touchstart", (event) => {
  const text = event.target.closest(".text"); // what is too wide is moved itself
  touched = event.touches.length > 1 || (text && text.scrollWidth > text.clientWidth) ? null : event.touches[0];
}, { passive: true });
work.addEventListener("touchend", (event) => {
  const now = shown && shown.querySelector("[data-view][aria-pressed=true]");
  if (!touched || !now || now.dataset.view === "all") return;
  const [right, down] = [event.changedTouches[0].clientX - touched.clientX, event.changedTouches[0].clientY - touched.clientY];
  if (Math.abs(right) < 60 || Math.abs(right) < 2 * Math.abs(down)) return;
  const there = shown.querySelector(`[data-view="${Number(now.dataset.view) - Math.sign(right)}"]`);
  if (there) view.look(shown, there.dataset.view);
}, { passive: true });

// --- coming and going -------------------------------------------------------------------------------------------------

// A page that the browser kept from before shows what stands now.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

// What is typed and not sent is not left by mistake.
addEventListener("beforeunload", (event) => {
  const texts = shown ? [...shown.querySelectorAll("textarea, input[type=text]")] : [];
  if (!leaving && texts.some((text) => text.value !== text.defaultValue)) event.preventDefault();
});

// What was kept ready and never shown goes back at once, instead of when its lease runs out.
addEventListener("pagehide", () => {
  const leases = ready_ones.filter((one) => one.lease).map((one) => ["lease", one.lease]);
  if (!leases.length || outbox.items.length) return;
  const body = new URLSearchParams([...leases, ["csrfmiddlewaretoken", undo.elements.csrfmiddlewaretoken.value]]);
  navigator.sendBeacon(work.dataset.giveBack, body);
});

if (shown && outbox.has(keyOf(shown))) next();
else settle();
if (kept) fill();
