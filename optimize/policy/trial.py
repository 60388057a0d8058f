"""Tries a policy on prompts of its dataset: how the bot would answer, and what that is worth by people's choices."""

import math
from collections.abc import Callable
from typing import Any

from analyze.maths.best_of_n import Value, compute_kl_bound
from analyze.maths.intervals import Rate
from datasets.models import Dataset, Prompt
from optimize.policy.learning import SIZES, Learnt, fetch_learnt
from optimize.policy.picking import answer_prompt, store_pick
from optimize.policy.settings import NoAnswer, find_policy


def try_policy(dataset: Dataset, most: int, progress: Callable[[int, int], object]) -> dict[str, Any]:
    """Stores a Pick for each of at most `most` prompts, judged ones first. Returns the numbers of the page.

    Raises NoAnswer if no model answers.
    """
    policy = find_policy(dataset)
    learnt = fetch_learnt(dataset, policy.picker)
    prompts = list_prompts(dataset, learnt, most)
    failed = 0
    for number, pk in enumerate(prompts):
        progress(number, len(prompts))
        try:
            answered = answer_prompt(policy, Prompt.objects.get(pk=pk), policy.n)
        except NoAnswer:
            failed += 1
            if failed == len(prompts):
                raise
            continue
        store_pick(answered, policy.n)
    progress(len(prompts), len(prompts))
    return {"prompts": len(prompts), "failed": failed, **describe_learnt(learnt, float(policy.margin), policy.n)}


def list_prompts(dataset: Dataset, learnt: Learnt, most: int) -> list[int]:
    """The ids of the prompts to try: the judged ones, then the newest others without earlier turns."""
    visible = Prompt.objects.visible().filter(dataset=dataset)
    judged = sorted(learnt.choices.prompts)[:most]
    others = visible.filter(turns=[]).exclude(pk__in=judged).order_by("-pk").values_list("pk", flat=True)
    return judged + list(others[: most - len(judged)])


def describe_learnt(learnt: Learnt, margin: float, n: int) -> dict[str, Any]:
    """The numbers of a policy as JSON.

    values: one per n that people's choices can tell; bounds: (n, most nats from the model).
    """
    return {
        "picker": learnt.picker,
        "why": learnt.why,
        "n": n,
        "choices": len(learnt.choices),
        "judged_prompts": len(learnt.choices.prompts),
        "accuracy": [{"name": name, **describe_rate(rate)} for name, rate in learnt.accuracy.items()],
        "values": [describe_value(value) for value in learnt.estimate_values(margin)],
        "bounds": [[size, compute_kl_bound(size)] for size in SIZES],
    }


def describe_rate(rate: Rate) -> dict[str, Any]:
    """A rate as the charts take it."""
    return {"value": float(rate.value), "interval": [float(rate.low), float(rate.high)], "n": int(rate.n)}


def describe_value(value: Value) -> dict[str, Any]:
    """A value as the charts take it; null instead of NaN."""
    return {
        "n": value.n,
        "value": None if math.isnan(value.win_rate) else value.win_rate,
        "interval": [value.low, value.high],
        "replaced": value.replaced,
        "own": None if math.isnan(value.own_opinion) else value.own_opinion,
        "prompts": value.prompts,
        "kl": compute_kl_bound(value.n),
    }
