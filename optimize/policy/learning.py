"""What a dataset's choices have taught: the picker that is used, why, and the coverage. Kept per process."""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from analyze.maths.best_of_n import Value, compute_agreement, estimate_value
from analyze.maths.intervals import Rate, compute_clustered_rate
from datasets.models import Dataset
from optimize.policy.choices import JudgedChoices, find_marker, load_choices
from optimize.policy.coverage import Coverage, load_coverage
from optimize.policy.pickers import FittedPicker, load_pickers

NOTHING, TOO_FEW, SIMPLER, BEST, CHOSEN = "nothing", "too_few", "simpler", "best", "chosen"
SIZES = (1, 2, 4, 8, 16)
LATELY_S = 30.0
REMEMBERED = 8  # datasets
_learnt: "OrderedDict[tuple[int, str], tuple[tuple[object, ...], float, Learnt]]" = OrderedDict()
_guard = threading.Lock()
_locks: dict[tuple[int, str], threading.Lock] = {}


@dataclass(frozen=True)
class Learnt:
    """The picker of a dataset, and what it rests on.

    picker: its name; "" without choices. why: NOTHING, TOO_FEW (choices to hold any out), SIMPLER (it predicts held-out
    choices as well as the other one), BEST, or CHOSEN (by an admin).
    accuracy: {name of a picker: Rate of held-out choices that it predicts}; empty with too few.
    """

    choices: JudgedChoices
    picker: str
    why: str
    accuracy: dict[str, Rate]
    fitted: FittedPicker | None
    coverage: Coverage
    held_out: dict[str, dict[int, float]]

    @property
    def has_chances(self) -> bool:
        """Whether the picker states chances."""
        return bool(self.picker) and bool(self.accuracy) and load_pickers()[self.picker].HAS_CHANCES

    def estimate_values(self, margin: float) -> list[Value]:
        """The Value for each of SIZES that people's choices can tell; none with too few. margin: see estimate_value."""
        scores, choices = self.held_out.get(self.picker), self.choices
        if scores is None:
            return []
        columns = (choices.chosen, choices.rejected, choices.prompt)
        least, strength = margin if self.has_chances else 0.5, choices.strength
        values = [estimate_value(*columns, scores, n, least, self.has_chances, strength) for n in SIZES]
        return [value for value in values if value.prompts]


def fetch_learnt(dataset: Dataset, wanted: str = "") -> Learnt:
    """What the choices of a dataset have taught; computed again once somebody has judged.

    wanted: the picker that an admin has chosen; "" for the best one.
    """
    key, marker = (dataset.pk, wanted), find_marker(dataset)
    with _guard:
        lock = _locks.setdefault(key, threading.Lock())
    with lock:  # one thread computes, others wait for it
        found = _learnt.get(key)
        if found and found[0] == marker:
            return found[2]
        learnt = compute_learnt(dataset, wanted)
        with _guard:
            _learnt[key] = marker, time.monotonic(), learnt
            _learnt.move_to_end(key)
            while len(_learnt) > REMEMBERED:
                _learnt.popitem(last=False)
    return learnt


def fetch_learnt_lately(dataset: Dataset, wanted: str = "") -> Learnt:
    """As fetch_learnt, but what was learnt before is good for LATELY_S, and while another thread computes."""
    key = dataset.pk, wanted
    with _guard:
        found, lock = _learnt.get(key), _locks.setdefault(key, threading.Lock())
    if found and (time.monotonic() - found[1] <= LATELY_S or lock.locked()):
        return found[2]
    learnt = fetch_learnt(dataset, wanted)
    with _guard:
        if key in _learnt:
            _learnt[key] = _learnt[key][0], time.monotonic(), learnt
    return learnt


def compute_learnt(dataset: Dataset, wanted: str) -> Learnt:
    """See fetch_learnt."""
    choices, pickers = load_choices(dataset), load_pickers()
    coverage = load_coverage(dataset, choices)
    simplest, *others = pickers
    if not len(choices):
        return Learnt(choices, "", NOTHING, {}, None, coverage, {})
    if not choices.can_hold_out:
        return Learnt(choices, simplest, TOO_FEW, {}, pickers[simplest].fit(choices), coverage, {})
    held_out = {name: picker.score_held_out(choices) for name, picker in pickers.items()}
    decided = choices.strength > 0
    pairs = choices.chosen[decided], choices.rejected[decided]
    hits = {name: compute_agreement(scores, *pairs) for name, scores in held_out.items()}
    accuracy = {name: compute_clustered_rate(column, choices.prompt[decided]) for name, column in hits.items()}
    best = simplest
    for name in others:
        if float(np.mean(hits[name])) > float(np.mean(hits[best])):
            best = name
    picker, why = (wanted, CHOSEN) if wanted in pickers else (best, SIMPLER if best == simplest else BEST)
    return Learnt(choices, picker, why, accuracy, pickers[picker].fit(choices), coverage, held_out)
