// `/` finds words in the prompt and the answers. What is found is highlighted without a change of the texts, by the CSS
// Custom Highlight API; in browsers that lack it the one found is selected.
import { findShown, onComparison } from "./comparison.js";

const MOST = 1000; // finds
const panel = document.getElementById("find");
const field = panel.querySelector("input");
const count = panel.querySelector("output");
let ranges = [];
let place = 0;

const hasHighlights = () => "highlights" in CSS;
const isSeen = (element) => element.checkVisibility() || element.closest("details.earlier:not([open])");

// The nodes of a text in order, and the text that they make together.
function readText(element) {
  const walker = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
  const nodes = [];
  let text = "";
  while (walker.nextNode()) {
    nodes.push([text.length, walker.currentNode]);
    text += walker.currentNode.data;
  }
  return { nodes, text };
}

function locate(nodes, offset) {
  const [start, node] = nodes.findLast(([begin]) => begin <= offset);
  return [node, offset - start];
}

function* findIn(element, words) {
  const { nodes, text } = readText(element);
  const lower = text.toLowerCase();
  const searched = lower.length === text.length ? lower : text; // a few letters become two in lower case
  for (let at = searched.indexOf(words); at >= 0; at = searched.indexOf(words, at + words.length)) {
    const range = new Range();
    range.setStart(...locate(nodes, at));
    const [last, end] = locate(nodes, at + words.length - 1);
    range.setEnd(last, end + 1);
    yield range;
  }
}

function search() {
  const words = field.value.toLowerCase();
  const texts = [...(findShown()?.querySelectorAll("section.prompt .text, .answer > :is(.text, .raw)") || [])];
  ranges = [];
  for (const text of words ? texts.filter(isSeen) : []) {
    for (const range of findIn(text, words)) if (ranges.length < MOST) ranges.push(range);
  }
  place = 0;
  draw();
  if (ranges.length) go(0);
}

function draw() {
  count.textContent = field.value ? `${ranges.length ? place + 1 : 0} / ${ranges.length}` : "";
  if (!hasHighlights()) return;
  CSS.highlights.set("found", new Highlight(...ranges));
  CSS.highlights.set("found-now", new Highlight(...ranges.slice(place, place + 1)));
}

// Go on to the next find, or back; the first follows the last.
function go(by) {
  if (!ranges.length) return;
  place = (place + by + ranges.length) % ranges.length;
  const element = ranges[place].startContainer.parentElement;
  for (let fold = element.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  element.scrollIntoView({ block: "center" });
  if (!hasHighlights()) getSelection().setBaseAndExtent(...ends(ranges[place]));
  draw();
}

const ends = (range) => [range.startContainer, range.startOffset, range.endContainer, range.endOffset];

function close() {
  panel.hidden = true;
  field.value = "";
  search();
  document.getElementById("main")?.focus({ preventScroll: true });
}

field.addEventListener("input", search);
panel.addEventListener("keydown", (event) => {
  if (event.isComposing) return;
  if (event.key === "Escape") close();
  if (event.key === "Enter") go(event.shiftKey ? -1 : 1);
  if (["Escape", "Enter"].includes(event.key)) event.preventDefault();
});
document.addEventListener("click", ({ target }) => {
  if (target.closest("[data-finds]")) {
    panel.hidden = false;
    field.focus();
  }
  if (target.closest("[data-find-by]")) go(Number(target.closest("[data-find-by]").dataset.findBy));
  if (target.closest("[data-find-close]")) close();
});
onComparison(() => {
  if (!panel.hidden) search();
});
