// Extension of htmx: exactly-once sending. Instead of posting a verdict, it keeps it in the browser until the server has
// answered, and tries again until then. Each names its revision, so that the server ignores one that arrives twice.
//
// Events: outbox:kept, on the form, once the verdict is safe; outbox:sending, on the body, before each try, whose
// detail.ready may ask for a comparison; outbox:answered and outbox:recalled, on the body.
import { isVerdict, keyOf } from "./comparison.js";
import { post } from "./post.js";
import { MOST_WAITING, Unsent } from "./unsent.js";

const AT_ONCE = 4;
const LONGEST_PAUSE = 30_000;

const notice = document.getElementById("unsent");
export const unsent = new Unsent(notice.dataset.person);
const sending = new Map(); // key: promise
let pause = 0;
let timer = null;
let failed = false;
let signedOut = false;

function show() {
  const waiting = unsent.items.length;
  const isFull = waiting >= MOST_WAITING;
  notice.hidden = !(waiting && (failed || signedOut || isFull));
  for (const count of notice.querySelectorAll("[data-count]")) count.textContent = waiting;
  const says = signedOut ? "signed-out" : isFull ? "full" : "waiting";
  for (const one of notice.querySelectorAll("[data-said]")) one.hidden = one.dataset.said !== says;
}

// Remove an item that has not been sent yet; whether it could be removed.
export function recall(key) {
  const item = unsent.find(key);
  if (!item || sending.has(key)) return false;
  unsent.remove(key);
  htmx.trigger(document.body, "outbox:recalled", { item });
  return true;
}

// Sends what waits; whether nothing waits then.
export async function flush() {
  send();
  await Promise.all(sending.values());
  return !unsent.items.length;
}

function send() {
  for (const item of unsent.items) {
    if (sending.size >= AT_ONCE) return;
    if (sending.has(item.key)) continue;
    const sent = sendAlone(item).finally(() => sending.delete(item.key));
    sending.set(item.key, sent);
    sent.then((goOn) => {
      if (goOn) send();
    });
  }
}

// One tab at a time sends an item, in its current state; tabs that wait for it find it gone.
function sendAlone({ key }) {
  const act = async () => {
    const item = unsent.find(key);
    return !item || sendNow(item);
  };
  return navigator.locks ? navigator.locks.request(`${unsent.place}:${key}`, act) : act();
}

async function sendNow(item) {
  const asked = { item, ready: 0 };
  htmx.trigger(document.body, "outbox:sending", asked);
  let answer;
  try {
    answer = await post(item.url, [...item.body, ["ready", asked.ready]]);
  } catch {
    return wait();
  }
  if (answer.isSignedOut) {
    signedOut = true;
    show();
    return false;
  }
  if (answer.status >= 500 || [403, 408, 429].includes(answer.status)) return wait();
  pause = 0;
  failed = signedOut = false;
  unsent.remove(item.key);
  htmx.trigger(document.body, "outbox:answered", { item, ...answer });
  return true;
}

// Items that fail together share one delay.
function wait() {
  failed = true;
  if (!timer) {
    pause = Math.min(LONGEST_PAUSE, pause * 2 || 1000);
    timer = setTimeout(() => {
      timer = null;
      send();
    }, pause);
  }
  show();
  return false;
}

// The network or the person is back: stop waiting.
function goOn() {
  clearTimeout(timer);
  timer = null;
  pause = 0;
  send();
}

htmx.defineExtension("outbox", {
  onEvent(name, { detail }) {
    if (name === "htmx:confirm" && isVerdict(detail) && unsent.isFull) {
      show();
      return false;
    }
    if (name !== "htmx:beforeRequest" || !isVerdict(detail)) return;
    const { path, formData } = detail.requestConfig;
    const item = { key: keyOf(detail.elt), url: path, body: [...formData] };
    unsent.add(item);
    htmx.trigger(detail.elt, "outbox:kept", { item });
    send();
    return false;
  },
});

unsent.changed = show;
for (const name of ["online", "focus"]) addEventListener(name, goOn);
addEventListener("beforeunload", (event) => {
  if (unsent.items.length) event.preventDefault();
});
show();
// Only after all scripts have loaded: an earlier response would find no listener, and the page would not change.
addEventListener("DOMContentLoaded", send);
