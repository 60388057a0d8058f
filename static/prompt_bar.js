// Once the prompt is scrolled out of sight, a bar on one line shows how it begins; it unfolds to the whole text.
import { onComparison } from "./comparison.js";

const LONGEST = 300; // characters on the line
let watch = null;

onComparison((form) => {
  watch?.disconnect();
  const bar = form.querySelector("[data-prompt-bar]");
  const asked = form.querySelector("section.prompt .instruction");
  if (!bar || !asked) return;
  bar.querySelector("button span").textContent = asked.querySelector(".text").textContent.trim().slice(0, LONGEST);
  fold(bar, true);
  bar.hidden = true;
  watch = new IntersectionObserver(([{ isIntersecting, boundingClientRect }]) => {
    bar.hidden = isIntersecting || boundingClientRect.top > 0;
  });
  watch.observe(asked);
});

function fold(bar, isFolded) {
  const whole = bar.querySelector(".prompt");
  bar.querySelector("button").setAttribute("aria-expanded", String(!isFolded));
  whole.hidden = isFolded;
  const parts = isFolded ? [] : bar.closest("form").querySelectorAll("section.prompt > :is(.instruction, .input)");
  whole.replaceChildren(...[...parts].map((part) => part.cloneNode(true)));
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("[data-unfolds-prompt]");
  if (button) fold(button.closest("[data-prompt-bar]"), button.getAttribute("aria-expanded") === "true");
});
