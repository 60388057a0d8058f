"""Answers a prompt as the policy says: n answers of the models, of which the picker chooses one.

`policy`, the page and /v1 share choose_answer. A prompt unlike all judged ones keeps its first answer, and so does one
whose best answer has a smaller chance than the margin.
"""

import math
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db import transaction

from analyze.maths.predictor import rank_texts
from datasets.db.write_lock import write_turn
from datasets.formats import rows
from datasets.models import Prompt, Response
from optimize.models import ModelVersion, Pick, PolicySettings
from optimize.policy.coverage import join_text
from optimize.policy.learning import NOTHING, Learnt, fetch_learnt
from optimize.policy.settings import NoAnswer, list_versions
from optimize.prompt_answers import ask_missing, ensure_generations
from optimize.prompts import ensure_prompt


@dataclass(frozen=True)
class Decision:
    """Which of n answers a policy returns.

    place: of the pick among the answers; the first is 0.
    chance: that people would choose the pick over the first answer; None where it is not known, for chance_reason:
        `few_choices`, `not_covered` or `same`.
    """

    place: int
    picker: str
    chance: float | None
    chance_reason: str
    covered: bool


@dataclass(frozen=True)
class Answered:
    """A prompt that the models answered. responses: the answers that came, the first one first."""

    prompt: Prompt
    responses: Sequence[Response]
    decision: Decision
    learnt: Learnt

    @property
    def first(self) -> Response:
        return self.responses[0]

    @property
    def pick(self) -> Response:
        return self.responses[self.decision.place]


def choose_answer(
    texts: Sequence[str], prompt: str, learnt: Learnt, margin: float, tags: Collection[str] = ()
) -> Decision:
    """Which of these answers to a prompt the policy returns.

    texts: the first answer first.
    prompt: its text; tags: of it.
    margin: the chance from which the pick replaces the first answer.
    """
    covered = learnt.coverage.is_covered(prompt, tags)
    if learnt.fitted is None or not covered:
        return Decision(0, learnt.picker, None, "not_covered" if learnt.why != NOTHING else "few_choices", covered)
    order, scores, _ = rank_texts(learnt.fitted, texts)
    place, first = int(order[0]), scores[order.tolist().index(0)]
    if texts[place] == texts[0]:
        place = 0
    if not learnt.has_chances:
        return Decision(place, learnt.picker, None, "few_choices", covered)
    if place == 0:
        return Decision(0, learnt.picker, None, "same", covered)
    chance = 1 / (1 + math.exp(float(first - scores[0])))
    return Decision(place if chance >= margin else 0, learnt.picker, chance, "", covered)


def answer_prompt(policy: PolicySettings, prompt: Prompt, n: int) -> Answered:
    """The answers to a stored prompt, asked for where they are missing, and the one that the policy returns.

    Their seeds are stored, so that the same call gives the same answer.

    Raises NoAnswer.
    """
    generations = ensure_generations(prompt, list_places(list_versions(policy), n))
    failure = ask_missing(generations)
    responses = [row.response for row in generations if row.response is not None]
    if not responses:
        raise NoAnswer(failure or "no_answer")
    learnt = fetch_learnt(policy.dataset, policy.picker)
    texts, text = [response.text for response in responses], join_text(prompt.instruction, prompt.input)
    return Answered(prompt, responses, choose_answer(texts, text, learnt, float(policy.margin), prompt.tags), learnt)


def answer_text(policy: PolicySettings, text: str, n: int) -> Answered:
    """As answer_prompt, for a text; it becomes a prompt of the dataset if it is none. Raises NoAnswer."""
    with write_turn(), transaction.atomic():
        prompt, _is_new = ensure_prompt(policy.dataset, rows.Prompt(text))
    return answer_prompt(policy, prompt, n)


def list_places(versions: Sequence[ModelVersion], n: int) -> list[tuple[int, int]]:
    """(version, place) of n answers of these versions in turn."""
    return [(versions[k % len(versions)].pk, k // len(versions) + 1) for k in range(n)]


def store_pick(answered: Answered, n: int) -> Pick:
    """Stores what the policy returned for a prompt, with the earlier pick if it is another one."""
    about = {
        "dataset_id": answered.prompt.dataset_id,
        "n": n,
        "first": answered.first,
        "pick": answered.pick,
        "picker": answered.decision.picker,
        "chance": answered.decision.chance,
        "covered": answered.decision.covered,
        "choices": len(answered.learnt.choices),
    }
    with write_turn(), transaction.atomic():
        stored = Pick.objects.select_for_update().filter(prompt=answered.prompt, comparison=None).first()
        if stored is None:
            return Pick.objects.create(prompt=answered.prompt, **about)
        if stored.choices != about["choices"]:
            stored.before = stored.pick if stored.pick_id != answered.pick.pk else None
        for name, value in about.items():
            setattr(stored, name, value)
        stored.save()
    return stored


def draw_seeds(n: int) -> list[int]:
    """Seeds for n answers that are not stored."""
    return [random.getrandbits(31) for _ in range(n)]
