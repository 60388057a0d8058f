"""Reviews: which comparisons a reviewer gets, and what a review writes.

A reviewer first gives a blind impression (purpose `review`), then sees the votes and decides (purpose `decision`). Each
is a separate judgment, leased like any other: one reviewer at a time has a comparison, and an abandoned one returns
when its lease expires. The votes stay unchanged.
"""

from typing import TYPE_CHECKING

from django.contrib.humanize.templatetags.humanize import intcomma
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from annotate.judging.record import UNDO_DEPTH, lock_judgment, record, undo
from annotate.models import User, get_annotator_id
from annotate.questions import KEEP, SKIP
from annotate.queue.fast_path import SKIP_COOLDOWN, SKIPS_LOCKED
from annotate.queue.lease import change_state, compute_lease_end, expire_leases, lease_comparison, lock_membership
from datasets.comparisons import flags, review
from datasets.db.write_lock import write_turn
from datasets.models import Comparison, Dataset, Judgment

if TYPE_CHECKING:
    from annotate.judging.forms import Submission

TRIES = 8
MOST_COUNTED = 1000
Purpose, State = Judgment.Purpose, Judgment.State
INACTIVE_STATES = (Dataset.State.PAUSED, Dataset.State.ARCHIVED)  # reviewers get nothing either


class CannotReview(Exception):
    """A reviewer cannot be given this comparison.

    reason: `inactive` (the dataset is paused or archived), `paused` (the reviewer is), `reopened` (they have reopened
    another decision), `settled` (nothing is left to decide), `own` (they judged or flagged it, hold it as an annotator,
    or wrote an answer) or `taken` (another reviewer holds it).
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def list_reviewable(user: User, dataset: Dataset) -> QuerySet[Comparison]:
    """The comparisons waiting for a reviewer that this one may decide.

    Leaves out those that the reviewer judged, flagged or holds as an annotator, and those with a response of theirs.
    """
    mine = Judgment.objects.filter(comparison=OuterRef("pk"), annotator=user)
    as_annotator = mine.exclude(purpose__in=Judgment.REVIEWS).exclude(state=State.SKIPPED, flag="")
    barred = Comparison.barred.through.objects.filter(comparison=OuterRef("pk"), user=user)
    by_review = mine.filter(purpose=Purpose.REVIEW)  # a review bars from voting, but not from deciding
    waiting = Comparison.objects.filter(dataset=dataset, review__in=review.list_open_states(dataset))
    waiting = waiting.filter(held__in=review.UNDECIDED).exclude(Exists(as_annotator))
    return waiting.exclude(Exists(barred) & ~Exists(by_review))


def list_waiting(user: User, dataset: Dataset) -> QuerySet[Comparison]:
    """The comparisons that this reviewer may be given: without those that they left open within the last day."""
    left_open = Judgment.objects.filter(
        comparison=OuterRef("pk"),
        annotator=user,
        purpose=Purpose.DECISION,
        state=State.SKIPPED,
        decided_at__gt=timezone.now() - SKIP_COOLDOWN,
    )
    return list_reviewable(user, dataset).exclude(Exists(left_open))


def format_waiting(user: User, dataset: Dataset) -> str:
    """The number of comparisons waiting for this reviewer, "1,000+" from MOST_COUNTED on; "" for none."""
    n = list_waiting(user, dataset).values("pk")[:MOST_COUNTED].count()
    return f"{intcomma(n)}+" if n == MOST_COUNTED else str(n or "")


def lease_next_review(user: User, dataset: Dataset) -> Judgment | None:
    """The reviewer's current judgment: a reopened decision, else a held lease, else the next waiting comparison; None
    if there is none.
    """
    if dataset.state in INACTIVE_STATES:
        return None
    expire_leases(dataset)
    for _attempt in range(TRIES):
        with write_turn(), transaction.atomic():
            membership = lock_membership(user.pk, dataset.pk)
            if membership.paused_at is not None:
                return None
            judgment = find_leased_review(user, dataset)
            if judgment:
                return judgment
            comparison = lock_next_waiting(user, dataset)
            if comparison is None:
                return None
            if not is_leased_by_others(comparison, user.pk):  # another reviewer may have leased it before our lock
                return lease_review(user.pk, comparison)
    return None


def lease_chosen_review(user: User, dataset: Dataset, comparison_id: int) -> Judgment:
    """The review of this comparison, leased to this reviewer in place of any other that they hold.

    A comparison that waits for no reviewer is sent to one first, also where the dataset has no reviews.

    Raises CannotReview, and then changes nothing; Comparison.DoesNotExist.
    """
    if dataset.state in INACTIVE_STATES:
        raise CannotReview("inactive")
    expire_leases(dataset)
    with write_turn(), transaction.atomic():
        if lock_membership(user.pk, dataset.pk).paused_at is not None:
            raise CannotReview("paused")
        mine = Judgment.objects.filter(annotator=user, dataset=dataset, purpose__in=Judgment.REVIEWS)
        if mine.filter(state=State.REOPENED).exists():
            raise CannotReview("reopened")
        for judgment in mine.filter(state=State.LEASED).exclude(comparison=comparison_id).order_by("pk"):
            change_state(judgment, State.EXPIRED)
        held = find_leased_review(user, dataset)
        if held:
            return held
        locked = Comparison.objects.select_for_update(of=("self",)).select_related("dataset")
        comparison = locked.get(dataset=dataset, pk=comparison_id)
        if not review.ask_for_review(comparison, user):
            raise CannotReview("settled")
        if is_leased_by_others(comparison, user.pk):
            raise CannotReview("taken")
        if not list_reviewable(user, dataset).filter(pk=comparison.pk).exists():
            raise CannotReview("own")
        return lease_review(user.pk, comparison)


def find_leased_review(user: User, dataset: Dataset) -> Judgment | None:
    """The judgment that this reviewer holds, its lease renewed. Returns leases that need no reviewer any more."""
    mine = Judgment.objects.filter(annotator=user, dataset=dataset, purpose__in=Judgment.REVIEWS)
    mine = mine.select_related("comparison", "dataset")
    reopened = mine.filter(state=State.REOPENED).order_by("decided_at", "pk").first()
    if reopened:
        return reopened
    open_states = review.list_open_states(dataset)
    for judgment in mine.filter(state=State.LEASED).order_by("pk"):
        if judgment.comparison.review not in open_states:
            change_state(judgment, State.EXPIRED)
            continue
        judgment.lease_until = compute_lease_end(dataset)
        if mine.filter(pk=judgment.pk, state=State.LEASED).update(lease_until=judgment.lease_until):
            return judgment
    return None


def lock_next_waiting(user: User, dataset: Dataset) -> Comparison | None:
    """The first comparison for this reviewer that no other reviewer holds, locked; else None."""
    taken = Judgment.objects.filter(comparison=OuterRef("pk"), purpose__in=Judgment.REVIEWS, state=State.LEASED)
    free = list_waiting(user, dataset).exclude(Exists(taken)).select_related("dataset").order_by("pk")
    return free.select_for_update(of=("self",), skip_locked=SKIPS_LOCKED).first()


def is_leased_by_others(comparison: Comparison, user_id: int) -> bool:
    """Whether another reviewer holds the comparison."""
    leases = Judgment.objects.filter(comparison=comparison, purpose__in=Judgment.REVIEWS, state=State.LEASED)
    return leases.exclude(annotator=user_id).exists()


def lease_review(user_id: int, comparison: Comparison) -> Judgment:
    """Leases the reviewer's next judgment: the first impression, or after it the decision, in the same order."""
    impressions = Judgment.objects.filter(comparison=comparison, annotator=user_id, purpose=Purpose.REVIEW)
    impression = impressions.filter(state__in=[*Judgment.STANDING, State.SKIPPED]).order_by("-pk").first()
    if impression is None:
        return lease_comparison(user_id, comparison, Purpose.REVIEW)
    comparison.barred.add(user_id)  # a decision shows the votes
    return lease_comparison(user_id, comparison, Purpose.DECISION, impression.order)


@transaction.atomic
def save_impression(judgment: Judgment, revision: int, submission: "Submission") -> bool:
    """Saves a reviewer's first impression, or a skip of it, and leases the decision to them. Returns whether it changed
    anything.
    """
    judgment, comparison = lock_judgment(judgment)
    if submission.verdict == KEEP or not record(
        judgment, revision, submission.verdict, submission.said, submission.seconds
    ):
        return False
    reviewer_id = get_annotator_id(judgment)
    if comparison.review in Comparison.OPEN_REVIEWS and not is_leased_by_others(comparison, reviewer_id):
        lease_review(reviewer_id, comparison)
    return True


@transaction.atomic
def decide(judgment: Judgment, revision: int, submission: "Submission") -> bool:
    """Saves a reviewer's decision, or that they leave it open. Returns whether it changed anything.

    Changes nothing after the lease has expired and another reviewer holds the comparison, after another reviewer has
    decided, or when no decision is wanted any more.
    """
    judgment, comparison = lock_judgment(judgment)
    if not can_decide(judgment, comparison):
        return False
    if submission.verdict not in (SKIP, KEEP) and comparison.held not in ("", Comparison.SURE):
        return False
    return record(judgment, revision, submission.verdict, submission.said, submission.seconds)


def can_decide(judgment: Judgment, comparison: Comparison) -> bool:
    """Whether the decision is still open, and open to this reviewer. comparison: the current row."""
    if judgment.state == State.REOPENED:
        return True
    is_wanted = comparison.review in Comparison.OPEN_REVIEWS
    return is_wanted and not is_leased_by_others(comparison, get_annotator_id(judgment))


@transaction.atomic
def decide_flagged(judgment: Judgment, revision: int, decision: str) -> bool:
    """Puts a flagged comparison back or leaves it out. Returns whether it changed anything.

    A comparison put back whose votes are undecided stays with the reviewer for that decision.

    decision: flags.PUT_BACK or flags.LEAVE_OUT.
    """
    judgment, comparison = lock_judgment(judgment)
    is_current = judgment.revision == revision and judgment.state in (State.LEASED, State.EXPIRED)
    if not is_current or not can_decide(judgment, comparison):
        return False
    if not flags.decide(comparison.pk, flags.FLAGGED, decision, judgment.annotator):
        return False
    comparison.refresh_from_db(fields=["review"])
    if comparison.review not in Comparison.OPEN_REVIEWS:
        record(judgment, revision, SKIP, {"decision": decision})
    return True


def find_last_decision(user: User, dataset: Dataset) -> Judgment | None:
    """The decision that undo would reopen: the reviewer's latest, while fewer than UNDO_DEPTH are open; else None."""
    mine = Judgment.objects.filter(annotator=user, dataset=dataset, purpose=Purpose.DECISION)
    if mine.filter(state=State.REOPENED).count() >= UNDO_DEPTH:
        return None
    return mine.filter(state=State.SAVED).order_by("-decided_at", "-pk").first()


def undo_decision(judgment: Judgment, revision: int) -> bool:
    """Reopens a decision, which stands until it is replaced or left open. Returns whether it did."""
    return judgment.purpose == Purpose.DECISION and judgment.state == State.SAVED and undo(judgment, revision)
