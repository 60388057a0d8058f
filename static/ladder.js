// The places of a ranking as columns into which the answers' letters are dragged. The form sends the radio buttons
// under the answers; dragging sets them.

export function drawLadder(form) {
  const steps = form.querySelector("[data-ladder]");
  if (!steps) return;
  const letters = [...form.querySelectorAll(".answer .letter")].map((letter) => letter.lastChild.textContent.trim());
  const places = letters.map((_, n) => {
    const set = form.querySelector(`[name=rank_${n + 1}]:checked`);
    return set ? set.value : "";
  });
  steps.hidden = false;
  steps.replaceChildren(
    ...["", ...letters.map((_, n) => String(n + 1))].map((place) => {
      const column = document.createElement("div");
      column.className = place ? "place" : "place tray";
      column.dataset.place = place;
      column.dataset.label = place || steps.dataset.tray;
      column.append(
        ...letters.filter((_, n) => places[n] === place).map((letter) => token(letter, letters.indexOf(letter))),
      );
      return column;
    }),
  );
}

function token(letter, n) {
  const piece = document.createElement("span");
  piece.className = "token";
  piece.textContent = letter;
  piece.dataset.answer = n + 1;
  return piece;
}

let dragged = null;

addEventListener("pointerdown", (event) => {
  const piece = event.target.closest("[data-ladder] .token");
  if (!piece) return;
  event.preventDefault();
  piece.setPointerCapture(event.pointerId);
  dragged = { piece, x: event.clientX, y: event.clientY };
  piece.classList.add("dragged");
});

addEventListener("pointermove", (event) => {
  if (!dragged) return;
  dragged.piece.style.translate = `${event.clientX - dragged.x}px ${event.clientY - dragged.y}px`;
  document.querySelectorAll("[data-ladder] .place").forEach((column) => {
    column.classList.toggle("over", column === columnAt(event));
  });
});

addEventListener("pointerup", (event) => {
  if (!dragged) return;
  const form = dragged.piece.closest("form");
  const column = columnAt(event);
  const inputs = [...form.querySelectorAll(`[name=rank_${dragged.piece.dataset.answer}]`)];
  if (column)
    inputs.forEach((input) => {
      input.checked = input.value === column.dataset.place;
    });
  dragged = null;
  form.querySelector("[data-ladder]").dispatchEvent(new Event("change", { bubbles: true }));
});

addEventListener("pointercancel", () => {
  if (dragged) drawLadder(dragged.piece.closest("form"));
  dragged = null;
});

function columnAt(event) {
  return [...document.querySelectorAll("[data-ladder] .place")].find((column) => {
    const box = column.getBoundingClientRect();
    return (
      event.clientX >= box.left &&
      event.clientX <= box.right &&
      event.clientY >= box.top - 20 &&
      event.clientY <= box.bottom + 20
    );
  });
}
