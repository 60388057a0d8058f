// Leaving a page. Extension of htmx, for pages of one comparison (practice, review, chat): the form is sent once, and
// whatever the server answers replaces the page.
import { findShown, findWork, tell } from "./comparison.js";

let leaving = false;

htmx.defineExtension("leave", {
  onEvent(name, { detail }) {
    if (name === "htmx:confirm") {
      if (leaving) return false;
      tell("");
    }
    if (name === "htmx:beforeRequest") leaving = true;
    if (name === "htmx:beforeSwap") {
      leaving = false;
      Object.assign(detail, { shouldSwap: true, isError: false });
    }
    if (name === "htmx:sendError") {
      leaving = false;
      tell(findWork().dataset.offline);
    }
  },
});

// Warn before leaving a page with unsent text.
addEventListener("beforeunload", (event) => {
  const texts = findShown()?.querySelectorAll("textarea, input[type=text]") || [];
  if (!leaving && [...texts].some((text) => text.value !== text.defaultValue)) event.preventDefault();
});

// Reload a page that the browser restored from its cache.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
