// `n` goes to the next difference between the answers, Shift+n to the previous one; it marks them first.
import { findShown } from "./comparison.js";
import { isTyping } from "./keys.js";

const list = (form) =>
  [...form.querySelectorAll(".answer mark")]
    .filter((mark) => mark.checkVisibility())
    .map((mark) => ({ mark, top: mark.getBoundingClientRect().top }))
    .sort((one, other) => one.top - other.top);

function jump(form, by) {
  const marks = list(form);
  const now = marks.findIndex(({ mark }) => mark.matches(".now"));
  const next = now < 0 ? (by > 0 ? 0 : marks.length - 1) : (now + by + marks.length) % marks.length;
  if (!marks.length) return;
  marks[now]?.mark.classList.remove("now");
  marks[next].mark.classList.add("now");
  marks[next].mark.scrollIntoView({ block: "center" });
}

document.addEventListener("keydown", async (event) => {
  const form = findShown();
  if (!form || event.code !== "KeyN" || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  if (isTyping(event.target)) return;
  event.preventDefault();
  const link = form.querySelector("[data-differences]");
  if (link?.getAttribute("aria-current") !== "true") {
    link?.click();
    for (let waited = 0; waited < 40 && !form.querySelector(".answer mark"); waited++) {
      await new Promise((done) => setTimeout(done, 50));
    }
  }
  jump(form, event.shiftKey ? -1 : 1);
});
