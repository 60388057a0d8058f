"""Accuracy and cost of the statistics in `analyze/`, on simulated people whose truth is known.

Needs no database: `python bench/analyze.py` runs it alone.
"""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MILLION, SEEDS = 1_000_000, 20


def run(environment: dict[str, str], database: str, folder: Path) -> None:
    from bench.common import say

    if database != "sqlite":
        return
    alone = {**environment, "OPENBLAS_NUM_THREADS": "1"}  # the matrices are small: threads would only contend
    done = subprocess.Popen([sys.executable, __file__], env=alone, stdout=subprocess.PIPE, text=True)
    assert done.stdout
    for line in done.stdout:
        say(**json.loads(line))
    if done.wait():
        raise SystemExit("bench/analyze.py failed")


def print_line(
    bench: str, n: int, value: float, unit: str, ratio_to: str | None = None, ratio: float | None = None
) -> None:
    line = {"bench": bench, "database": None, "n": n, "value": float(value), "unit": unit}
    print(json.dumps({**line, "ratio_to": ratio_to, "ratio": ratio}), flush=True)


def main() -> None:
    sys.path.insert(0, str(ROOT))
    measure_cost()
    measure_coverage()
    measure_carelessness()
    measure_planted()
    measure_asking()
    measure_suspects()


def measure_cost() -> None:
    """1,000,000 choices over 50 sources, with intervals, ranks and groups."""
    import numpy as np

    from analyze.maths.strengths import fit_strengths
    from bench.simulate import draw_choices

    rng = np.random.default_rng(1)
    columns = draw_choices(rng, rng.normal(0, 1, 50), MILLION, tie=-0.7)
    started = time.perf_counter()
    assert fit_strengths(*columns).has_converged
    print_line("strengths", MILLION, time.perf_counter() - started, "s")
    started = time.perf_counter()
    fit_strengths(*columns, clusters=np.arange(MILLION) // 4)
    print_line("strengths-by-prompt", MILLION, time.perf_counter() - started, "s")
    print_line("strengths-memory", MILLION, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MiB")


def measure_coverage() -> None:
    import numpy as np

    from analyze.maths.strengths import fit_strengths
    from bench.simulate import draw_choices

    rng, held = np.random.default_rng(2), []
    for _ in range(300):
        truth = rng.normal(0, 1, 10)
        found = fit_strengths(*draw_choices(rng, truth, 400, tie=-0.7))
        true = truth[found.source] - truth.mean()
        held.append((found.low <= true) & (true <= found.high))
    print_line("interval-coverage", 300, 100 * np.mean(held), "% (wanted 95 ± 2)")


def measure_carelessness() -> None:
    from analyze.maths.reliability import fit_reliability
    from bench.simulate import CARELESS, HONEST, draw_crowd

    right = found = planted = 0
    for seed in range(SEEDS):
        made = draw_crowd(500 + seed, [HONEST] * 40 + [CARELESS] * 10)
        careless = fit_reliability(made.votes, made.compute_chance()).careless_probability > 0.5
        right, found, planted = right + careless[40:].sum(), found + careless.sum(), planted + 10
    print_line("careless-recall", SEEDS, 100 * right / planted, "% of 10 among 50, 50 judgments each (wanted 90)")
    print_line("careless-precision", SEEDS, 100 * right / found, "% (wanted 90)")


def measure_planted() -> None:
    from analyze.maths.people import assess_people
    from bench.simulate import CARELESS, DRIFTS, HONEST, LEFT, LONGER, draw_crowd

    for name, spread, gold in (("usual", 2.3, 0.1), ("clear", 3.0, 0.2)):
        last = marked = 0
        for seed in range(SEEDS):
            people = [HONEST] * 40 + [CARELESS, LEFT, LONGER, DRIFTS]
            made = draw_crowd(700 + seed, people, spread=spread, gold=gold)
            found = assess_people(made.votes, made.compute_chance())
            last += set(found.order[:4]) == {40, 41, 42, 43}
            marked += found.is_marked[:40].sum()
        print_line(f"planted-last-{name}", SEEDS, 100 * last / SEEDS, "% of runs: all four before 40 honest people")
        print_line(f"honest-marked-{name}", SEEDS, marked / SEEDS, "of 40 honest people (wanted at most 2)")


def measure_asking() -> None:
    from bench.simulate import choose_pairs, estimate_judgments_needed

    for spread in (2.0, 3.0):
        random, chosen = estimate_judgments_needed(choose_pairs, sources=20, spread=spread, judgments=800, seeds=SEEDS)
        share = chosen / random
        print_line(f"asking-spread-{spread:.0f}", SEEDS, chosen, "judgments", f"random asking: {random:.0f}", share)


def measure_suspects() -> None:
    from analyze.maths.predictor import find_suspicious, predict_held_out
    from bench.simulate import draw_essays

    made = draw_essays(1, 4000, flipped=0.05)
    started = time.perf_counter()
    found = predict_held_out(made.chosen, made.rejected, made.prompt)
    print_line("predictor", 4000, time.perf_counter() - started, "s")
    print_line("predictor-accuracy", 4000, 100 * float(found.accuracy.value), "%")
    first = find_suspicious(found.probability)[:200]
    print_line("suspicious-precision", 4000, 100 * made.is_flipped[first].mean(), "% of the first 5 % (wanted 50)")


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()
