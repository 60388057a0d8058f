// Extension of htmx: the header's numbers. Responses arrive in any order: an older one than the last changes nothing, and
// the person's count only rises, except after an undo or a skip.

function isOlder(then, now) {
  return Number(then.at) < Number(now.at) || (Number(then.count) < Number(now.count) && !("falls" in then));
}

htmx.defineExtension("numbers", {
  onEvent(name, { detail }) {
    if (name !== "htmx:oobBeforeSwap" || detail.target.id !== "numbers") return;
    const then = detail.fragment.dataset;
    if (isOlder(then, detail.target.dataset)) detail.shouldSwap = false;
    else Object.assign(detail.target.dataset, { at: then.at, count: then.count });
  },
});
