"""What an act leaves behind. Each is safe to repeat: a form carries the judgment's revision, and one that was used
already changes nothing."""

from dataclasses import dataclass, replace

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from annotate.judging.question_spec import asked_of
from annotate.judging.repairs import close_round, improved, open_round, repair, unwrite, written_with
from annotate.models import Membership
from annotate.questions import FLAG, KEEP, SKIP
from annotate.queue.fast_path import save_and_lease
from annotate.queue.lease import another, any_lapsed, change_slots, lease_end, locked_membership, move
from datasets.audit.log import Kind, log
from datasets.comparisons import review
from datasets.db.write_lock import writing
from datasets.jobs import worker
from datasets.models import Choice, Comparison, Job, Judgment, Rating

UNDO_DEPTH = 10
ANALYSIS, STEERED_EVERY = "analysis", 20  # the task of analyze/tasks.py, after so many verdicts of one person


@dataclass(frozen=True)
class Done:
    """What came of an act. judged: how many verdicts of the person stand, None where nobody counted; next: the judgment
    that was leased to them besides what they hold."""

    changed: bool
    judged: int | None = None
    next: Judgment | None = None


def save(judgment, revision, act, asked, leasing=False):
    """Save what a form says (a forms.Act), and lease the next comparison to the same person if asked to."""
    dataset, is_open = judgment.dataset, judgment.dataset.state == judgment.dataset.State.OPEN
    act = replace(act, said=improved(judgment, act.said))
    in_hand = judgment.state == Judgment.State.LEASED and judgment.revision == revision
    if leasing and is_open and in_hand and is_plain(dataset, act, asked) and not any_lapsed(dataset):
        choices = asked.choices(judgment.order, act.verdict, act.said)
        shortly = save_and_review if review.is_on(dataset) else save_and_lease
        saved = shortly(judgment, act, choices, asked.ratings(judgment.order, act.said))
        if saved:
            steer(dataset, saved.judged)
            may_have_more = saved.is_free or dataset.mixes
            found = saved.next or (may_have_more and another(judgment.annotator, dataset)) or None
            return Done(True, saved.judged, found)
    changed = record(judgment, revision, act.verdict, act.said, act.seconds, act.flag)
    return Done(changed, None, another(judgment.annotator, dataset) if changed and leasing else None)


def steer(dataset, judged):
    """Where what was judged decides what is asked next, see to it now and then that it does, in the background."""
    if not dataset.is_steered or judged % STEERED_EVERY:
        return
    if not Job.objects.filter(kind=ANALYSIS, dataset=dataset, state__in=Job.OPEN).exists():
        worker.start(ANALYSIS, None, dataset)


def save_and_review(judgment, act, choices, ratings):
    """As save_and_lease, where a vote may bring its comparison before a reviewer. What it touches is locked first, in
    the order of all acts: whoever then holds a comparison passes over locked ones, and waits for no other."""
    with writing(), transaction.atomic():
        lock(judgment)
        saved = save_and_lease(judgment, act, choices, ratings)
        if saved:
            review.recount(judgment.dataset, [judgment.comparison_id])
        else:  # what the database refused has ended the transaction
            transaction.set_rollback(True)
    return saved


def lock(judgment):
    """Lock the person's membership, the judgment and its comparison, in this order. (judgment, comparison) as they are
    now."""
    locked_membership(judgment.annotator_id, judgment.dataset_id)
    found = Judgment.objects.select_for_update(of=("self",)).select_related("dataset").get(pk=judgment.pk)
    return found, Comparison.objects.select_for_update().get(pk=judgment.comparison_id)


def review_anew(judgment):
    """See whether the comparison of a vote, a flag or a decision goes to a reviewer now."""
    if review.is_on(judgment.dataset):
        review.recount(judgment.dataset, [judgment.comparison_id])


def is_plain(dataset, act, asked):
    """Whether a verdict leaves choices and ratings behind, and nothing else."""
    starts_round = act.verdict == "both_bad" and dataset.repair_round
    is_verdict = asked.question is not None and asked.needs(act.verdict)
    return is_verdict and "repairs" not in act.said and not starts_round


@transaction.atomic
def record(judgment, revision, verdict, said=None, seconds=None, flag=""):
    """Save a verdict, with the choices and the ratings that it states, or a skip. Whether it changed anything.

    A late verdict, its lease given back, is kept; it is surplus where the comparison had all it wanted.
    said, seconds, flag: as of a forms.Act.
    """
    if verdict == KEEP:
        return keep(judgment, revision)
    judgment = answerable(judgment, revision)
    if judgment is None:
        return False
    if verdict in (SKIP, FLAG):
        pass_over(judgment, seconds, flag, said or {})
        review_anew(judgment)
        return True
    said, before = improved(judgment, said or {}), in_codes(judgment.verdict, judgment.said)
    surplus = judgment.surplus
    if judgment.state == Judgment.State.EXPIRED and judgment.purpose == Judgment.Purpose.VOTE:
        slots = Comparison.objects.select_for_update().values_list("open_slots", flat=True)
        surplus = slots.get(pk=judgment.comparison_id) <= 0
        change_slots(judgment, -1)
    if judgment.state != Judgment.State.REOPENED:
        count_judged(judgment, +1)
    move(
        judgment,
        Judgment.State.SAVED,
        verdict=verdict,
        said=said,
        flag="",
        surplus=surplus,
        guideline=judgment.dataset.guideline_number,
        **act_of(judgment, seconds),
    )
    state(judgment, verdict, said)
    if judgment.state == Judgment.State.REOPENED:
        log_other(judgment, before, in_codes(verdict, said))
    review_anew(judgment)
    return True


def in_codes(verdict, said):
    """A verdict as it stands in the log: its code; with the places, the stars and the criteria where there are any."""
    besides = {kind: said[kind] for kind in ("rank", "stars", "criteria") if said.get(kind)}
    return {"verdict": verdict, **besides} if besides else verdict


def log_other(judgment, before, after):
    """A line of the log where a verdict was replaced by another; to practise once more replaces nothing."""
    if before != after and judgment.purpose != Judgment.Purpose.PRACTICE:
        log(Kind.JUDGMENT, judgment.pk, before, after, by=judgment.annotator, dataset=judgment.dataset)


def state(judgment, verdict, said):
    """Store what a verdict states, in place of what was stated before."""
    before = withdraw(judgment) if judgment.state == Judgment.State.REOPENED else set()
    choices, ratings = stated(judgment, verdict, said)
    choices += repair(judgment, said.get("repairs", {}))
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
    unwrite(judgment, before - {chosen for _, chosen, *_ in choices})
    if verdict == "both_bad" and judgment.dataset.repair_round and judgment.purpose == Judgment.Purpose.VOTE:
        open_round(judgment)


def stated(judgment, verdict, said):
    """(choices, ratings) as Asked gives them; nothing where a better answer was asked for."""
    asked = asked_of(judgment.dataset, len(judgment.order), judgment.comparison.task)
    if asked.question is None:
        return [], []
    return asked.choices(judgment.order, verdict, said), asked.ratings(judgment.order, said)


def withdraw(judgment):
    """Take back what a judgment stated. The ids of the repairs that it wrote."""
    written = written_with(judgment)
    judgment.choices.all().delete()
    judgment.ratings.all().delete()
    if judgment.verdict == "both_bad" and judgment.purpose == Judgment.Purpose.VOTE:
        close_round(judgment)
    return written


def count_judged(judgment, by):
    """What comes from the queue counts alike, known or not: the person sees the count."""
    if judgment.purpose not in Judgment.WORK:
        return
    mine = Membership.objects.filter(user=judgment.annotator_id, dataset=judgment.dataset_id)
    mine.update(judged=F("judged") + by)


def act_of(judgment, seconds=None):
    """When an act was done, how long it took (as the browser saw it, never longer than since the hand-out; else since
    the hand-out, or since it was reopened), and the next revision."""
    now = timezone.now()
    elapsed = max(0.0, (now - judgment.leased_at).total_seconds())  # a clock may be set back
    return {
        "decided_at": now,
        "seconds": elapsed if seconds is None else min(seconds, elapsed),
        "revision": F("revision") + 1,
    }


def answerable(judgment, revision):
    """The judgment, locked, if this revision of it still awaits an answer; else None."""
    locked_membership(judgment.annotator_id, judgment.dataset_id)
    found = Judgment.objects.select_for_update(of=("self",)).select_related("comparison", "dataset")
    return found.filter(pk=judgment.pk, revision=revision, state__in=Judgment.ANSWERABLE).first()


def pass_over(judgment, seconds, flag, said):
    """Skip: another person gets it. Flagged: nobody does, until an admin decides. Of a reopened judgment the verdict is
    withdrawn."""
    if judgment.state != Judgment.State.EXPIRED:
        change_slots(judgment, +1)
    if judgment.state == Judgment.State.REOPENED:
        count_judged(judgment, -1)
        log_other(judgment, in_codes(judgment.verdict, judgment.said), FLAG if flag else SKIP)
    if flag:
        Comparison.objects.filter(pk=judgment.comparison_id, held="").update(held=Comparison.FLAGGED)
    act = act_of(judgment, seconds)
    unwrite(judgment, withdraw(judgment))
    move(judgment, Judgment.State.SKIPPED, verdict="", said=said, flag=flag, surplus=False, **act)


@transaction.atomic
def keep(judgment, revision):
    """Close a reopened judgment again, its verdict as it stands."""
    judgment = answerable(judgment, revision)
    if judgment is None or judgment.state != Judgment.State.REOPENED:
        return False
    return bool(move(judgment, Judgment.State.SAVED, revision=F("revision") + 1))


def last_act(user, dataset):
    """The judgment that undo would reopen: the latest act of this person, at most ten back; None when there is none."""
    mine = Judgment.objects.filter(annotator=user, dataset=dataset, purpose__in=Judgment.WORK)
    if mine.filter(state=Judgment.State.REOPENED).count() >= UNDO_DEPTH:
        return None
    acts = mine.filter(state__in=[*Judgment.STANDING, Judgment.State.SKIPPED]).order_by("-decided_at", "-pk")
    for act in acts[:UNDO_DEPTH]:
        if act.state == Judgment.State.SAVED or (act.state == Judgment.State.SKIPPED and comes_back(act)):
            return act
    return None


def comes_back(skipped, comparison=None):
    """Whether undo would bring a skipped or flagged comparison back: it is still wanted, and nobody else has it now.
    What is known already, and was mixed in, always comes back."""
    comparison = comparison or Comparison.objects.get(pk=skipped.comparison_id)
    wanted = comparison.open_slots > 0 and not held_by_others(comparison, skipped)
    return (wanted or skipped.purpose != Judgment.Purpose.VOTE) and not superseded(skipped)


def held_by_others(comparison, flagged):
    """Whether a comparison is kept back for any other reason than this flag."""
    if comparison.held != Comparison.FLAGGED or not flagged.flag:
        return comparison.held != ""
    return comparison.judgments.exclude(pk=flagged.pk).exclude(flag="").exists()


def superseded(skipped):
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
    if locked_membership(judgment.annotator_id, judgment.dataset_id).paused_at:
        return False
    judgment = Judgment.objects.select_for_update().filter(pk=judgment.pk, revision=revision).first()
    if judgment is None:
        return False
    if judgment.state == Judgment.State.SAVED:
        return bool(move(judgment, Judgment.State.REOPENED, leased_at=timezone.now()))
    if judgment.state != Judgment.State.SKIPPED:
        return False
    comparison = Comparison.objects.select_for_update().get(pk=judgment.comparison_id)
    if not comes_back(judgment, comparison):
        return False
    if comparison.held == Comparison.FLAGGED and not held_by_others(comparison, judgment):
        Comparison.objects.filter(pk=comparison.pk).update(held="")
    change_slots(judgment, -1)
    now = timezone.now()
    lease = {"leased_at": now, "lease_until": lease_end(judgment.dataset), "flag": "", "said": {}}
    move(judgment, Judgment.State.LEASED, revision=F("revision") + 1, **lease)
    review_anew(judgment)
    return True
