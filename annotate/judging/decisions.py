"""Who reviews what, and what a review leaves behind.

A reviewer gives a first impression without knowing what others said (purpose `review`); then sees that, and decides
(purpose `decision`). Each is a judgment of its own, leased like any other: one reviewer at a time has a comparison, and
what they leave comes back when the lease runs out. The votes stay as they are.
"""

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from annotate.judging.record import UNDO_DEPTH, lock_judgment, record, undo
from annotate.questions import KEEP, SKIP
from annotate.queue.fast_path import SKIP_COOLDOWN, SKIPS_LOCKED
from annotate.queue.lease import change_state, compute_lease_end, expire_leases, lease_comparison, lock_membership
from datasets.comparisons import flags, review
from datasets.db.write_lock import write_turn
from datasets.models import Comparison, Dataset, Judgment

TRIES = 8
MOST_COUNTED = 1000
Purpose, State = Judgment.Purpose, Judgment.State
INACTIVE_STATES = (Dataset.State.PAUSED, Dataset.State.ARCHIVED)  # then nothing is given to reviewers either


def list_waiting(user, dataset):
    """The comparisons that wait for a reviewer and that this person may have: none that they judged, flagged, have in
    hand as an annotator, or wrote an answer of; nor what they left open within a day."""
    mine = Judgment.objects.filter(comparison=OuterRef("pk"), annotator=user)
    as_annotator = mine.exclude(purpose__in=Judgment.REVIEWS).exclude(state=State.SKIPPED, flag="")
    left_open = mine.filter(
        purpose=Purpose.DECISION, state=State.SKIPPED, decided_at__gt=timezone.now() - SKIP_COOLDOWN
    )
    barred = Comparison.barred.through.objects.filter(comparison=OuterRef("pk"), user=user)
    by_review = mine.filter(purpose=Purpose.REVIEW)  # who reviewed is barred from voting, and may go on reviewing
    waiting = Comparison.objects.filter(dataset=dataset, review=Comparison.Review.WANTED)
    waiting = waiting.filter(held__in=["", Comparison.FLAGGED]).exclude(Exists(as_annotator)).exclude(Exists(left_open))
    return waiting.exclude(Exists(barred) & ~Exists(by_review))


def format_waiting(user, dataset):
    """How many comparisons wait for this reviewer, in words; "" where none does."""
    n = list_waiting(user, dataset).values("pk")[:MOST_COUNTED].count()
    return f"{n}+" if n == MOST_COUNTED else str(n or "")


def lease_next_review(user, dataset):
    """The judgment in a reviewer's hands: a decision that they reopened, what they hold, else the next comparison that
    waits. None when there is nothing to give them now."""
    if not review.has_review(dataset) or dataset.state in INACTIVE_STATES:
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
            if not is_leased_by_others(comparison, user.pk):  # somebody was quicker, and has let go of the row since
                return lease_review(user.pk, comparison)
    return None


def find_leased_review(user, dataset):
    """What this reviewer has before them, held for the whole time again; what no reviewer is wanted for any more goes
    back."""
    mine = Judgment.objects.filter(annotator=user, dataset=dataset, purpose__in=Judgment.REVIEWS)
    mine = mine.select_related("comparison", "dataset")
    reopened = mine.filter(state=State.REOPENED).order_by("decided_at", "pk").first()
    if reopened:
        return reopened
    for judgment in mine.filter(state=State.LEASED).order_by("pk"):
        if judgment.comparison.review != Comparison.Review.WANTED:
            change_state(judgment, State.EXPIRED)
            continue
        judgment.lease_until = compute_lease_end(dataset)
        if mine.filter(pk=judgment.pk, state=State.LEASED).update(lease_until=judgment.lease_until):
            return judgment
    return None


def lock_next_waiting(user, dataset):
    """The first comparison for this reviewer that nobody else has in hand, locked; None where there is none."""
    taken = Judgment.objects.filter(comparison=OuterRef("pk"), purpose__in=Judgment.REVIEWS, state=State.LEASED)
    free = list_waiting(user, dataset).exclude(Exists(taken)).select_related("dataset").order_by("pk")
    return free.select_for_update(of=("self",), skip_locked=SKIPS_LOCKED).first()


def is_leased_by_others(comparison, user_id):
    """Whether another reviewer has a comparison now."""
    leases = Judgment.objects.filter(comparison=comparison, purpose__in=Judgment.REVIEWS, state=State.LEASED)
    return leases.exclude(annotator=user_id).exists()


def lease_review(user_id, comparison):
    """The judgment with which a reviewer begins, or goes on: the first impression, or the decision where they have
    given that, with the answers in the same order."""
    impression = Judgment.objects.filter(comparison=comparison, annotator=user_id, purpose=Purpose.REVIEW)
    impression = impression.filter(state__in=[*Judgment.STANDING, State.SKIPPED]).order_by("-pk").first()
    if impression is None:
        return lease_comparison(user_id, comparison, Purpose.REVIEW)
    comparison.barred.add(user_id)  # who knows the votes does not vote
    return lease_comparison(user_id, comparison, Purpose.DECISION, impression.order)


@transaction.atomic
def save_impression(judgment, revision, submission):
    """Save a reviewer's first impression (a forms.Submission), or that they have none; then the decision is in their
    hands. Whether it changed anything."""
    judgment, comparison = lock_judgment(judgment)
    if submission.verdict == KEEP or not record(
        judgment, revision, submission.verdict, submission.said, submission.seconds
    ):
        return False
    if comparison.review == Comparison.Review.WANTED and not is_leased_by_others(comparison, judgment.annotator_id):
        lease_review(judgment.annotator_id, comparison)
    return True


@transaction.atomic
def decide(judgment, revision, submission):
    """Save what a reviewer decides (a forms.Submission), or that they leave it open. Whether it changed anything:
    nothing does where the lease ran out and somebody else has it now, or has decided, or no decision is wanted any
    more."""
    judgment, comparison = lock_judgment(judgment)
    if not can_decide(judgment, comparison):
        return False
    if submission.verdict not in (SKIP, KEEP) and comparison.held:
        return False
    return record(judgment, revision, submission.verdict, submission.said, submission.seconds)


def can_decide(judgment, comparison):
    """Whether this decision is still to be made, and by this person; comparison: as it is now."""
    if judgment.state == State.REOPENED:
        return True
    is_wanted = comparison.review == Comparison.Review.WANTED
    return is_wanted and not is_leased_by_others(comparison, judgment.annotator_id)


@transaction.atomic
def decide_flagged(judgment, revision, decision):
    """Put a flagged comparison back, or leave it out (flags.PUT_BACK, LEAVE_OUT). Whether it changed anything. Where
    the votes on what was put back leave it undecided, that decision comes next."""
    judgment, comparison = lock_judgment(judgment)
    is_in_hand = judgment.revision == revision and judgment.state in (State.LEASED, State.EXPIRED)
    if not is_in_hand or not can_decide(judgment, comparison):
        return False
    if not flags.decide(comparison.pk, flags.FLAGGED, decision, judgment.annotator):
        return False
    comparison.refresh_from_db(fields=["review"])
    if comparison.review != Comparison.Review.WANTED:
        record(judgment, revision, SKIP, {"decision": decision})
    return True


def find_last_decision(user, dataset):
    """The decision that undo would reopen: the latest of this person, at most ten back; None when there is none."""
    mine = Judgment.objects.filter(annotator=user, dataset=dataset, purpose=Purpose.DECISION)
    if mine.filter(state=State.REOPENED).count() >= UNDO_DEPTH:
        return None
    return mine.filter(state=State.SAVED).order_by("-decided_at", "-pk").first()


def undo_decision(judgment, revision):
    """Open a decision for another one; it stands until it is replaced, or left open. Whether that was possible."""
    return judgment.purpose == Purpose.DECISION and judgment.state == State.SAVED and undo(judgment, revision)
