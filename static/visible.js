// The text of an answer as the page shows it.

export const isBlank = (character) => character === " " || character === "\t" || character === "\n";

// The visible text of an element: {text, nodes: [{node, start}], units: [{start, end, least, kind}]}. A unit is what stands in
// one piece in the source, at `least` so long: a line without markup in it. A formula is a unit too, and not found there.
export function collect(root, beside) {
  const walker = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const [nodes, runs] = [[], []];
  let [text, last] = ["", null];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    if (parent.closest("summary, .image") || beside?.contains(parent)) continue;
    const owner = parent.closest("math") || parent.closest("code") || parent.closest(":not(mark)");
    if (owner !== last || node.previousSibling?.localName === "br")
      runs.push({ start: text.length, kind: owner.localName });
    last = owner;
    nodes.push({ node, start: text.length });
    text += node.data;
    runs.at(-1).end = text.length;
  }
  return { text, nodes, units: runs.flatMap((run) => (run.kind === "math" ? [run] : splitLines(text, run))) };
}

function splitLines(text, { start, end, kind }) {
  const lines = [];
  for (const { 0: line, index } of text.slice(start, end).matchAll(/[^\n]+/g)) {
    const words = line.trim();
    const skip = words.startsWith("\u{1f5bc} ") ? 3 : 0; // the mark before the name of an image
    const from = start + index + line.indexOf(words) + skip;
    const least = words.slice(skip).replace(/[\t ]+/g, " ").length;
    if (least) lines.push({ start: from, end: from + words.length - skip, least, kind });
  }
  return lines;
}
