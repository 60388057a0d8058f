// Extension of htmx: the time at work on a comparison goes with its verdict. It runs while the page is visible and the
// person active.
import { isVerdict, onComparison } from "./comparison.js";

const STILL = 60_000;
const clock = { active: 0, last: performance.now(), moved: performance.now(), inView: !document.hidden };

function tick() {
  const now = performance.now();
  if (clock.inView && now - clock.moved < STILL) clock.active += now - clock.last;
  Object.assign(clock, { last: now, inView: !document.hidden });
}

function start() {
  tick();
  clock.active = 0;
  clock.moved = clock.last;
}

setInterval(tick, 1000);
document.addEventListener("visibilitychange", tick);
for (const name of ["pointermove", "pointerdown", "keydown", "wheel", "scroll", "touchstart"]) {
  const move = () => {
    tick();
    clock.moved = performance.now();
  };
  addEventListener(name, move, { passive: true, capture: true });
}
onComparison(start);

htmx.defineExtension("clock", {
  onEvent(name, { detail }) {
    if (name !== "htmx:configRequest" || !isVerdict(detail)) return;
    tick();
    detail.parameters.seconds = (clock.active / 1000).toFixed(2);
  },
});
