// A fast comparison page: it prefetches the next comparisons, and sends a judgment while the next one is read. Without
// JavaScript the same forms work unchanged.
"use strict";

const work = document.getElementById("work");
const kept = Number(work.dataset.kept);
const ready_ones = []; // {form, lease}: prefetched comparisons
const answered = new Set(); // keys of comparisons judged here: a response in transit may contain one of them again
const past = []; // {key, form}: comparisons judged here; a verdict can be undone until it is sent
let shown = work.querySelector("form[data-comparison]");
const plain = "plain" in work.dataset; // page by page: no prefetch, no outbox
let leaving = false;
let dry = false; // the last response had nothing more
let filling = null;

const keyOf = (form) => `${form.elements.judgment.value}:${form.elements.revision.value}`;
const parsed = (html) => new DOMParser().parseFromString(html, "text/html").body.firstElementChild;
const told = document.getElementById("told");
const tell = (text) => {
  told.textContent = text || "";
};

// --- time at work: while the page is visible and the person active ------------------------------------------------------

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
  addEventListener(
    name,
    () => {
      tick();
      clock.moved = performance.now();
    },
    { passive: true, capture: true },
  );
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

// Set up a comparison that has been put into the page.
function settle() {
  ready(work);
  work.querySelectorAll("[form=undo]").forEach((button) => {
    button.hidden = !undo.elements.judgment.value && !past.length;
  });
  if (shown) {
    view.set(shown);
    turn(shown);
    ladder(shown);
  }
}

// The next comparison; if there is none yet, a message until the server responds.
function next() {
  const following = ready_ones.shift();
  if (following) return show(following.form);
  const waiting = document.createElement("main");
  Object.assign(waiting, { id: "main", className: "page empty", tabIndex: -1 });
  waiting.append(
    Object.assign(document.createElement("h1"), { className: "quiet", textContent: work.dataset.waiting }),
  );
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

// The header's numbers. Responses arrive in any order: the person's count only rises, except after an undo.
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
  meter.lastElementChild.textContent = meter.dataset.words
    .replace("{0}", said.done_of[0])
    .replace("{1}", said.done_of[1]);
}

// Request more until enough is prefetched or nothing is left.
function fill() {
  filling ||= filled().finally(() => {
    filling = null;
  });
  return filling;
}

// If the person is waiting for the next comparison, ask again soon.
function later() {
  if (!shown) setTimeout(fill, 2000);
}

async function filled() {
  while (!shown || (!dry && ready_ones.length < kept)) {
    // `dry` may be older than the last verdict
    if (!shown && !(await outbox.idle())) return later();
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

// Send the form unchanged, with the time at work.
function leave(form, event) {
  if (leaving || !complete(form, event.submitter)) return event.preventDefault();
  tick();
  form.append(
    Object.assign(document.createElement("input"), {
      type: "hidden",
      name: "seconds",
      value: (clock.active / 1000).toFixed(2),
    }),
  );
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
  if (past.every((one) => one.key !== item.key) || past.at(-1).key === item.key) {
    // responses arrive in any order
    const [judgment, revision] = item.key.split(":");
    undo.elements.judgment.value = judgment;
    undo.elements.revision.value = Number(revision) + 1;
  }
  work.querySelectorAll("[form=undo]").forEach((one) => {
    one.hidden = false;
  });
  const verdict = item.body.findLast(([name]) => name === "verdict")[1];
  count(said, ["skip", "flag"].includes(verdict));
  if (said.told) tell(said.told);
  if (said.next) dry = false;
  take(said);
  if (!outbox.items.length) fill();
});

// Show a refused form again, with its errors.
function refused(_item, said) {
  const form = said.again && parsed(said.again);
  if (!form) {
    tell(said.errors?.join(" "));
    return shown || next();
  }
  answered.delete(keyOf(form));
  if (shown && keyOf(shown) !== keyOf(form)) ready_ones.unshift({ form: shown });
  show(form);
}

// The second click of a double click belongs to the previous comparison.
document.addEventListener(
  "click",
  (event) => {
    if (event.detail > 1 && event.target.closest("#work form button[type=submit]")) {
      event.preventDefault();
      event.stopImmediatePropagation();
    }
  },
  true,
);

// One undo at a time: until it is done, a verdict would go to another comparison than the reopened one.
let undoing = 0,
  undone = Promise.resolve();
undo.addEventListener("submit", (event) => {
  if (plain) return;
  event.preventDefault();
  undoing += 1;
  undone = undone
    .then(undoLast)
    .catch(console.error)
    .finally(() => {
      undoing -= 1;
    });
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
  if (!(await outbox.idle())) return outbox.show();
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

// --- entries: digits fill in the marked groups in turn; then they give the verdict ------------------------------------

const groups = (form) => [...form.querySelectorAll("[data-group]")];
const isFilled = (group) => group.querySelector("input:checked");
const open_group = (form) => groups(form).find((group) => !isFilled(group));

// Mark the target of the digits: first best and worst of all answers, then each group in turn.
function turn(form, scrolls = false) {
  const part = openPart(form),
    now = part ? null : open_group(form);
  const marked = part ? part.map((input) => input.closest("[data-group]")) : [now];
  groups(form).forEach((group) => group.classList.toggle("turn", marked.includes(group)));
  if (now && scrolls) now.scrollIntoView({ block: "nearest" });
}

// If answers are shown one at a time, show the one of this group.
function bring(form, group) {
  const answer = group?.closest(".answer");
  if (answer?.hidden) view.look(form, String([...form.querySelectorAll(".answer")].indexOf(answer)));
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
  if (unsure)
    return point(
      form,
      unsure.map((input) => input.closest("[data-group]")),
      work.dataset.oneEach,
    );
  const shared = form.dataset.ties === "no" && sharedPlaces(form);
  if (shared?.length) return point(form, shared, work.dataset.noTie);
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

// Show what to correct, and where; always false.
function point(form, wrong, words) {
  turn(form);
  bring(form, wrong[0]);
  wrong.forEach((group) => group.classList.add("wrong"));
  wrong[0].scrollIntoView({ block: "center" });
  tell(words);
  return false;
}

// The groups in which two answers share a place.
function sharedPlaces(form) {
  const set = [...form.querySelectorAll(".rank input:checked")];
  const isShared = (one) =>
    set.some((other) => other !== one && other.value === one.value && criterionOf(other) === criterionOf(one));
  return set.filter(isShared).map((input) => input.closest("[data-group]"));
}

document.addEventListener(
  "keydown",
  (event) => {
    if (!shown || event.repeat || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    if (event.isComposing || (typing(event.target) && event.key === "Process")) return; // Enter confirms a word of the input method
    const inReasons = event.target.closest("[data-reasons]"),
      inFlag = event.target.closest("[data-flag]");
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
    if (event.code.startsWith("Arrow") && event.target.matches("input")) return; // arrows move between radio buttons
    if (event.code === "KeyR") {
      const chip = shown.querySelector("[data-reasons] input");
      if (chip) event.preventDefault();
      return chip?.focus();
    }
    if (event.code === "KeyE") {
      const details =
        [...shown.querySelectorAll("[data-repair]")].find((one) => !one.open) || shown.querySelector("[data-repair]");
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
    const asVerdict = { Digit0: "tie", Numpad0: "tie", KeyB: "both_bad", ArrowLeft: "left", ArrowRight: "right" }[
      event.code
    ];
    const isRow = inputs.some((input) => input.value === "tie" || input.value === "left");
    const chosen =
      isRow && asVerdict
        ? inputs.find((input) => input.value === asVerdict)
        : digit && (isRow ? rowKey(inputs, digit) : inputs[digit - 1]);
    if (!chosen) return;
    event.preventDefault();
    chosen.checked = true;
    bring(shown, open_group(shown));
    changed(shown);
  },
  true,
);

// In a row of verdict buttons, digits mean the digits on the buttons.
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
  groups(form)
    .filter(isFilled)
    .forEach((group) => group.classList.remove("wrong"));
  turn(form, true);
  ladder(form);
}

// Clear the last entry; whether there was one.
function takeBack(form) {
  const last = groups(form)
    .filter((group) => isFilled(group) && !group.matches(".best-worst"))
    .at(-1);
  if (last) isFilled(last).checked = false;
  const named = last ? [] : partsOf(form).map((part) => part.filter((input) => input.checked && input.value !== "2"));
  const [best, worst] = ["1", "3"].map((value) =>
    named
      .filter((part) => part.length)
      .at(-1)
      ?.find((one) => one.value === value),
  );
  if (worst || best) between(worst || best);
  return !!(last || worst || best);
}

// Best and worst: the first digit names the best answer, the second the worst; for each criterion in turn.
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

// The inputs of best and worst, per criterion.
function partsOf(form) {
  const parts = new Map();
  for (const input of form.querySelectorAll(".best-worst input")) {
    parts.set(criterionOf(input), [...(parts.get(criterionOf(input)) || []), input]);
  }
  return [...parts.values()];
}

const hasOneEach = (inputs) =>
  ["1", "3"].every((value) => inputs.filter((one) => one.checked && one.value === value).length === 1);

const openPart = (form) => partsOf(form).find((inputs) => !hasOneEach(inputs));

// There is one best and one worst answer: reset the previous one.
function oneOnly(input) {
  for (const other of shown.querySelectorAll(`.best-worst input[value="${input.value}"]:checked`)) {
    if (other === input || criterionOf(other) !== criterionOf(input)) continue;
    between(other);
  }
}
const between = (input) => {
  input.closest("[data-group]").querySelector("input[value='2']").checked = true;
};
const criterionOf = (input) => input.name.replace(/rank_\d+$/, "");

// --- display ----------------------------------------------------------------------------------------------------------

const view = {
  sizes: ["small", "normal", "large", "larger", "largest"],
  get size() {
    return localStorage.getItem("chosen-size") || "normal";
  },
  resize(by) {
    const place = Math.max(0, Math.min(this.sizes.length - 1, this.sizes.indexOf(this.size) + by));
    localStorage.setItem("chosen-size", this.sizes[place]);
    document.documentElement.dataset.size = this.size;
  },
  // One answer at a time: as chosen; by default on a phone if the answers are much longer than the screen.
  set(form) {
    const bar = form.querySelector("[data-views]");
    const chosen = localStorage.getItem("chosen-one");
    document
      .querySelectorAll("[data-one]")
      .forEach((one) => one.setAttribute("aria-pressed", one.dataset.one === (chosen || "")));
    if (!bar) return;
    this.look(form, "all");
    const long = form.querySelector(".answers").scrollHeight > 2.5 * innerHeight;
    const one = chosen ? chosen === "true" : innerWidth <= 760 && long;
    bar.hidden = !one;
    if (one) this.look(form, "0");
  },
  look(form, which) {
    form.querySelectorAll("[data-view]").forEach((one) => one.setAttribute("aria-pressed", one.dataset.view === which));
    form.querySelectorAll(".answer").forEach((answer, n) => {
      answer.hidden = which !== "all" && which !== String(n);
    });
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
    answers.forEach((answer, n) => {
      answer.innerHTML = form.plain[n];
    });
    return link.setAttribute("aria-current", "false");
  }
  try {
    form.marked ||= await (await fetch(link.dataset.differences, { headers: { Accept: "application/json" } })).json();
  } catch {
    return tell(work.dataset.offline);
  }
  answers.forEach((answer) => {
    answer.innerHTML = form.marked[answer.dataset.response];
  });
  link.setAttribute("aria-current", "true");
}

let touched = null;
work.addEventListener(
  "touchstart",
  (event) => {
    const text = event.target.closest(".text"); // an overflowing text scrolls itself
    touched = event.touches.length > 1 || (text && text.scrollWidth > text.clientWidth) ? null : event.touches[0];
  },
  { passive: true },
);
work.addEventListener(
  "touchend",
  (event) => {
    const now = shown?.querySelector("[data-view][aria-pressed=true]");
    if (!touched || !now || now.dataset.view === "all") return;
    const [right, down] = [
      event.changedTouches[0].clientX - touched.clientX,
      event.changedTouches[0].clientY - touched.clientY,
    ];
    if (Math.abs(right) < 60 || Math.abs(right) < 2 * Math.abs(down)) return;
    const there = shown.querySelector(`[data-view="${Number(now.dataset.view) - Math.sign(right)}"]`);
    if (there) view.look(shown, there.dataset.view);
  },
  { passive: true },
);

// --- page lifecycle ---------------------------------------------------------------------------------------------------

// Reload a page that the browser restored from its cache.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

// Warn before leaving a page with unsent text.
addEventListener("beforeunload", (event) => {
  const texts = shown ? [...shown.querySelectorAll("textarea, input[type=text]")] : [];
  if (!leaving && texts.some((text) => text.value !== text.defaultValue)) event.preventDefault();
});

// Return the leases of prefetched comparisons that were never shown, instead of letting them expire.
addEventListener("pagehide", () => {
  const leases = ready_ones.filter((one) => one.lease).map((one) => ["lease", one.lease]);
  if (!leases.length || outbox.items.length) return;
  const body = new URLSearchParams([...leases, ["csrfmiddlewaretoken", undo.elements.csrfmiddlewaretoken.value]]);
  navigator.sendBeacon(work.dataset.giveBack, body);
});

if (shown && outbox.has(keyOf(shown))) next();
else settle();
if (kept) fill();
