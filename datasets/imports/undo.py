"""Undoing an import, as long as nobody has judged what it stored."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models import Q

from datasets.audit.log import Kind, log
from datasets.imports.batch_writer import LABEL_OF
from datasets.models import Comparison, Gold, Import, Judgment, Prompt, Response
from datasets.prompts.origins import list_prompts_with_origins, remove_origins

if TYPE_CHECKING:
    from annotate.models import User

AT_ONCE = 200  # prompts per transaction
UNDOING = "undoing"


class CannotUndo(Exception):
    """An import that cannot be undone.

    reason: `judged` (annotators have judged or leased its comparisons), `used` (a later import builds on it), `busy`
        (another import into the dataset is being stored) or `not_stored`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def undo_import(run: Import, by: "User | None" = None) -> None:
    """Removes everything that an import stored; the Import stays as a record.

    by: who undoes it, for the audit log.

    Raises CannotUndo; then nothing has changed.

    >>> undo_import(dataset.imports.latest("pk"), admin)
    >>> dataset.prompts.count()
    1
    """
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


def finish(run: Import, by: "User | None" = None) -> None:
    """Removes what an import in the state `undoing` stored: annotators cannot reach it any more. Idempotent.

    >>> run = dataset.imports.latest("pk")
    >>> run.state = Import.State.UNDOING; run.save()
    >>> finish(run)
    >>> run.state == Import.State.UNDONE
    True
    """
    for ids in iter_touched_prompts(run):
        with transaction.atomic():
            remove(run, ids)
    with transaction.atomic():
        if Import.objects.filter(pk=run.pk, state=Import.State.UNDOING).update(state=Import.State.UNDONE):
            log(Kind.IMPORT, run, run.pk, "undone", by=by, dataset=run.dataset)
    run.refresh_from_db()


def iter_touched_prompts(run: Import) -> Iterator[list[int]]:
    """Batches of ids of the prompts that an import stored or added to."""
    touched = Q(imported=run) | Q(responses__imported=run) | Q(comparisons__judgments__imported=run)
    roles = Q(responses__in=run.roles_given.values("response"))
    stored = Prompt.objects.filter(touched | roles, dataset=run.dataset).distinct().values_list("pk", flat=True)
    ids = iter(list(dict.fromkeys([*stored, *list_prompts_with_origins(run, run.dataset)])))
    while batch := list(islice(ids, AT_ONCE)):
        yield batch


def lock_own_comparisons(run: Import, ids: Sequence[int]) -> list[Comparison]:
    """The comparisons that exist because of an import, locked in the order of their ids.

    They are those of its responses, those that its votes created, and those that exist because of a role that it gave,
    unless another import has votes on them.

    ids: of the prompts to look at.
    """
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
def hold(run: Import, ids: Sequence[int]) -> None:
    """Takes an import's comparisons on these prompts out of the queue. Raises CannotUndo if they are used."""
    comparisons = lock_own_comparisons(run, ids)
    judged = Judgment.objects.filter(comparison__in=comparisons).exclude(annotator=None)
    if judged.exclude(state=Judgment.State.EXPIRED).exists():
        raise CannotUndo("judged")
    others = Judgment.objects.filter(comparison__in=comparisons, annotator=None).exclude(imported=run)
    if others.exists():
        raise CannotUndo("used")
    waiting = Comparison.objects.filter(pk__in=[c.pk for c in comparisons], held__in=["", Comparison.GOLD])
    waiting.update(held=UNDOING)


def release(run: Import) -> None:
    """Returns the held comparisons to the queue: the import stays.

    >>> run = dataset.imports.latest("pk")
    >>> hold(run, [prompt.pk for prompt in dataset.prompts.filter(imported=run)])
    >>> release(run)
    >>> dataset.comparisons.filter(held=UNDOING).exists()
    False
    """
    held = Comparison.objects.filter(dataset=run.dataset, held=UNDOING)
    held.filter(gold__isnull=False).update(held=Comparison.GOLD)
    held.update(held="")
    Import.objects.filter(pk=run.pk).update(state=Import.State.DONE)
    run.refresh_from_db()


def remove(run: Import, ids: Sequence[int]) -> None:
    """Removes what an import stored for these prompts. A prompt that has other responses by now stays.

    >>> run = dataset.imports.latest("pk")
    >>> remove(run, [prompt.pk for prompt in dataset.prompts.filter(imported=run)])
    >>> dataset.prompts.filter(imported=run).exists()
    False
    """
    own_comparisons = [c.pk for c in lock_own_comparisons(run, ids)]
    Comparison.objects.filter(pk__in=own_comparisons).delete()
    gold = Gold.objects.filter(imported=run, comparison__prompt__in=ids)
    Comparison.objects.filter(gold__in=gold, held__in=[UNDOING, Comparison.GOLD]).update(held="")
    gold.delete()
    for given in run.roles_given.filter(response__prompt__in=ids):
        taken_back = {"label": None} if given.role in LABEL_OF else {given.role: False}
        Response.objects.filter(pk=given.response_id).update(**taken_back)
    run.roles_given.filter(response__prompt__in=ids).delete()
    Response.objects.filter(imported=run, prompt__in=ids).delete()
    own_prompts = Prompt.objects.filter(imported=run, pk__in=ids)
    own_prompts.filter(responses=None).delete()
    for prompt in own_prompts:
        heir = prompt.responses.order_by("pk").first()
        assert heir is not None
        Prompt.objects.filter(pk=prompt.pk).update(imported=heir.imported)
    remove_origins(run, ids)
