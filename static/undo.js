// Extension of htmx: undo. What has not left yet is taken back here; anything else the server reopens.
import { findShown, findWork, isVerdict, tell } from "./comparison.js";
import { flush, recall } from "./outbox.js";
import { wordsOf } from "./past.js";
import { shelve, show } from "./shelf.js";

const undo = document.getElementById("undo");
const past = []; // {key, form, words}: the last ten judged here
let underWay = 0; // meanwhile a verdict would go to another comparison than the reopened one

function settle() {
  const words = past.at(-1)?.words ?? undo.elements.judgment.dataset.words;
  for (const button of findWork().querySelectorAll("[form=undo]")) {
    button.hidden = !undo.elements.judgment.value && !past.length;
    const saved = button.parentElement.querySelector("[data-saved]");
    if (saved) saved.hidden = button.hidden || !words;
    if (saved) saved.querySelector("b").textContent = words;
  }
}

function undoLast(issueRequest) {
  tell("");
  const last = past.at(-1);
  if (last && recall(last.key)) {
    past.pop();
    shelve(findShown());
    show(last.form);
    return false;
  }
  underWay += 1;
  flush().then((isEmpty) => {
    if (isEmpty) issueRequest(true);
    else underWay -= 1;
  });
  return false;
}

const ACTS = {
  "htmx:confirm": (detail) => {
    if (detail.elt === undo) return undoLast(detail.issueRequest);
    if (isVerdict(detail) && underWay) return false;
  },
  "outbox:kept": ({ elt, item }) => {
    const [, verdict] = item.body.find(([name]) => name === "verdict") || [];
    past.push({ key: item.key, form: elt, words: wordsOf(elt, verdict) });
    past.splice(0, past.length - 10);
  },
  // Responses arrive in any order.
  "outbox:answered": ({ item, status }) => {
    if (status !== 200 || item.url !== location.pathname) return;
    if (past.some(({ key }) => key === item.key) && past.at(-1).key !== item.key) return;
    const [judgment, revision] = item.key.split(":");
    undo.elements.judgment.value = judgment;
    undo.elements.revision.value = Number(revision) + 1;
    undo.elements.judgment.dataset.words = past.find(({ key }) => key === item.key)?.words || "";
    settle();
  },
  "htmx:beforeSwap": ({ requestConfig, swapOverride }) => {
    if (requestConfig.elt === undo && swapOverride !== "none") shelve(findShown());
  },
  "htmx:afterRequest": ({ elt, successful, xhr }) => {
    if (elt !== undo) return;
    underWay -= 1;
    if (successful) past.length = 0;
    else if (xhr.status) location.reload();
    else tell(findWork().dataset.offline);
    settle();
  },
  "htmx:load": ({ elt }) => {
    if (elt.parentElement === findWork()) settle();
  },
};
htmx.defineExtension("undo", { onEvent: (name, { detail }) => ACTS[name]?.(detail) });
settle();
