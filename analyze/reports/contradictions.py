"""Where choices contradict each other: circles, opposite votes on one pair, stars that say otherwise."""

import numpy as np
from django.utils.translation import gettext_lazy as _

from analyze.maths.contradictions import against_stars, cycles_across, cycles_within, opposites

LABEL = _("Contradictions")
PLACE = 8
SHOWN = 100


def numbers(data):
    choices = data.choices
    said = (choices.chosen, choices.rejected, choices.strength)
    person = np.where(choices.person < 0, -1 - np.arange(len(choices)), choices.person)  # nobody is nobody else
    within = cycles_within(choices.prompt, person, *said)
    across = cycles_across(choices.prompt, *said)
    split = opposites(person, *said)
    against = stars_against(data)
    most = SHOWN if data.most is not None else None
    texts = Texts(data, [*within[:most], *across[:most]], split, against[:most], most)
    return {
        "contradictions": {
            "counts": {
                "within": len(within),
                "across": len(across),
                "opposites": len(split.one),
                "stars": len(against),
            },
            "within": [texts.circle(one) for one in within[:most]],
            "across": [texts.circle(one) for one in across[:most]],
            "opposites": [texts.opposite(split, n) for n in range(len(split.one[:most]))],
            "stars": [texts.starred(n) for n in against[:most].tolist()],
        }
    }


def stars_against(data):
    """The places of choices that the same judgment's stars contradict."""
    choices, judgments = data.choices, data.choices.judgment.tolist()
    given = [
        np.array([data.stars.get(key, np.nan) for key in zip(judgments, ids.tolist(), strict=True)])
        for ids in (choices.chosen, choices.rejected)
    ]
    return against_stars(*given, choices.strength)


class Texts:
    """The texts of what is listed, read once."""

    def __init__(self, data, circles, split, against, most):
        self.data, self.choices = data, data.choices
        ids = {int(pk) for one in circles for pk in one.answers}
        ids |= {int(pk) for column in (split.one[:most], split.other[:most]) for pk in column}
        ids |= {int(column[n]) for n in against for column in (self.choices.chosen, self.choices.rejected)}
        self.texts = data.texts_of(ids)
        self.prompts = data.prompts_of({data.responses[pk].prompt for pk in ids})

    def circle(self, one):
        answers = [int(pk) for pk in one.answers]
        person = one.annotator is not None and one.annotator >= 0
        return {
            "prompt": self.prompts[self.data.responses[answers[0]].prompt],
            "annotator": str(self.data.people[one.annotator]) if person else None,
            "answers": [self.texts[pk] for pk in answers],
            "judgments": self.choices.judgment[list(one.rows)],
        }

    def opposite(self, split, n):
        one, other = int(split.one[n]), int(split.other[n])
        return {
            "prompt": self.prompts[self.data.responses[one].prompt],
            "one": self.texts[one],
            "other": self.texts[other],
            "for_one": split.for_one[n],
            "for_other": split.for_other[n],
            "by_one_person": bool(split.by_one_person[n]),
            "judgments": self.choices.judgment[list(split.rows[n])],
        }

    def starred(self, n):
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
