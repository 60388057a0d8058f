"""Time from a key press until the next comparison is painted, in Chromium, with 200 ms added to every request."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from bench.common import ROOT, measure_command, say, write_wide_rows
from bench.judging import serving

LATENCY, PRESSES = 200, 60
LONG = 5000  # words of an answer
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
# From the key press to the frame after the next comparison is in the page.
WATCH = """() => {
    window.painted = [];
    let pressed = 0;
    addEventListener("keydown", () => { pressed = performance.now(); }, true);
    new MutationObserver(() => requestAnimationFrame(() => {
        const channel = new MessageChannel();
        channel.port1.onmessage = () => window.painted.push(performance.now() - pressed);
        channel.port2.postMessage(0);
    })).observe(document.getElementById("work"), { childList: true });
}"""


def run(environment: dict[str, str], database: str, folder: Path) -> None:
    """Answers of ordinary length, then of LONG words each."""
    write_wide_rows(folder / "page.jsonl", 2 * PRESSES)
    write_long_rows(folder / "long.jsonl", 2 * PRESSES)
    for slug, name in (("page", "next-shown"), ("long", f"next-shown-{LONG}-words")):
        measure_command(environment, "import_dataset", slug, str(folder / f"{slug}.jsonl"))
        measure_presses(environment, database, slug, name)


def write_long_rows(path: Path, n: int) -> None:
    """Prompts with two answers of LONG words, in paragraphs of a hundred with some Markdown."""
    words = " ".join(f"word{n % 89}" for n in range(98))
    with path.open("w", encoding="utf-8") as file:
        for row in range(n):
            answers = ["\n\n".join(f"**{side}** {n} {words}" for n in range(LONG // 100)) for side in ("one", "two")]
            file.write(json.dumps({"prompt": f"Prompt {row}?", "responses": answers}) + "\n")


def measure_presses(environment: dict[str, str], database: str, slug: str, name: str) -> None:
    from playwright.sync_api import sync_playwright

    command = [sys.executable, str(ROOT / "bench/sessions.py"), slug, "1"]
    made = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    session = json.loads(made.stdout)[0]
    with serving(environment) as port, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium-headless-shell"), args=QUIET)
        page = browser.new_page()
        page.context.add_cookies([{"name": "sessionid", "value": session, "url": f"http://127.0.0.1:{port}"}])
        page.goto(f"http://127.0.0.1:{port}/annotate/{slug}/")
        page.wait_for_load_state("networkidle")
        conditions = {"offline": False, "latency": LATENCY, "downloadThroughput": -1, "uploadThroughput": -1}
        page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", conditions)
        page.evaluate(WATCH)
        for _ in range(PRESSES):
            page.keyboard.press("Digit1")
            page.wait_for_timeout(300)
        painted = sorted(page.evaluate("() => window.painted"))
        browser.close()
    assert len(painted) >= PRESSES
    for label, share in (("p50", 0.5), ("p95", 0.95)):
        say(f"{name}-{label}", database, PRESSES, painted[int(len(painted) * share)], "ms")
