"""Flagged comparisons: those that wait for an admin's decision, and the decisions."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Count, Q, QuerySet

from datasets.audit.log import Kind, log
from datasets.comparisons import review
from datasets.judgments.listing import DescribedJudgment, describe_judgments
from datasets.models import Comparison, Dataset, Judgment, Response
from datasets.text.rendered import fill_prompt, list_rendered_responses

if TYPE_CHECKING:
    from annotate.models import User

FLAGGED, WITHDRAWN = Comparison.FLAGGED, Comparison.WITHDRAWN
PUT_BACK, LEAVE_OUT, LEAVE_OUT_PROMPT = "put_back", "leave_out", "leave_out_prompt"
# {state that an admin saw: decisions allowed from it}; the only transition table
DECISIONS = {
    FLAGGED: {PUT_BACK, LEAVE_OUT, LEAVE_OUT_PROMPT},
    WITHDRAWN: {PUT_BACK},
    Comparison.SURE: {LEAVE_OUT, LEAVE_OUT_PROMPT},
    "": {LEAVE_OUT, LEAVE_OUT_PROMPT},
}


@dataclass(frozen=True)
class HeldCounts:
    """Number of comparisons of a dataset that are flagged, and that were left out. True if there are any."""

    flagged: int
    withdrawn: int

    def __bool__(self) -> bool:
        return bool(self.flagged or self.withdrawn)


@dataclass(frozen=True)
class HeldComparison:
    """A held comparison with the judgments that flagged it, oldest first, and its rendered responses."""

    comparison: Comparison
    flags: list[DescribedJudgment]
    answers: list[Response] = field(default_factory=list)


def count_held(dataset: Dataset) -> HeldCounts:
    """Counts of a dataset's held comparisons."""
    comparisons = Comparison.objects.filter(dataset=dataset, held__in=[FLAGGED, WITHDRAWN])
    totals = comparisons.aggregate(all=Count("pk"), flagged=Count("pk", filter=Q(held=FLAGGED)))
    return HeldCounts(totals["flagged"], totals["all"] - totals["flagged"])


@transaction.atomic
def decide(comparison: int, seen: str, decision: str, by: "User | None" = None) -> bool:
    """Puts a comparison back, leaves it out, or leaves out all comparisons of its prompt that nothing else holds.

    Returns whether anything changed: nothing does where the comparison is no longer in the state `seen`, because
    somebody else has decided.

    comparison: its id.
    seen: a key of DECISIONS.

    Raises ValueError for a decision that `seen` does not allow.
    """
    if decision not in DECISIONS[seen]:
        raise ValueError(f"decision {decision} is not allowed in state {seen}")
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
    review.refresh(dataset, changed)
    return True


@transaction.atomic
def set_aside(dataset: Dataset, judgments: Iterable[int], by: "User | None" = None) -> int:
    """Holds the comparisons of contradictory judgments as if they were flagged. Returns their number.

    judgments: ids.
    """
    comparisons = Comparison.objects.filter(dataset=dataset, held="", pk__in=list_comparison_ids(dataset, judgments))
    ids = list(comparisons.select_for_update().order_by("pk").values_list("pk", flat=True))
    Comparison.objects.filter(pk__in=ids).update(held=FLAGGED)
    for pk in ids:
        log(Kind.FLAG, pk, "", FLAGGED, by=by, dataset=dataset)
    if review.has_review(dataset):
        review.refresh(dataset, ids)
    return len(ids)


def list_comparison_ids(dataset: Dataset, judgments: Iterable[int]) -> QuerySet[Judgment, Any]:
    """Subquery for the comparisons of judgments (ids)."""
    return Judgment.objects.filter(dataset=dataset, pk__in=judgments).values("comparison")


def list_held(dataset: Dataset, held: str, after: int, limit: int) -> list[HeldComparison]:
    """At most `limit` comparisons in the state `held`, by id, starting after the id `after`. Does not render them."""
    comparisons = Comparison.objects.filter(dataset=dataset, held=held, pk__gt=after)
    return attach_flags(list(comparisons.select_related("prompt").order_by("pk")[:limit]))


def attach_flags(page: Sequence[Comparison]) -> list[HeldComparison]:
    """The comparisons with the judgments that flagged them. Does not render them."""
    flags = Judgment.objects.filter(comparison__in=page).exclude(flag="").select_related("annotator")
    flags_by_comparison: dict[int, list[DescribedJudgment]] = {comparison.pk: [] for comparison in page}
    for line in describe_judgments(flags.order_by("decided_at", "pk")):
        flags_by_comparison[line.judgment.comparison_id].append(line)
    return [HeldComparison(comparison, flags_by_comparison[comparison.pk]) for comparison in page]


def render_comparisons(page: Sequence[HeldComparison]) -> list[HeldComparison]:
    """The comparisons with their responses and prompts rendered."""
    ids = [pk for held in page for pk in held.comparison.response_ids]
    responses = {response.pk: response for response in list_rendered_responses(list(dict.fromkeys(ids)))}
    for held in page:
        fill_prompt(held.comparison.prompt)
    return [
        HeldComparison(held.comparison, held.flags, [responses[pk] for pk in held.comparison.response_ids])
        for held in page
    ]
