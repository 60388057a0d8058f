// The height of the bar, for the style sheet: what gets the focus scrolls clear of it.
import { onComparison } from "./comparison.js";

const root = document.documentElement;
const watch = new ResizeObserver(([{ target }]) => root.style.setProperty("--bar", `${target.offsetHeight}px`));

onComparison((form) => {
  watch.disconnect();
  watch.observe(form.querySelector(".bar"));
});
