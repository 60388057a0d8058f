"""The practice round: comparisons with a known answer before the first real one, with what is known told after each.

A practice judgment is held from nobody, so it begins where a lease has run out: `expired`, and answerable. In a further
round the same judgments are reopened. What was said in practice enters no export.
"""

import math
import random
from dataclasses import dataclass, replace

from django.db import transaction
from django.utils import timezone

from annotate.judging.question_spec import build_spec
from annotate.judging.record import record
from annotate.models import Membership
from annotate.pauses import is_paused
from annotate.questions import FLAG, SKIP
from annotate.queue.lease import change_state, lock_membership
from datasets.comparisons.gold import is_right, list_choices
from datasets.models import Gold, Judgment

PRACTICE = Judgment.Purpose.PRACTICE


@dataclass(frozen=True)
class Round:
    """Where a person stands in a practice round: golds, in its order; answered: {comparison id: (Judgment, whether it
    is right)}; needed: so many must be right."""

    golds: list
    answered: dict
    needed: int

    @property
    def right(self):
        return sum(right for _, right in self.answered.values())

    @property
    def is_over(self):
        return len(self.answered) == len(self.golds)

    @property
    def is_passed(self):
        return self.is_over and self.right >= self.needed

    @property
    def next(self):
        """The first Gold that was not answered yet; None where all were."""
        return next((gold for gold in self.golds if gold.comparison_id not in self.answered), None)


def find_round(user, dataset):
    """The Round that this person is in, or has passed; None where the dataset has no practice, or they are
    paused."""
    golds = draw_golds(user, dataset) if dataset.practice and not is_paused(user, dataset) else []
    if not golds:
        return None
    return Round(golds, list_answered(user, golds), math.ceil(len(golds) * dataset.practice_pass / 100))


def draw_golds(user, dataset):
    """As many known answers for practice as a round has, drawn for each person, the same in each of their rounds."""
    golds = list(Gold.objects.filter(dataset=dataset, for_practice=True).select_related("comparison").order_by("pk"))
    rng = random.Random(f"{user.pk} {dataset.pk}")
    return rng.sample(golds, min(dataset.practice, len(golds)))


def list_answered(user, golds):
    """{comparison id: (Judgment, whether it is right)} of what this person has said in the round that they are in."""
    mine = Judgment.objects.filter(annotator=user, purpose=PRACTICE, state=Judgment.State.SAVED)
    mine = mine.filter(comparison__gold__in=golds).select_related("comparison__prompt").order_by("decided_at")
    mine = {judgment.comparison_id: judgment for judgment in mine}
    choices = list_choices([judgment.pk for judgment in mine.values()])
    golds_by_comparison = {gold.comparison_id: gold for gold in golds}
    return {
        pk: (judgment, is_right(golds_by_comparison[pk], judgment.verdict, choices.get(judgment.pk, [])))
        for pk, judgment in mine.items()
    }


@transaction.atomic
def ensure_judgment(user, gold):
    """The judgment that this person gives on a known answer in practice, made if there is none yet."""
    lock_membership(user.pk, gold.dataset_id)
    mine = Judgment.objects.filter(comparison=gold.comparison_id, annotator=user, purpose=PRACTICE)
    judgment = mine.select_related("comparison", "dataset").first()
    if judgment is None:
        ids = gold.comparison.response_ids
        judgment = Judgment.objects.create(
            comparison=gold.comparison,
            dataset_id=gold.dataset_id,
            annotator=user,
            purpose=PRACTICE,
            state=Judgment.State.EXPIRED,
            order=random.sample(ids, len(ids)),
            leased_at=timezone.now(),
        )
    return judgment


def build_practice_spec(judgment):
    """What is asked: the question, without what only the queue has a use for."""
    spec = build_spec(judgment.dataset, len(judgment.order), judgment.comparison.task)
    return replace(spec, verdicts=tuple(v for v in spec.verdicts if v not in (SKIP, FLAG)), repairs=())


def save_answer(judgment, revision, submission):
    """Save what was said in practice; with the last of a round that was passed, the practice is over. Whether it
    changed anything."""
    changed = record(judgment, revision, submission.verdict, submission.said, submission.seconds)
    round_ = find_round(judgment.annotator, judgment.dataset)
    if round_ and round_.is_passed:
        mine = Membership.objects.filter(user=judgment.annotator, dataset=judgment.dataset, practised_at=None)
        mine.update(practised_at=timezone.now())
    return changed


@transaction.atomic
def begin_again(user, dataset):
    """Begin a further round, where the last one is over and was not passed. Whether it has begun."""
    membership = lock_membership(user.pk, dataset.pk)
    round_ = find_round(user, dataset)
    if round_ is None or not round_.is_over or round_.is_passed:
        return False
    for judgment, _right in round_.answered.values():
        change_state(judgment, Judgment.State.REOPENED, leased_at=timezone.now())
    Membership.objects.filter(pk=membership.pk).update(practice_round=membership.practice_round + 1)
    return True
