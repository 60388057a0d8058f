"""Taking an import back, while nobody has judged what it brought."""

from itertools import islice

from django.db import IntegrityError, transaction
from django.db.models import Q

from datasets.audit.log import Kind, log
from datasets.models import Comparison, Gold, Import, Judgment, Prompt, Response

AT_ONCE = 200
UNDOING = "undoing"


class CannotUndo(Exception):
    """Why an import stays: `judged` (people have judged it, or have it in hand), `used` (a later import builds on it),
    `busy` (another import into the dataset is being stored), `not_stored`."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


def undo_import(run, by=None):
    """Remove all that an import brought; its row stays as a record. Raises CannotUndo, and then nothing has changed."""
    if run.state not in (Import.State.DONE, Import.State.UNDOING):
        raise CannotUndo("not_stored")
    run.state = Import.State.UNDOING
    try:
        with transaction.atomic():
            run.save()
    except IntegrityError:
        raise CannotUndo("busy") from None
    try:
        for ids in iter_touched_prompts(run):
            hold(run, ids)
    except CannotUndo:
        release(run)
        raise
    finish(run, by)


def finish(run, by=None):
    """Remove what nobody can reach any more; safe to repeat."""
    for ids in iter_touched_prompts(run):
        with transaction.atomic():
            remove(run, ids)
    with transaction.atomic():
        if Import.objects.filter(pk=run.pk, state=Import.State.UNDOING).update(state=Import.State.UNDONE):
            log(Kind.IMPORT, run, run.pk, "undone", by=by, dataset=run.dataset)
    run.refresh_from_db()


def iter_touched_prompts(run):
    """Lists of ids of the prompts that this import brought, or brought something to."""
    brought = Q(imported=run) | Q(responses__imported=run) | Q(comparisons__judgments__imported=run)
    roles = Q(responses__in=run.roles_given.values("response"))
    ids = iter(
        list(Prompt.objects.filter(brought | roles, dataset=run.dataset).distinct().values_list("pk", flat=True))
    )
    while batch := list(islice(ids, AT_ONCE)):
        yield batch


def lock_own_comparisons(run, ids):
    """The comparisons, locked, that would not be there without this import: those of its responses, those that its
    votes made, and those that a role it gave asks for (unless they came with another import's votes)."""
    own_responses = set(Response.objects.filter(imported=run, prompt__in=ids).values_list("pk", flat=True))
    given_roles = set(run.roles_given.filter(response__prompt__in=ids).values_list("response", flat=True))
    votes = Judgment.objects.filter(comparison__prompt__in=ids).exclude(imported=None)
    own_votes = set(votes.filter(imported=run).values_list("comparison", flat=True))
    other_votes = set(votes.exclude(imported=run).values_list("comparison", flat=True))
    comparisons = Comparison.objects.filter(prompt__in=ids).select_for_update().order_by("pk")
    return [
        c
        for c in comparisons
        if own_responses.intersection(c.response_ids)
        or c.pk in own_votes
        or (given_roles.intersection(c.response_ids) and c.pk not in other_votes)
    ]


@transaction.atomic
def hold(run, ids):
    """Take this import's comparisons out of the queue, unless people have judged them or have them in hand."""
    comparisons = lock_own_comparisons(run, ids)
    judged = Judgment.objects.filter(comparison__in=comparisons).exclude(annotator=None)
    if judged.exclude(state=Judgment.State.EXPIRED).exists():
        raise CannotUndo("judged")
    others = Judgment.objects.filter(comparison__in=comparisons, annotator=None).exclude(imported=run)
    if others.exists():
        raise CannotUndo("used")
    waiting = Comparison.objects.filter(pk__in=[c.pk for c in comparisons], held__in=["", Comparison.GOLD])
    waiting.update(held=UNDOING)


def release(run):
    """Give the comparisons back to the queue: the import stays."""
    held = Comparison.objects.filter(dataset=run.dataset, held=UNDOING)
    held.filter(gold__isnull=False).update(held=Comparison.GOLD)
    held.update(held="")
    Import.objects.filter(pk=run.pk).update(state=Import.State.DONE)
    run.refresh_from_db()


def remove(run, ids):
    """Remove what the import brought to these prompts. A prompt that has got other answers since stays."""
    own_comparisons = [c.pk for c in lock_own_comparisons(run, ids)]
    Comparison.objects.filter(pk__in=own_comparisons).delete()
    gold = Gold.objects.filter(imported=run, comparison__prompt__in=ids)
    Comparison.objects.filter(gold__in=gold, held__in=[UNDOING, Comparison.GOLD]).update(held="")
    gold.delete()
    for given in run.roles_given.filter(response__prompt__in=ids):
        Response.objects.filter(pk=given.response_id).update(**{given.role: False})
    run.roles_given.filter(response__prompt__in=ids).delete()
    Response.objects.filter(imported=run, prompt__in=ids).delete()
    brought = Prompt.objects.filter(imported=run, pk__in=ids)
    brought.filter(responses=None).delete()
    for prompt in brought:
        heir = prompt.responses.order_by("pk").first()
        Prompt.objects.filter(pk=prompt.pk).update(imported=heir.imported)
