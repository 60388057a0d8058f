"""The part on contradictions: cycles of choices, opposite votes on a pair, stars that contradict a choice."""

from collections.abc import Iterable

import numpy as np
from django.utils.translation import gettext_lazy as _

from analyze.columns import DatasetColumns
from analyze.maths.arrays import Ints
from analyze.maths.contradictions import (
    Cycle,
    Opposites,
    find_cycles_across,
    find_cycles_within,
    find_opposites,
    find_star_conflicts,
)
from analyze.shapes import Line, Numbers

LABEL = _("Contradictions")
PLACE = 8
SHOWN = 100  # of each kind, in a stored report


def numbers(data: DatasetColumns) -> Numbers:
    choices = data.choices
    columns = (choices.chosen, choices.rejected, choices.strength)
    # Each anonymous vote counts as a person.
    person = np.where(choices.person < 0, -1 - np.arange(len(choices)), choices.person)
    within = find_cycles_within(choices.prompt, person, *columns)
    across = find_cycles_across(choices.prompt, *columns)
    split = find_opposites(person, *columns)
    against = compare_stars(data)
    most = SHOWN if data.most is not None else None
    texts = ListedTexts(data, [*within[:most], *across[:most]], split, against[:most], most)
    return {
        "contradictions": {
            "counts": {
                "within": len(within),
                "across": len(across),
                "opposites": len(split.one),
                "stars": len(against),
            },
            "within": [texts.build_cycle(cycle) for cycle in within[:most]],
            "across": [texts.build_cycle(cycle) for cycle in across[:most]],
            "opposites": [texts.build_opposite(split, n) for n in range(len(split.one[:most]))],
            "stars": [texts.build_starred(n) for n in against[:most].tolist()],
        }
    }


def compare_stars(data: DatasetColumns) -> Ints:
    """Indices of choices that the same judgment's stars contradict."""
    if not data.stars:
        return np.zeros(0, np.int64)
    choices, judgments = data.choices, data.choices.judgment.tolist()
    chosen_stars, rejected_stars = (
        np.array([data.stars.get(key, np.nan) for key in zip(judgments, ids.tolist(), strict=True)])
        for ids in (choices.chosen, choices.rejected)
    )
    return find_star_conflicts(chosen_stars, rejected_stars, choices.strength)


class ListedTexts:
    """Builds the listed lines, with their texts read in one go."""

    def __init__(
        self, data: DatasetColumns, cycles: Iterable[Cycle], split: Opposites, against: Ints, most: int | None
    ) -> None:
        self.data, self.choices = data, data.choices
        ids = {int(pk) for cycle in cycles for pk in cycle.answers}
        ids |= {int(pk) for column in (split.one[:most], split.other[:most]) for pk in column}
        ids |= {int(column[n]) for n in against for column in (self.choices.chosen, self.choices.rejected)}
        self.texts = data.fetch_texts(ids)
        self.prompts = data.fetch_prompts({data.responses[pk].prompt for pk in ids})

    def build_cycle(self, cycle: Cycle) -> Line:
        answers = [int(pk) for pk in cycle.answers]
        person = cycle.annotator is not None and cycle.annotator >= 0
        return {
            "prompt": self.prompts[self.data.responses[answers[0]].prompt],
            "annotator": str(self.data.people[cycle.annotator]) if person else None,
            "answers": [self.texts[pk] for pk in answers],
            "judgments": self.choices.judgment[list(cycle.rows)],
        }

    def build_opposite(self, split: Opposites, n: int) -> Line:
        first, second = int(split.one[n]), int(split.other[n])
        return {
            "prompt": self.prompts[self.data.responses[first].prompt],
            "one": self.texts[first],
            "other": self.texts[second],
            "for_one": split.for_one[n],
            "for_other": split.for_other[n],
            "by_one_person": bool(split.by_one_person[n]),
            "judgments": self.choices.judgment[list(split.rows[n])],
        }

    def build_starred(self, n: int) -> Line:
        judgment, chosen, rejected = (
            int(column[n]) for column in (self.choices.judgment, self.choices.chosen, self.choices.rejected)
        )
        return {
            "prompt": self.prompts[self.data.responses[chosen].prompt],
            "judgment": judgment,
            "chosen": self.texts[chosen],
            "rejected": self.texts[rejected],
            "stars_chosen": self.data.stars[judgment, chosen],
            "stars_rejected": self.data.stars[judgment, rejected],
        }
