"""What an act leaves behind. Each is safe to repeat: a form carries the judgment's revision, and one that was used
already changes nothing."""

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from annotate.questions import pair
from annotate.queue import change_slots, lease_end, locked_membership, move
from datasets.models import Choice, Comparison, Judgment

UNDO_DEPTH = 10
SKIP = "skip"
KEEP = "keep"


@transaction.atomic
def record(judgment, revision, verdict):
    """Save a verdict, with the choices that it states, or a skip. Whether it changed anything.

    A late verdict, its lease given back, is kept; it is surplus where the comparison had all it wanted.
    """
    if verdict == SKIP:
        return skip(judgment, revision)
    if verdict == KEEP:
        return keep(judgment, revision)
    judgment = answerable(judgment, revision)
    if judgment is None:
        return False
    surplus = judgment.surplus
    if judgment.state == Judgment.State.EXPIRED:
        slots = Comparison.objects.select_for_update().values_list("open_slots", flat=True)
        surplus = slots.get(pk=judgment.comparison_id) <= 0
        change_slots(judgment.comparison_id, -1)
    move(judgment, Judgment.State.SAVED, verdict=verdict, surplus=surplus, **act_of(judgment))
    judgment.choices.all().delete()
    Choice.objects.bulk_create(
        Choice(judgment=judgment, chosen_id=chosen, rejected_id=rejected, strength=strength)
        for chosen, rejected, strength in pair.choices(judgment.order, verdict)
    )
    return True


def act_of(judgment):
    """When an act was done, how long it took since the hand-out (or since it was reopened), and the next revision."""
    now = timezone.now()
    return {
        "decided_at": now,
        "seconds": (now - judgment.leased_at).total_seconds(),
        "revision": F("revision") + 1,
    }


def answerable(judgment, revision):
    """The judgment, locked, if this revision of it still awaits an answer; else None."""
    locked_membership(judgment.annotator_id, judgment.dataset_id)
    found = Judgment.objects.select_for_update().filter(
        pk=judgment.pk, revision=revision, state__in=Judgment.ANSWERABLE
    )
    return found.first()


@transaction.atomic
def skip(judgment, revision):
    """Pass a comparison over; another person gets it. Of a reopened judgment the verdict is withdrawn."""
    judgment = answerable(judgment, revision)
    if judgment is None:
        return False
    if judgment.state != Judgment.State.EXPIRED:
        change_slots(judgment.comparison_id, +1)
    move(judgment, Judgment.State.SKIPPED, verdict="", surplus=False, **act_of(judgment))
    judgment.choices.all().delete()
    return True


@transaction.atomic
def keep(judgment, revision):
    """Close a reopened judgment again, its verdict as it stands."""
    judgment = answerable(judgment, revision)
    if judgment is None or judgment.state != Judgment.State.REOPENED:
        return False
    return bool(move(judgment, Judgment.State.SAVED, revision=F("revision") + 1))


def last_act(user, dataset):
    """The judgment that undo would reopen: the latest act of this person, at most ten back; None when there is none."""
    mine = Judgment.objects.filter(annotator=user, dataset=dataset, purpose=Judgment.Purpose.VOTE)
    if mine.filter(state=Judgment.State.REOPENED).count() >= UNDO_DEPTH:
        return None
    acts = mine.filter(state__in=[*Judgment.STANDING, Judgment.State.SKIPPED]).order_by("-decided_at", "-pk")
    for act in acts[:UNDO_DEPTH]:
        if act.state == Judgment.State.SAVED or (act.state == Judgment.State.SKIPPED and comes_back(act)):
            return act
    return None


def comes_back(skipped):
    """Whether undo would bring a skipped comparison back: it is still wanted, and nobody else has it now."""
    is_open = Comparison.objects.open().filter(pk=skipped.comparison_id).exists()
    return is_open and not superseded(skipped)


def superseded(skipped):
    """Whether the person has had the skipped comparison again since."""
    others = Judgment.objects.filter(comparison=skipped.comparison_id, annotator=skipped.annotator_id)
    return others.exclude(pk=skipped.pk).filter(pk__gt=skipped.pk).exists()


@transaction.atomic
def undo(judgment, revision):
    """Open a judgment for another verdict; the saved one stands until it is replaced. Whether that was possible.

    A skipped comparison comes back to the person if it is still wanted.
    """
    locked_membership(judgment.annotator_id, judgment.dataset_id)
    judgment = Judgment.objects.select_for_update().filter(pk=judgment.pk, revision=revision).first()
    if judgment is None:
        return False
    if judgment.state == Judgment.State.SAVED:
        return bool(move(judgment, Judgment.State.REOPENED, leased_at=timezone.now()))
    if judgment.state != Judgment.State.SKIPPED or superseded(judgment):
        return False
    comparison = Comparison.objects.select_for_update().get(pk=judgment.comparison_id)
    if comparison.open_slots <= 0 or comparison.held:
        return False
    change_slots(comparison.pk, -1)
    now = timezone.now()
    lease = {"leased_at": now, "lease_until": lease_end(judgment.dataset)}
    return bool(move(judgment, Judgment.State.LEASED, revision=F("revision") + 1, **lease))
