"""What the numbers of `analyze/` are worth on simulated people whose truth is known, and what they cost. No database:
`python bench/analyze.py` prints it alone."""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MILLION, SEEDS = 1_000_000, 20


def run(environment, database, folder):
    from bench.common import say

    if database != "sqlite":
        return
    alone = {**environment, "OPENBLAS_NUM_THREADS": "1"}  # small matrices: threads would only wait for each other
    done = subprocess.Popen([sys.executable, __file__], env=alone, stdout=subprocess.PIPE, text=True)
    for line in done.stdout:
        say(**json.loads(line))
    if done.wait():
        raise SystemExit("bench/analyze.py failed")


def tell(bench, n, value, unit, ratio_to=None, ratio=None):
    line = {"bench": bench, "database": None, "n": n, "value": float(value), "unit": unit}
    print(json.dumps({**line, "ratio_to": ratio_to, "ratio": ratio}), flush=True)


def main():
    sys.path.insert(0, str(ROOT))
    cost()
    coverage()
    carelessness()
    planted()
    asking()
    suspects()


def cost():
    """1,000,000 choices over 50 sources, with intervals, ranks and groups."""
    import numpy as np

    from analyze.maths.simulate import choices
    from analyze.maths.strengths import strengths

    rng = np.random.default_rng(1)
    columns = choices(rng, rng.normal(0, 1, 50), MILLION, tie=-0.7)
    started = time.perf_counter()
    assert strengths(*columns).is_settled
    tell("strengths", MILLION, time.perf_counter() - started, "s")
    started = time.perf_counter()
    strengths(*columns, clusters=np.arange(MILLION) // 4)
    tell("strengths-by-prompt", MILLION, time.perf_counter() - started, "s")
    tell("strengths-memory", MILLION, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "MiB")


def coverage():
    import numpy as np

    from analyze.maths.simulate import choices
    from analyze.maths.strengths import strengths

    rng, held = np.random.default_rng(2), []
    for _ in range(300):
        truth = rng.normal(0, 1, 10)
        found = strengths(*choices(rng, truth, 400, tie=-0.7))
        true = truth[found.source] - truth.mean()
        held.append((found.low <= true) & (true <= found.high))
    tell("interval-coverage", 300, 100 * np.mean(held), "% (wanted 95 ± 2)")


def carelessness():
    from analyze.maths.reliability import reliability
    from analyze.maths.simulate import CARELESS, HONEST, crowd

    right = found = planted = 0
    for seed in range(SEEDS):
        made = crowd(500 + seed, [HONEST] * 40 + [CARELESS] * 10)
        careless = reliability(made.votes, made.chance()).careless_probability > 0.5
        right, found, planted = right + careless[40:].sum(), found + careless.sum(), planted + 10
    tell("careless-recall", SEEDS, 100 * right / planted, "% of 10 among 50, 50 judgments each (wanted 90)")
    tell("careless-precision", SEEDS, 100 * right / found, "% (wanted 90)")


def planted():
    from analyze.maths.people import people
    from analyze.maths.simulate import CARELESS, DRIFTS, HONEST, LEFT, LONGER, crowd

    for name, options in (("usual", {}), ("clear", {"spread": 3.0, "gold": 0.2})):
        last = marked = 0
        for seed in range(SEEDS):
            made = crowd(700 + seed, [HONEST] * 40 + [CARELESS, LEFT, LONGER, DRIFTS], **options)
            found = people(made.votes, made.chance())
            last += set(found.order[:4]) == {40, 41, 42, 43}
            marked += found.is_marked[:40].sum()
        tell(f"planted-last-{name}", SEEDS, 100 * last / SEEDS, "% of runs: all four before 40 honest people")
        tell(f"honest-marked-{name}", SEEDS, marked / SEEDS, "of 40 honest people (wanted at most 2)")


def asking():
    from analyze.maths.active_selection import next_pairs
    from analyze.maths.simulate import judgments_needed

    for spread in (2.0, 3.0):
        random, chosen = judgments_needed(next_pairs, sources=20, spread=spread, judgments=800, seeds=SEEDS)
        share = chosen / random
        tell(f"asking-spread-{spread:.0f}", SEEDS, chosen, "judgments", f"random asking: {random:.0f}", share)


def suspects():
    from analyze.maths.predictor import predict, suspicious
    from analyze.maths.simulate import essays

    made = essays(1, 4000, flipped=0.05)
    started = time.perf_counter()
    found = predict(made.chosen, made.rejected, made.prompt)
    tell("predictor", 4000, time.perf_counter() - started, "s")
    tell("predictor-accuracy", 4000, 100 * found.accuracy.value, "%")
    first = suspicious(found.probability)[:200]
    tell("suspicious-precision", 4000, 100 * made.is_flipped[first].mean(), "% of the first 5 % (wanted 50)")


if __name__ == "__main__":
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    main()
