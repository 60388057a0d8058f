"""Acts of judging and what they write. Each is idempotent: a form carries the judgment's revision, and a revision that
was used already changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from annotate.day import Day, change_day
from annotate.judging.question_spec import ChoiceRow, QuestionSpec, RatingRow, build_spec
from annotate.judging.repairs import (
    close_repair_round,
    filter_repairs,
    list_repair_ids,
    open_repair_round,
    store_repairs,
    withdraw_repairs,
)
from annotate.models import User, get_annotator_id
from annotate.questions import FLAG, KEEP, SKIP
from annotate.queue.fast_path import FastSave, save_and_lease
from annotate.queue.lease import (
    change_slots,
    change_state,
    compute_lease_end,
    has_overdue_leases,
    lease_another,
    lock_membership,
)
from datasets.audit.log import Kind, log
from datasets.comparisons import review
from datasets.counters import count_verdict
from datasets.db.write_lock import write_turn
from datasets.jobs import worker
from datasets.judgments.said import Said
from datasets.models import Choice, Comparison, Dataset, Job, Judgment, Rating

if TYPE_CHECKING:
    from annotate.judging.forms import Submission
    from datasets.text.rendered import StoredHtml

UNDO_DEPTH = 10  # acts
ANALYSIS, STEER_INTERVAL = "analysis", 20  # a task of analyze/tasks.py; verdicts of one person between two runs


@dataclass(frozen=True)
class SaveResult:
    """The outcome of an act.

    day: of the person in the dataset, None if not counted. next: a judgment leased to them in addition to those they
    hold. stored_html: of `next`, where it was read with it.
    """

    changed: bool
    day: Day | None = None
    next: Judgment | None = None
    stored_html: "StoredHtml | None" = None


def save(
    judgment: Judgment, revision: int, submission: "Submission", spec: QuestionSpec, leasing: bool = False
) -> SaveResult:
    """Saves a submission and, if `leasing`, leases the next comparison to the same person.

    Takes the fast path where it is open to this act, else the slow one. Both write the same rows.
    """
    submission = replace(submission, said=filter_repairs(judgment, submission.said))
    result = None
    if leasing and is_fast(judgment, revision, submission, spec):
        result = save_fast(judgment, submission, spec)
    saved = result or save_slow(judgment, revision, submission, leasing)
    outcome = {SKIP: "skipped", FLAG: "flagged"}.get(submission.verdict, "saved") if saved.changed else "unchanged"
    count_verdict(outcome, "fast" if result else "slow")
    return saved


def is_fast(judgment: Judgment, revision: int, submission: "Submission", spec: QuestionSpec) -> bool:
    """Whether the fast path may be tried: a plain verdict on a leased judgment, in an open dataset without overdue
    leases.
    """
    dataset = judgment.dataset
    is_leased = judgment.state == Judgment.State.LEASED and judgment.revision == revision
    is_open = dataset.state == dataset.State.OPEN
    return is_open and is_leased and is_plain(dataset, submission, spec) and not has_overdue_leases(dataset)


def save_fast(judgment: Judgment, submission: "Submission", spec: QuestionSpec) -> SaveResult | None:
    """Saves and leases in one database round trip (queue/fast_path.py). None if it declined; then nothing changed."""
    dataset = judgment.dataset
    choices = spec.list_choices(judgment.order, submission.verdict, submission.said)
    ratings = spec.list_ratings(judgment.order, submission.said)
    if review.has_review(dataset):
        saved = save_and_review(judgment, submission, choices, ratings)
    else:
        saved = save_and_lease(judgment, submission, choices, ratings)
    if saved is None:
        return None
    steer(dataset, saved.day.judged)
    following = saved.next
    if following is None and (saved.is_free or dataset.mixes):
        assert judgment.annotator is not None
        following = lease_another(judgment.annotator, dataset)
    return SaveResult(True, saved.day, following, saved.stored_html)


def save_slow(judgment: Judgment, revision: int, submission: "Submission", leasing: bool) -> SaveResult:
    """Saves with `record`, then leases with queue/lease.py."""
    changed = record(judgment, revision, submission.verdict, submission.said, submission.seconds, submission.flag)
    if not (changed and leasing):
        return SaveResult(changed)
    assert judgment.annotator is not None
    return SaveResult(changed, None, lease_another(judgment.annotator, judgment.dataset))


def steer(dataset: Dataset, judged: int) -> None:
    """Starts the analysis in the background every STEER_INTERVAL verdicts, where its result orders the queue."""
    if not dataset.is_steered or judged % STEER_INTERVAL:
        return
    if not Job.objects.filter(kind=ANALYSIS, dataset=dataset, state__in=Job.OPEN).exists():
        worker.start(ANALYSIS, None, dataset)


def save_and_review(
    judgment: Judgment,
    submission: "Submission",
    choices: Sequence[ChoiceRow],
    ratings: Sequence[RatingRow],
) -> FastSave | None:
    """`save_and_lease`, then a refresh of whether the comparison needs a reviewer.

    Takes its locks first, in the order that every act uses: a holder of a comparison skips locked ones and never waits
    for another.
    """
    with write_turn(), transaction.atomic():
        lock_judgment(judgment)
        saved = save_and_lease(judgment, submission, choices, ratings)
        if saved:
            review.refresh(judgment.dataset, [judgment.comparison_id])
        else:  # a refused statement has aborted the transaction
            transaction.set_rollback(True)
    return saved


def lock_judgment(judgment: Judgment) -> tuple[Judgment, Comparison]:
    """The judgment and its comparison, read again under lock. Lock order: membership, judgment, comparison."""
    lock_membership(get_annotator_id(judgment), judgment.dataset_id)
    locked = Judgment.objects.select_for_update(of=("self",)).select_related("dataset").get(pk=judgment.pk)
    return locked, Comparison.objects.select_for_update().get(pk=judgment.comparison_id)


def update_review(judgment: Judgment) -> None:
    """Refreshes whether the judgment's comparison needs a reviewer, after a vote, a flag or a decision."""
    if review.has_review(judgment.dataset) or judgment.purpose == Judgment.Purpose.DECISION:
        review.refresh(judgment.dataset, [judgment.comparison_id])


def is_plain(dataset: Dataset, submission: "Submission", spec: QuestionSpec) -> bool:
    """Whether the submission writes choices and ratings and nothing else."""
    starts_round = submission.verdict == "both_bad" and dataset.repair_round
    is_verdict = spec.question is not None and spec.needs_groups(submission.verdict)
    return is_verdict and "repairs" not in submission.said and not starts_round


@transaction.atomic
def record(
    judgment: Judgment,
    revision: int,
    verdict: str,
    details: Said | None = None,
    seconds: float | None = None,
    flag: str = "",
) -> bool:
    """Saves a verdict with the choices and ratings that it states, or a skip or a flag. Returns whether it changed
    anything.

    A late verdict, whose lease has expired, is kept; it is surplus if the comparison had reached its overlap.

    details, seconds, flag: see forms.Submission.
    """
    if verdict == KEEP:
        return keep_verdict(judgment, revision)
    locked = lock_answerable(judgment, revision)
    if locked is None:
        return False
    judgment = locked
    if verdict in (SKIP, FLAG):
        skip_or_flag(judgment, seconds, flag, details or {})
        update_review(judgment)
        return True
    details, before = filter_repairs(judgment, details or {}), build_log_value(judgment.verdict, judgment.said)
    surplus = judgment.surplus
    if judgment.state == Judgment.State.EXPIRED and judgment.purpose == Judgment.Purpose.VOTE:
        slots = Comparison.objects.select_for_update().values_list("open_slots", flat=True)
        surplus = slots.get(pk=judgment.comparison_id) <= 0
        change_slots(judgment, -1)
    stamp = build_stamp(judgment, seconds)
    change_state(
        judgment,
        Judgment.State.SAVED,
        verdict=verdict,
        said=details,
        flag="",
        draft=None,
        surplus=surplus,
        guideline=judgment.dataset.guideline_number,
        **stamp,
    )
    store_choices(judgment, verdict, details)
    if judgment.state == Judgment.State.REOPENED:
        change_day(judgment, 0)
        log_change(judgment, before, build_log_value(verdict, details))
    else:
        change_day(judgment, +1, stamp["seconds"])
    update_review(judgment)
    return True


def build_log_value(verdict: str, details: Said) -> str | dict[str, Any]:
    """A verdict in the audit log: its code, or a dict that adds ranks, stars and criteria where given."""
    extras = {kind: value for kind in ("rank", "stars", "criteria") if (value := details.get(kind))}
    return {"verdict": verdict, **extras} if extras else verdict


def log_change(judgment: Judgment, before: str | dict[str, Any], after: str | dict[str, Any]) -> None:
    """Writes the replacement of a verdict to the audit log; a repeated practice judgment replaces nothing."""
    if before != after and judgment.purpose != Judgment.Purpose.PRACTICE:
        log(Kind.JUDGMENT, judgment.pk, before, after, by=judgment.annotator, dataset=judgment.dataset)


def store_choices(judgment: Judgment, verdict: str, details: Said) -> None:
    """Stores the choices and ratings of a verdict in place of the previous ones."""
    before = withdraw_choices(judgment) if judgment.state == Judgment.State.REOPENED else set()
    choices, ratings = derive_choices(judgment, verdict, details)
    choices += store_repairs(judgment, details.get("repairs", {}))
    Choice.objects.bulk_create(
        Choice(
            judgment=judgment,
            criterion=criterion,
            chosen_id=chosen,
            rejected_id=rejected,
            strength=strength,
            rank_gap=gap,
        )
        for criterion, chosen, rejected, strength, gap in choices
    )
    Rating.objects.bulk_create(
        Rating(judgment=judgment, criterion=criterion, response_id=response, stars=stars)
        for criterion, response, stars in ratings
    )
    withdraw_repairs(judgment, before - {chosen for _, chosen, *_ in choices})
    is_vote = judgment.purpose == Judgment.Purpose.VOTE and judgment.comparison.held != Comparison.CHAT
    if verdict == "both_bad" and judgment.dataset.repair_round and is_vote:
        open_repair_round(judgment)


def derive_choices(judgment: Judgment, verdict: str, details: Said) -> tuple[list[ChoiceRow], list[RatingRow]]:
    """The choices and ratings of a verdict; none where the task was to write a better response."""
    spec = build_spec(judgment.dataset, len(judgment.order), judgment.comparison.task)
    if spec.question is None:
        return [], []
    return spec.list_choices(judgment.order, verdict, details), spec.list_ratings(judgment.order, details)


def withdraw_choices(judgment: Judgment) -> set[int]:
    """Deletes the choices and ratings of a judgment. Returns the ids of the repairs that it wrote."""
    written = list_repair_ids(judgment)
    judgment.choices.all().delete()
    judgment.ratings.all().delete()
    if judgment.verdict == "both_bad" and judgment.purpose == Judgment.Purpose.VOTE:
        close_repair_round(judgment)
    return written


def build_stamp(judgment: Judgment, seconds: float | None = None) -> dict[str, Any]:
    """The fields that record an act: its time, its duration and the next revision.

    seconds: measured by the browser; capped at the time since the lease or the reopening, which also replaces None.
    """
    now = timezone.now()
    assert judgment.leased_at is not None
    elapsed = max(0.0, (now - judgment.leased_at).total_seconds())  # the clock may have been set back
    return {
        "decided_at": now,
        "seconds": elapsed if seconds is None else min(seconds, elapsed),
        "revision": F("revision") + 1,
    }


def lock_answerable(judgment: Judgment, revision: int) -> Judgment | None:
    """The judgment, locked, if it is at this revision and still accepts a verdict; else None."""
    lock_membership(get_annotator_id(judgment), judgment.dataset_id)
    judgments = Judgment.objects.select_for_update(of=("self",)).select_related("comparison", "dataset")
    return judgments.filter(pk=judgment.pk, revision=revision, state__in=Judgment.ANSWERABLE).first()


def skip_or_flag(judgment: Judgment, seconds: float | None, flag: str, details: Said) -> None:
    """Skips a comparison, so that another person gets it, or flags it, which holds it until an admin decides.

    A reopened judgment loses its verdict.
    """
    if judgment.state != Judgment.State.EXPIRED:
        change_slots(judgment, +1)
    if judgment.state == Judgment.State.REOPENED:
        log_change(judgment, build_log_value(judgment.verdict, judgment.said), FLAG if flag else SKIP)
    if flag:
        Comparison.objects.filter(pk=judgment.comparison_id, held="").update(held=Comparison.FLAGGED)
    stamp = build_stamp(judgment, seconds)
    withdraw_repairs(judgment, withdraw_choices(judgment))
    change_state(
        judgment, Judgment.State.SKIPPED, verdict="", said=details, flag=flag, draft=None, surplus=False, **stamp
    )
    if judgment.state == Judgment.State.REOPENED:
        change_day(judgment, -1)


@transaction.atomic
def keep_verdict(judgment: Judgment, revision: int) -> bool:
    """Closes a reopened judgment with its verdict unchanged. Returns whether it did."""
    locked = lock_answerable(judgment, revision)
    if locked is None or locked.state != Judgment.State.REOPENED:
        return False
    return bool(change_state(locked, Judgment.State.SAVED, draft=None, revision=F("revision") + 1))


def find_last_act(user: User, dataset: Dataset) -> Judgment | None:
    """The judgment that undo would reopen: the person's latest undoable act among the last UNDO_DEPTH; else None."""
    mine = Judgment.objects.filter(annotator=user, dataset=dataset, purpose__in=Judgment.WORK)
    mine = mine.exclude(comparison__held=Comparison.CHAT)  # the chat has its own undo
    if mine.filter(state=Judgment.State.REOPENED).count() >= UNDO_DEPTH:
        return None
    acts = mine.filter(state__in=[*Judgment.STANDING, Judgment.State.SKIPPED]).order_by("-decided_at", "-pk")
    for act in acts[:UNDO_DEPTH]:
        if act.state == Judgment.State.SAVED or (act.state == Judgment.State.SKIPPED and can_undo_skip(act)):
            return act
    return None


def can_undo_skip(skipped: Judgment, comparison: Comparison | None = None) -> bool:
    """Whether undo can reopen a skip or flag: the comparison has an open slot, is not held otherwise and was not given
    to the person again since. Only the last of these applies to gold questions and repeats, which take no slot.
    """
    comparison = comparison or Comparison.objects.get(pk=skipped.comparison_id)
    wanted = comparison.open_slots > 0 and not is_held_otherwise(comparison, skipped)
    return (wanted or skipped.purpose != Judgment.Purpose.VOTE) and not is_superseded(skipped)


def is_held_otherwise(comparison: Comparison, flagged: Judgment) -> bool:
    """Whether a comparison is held for any reason other than this flag."""
    if comparison.held != Comparison.FLAGGED or not flagged.flag:
        return comparison.held != ""
    return comparison.judgments.exclude(pk=flagged.pk).exclude(flag="").exists()


def is_superseded(skipped: Judgment) -> bool:
    """Whether the person has been given the skipped comparison again since."""
    same = {"comparison": skipped.comparison_id, "annotator": skipped.annotator_id, "purpose": skipped.purpose}
    others = Judgment.objects.filter(**same)
    return others.exclude(pk=skipped.pk).filter(pk__gt=skipped.pk).exists()


@transaction.atomic
def undo(judgment: Judgment, revision: int) -> bool:
    """Reopens a judgment for another verdict; the saved one stands until it is replaced. Returns whether it did.

    A skipped comparison returns to the person if it still has an open slot, a flagged one if nobody else flagged it.
    Nothing returns while the person is paused.
    """
    if lock_membership(get_annotator_id(judgment), judgment.dataset_id).paused_at:
        return False
    locked = Judgment.objects.select_for_update().filter(pk=judgment.pk, revision=revision).first()
    if locked is None:
        return False
    judgment = locked
    if judgment.state == Judgment.State.SAVED:
        return bool(change_state(judgment, Judgment.State.REOPENED, leased_at=timezone.now()))
    if judgment.state != Judgment.State.SKIPPED:
        return False
    comparison = Comparison.objects.select_for_update().get(pk=judgment.comparison_id)
    if not can_undo_skip(judgment, comparison):
        return False
    if comparison.held == Comparison.FLAGGED and not is_held_otherwise(comparison, judgment):
        Comparison.objects.filter(pk=comparison.pk).update(held="")
    change_slots(judgment, -1)
    now = timezone.now()
    lease = {"leased_at": now, "lease_until": compute_lease_end(judgment.dataset), "flag": "", "said": {}}
    change_state(judgment, Judgment.State.LEASED, revision=F("revision") + 1, **lease)
    update_review(judgment)
    return True
