"""The practice round: gold questions before the first real comparison, each with its known answer shown afterwards.

A practice judgment takes no slot, so it starts in the state of an expired lease, which accepts a verdict. Another round
reopens the same judgments; the result of each is kept as an attempt. Exports leave out practice judgments.
"""

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from annotate.judging.question_spec import QuestionSpec, build_spec
from annotate.judging.record import record
from annotate.models import Membership, PracticeAttempt, User
from annotate.people import release_leases
from annotate.questions import FLAG, SKIP
from annotate.queue.lease import change_state, lock_membership
from datasets.audit.log import Kind, log
from datasets.comparisons.gold import is_right, list_choices
from datasets.db.write_lock import write_turn
from datasets.models import Dataset, Gold, Judgment

if TYPE_CHECKING:
    from annotate.judging.forms import Submission

PRACTICE = Judgment.Purpose.PRACTICE
PASSED, FAILED, UNDER_WAY = "passed", "failed", "under way"
MOST_SHOWN = 200


@dataclass(frozen=True)
class Round:
    """A person's progress in a practice round.

    golds: in the order of the round. answered: {comparison id: (judgment, whether it is right)}. needed: right answers
    to pass. number: of the round, from 1. retakes: that they may still begin; None for no limit. is_qualified: whether
    they passed this round or an earlier one.
    """

    golds: Sequence[Gold]
    answered: Mapping[int, tuple[Judgment, bool]]
    needed: int
    number: int
    retakes: int | None
    is_qualified: bool

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
    """The round that a person is in or has ended; None if the dataset has no practice, or the person is paused."""
    membership = Membership.objects.filter(user=user, dataset=dataset).first() or Membership(user=user, dataset=dataset)
    golds = draw_golds(user, dataset) if dataset.practice and not membership.paused_at else []
    if not golds:
        return None
    return Round(
        golds,
        list_answered(user, golds),
        needed=math.ceil(len(golds) * dataset.practice_pass / 100),
        number=membership.practice_round,
        retakes=count_retakes(membership, dataset),
        is_qualified=membership.practised_at is not None,
    )


def count_retakes(membership: Membership, dataset: Dataset) -> int | None:
    """How many more rounds the person may begin; None for no limit."""
    if dataset.practice_retakes is None:
        return None
    return max(0, dataset.practice_retakes - (membership.practice_round - membership.practice_first))


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
    """Saves a practice answer; the last one ends the round. Returns whether it changed anything."""
    changed = record(judgment, revision, submission.verdict, submission.said, submission.seconds)
    assert judgment.annotator is not None
    finish_round(judgment.annotator, judgment.dataset)
    return changed


@transaction.atomic
def finish_round(user: User, dataset: Dataset) -> None:
    """Keeps the result of a round that is over; who passed it is qualified, whatever later rounds say. Idempotent."""
    membership = lock_membership(user.pk, dataset.pk)
    round_ = find_round(user, dataset)
    if round_ is None or not round_.is_over:
        return
    result = {"right": round_.right, "total": len(round_.golds), "passed": round_.is_passed}
    membership.attempts.update_or_create(number=membership.practice_round, defaults=result)
    if round_.is_passed:
        Membership.objects.filter(pk=membership.pk, practised_at=None).update(practised_at=timezone.now())


@transaction.atomic
def begin_again(user: User, dataset: Dataset) -> bool:
    """Begins another round if the last one is over and the dataset allows one more. Returns whether it did."""
    membership = lock_membership(user.pk, dataset.pk)
    round_ = find_round(user, dataset)
    if round_ is None or not round_.is_over or round_.retakes == 0:
        return False
    begin_round(membership, [judgment for judgment, _right in round_.answered.values()])
    return True


def begin_round(membership: Membership, answers: Iterable[Judgment], **changes: Any) -> None:
    """Begins the person's next round: reopens the answers of the last one. changes: other fields of the membership."""
    for judgment in answers:
        change_state(judgment, Judgment.State.REOPENED, leased_at=timezone.now())
    Membership.objects.filter(pk=membership.pk).update(practice_round=membership.practice_round + 1, **changes)


def reset(person: User, dataset: Dataset, by: User | None = None) -> bool:
    """Asks a person to qualify again, with as many retakes as the dataset allows. Returns whether it changed anything.

    Their attempts and judgments are kept, their leases return to the queue. by: the admin, for the audit log; None for
    a command.
    """
    with write_turn(), transaction.atomic():
        membership = lock_membership(person.pk, dataset.pk)
        answers = list(Judgment.objects.filter(annotator=person, dataset=dataset, purpose=PRACTICE, state="saved"))
        began = answers or membership.practised_at or membership.judged
        if not began or (membership.practice_first > 1 and not answers and not membership.practised_at):
            return False
        begin_round(membership, answers, practice_first=membership.practice_round + 1, practised_at=None)
        log(Kind.MEMBER, person.username, None, "practice", by=by, dataset=dataset)
    release_leases(person, dataset=dataset)
    return True


class Qualification(NamedTuple):
    """A person's qualification as admins see it. attempts: finished rounds. status: passed, failed or in progress.

    retakes: that they may still begin; None for no limit.
    """

    person: User
    attempts: list[PracticeAttempt]
    status: str
    retakes: int | None


def list_attempts(user: User, dataset: Dataset) -> list[PracticeAttempt]:
    """A person's finished rounds, in order."""
    mine = PracticeAttempt.objects.filter(membership__user=user, membership__dataset=dataset)
    return list(mine.order_by("number"))


def list_qualifications(dataset: Dataset) -> list[Qualification]:
    """The qualifications of those who began one, MOST_SHOWN at most: first those who have not passed, by name."""
    answers = Judgment.objects.filter(annotator=OuterRef("user"), dataset=dataset, purpose=PRACTICE)
    attempts = PracticeAttempt.objects.filter(membership=OuterRef("pk"))
    began = Q(practised_at__isnull=False) | Q(practice_first__gt=1) | Exists(attempts) | Exists(answers)
    memberships = Membership.objects.filter(began, dataset=dataset).select_related("user").prefetch_related("attempts")
    rows = memberships.order_by(F("practised_at").desc(nulls_first=True), "user__username")[:MOST_SHOWN]
    return [build_qualification(membership, dataset) for membership in rows]


def build_qualification(membership: Membership, dataset: Dataset) -> Qualification:
    attempts = sorted(membership.attempts.all(), key=attrgetter("number"))
    has_ended = any(attempt.number == membership.practice_round for attempt in attempts)
    status = PASSED if membership.practised_at else FAILED if has_ended else UNDER_WAY
    return Qualification(membership.user, attempts, status, count_retakes(membership, dataset))
