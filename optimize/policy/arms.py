"""Draws the models of a pair by Thompson sampling: those that people prefer so far are drawn more often."""

import threading
import time
from collections.abc import Sequence

import numpy as np

from analyze.columns import DatasetColumns
from analyze.maths.strengths import Strengths
from datasets.models import Dataset

REMEMBERED_S = 30.0
UNKNOWN_SD = 2.0  # of the log-odds of a model that nobody has judged
_rng = np.random.default_rng()
_remembered: dict[int, tuple[float, Strengths | None]] = {}
_guard = threading.Lock()


def draw_leaders(dataset: Dataset, sources: Sequence[str], count: int) -> list[int]:
    """Indices of `count` different sources, each the best in a draw from the posterior of the strengths."""
    mean, sd = get_posterior(fetch_strengths(dataset), sources)
    drawn: list[int] = []
    while len(drawn) < count:
        sample = _rng.normal(mean, sd)
        sample[drawn] = -np.inf
        drawn.append(int(np.argmax(sample)))
    return drawn


def get_posterior(strengths: Strengths | None, sources: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """(mean, standard deviation) of the log-odds of each source; (0, UNKNOWN_SD) for one that nobody has judged."""
    mean, sd = np.zeros(len(sources)), np.full(len(sources), UNKNOWN_SD)
    if strengths is not None:
        places = {name: place for place, name in enumerate(strengths.source.tolist())}
        for n, source in enumerate(sources):
            if source in places:
                place = places[source]
                mean[n] = strengths.strength[place]
                sd[n] = min(UNKNOWN_SD, float(np.sqrt(max(strengths.covariance[place, place], 0))))
    return mean, sd


def fetch_strengths(dataset: Dataset) -> Strengths | None:
    """The strengths of the sources, at most REMEMBERED_S old."""
    with _guard:
        found = _remembered.get(dataset.pk)
    if found and time.monotonic() - found[0] <= REMEMBERED_S:
        return found[1]
    strengths = DatasetColumns(dataset).strengths
    with _guard:
        _remembered[dataset.pk] = time.monotonic(), strengths
    return strengths
