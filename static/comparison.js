// The comparison on show, as the other modules see it.

export const findWork = () => document.getElementById("work");
export const findShown = () => document.querySelector("#work > form[data-comparison]");
export const keyOf = (form) => `${form.elements.judgment.value}:${form.elements.revision.value}`;
export const isPlain = () => "plain" in findWork().dataset; // one comparison a page: no outbox, nothing kept ready

export const isVerdict = ({ elt }) => elt.matches("form[data-comparison]");

// Show a message; none: clear the last one.
export function tell(words) {
  document.getElementById("told").textContent = words || "";
}

// Calls setUp(form) for the comparison of the page, and for each one that is put there later.
export function onComparison(setUp) {
  const form = findShown();
  if (form) setUp(form);
  document.addEventListener("htmx:load", ({ target }) => {
    const put = target !== document.body && findShown();
    if (put && target.contains(put)) setUp(put);
  });
}
