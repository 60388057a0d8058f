// Extension of htmx: the header's numbers. Responses arrive in any order, and those of verdicts sent together are not built
// in the order of their counts: the person's count only rises, except after an undo or a skip.

// then, now: {count, at: when the server built it}; falls: an undo or a skip; fell: when the last of these was built.
function isOlder(then, now) {
  if (Number(then.count) > Number(now.count)) return Number(then.at) < Number(now.fell);
  return Number(then.at) < Number(now.at) || (Number(then.count) < Number(now.count) && !("falls" in then));
}

htmx.defineExtension("numbers", {
  onEvent(name, { detail }) {
    if (name !== "htmx:oobBeforeSwap" || detail.target.id !== "numbers") return;
    const then = detail.fragment.dataset;
    const now = detail.target.dataset;
    if (isOlder(then, now)) detail.shouldSwap = false;
    else Object.assign(now, { at: then.at, count: then.count }, "falls" in then && { fell: then.at });
  },
});
