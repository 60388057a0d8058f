// Extension of htmx: undo. What has not left yet is taken back here; anything else the server reopens.
import { findShown, findWork, isVerdict, tell } from "./comparison.js";
import { flush, recall } from "./outbox.js";
import { shelve, show } from "./shelf.js";

const undo = document.getElementById("undo");
const past = []; // {key, form}: the last ten judged here
let underWay = 0; // meanwhile a verdict would go to another comparison than the reopened one

function settle() {
  findWork()
    .querySelectorAll("[form=undo]")
    .forEach((button) => {
      button.hidden = !undo.elements.judgment.value && !past.length;
    });
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
    past.push({ key: item.key, form: elt });
    past.splice(0, past.length - 10);
  },
  // Responses arrive in any order.
  "outbox:answered": ({ item, status }) => {
    if (status !== 200 || item.url !== location.pathname) return;
    if (past.some(({ key }) => key === item.key) && past.at(-1).key !== item.key) return;
    const [judgment, revision] = item.key.split(":");
    undo.elements.judgment.value = judgment;
    undo.elements.revision.value = Number(revision) + 1;
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
