"""The practice round: gold questions before the first real comparison, each with its known answer shown afterwards.

A practice judgment takes no slot, so it starts in the state of an expired lease, which accepts a verdict. Another round
reopens the same judgments. Exports leave out practice judgments.
"""

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from annotate.judging.question_spec import QuestionSpec, build_spec
from annotate.judging.record import record
from annotate.models import Membership, User
from annotate.pauses import is_paused
from annotate.questions import FLAG, SKIP
from annotate.queue.lease import change_state, lock_membership
from datasets.comparisons.gold import is_right, list_choices
from datasets.models import Dataset, Gold, Judgment

if TYPE_CHECKING:
    from annotate.judging.forms import Submission

PRACTICE = Judgment.Purpose.PRACTICE


@dataclass(frozen=True)
class Round:
    """A person's progress in a practice round.

    golds: in the order of the round. answered: {comparison id: (judgment, whether it is right)}. needed: right answers
    to pass.
    """

    golds: Sequence[Gold]
    answered: Mapping[int, tuple[Judgment, bool]]
    needed: int

    @property
    def right(self) -> int:
        """The number of right answers so far."""
        return sum(right for _, right in self.answered.values())

    @property
    def is_over(self) -> bool:
        return len(self.answered) == len(self.golds)

    @property
    def is_passed(self) -> bool:
        return self.is_over and self.right >= self.needed

    @property
    def next(self) -> Gold | None:
        """The first unanswered gold question; None when the round is over."""
        return next((gold for gold in self.golds if gold.comparison_id not in self.answered), None)


def find_round(user: User, dataset: Dataset) -> Round | None:
    """The round that a person is in or has passed; None if the dataset has no practice, or the person is paused."""
    golds = draw_golds(user, dataset) if dataset.practice and not is_paused(user, dataset) else []
    if not golds:
        return None
    return Round(golds, list_answered(user, golds), math.ceil(len(golds) * dataset.practice_pass / 100))


def draw_golds(user: User, dataset: Dataset) -> list[Gold]:
    """The gold questions of a person's rounds: drawn per person, the same in each of their rounds."""
    golds = list(Gold.objects.filter(dataset=dataset, for_practice=True).select_related("comparison").order_by("pk"))
    rng = random.Random(f"{user.pk} {dataset.pk}")
    return rng.sample(golds, min(dataset.practice, len(golds)))


def list_answered(user: User, golds: Iterable[Gold]) -> dict[int, tuple[Judgment, bool]]:
    """A person's answers in their current round, by comparison id: (judgment, whether it is right)."""
    saved = Judgment.objects.filter(annotator=user, purpose=PRACTICE, state=Judgment.State.SAVED)
    saved = saved.filter(comparison__gold__in=golds).select_related("comparison__prompt").order_by("decided_at")
    mine = {judgment.comparison_id: judgment for judgment in saved}
    choices = list_choices([judgment.pk for judgment in mine.values()])
    golds_by_comparison = {gold.comparison_id: gold for gold in golds}
    return {
        pk: (judgment, is_right(golds_by_comparison[pk], judgment.verdict, choices.get(judgment.pk, [])))
        for pk, judgment in mine.items()
    }


@transaction.atomic
def ensure_judgment(user: User, gold: Gold) -> Judgment:
    """The person's practice judgment of a gold question, created if missing."""
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


def build_practice_spec(judgment: Judgment) -> QuestionSpec:
    """What a practice judgment is asked: the dataset's question without skip, flag and repairs."""
    spec = build_spec(judgment.dataset, len(judgment.order), judgment.comparison.task)
    return replace(spec, verdicts=tuple(v for v in spec.verdicts if v not in (SKIP, FLAG)), repairs=())


def save_answer(judgment: Judgment, revision: int, submission: "Submission") -> bool:
    """Saves a practice answer; a passed round ends the practice. Returns whether it changed anything."""
    changed = record(judgment, revision, submission.verdict, submission.said, submission.seconds)
    assert judgment.annotator is not None
    round_ = find_round(judgment.annotator, judgment.dataset)
    if round_ and round_.is_passed:
        mine = Membership.objects.filter(user=judgment.annotator, dataset=judgment.dataset, practised_at=None)
        mine.update(practised_at=timezone.now())
    return changed


@transaction.atomic
def begin_again(user: User, dataset: Dataset) -> bool:
    """Begins another round if the last one is over and was not passed. Returns whether it did."""
    membership = lock_membership(user.pk, dataset.pk)
    round_ = find_round(user, dataset)
    if round_ is None or not round_.is_over or round_.is_passed:
        return False
    for judgment, _right in round_.answered.values():
        change_state(judgment, Judgment.State.REOPENED, leased_at=timezone.now())
    Membership.objects.filter(pk=membership.pk).update(practice_round=membership.practice_round + 1)
    return True
