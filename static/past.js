// Extension of htmx: the person's last judgments beside the task. The server writes the list with the page; what is judged
// afterwards comes on top, and goes again when it is undone.
const MOST = 10;
const list = document.getElementById("past");

// The verdict of a form in words.
export const wordsOf = (form, verdict) => form.querySelector(`[name=verdict][value="${verdict}"]`)?.dataset.words || "";

function add(form, { key, body }) {
  const [judgment] = key.split(":");
  const entry = document.createElement("li");
  entry.dataset.key = key;
  const link = Object.assign(document.createElement("a"), {
    href: list.dataset.judged.replace(/0\/$/, `${judgment}/`),
    textContent: form.querySelector(".instruction .text")?.textContent.trim().slice(0, 70) || judgment,
    dir: "auto",
  });
  const words = document.createElement("span");
  words.textContent = wordsOf(form, body.find(([name]) => name === "verdict")?.[1]);
  entry.append(link, " ", words);
  list.prepend(entry);
  while (list.children.length > MOST) list.lastElementChild.remove();
  list.closest("aside").hidden = false;
}

const takeOut = (key) => list.querySelector(`[data-key="${key}"]`)?.remove();

const ACTS = {
  "outbox:kept": ({ elt, item }) => add(elt, item),
  "outbox:recalled": ({ item }) => takeOut(item.key),
  "outbox:answered": ({ item, status }) => {
    if (status === 422) takeOut(item.key);
  },
  "htmx:afterRequest": ({ elt, successful }) => {
    if (elt.id === "undo" && successful) list.firstElementChild?.remove();
  },
};
htmx.defineExtension("past", { onEvent: (name, { detail }) => ACTS[name]?.(detail) });
