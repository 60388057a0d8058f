"""Texts that are hard to render: a few annotators look at them while the others judge."""

import json
import random
import string
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from attack.people import Ledger, Person, Worker, build_form, parse_comparison
from attack.server import Server

MakeText = Callable[[random.Random], str]

SECONDS, LOOKERS = 18, 2
PROMPTS = 700
WORST = 5.0  # seconds: the limit for a page with a hostile text


def judge_hostile_texts(server: Server, rng: random.Random) -> int:
    """People look at hostile texts and judge them. Each page counts as a fault."""
    over = threading.Event()
    looked: list[float] = []
    lookers = [
        threading.Thread(target=look_on, args=(server, session, random.Random(rng.random()), over, looked))
        for session in server.sessions["hostile"][:LOOKERS]
    ]
    for looker in lookers:
        looker.start()
    over.wait(SECONDS)
    over.set()
    for looker in lookers:
        looker.join()
    server.note(looked_at=len(looked), looked_worst_s=round(max(looked, default=0), 2))
    if looked and max(looked) > WORST:
        server.report_finding(f"a page with a hostile text took {max(looked):.1f} s")
    return len(looked)


def look_on(server: Server, session: str, rng: random.Random, over: threading.Event, looked: list[float]) -> None:
    """Opens one comparison after the other and judges it.

    looked: receives the seconds that each page took.
    """
    ledger = Ledger(server.folder / f"{server.database}-hostile.jsonl")
    worker = Worker(Person(server.port, session), "hostile", "hostile", ledger, rng, over)
    until = time.monotonic() + 60
    while not over.is_set() and time.monotonic() < until:
        began = time.monotonic()
        answer = worker.send_until_answered("hostile_page", "GET", worker.path, htmx=False)
        looked.append(time.monotonic() - began)
        page = answer.body.decode("utf-8", "replace") if answer and answer.status == 200 else ""
        shown = parse_comparison(page)
        if shown is None:
            if answer and answer.status != 200:
                server.report_finding(f"a page with a hostile text was answered with {answer.status}")
            break
        shown.left = shown.right = ""  # the rendered text differs from the exported one: do not compare them
        form = build_form(shown, "left")
        worker.send_until_answered("verdict", "POST", worker.path, form | {"ready": 0}, shown, "left")
    worker.person.close()
    ledger.close()


def write_texts(path: Path, seed: str) -> int:
    """Writes prompts with two hostile answers each, with a unique beginning; returns the number of prompts."""
    rng = random.Random(seed)
    texts = [make(rng) for make in list_makers() for _ in range(2)]
    rng.shuffle(texts)
    texts = texts[: 2 * PROMPTS]
    with open(path, "w") as file:
        for number in range(0, len(texts) - 1, 2):
            turns = build_turns(rng) if number % 10 == 0 else f"{number} what?"
            row: dict[str, Any] = {"prompt": turns, "model_1": "a", "model_2": "b"}
            row |= {
                "response_1": f"{number} one\n\n{texts[number]}",
                "response_2": f"{number} two\n\n{texts[number + 1]}",
            }
            file.write(json.dumps(row) + "\n")
    return len(texts) // 2


def build_turns(rng: random.Random) -> list[dict[str, str]]:
    """A prompt of many turns, each with unclosed formulas."""
    bad = rng.choice(["$$a", "\\(x", "\\text{" * 40, "> " * 200, "[" * 300])
    said = [{"role": ("user", "assistant")[n % 2], "content": f"{n} {bad} " * 80} for n in range(rng.choice((11, 41)))]
    return [*said[: len(said) // 2 * 2], {"role": "user", "content": f"{rng.random()} and now?"}]


def list_makers() -> list[MakeText]:
    """Functions that draw a hostile text: for every lexer, and several for each of SHAPES."""
    from pygments.lexers import get_all_lexers

    names = [aliases[0] for _, aliases, _, _ in get_all_lexers() if aliases]
    lexers: list[MakeText] = [partial(build_code_block, name=name) for name in names]
    return lexers + [kind for kind in SHAPES for _ in range(8)]


def build_code_block(rng: random.Random, name: str) -> str:
    """Nearly repetitive code: exact repetition would be too easy to detect.

    name: of a lexer.
    """
    return f"```{name}\n{rng.choice(PATTERNS)(rng, rng.choice((3_000, 9_900, 40_000)))}\n```"


def make_noisy(unit: str, noise: float = 0.15) -> Callable[[random.Random, int], str]:
    """A function (rng, length) that draws code of repeated units, with other characters between them.

    noise: probability of another character after a unit.
    """

    def write(rng: random.Random, n: int) -> str:
        others = string.ascii_letters + " \n("
        parts = (unit + (rng.choice(others) if rng.random() < noise else "") for _ in range(n // len(unit)))
        return "".join(parts)[:n]

    return write


PATTERNS = [
    make_noisy(unit) for unit in (" ", "a", " \n", "\n", "(", "{", '"', "'", "/*", "<", "a.", "1", "\\", "#", "a b ")
]
PATTERNS += [make_noisy(unit, 0.0) for unit in (" ", "a", " \n", '"""', "<a")]
SHAPES: list[MakeText] = [
    lambda rng: "$" + "\\text{" * rng.choice((25, 300, 10_000)) + "$",
    lambda rng: "$$" + "\\frac{1}{" * rng.choice((29, 400, 8_000)) + "x" + "}" * 400 + "$$",
    lambda rng: "$$" + "\\left(" * rng.choice((29, 3_000)) + "$$",
    lambda rng: "$$" + "\\begin{matrix}" * rng.choice((29, 1_000)) + "$$",
    lambda rng: "$x_1^2$ " * rng.choice((990, 10_000)),
    lambda rng: "$$" + "x^{a_{b}}+" * rng.choice((190, 15_000)) + "$$",
    lambda rng: "\\(a " * rng.choice((190, 30_000)),
    lambda rng: "\\[a " * rng.choice((190, 30_000)),
    lambda rng: "$$a" * rng.choice((1_000, 60_000)),
    lambda rng: "[" * rng.choice((1_000, 190_000)),
    lambda rng: "[a](" * rng.choice((1_000, 45_000)),
    lambda rng: "".join(f"[a{n}](http://a.example/{n}) " for n in range(rng.choice((500, 5_000)))),
    lambda rng: "".join(f"[a{n}]: http://a.example/{n}\n" for n in range(rng.choice((500, 5_000)))),
    lambda rng: "![a](" * 30_000,
    lambda rng: "<" * 190_000,
    lambda rng: "<a " * 60_000,
    lambda rng: "&" * 190_000,
    lambda rng: "> " * rng.choice((500, 90_000)) + "a",
    lambda rng: ">" * 190_000,
    lambda rng: "- " * rng.choice((500, 90_000)) + "a",
    lambda rng: "".join(" " * n + "- a\n" for n in range(400)),
    lambda rng: "* " * 20_000 + "\n" + "_ " * 20_000,
    lambda rng: "*a " * 60_000,
    lambda rng: "**a *b " * 25_000,
    lambda rng: "_" * 190_000,
    lambda rng: "~~a" * 60_000,
    lambda rng: "`" * rng.choice((1_000, 190_000)),
    lambda rng: "".join("`" * n + "a " for n in range(550)),
    lambda rng: "|a" * rng.choice((500, 50_000)) + "|\n" + "|-" * rng.choice((500, 40_000)) + "|\n",
    lambda rng: "|a|b|\n|-|-|\n" + "|c|d|\n" * 25_000,
    lambda rng: "|" * 300 + "\n" + "|-" * 300 + "\n" + ("|" * 300 + "\n") * 400,
    lambda rng: "#" * 190_000,
    lambda rng: "# a\n" * 45_000,
    lambda rng: "\\" * 190_000,
    lambda rng: "\n" * 190_000 + "a",
    lambda rng: "a\n\n" * 60_000,
    lambda rng: "1. a\n" * 35_000,
    lambda rng: "\u0301" * 60_000,
    lambda rng: "\u202e\u2066" * 40_000,
    lambda rng: "漢" * 190_000,
    lambda rng: "a" * 190_000,
    lambda rng: " " * 190_000 + "a",
    lambda rng: "\t" * 190_000 + "a",
    lambda rng: "https://a.example/?" + "&a=" * 60_000,
    lambda rng: "".join(rng.choice("[]()<>`*_$\\|>#-\n a") for _ in range(20_000)),
    lambda rng: "".join(rng.choice("[]()<>`*_$\\|>#-\n a") for _ in range(190_000)),
    lambda rng: "<script>alert(1)</script>" * 7_000,
]
