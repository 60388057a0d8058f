"""What an act leaves behind. Each is safe to repeat: a form carries the judgment's revision, and one that was used
already changes nothing."""

from dataclasses import dataclass, replace

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from annotate.judging.question_spec import build_spec
from annotate.judging.repairs import (
    close_repair_round,
    filter_repairs,
    list_repair_ids,
    open_repair_round,
    store_repairs,
    withdraw_repairs,
)
from annotate.models import Membership
from annotate.questions import FLAG, KEEP, SKIP
from annotate.queue.fast_path import save_and_lease
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
from datasets.db.write_lock import write_turn
from datasets.jobs import worker
from datasets.models import Choice, Comparison, Job, Judgment, Rating

UNDO_DEPTH = 10
ANALYSIS, STEER_INTERVAL = "analysis", 20  # the task of analyze/tasks.py, after so many verdicts of one person


@dataclass(frozen=True)
class SaveResult:
    """What came of an act. judged: how many verdicts of the person stand, None where nobody counted; next: the judgment
    that was leased to them besides what they hold."""

    changed: bool
    judged: int | None = None
    next: Judgment | None = None


def save(judgment, revision, submission, spec, leasing=False):
    """Save a forms.Submission, and lease the next comparison to the same person if asked to: on the fast path where
    that is open to this act, else on the slow one. Both leave the same behind."""
    submission = replace(submission, said=filter_repairs(judgment, submission.said))
    result = None
    if leasing and is_fast(judgment, revision, submission, spec):
        result = save_fast(judgment, submission, spec)
    return result or save_slow(judgment, revision, submission, leasing)


def is_fast(judgment, revision, submission, spec):
    """Whether the fast path may be tried: a plain verdict on a judgment in hand, in an open dataset in which no lease
    waits to be given back."""
    dataset = judgment.dataset
    in_hand = judgment.state == Judgment.State.LEASED and judgment.revision == revision
    is_open = dataset.state == dataset.State.OPEN
    return is_open and in_hand and is_plain(dataset, submission, spec) and not has_overdue_leases(dataset)


def save_fast(judgment, submission, spec):
    """Save and lease in one act of the database (queue/fast_path.py). None where it declined: nothing has changed."""
    dataset = judgment.dataset
    choices = spec.list_choices(judgment.order, submission.verdict, submission.said)
    ratings = spec.list_ratings(judgment.order, submission.said)
    if review.has_review(dataset):
        saved = save_and_review(judgment, submission, choices, ratings)
    else:
        saved = save_and_lease(judgment, submission, choices, ratings)
    if saved is None:
        return None
    steer(dataset, saved.judged)
    may_have_more = saved.is_free or dataset.mixes
    following = saved.next or (may_have_more and lease_another(judgment.annotator, dataset)) or None
    return SaveResult(True, saved.judged, following)


def save_slow(judgment, revision, submission, leasing):
    """Save by `record`, then lease by queue/lease.py."""
    changed = record(judgment, revision, submission.verdict, submission.said, submission.seconds, submission.flag)
    return SaveResult(
        changed, None, lease_another(judgment.annotator, judgment.dataset) if changed and leasing else None
    )


def steer(dataset, judged):
    """Where what was judged decides what is asked next, see to it now and then that it does, in the background."""
    if not dataset.is_steered or judged % STEER_INTERVAL:
        return
    if not Job.objects.filter(kind=ANALYSIS, dataset=dataset, state__in=Job.OPEN).exists():
        worker.start(ANALYSIS, None, dataset)


def save_and_review(judgment, submission, choices, ratings):
    """As save_and_lease, where a vote may bring its comparison before a reviewer. What it touches is locked first, in
    the order of all acts: whoever then holds a comparison passes over locked ones, and waits for no other."""
    with write_turn(), transaction.atomic():
        lock_judgment(judgment)
        saved = save_and_lease(judgment, submission, choices, ratings)
        if saved:
            review.refresh(judgment.dataset, [judgment.comparison_id])
        else:  # what the database refused has ended the transaction
            transaction.set_rollback(True)
    return saved


def lock_judgment(judgment):
    """Lock the person's membership, the judgment and its comparison, in this order. (judgment, comparison) as they are
    now."""
    lock_membership(judgment.annotator_id, judgment.dataset_id)
    locked = Judgment.objects.select_for_update(of=("self",)).select_related("dataset").get(pk=judgment.pk)
    return locked, Comparison.objects.select_for_update().get(pk=judgment.comparison_id)


def update_review(judgment):
    """See whether the comparison of a vote, a flag or a decision goes to a reviewer now."""
    if review.has_review(judgment.dataset):
        review.refresh(judgment.dataset, [judgment.comparison_id])


def is_plain(dataset, submission, spec):
    """Whether a verdict leaves choices and ratings behind, and nothing else."""
    starts_round = submission.verdict == "both_bad" and dataset.repair_round
    is_verdict = spec.question is not None and spec.needs_groups(submission.verdict)
    return is_verdict and "repairs" not in submission.said and not starts_round


@transaction.atomic
def record(judgment, revision, verdict, details=None, seconds=None, flag=""):
    """Save a verdict, with the choices and the ratings that it states, or a skip. Whether it changed anything.

    A late verdict, its lease given back, is kept; it is surplus where the comparison had all it wanted.
    details, seconds, flag: as of a forms.Submission.
    """
    if verdict == KEEP:
        return keep_verdict(judgment, revision)
    judgment = lock_answerable(judgment, revision)
    if judgment is None:
        return False
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
    if judgment.state != Judgment.State.REOPENED:
        change_judged(judgment, +1)
    change_state(
        judgment,
        Judgment.State.SAVED,
        verdict=verdict,
        said=details,
        flag="",
        surplus=surplus,
        guideline=judgment.dataset.guideline_number,
        **build_stamp(judgment, seconds),
    )
    store_choices(judgment, verdict, details)
    if judgment.state == Judgment.State.REOPENED:
        log_change(judgment, before, build_log_value(verdict, details))
    update_review(judgment)
    return True


def build_log_value(verdict, details):
    """A verdict as it stands in the log: its code; with the places, the stars and the criteria where there are any."""
    extras = {kind: details[kind] for kind in ("rank", "stars", "criteria") if details.get(kind)}
    return {"verdict": verdict, **extras} if extras else verdict


def log_change(judgment, before, after):
    """A line of the log where a verdict was replaced by another; to practise once more replaces nothing."""
    if before != after and judgment.purpose != Judgment.Purpose.PRACTICE:
        log(Kind.JUDGMENT, judgment.pk, before, after, by=judgment.annotator, dataset=judgment.dataset)


def store_choices(judgment, verdict, details):
    """Store what a verdict states, in place of what was stated before."""
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
    if verdict == "both_bad" and judgment.dataset.repair_round and judgment.purpose == Judgment.Purpose.VOTE:
        open_repair_round(judgment)


def derive_choices(judgment, verdict, details):
    """(choices, ratings) as QuestionSpec gives them; nothing where a better answer was asked for."""
    spec = build_spec(judgment.dataset, len(judgment.order), judgment.comparison.task)
    if spec.question is None:
        return [], []
    return spec.list_choices(judgment.order, verdict, details), spec.list_ratings(judgment.order, details)


def withdraw_choices(judgment):
    """Take back what a judgment stated. The ids of the repairs that it wrote."""
    written = list_repair_ids(judgment)
    judgment.choices.all().delete()
    judgment.ratings.all().delete()
    if judgment.verdict == "both_bad" and judgment.purpose == Judgment.Purpose.VOTE:
        close_repair_round(judgment)
    return written


def change_judged(judgment, by):
    """What comes from the queue counts alike, known or not: the person sees the count."""
    if judgment.purpose not in Judgment.WORK:
        return
    mine = Membership.objects.filter(user=judgment.annotator_id, dataset=judgment.dataset_id)
    mine.update(judged=F("judged") + by)


def build_stamp(judgment, seconds=None):
    """When an act was done, how long it took (as the browser saw it, never longer than since the hand-out; else since
    the hand-out, or since it was reopened), and the next revision."""
    now = timezone.now()
    elapsed = max(0.0, (now - judgment.leased_at).total_seconds())  # a clock may be set back
    return {
        "decided_at": now,
        "seconds": elapsed if seconds is None else min(seconds, elapsed),
        "revision": F("revision") + 1,
    }


def lock_answerable(judgment, revision):
    """The judgment, locked, if this revision of it still awaits an answer; else None."""
    lock_membership(judgment.annotator_id, judgment.dataset_id)
    judgments = Judgment.objects.select_for_update(of=("self",)).select_related("comparison", "dataset")
    return judgments.filter(pk=judgment.pk, revision=revision, state__in=Judgment.ANSWERABLE).first()


def skip_or_flag(judgment, seconds, flag, details):
    """Skip: another person gets it. Flagged: nobody does, until an admin decides. Of a reopened judgment the verdict is
    withdrawn."""
    if judgment.state != Judgment.State.EXPIRED:
        change_slots(judgment, +1)
    if judgment.state == Judgment.State.REOPENED:
        change_judged(judgment, -1)
        log_change(judgment, build_log_value(judgment.verdict, judgment.said), FLAG if flag else SKIP)
    if flag:
        Comparison.objects.filter(pk=judgment.comparison_id, held="").update(held=Comparison.FLAGGED)
    stamp = build_stamp(judgment, seconds)
    withdraw_repairs(judgment, withdraw_choices(judgment))
    change_state(judgment, Judgment.State.SKIPPED, verdict="", said=details, flag=flag, surplus=False, **stamp)


@transaction.atomic
def keep_verdict(judgment, revision):
    """Close a reopened judgment again, its verdict as it stands."""
    judgment = lock_answerable(judgment, revision)
    if judgment is None or judgment.state != Judgment.State.REOPENED:
        return False
    return bool(change_state(judgment, Judgment.State.SAVED, revision=F("revision") + 1))


def find_last_act(user, dataset):
    """The judgment that undo would reopen: the latest act of this person, at most ten back; None when there is none."""
    mine = Judgment.objects.filter(annotator=user, dataset=dataset, purpose__in=Judgment.WORK)
    if mine.filter(state=Judgment.State.REOPENED).count() >= UNDO_DEPTH:
        return None
    acts = mine.filter(state__in=[*Judgment.STANDING, Judgment.State.SKIPPED]).order_by("-decided_at", "-pk")
    for act in acts[:UNDO_DEPTH]:
        if act.state == Judgment.State.SAVED or (act.state == Judgment.State.SKIPPED and can_undo_skip(act)):
            return act
    return None


def can_undo_skip(skipped, comparison=None):
    """Whether undo would bring a skipped or flagged comparison back: it is still wanted, and nobody else has it now.
    What is known already, and was mixed in, always comes back."""
    comparison = comparison or Comparison.objects.get(pk=skipped.comparison_id)
    wanted = comparison.open_slots > 0 and not is_held_otherwise(comparison, skipped)
    return (wanted or skipped.purpose != Judgment.Purpose.VOTE) and not is_superseded(skipped)


def is_held_otherwise(comparison, flagged):
    """Whether a comparison is kept back for any other reason than this flag."""
    if comparison.held != Comparison.FLAGGED or not flagged.flag:
        return comparison.held != ""
    return comparison.judgments.exclude(pk=flagged.pk).exclude(flag="").exists()


def is_superseded(skipped):
    """Whether the person has had the skipped comparison again since."""
    same = {"comparison": skipped.comparison_id, "annotator": skipped.annotator_id, "purpose": skipped.purpose}
    others = Judgment.objects.filter(**same)
    return others.exclude(pk=skipped.pk).filter(pk__gt=skipped.pk).exists()


@transaction.atomic
def undo(judgment, revision):
    """Open a judgment for another verdict; the saved one stands until it is replaced. Whether that was possible.

    A skipped comparison comes back to the person if it is still wanted, a flagged one if nobody else flagged it;
    nothing does while they are paused.
    """
    if lock_membership(judgment.annotator_id, judgment.dataset_id).paused_at:
        return False
    judgment = Judgment.objects.select_for_update().filter(pk=judgment.pk, revision=revision).first()
    if judgment is None:
        return False
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
