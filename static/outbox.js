// Unsent judgments: the browser keeps them until the server acknowledges them, and retries each until it is answered.
// Each names its revision, so that the server ignores one that arrives twice.
"use strict";

const MOST_WAITING = 20;
const AT_ONCE = 4;
const LONGEST_PAUSE = 30_000;
const MOST_KEPT_ALIVE = 60_000 / AT_ONCE; // a browser allows 64 KiB of keepalive requests in total

class Outbox {
  constructor(notice) {
    this.notice = notice;
    this.place = `chosen-outbox-${notice.dataset.person}`;
    this.sending = new Map();
    this.pause = 0;
    this.listeners = [];
    this.signedOut = false;
    for (const name of ["online", "focus"]) addEventListener(name, () => this.again());
    addEventListener("storage", (event) => {
      if (event.key === this.place) this.show();
    });
    addEventListener("beforeunload", (event) => {
      if (this.items.length) event.preventDefault();
    });
  }

  get items() {
    return JSON.parse(localStorage.getItem(this.place) || "[]");
  }

  set items(items) {
    if (items.length) localStorage.setItem(this.place, JSON.stringify(items));
    else localStorage.removeItem(this.place);
    this.show();
  }

  get isFull() {
    return this.items.length >= MOST_WAITING;
  }

  has(key) {
    return this.items.some((item) => item.key === key);
  }

  add(item) {
    this.items = [...this.items.filter((other) => other.key !== item.key), item];
  }

  remove(key) {
    this.items = this.items.filter((item) => item.key !== key);
  }

  // Remove an item that has not been sent yet; whether it could be removed.
  recall(key) {
    if (!this.has(key) || this.sending.has(key)) return false;
    this.remove(key);
    return true;
  }

  async idle() {
    this.send();
    await Promise.all(this.sending.values());
    return !this.items.length;
  }

  send() {
    for (const item of this.items) {
      if (this.sending.size >= AT_ONCE) return;
      if (this.sending.has(item.key)) continue;
      const sent = this.alone(item).finally(() => this.sending.delete(item.key));
      this.sending.set(item.key, sent);
      sent.then((goOn) => {
        if (goOn) this.send();
      });
    }
  }

  // One tab at a time sends an item, in its current state; tabs that wait for it find it gone.
  alone({ key }) {
    const act = async () => {
      const item = this.items.find((one) => one.key === key);
      return !item || this.post(item);
    };
    return navigator.locks ? navigator.locks.request(`${this.place}:${key}`, act) : act();
  }

  async post(item) {
    let answer;
    try {
      answer = await request(item.url, item.url === location.pathname ? [...item.body, ["want", "1"]] : item.body);
    } catch {
      return this.later();
    }
    if (answer.type === "opaqueredirect") {
      this.signedOut = true;
      this.show();
      return false;
    }
    if (answer.status >= 500 || [403, 408, 429].includes(answer.status)) return this.later();
    this.pause = 0;
    this.failed = this.signedOut = false;
    const said = (answer.headers.get("Content-Type") || "").startsWith("application/json") ? await answer.json() : {};
    this.remove(item.key);
    this.listeners.forEach((listener) => listener(item, answer.status, said));
    return true;
  }

  // Items that fail together share one delay.
  later() {
    this.failed = true;
    if (!this.timer) {
      this.pause = Math.min(LONGEST_PAUSE, this.pause * 2 || 1000);
      this.timer = setTimeout(() => {
        this.timer = null;
        this.send();
      }, this.pause);
    }
    this.show();
    return false;
  }

  // The network or the person is back: stop waiting.
  again() {
    clearTimeout(this.timer);
    this.timer = null;
    this.pause = 0;
    this.send();
  }

  show() {
    const waiting = this.items.length;
    this.notice.hidden = !(waiting && (this.failed || this.signedOut || this.isFull));
    this.notice.querySelectorAll("[data-count]").forEach((count) => {
      count.textContent = waiting;
    });
    const says = this.signedOut ? "signed-out" : this.isFull ? "full" : "waiting";
    this.notice.querySelectorAll("[data-said]").forEach((one) => {
      one.hidden = one.dataset.said !== says;
    });
  }
}

const cookie = (name) => (document.cookie.match(`(?:^|; )${name}=([^;]*)`) || [])[1] || "";

// POST pairs of name and value as a form would, and request JSON.
function request(url, pairs) {
  const headers = { Accept: "application/json", "X-CSRFToken": cookie("csrftoken") };
  const body = new URLSearchParams(pairs);
  const keepalive = body.toString().length < MOST_KEPT_ALIVE;
  return fetch(url, { method: "POST", headers, body, keepalive, redirect: "manual", credentials: "same-origin" });
}

const outbox = new Outbox(document.getElementById("unsent"));
outbox.show();
// Only after all scripts have loaded: an earlier response would find no listener, and the page would not change.
addEventListener("DOMContentLoaded", () => outbox.send());
