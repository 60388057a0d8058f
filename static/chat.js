// The chat: Enter sends, Shift and Enter begins a line. Enter that confirms a word of an input method does neither.
"use strict";

const say = document.querySelector("form[data-say]");
if (say) {
  const text = say.querySelector("textarea");
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    if (text.value.trim()) say.requestSubmit();
  });
}

// What is shown last is what the person wants to see.
window.scrollTo(0, document.body.scrollHeight);
