"""Comparisons that people flagged: what an admin has to decide, and the decisions."""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, Q

from datasets.audit.log import Kind, log
from datasets.comparisons import review
from datasets.judgments.listing import describe_judgments
from datasets.models import Comparison, Dataset, Judgment
from datasets.text.rendered import fill_prompt, list_rendered_responses

FLAGGED, WITHDRAWN = Comparison.FLAGGED, Comparison.WITHDRAWN
PUT_BACK, LEAVE_OUT, LEAVE_OUT_PROMPT = "put_back", "leave_out", "leave_out_prompt"
# From what an admin saw, what may be decided: the only table of moves.
DECISIONS = {FLAGGED: {PUT_BACK, LEAVE_OUT, LEAVE_OUT_PROMPT}, WITHDRAWN: {PUT_BACK}}


@dataclass(frozen=True)
class HeldCounts:
    """Comparisons of a dataset that are flagged, and those that were left out."""

    flagged: int
    withdrawn: int

    def __bool__(self):
        return bool(self.flagged or self.withdrawn)


def count_held(dataset):
    comparisons = Comparison.objects.filter(dataset=dataset, held__in=[FLAGGED, WITHDRAWN])
    totals = comparisons.aggregate(all=Count("pk"), flagged=Count("pk", filter=Q(held=FLAGGED)))
    return HeldCounts(totals["flagged"], totals["all"] - totals["flagged"])


@transaction.atomic
def decide(comparison, seen, decision, by=None):
    """Put a comparison (its id) back, leave it out, or with all of its prompt that nothing else holds. Whether anything
    changed: nothing does where it is no longer held as it was `seen`, because somebody has decided already."""
    if decision not in DECISIONS[seen]:
        raise ValueError(f"{decision} of what is {seen}")
    concerned = Comparison.objects.filter(pk=comparison)
    if decision == LEAVE_OUT_PROMPT:
        concerned = Comparison.objects.filter(prompt__in=concerned.values("prompt"))
    held = dict(concerned.select_for_update().order_by("pk").values_list("pk", "held"))
    if held.get(comparison) != seen:
        return False
    changed = [pk for pk, why in held.items() if why in ("", seen)]
    Comparison.objects.filter(pk__in=changed).update(held="" if decision == PUT_BACK else WITHDRAWN)
    dataset = Dataset.objects.get(comparisons=comparison)
    log(Kind.FLAG, comparison, seen, decision, by=by, dataset=dataset)
    if review.has_review(dataset):
        review.refresh(dataset, changed)
    return True


@transaction.atomic
def set_aside(dataset, judgments, by=None):
    """Hold the comparisons of these judgments (ids), which contradict each other, until somebody decides, as if they
    were flagged. How many."""
    comparisons = Comparison.objects.filter(dataset=dataset, held="", pk__in=list_comparison_ids(dataset, judgments))
    ids = list(comparisons.select_for_update().order_by("pk").values_list("pk", flat=True))
    Comparison.objects.filter(pk__in=ids).update(held=FLAGGED)
    for pk in ids:
        log(Kind.FLAG, pk, "", FLAGGED, by=by, dataset=dataset)
    if review.has_review(dataset):
        review.refresh(dataset, ids)
    return len(ids)


def list_comparison_ids(dataset, judgments):
    return Judgment.objects.filter(dataset=dataset, pk__in=judgments).values("comparison")


def list_held(dataset, held, after, limit):
    """At most so many comparisons that are held so, after this id: each with `flags`, the judgments that flagged it."""
    comparisons = Comparison.objects.filter(dataset=dataset, held=held, pk__gt=after)
    page = list(comparisons.select_related("prompt").order_by("pk")[:limit])
    flags = Judgment.objects.filter(comparison__in=page).exclude(flag="").select_related("annotator")
    of_comparison = {comparison.pk: [] for comparison in page}
    for judgment in describe_judgments(flags.order_by("decided_at", "pk")):
        of_comparison[judgment.comparison_id].append(judgment)
    for comparison in page:
        comparison.flags = of_comparison[comparison.pk]
    return page


def render_comparisons(comparisons):
    """The comparisons, each with its `answers` and its prompt rendered."""
    ids = [pk for comparison in comparisons for pk in comparison.response_ids]
    responses = {response.pk: response for response in list_rendered_responses(list(dict.fromkeys(ids)))}
    for comparison in comparisons:
        comparison.answers = [responses[pk] for pk in comparison.response_ids]
        fill_prompt(comparison.prompt)
    return comparisons
