"""The list of datasets, and one prompt."""

from collections.abc import Sequence
from operator import attrgetter

from django.core.exceptions import BadRequest
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_safe

from datasets import reasons
from datasets.comparisons.gold import HELD_BY_NOTHING
from datasets.judgments import progress
from datasets.models import Comparison, Dataset, Judgment, Prompt, Response
from datasets.text.rendered import fill_prompt, list_rendered_responses
from datasets.views.access import UserRequest, admin_required, dataset_admin_required
from datasets.views.judgments import build_links
from datasets.views.sorting import Keys, cut_page, parse_sort, sort_rows

DATASETS_A_PAGE = 20
SORTED_BY: Keys = {
    "name": str,
    "state": lambda dataset: list(Dataset.State).index(dataset.state),
    "created": attrgetter("created_at"),
}
MOST_FOR_GOLD = 200  # comparisons of a prompt to choose from


@admin_required
@require_safe
def dataset_list(request: UserRequest) -> HttpResponse:
    """The datasets with their progress, one page at a time."""
    archived, order = "archived" in request.GET, parse_sort(request, SORTED_BY, "name")
    datasets = Dataset.objects.filter(state="archived") if archived else Dataset.objects.current()
    rows = sort_rows(datasets.defer("guideline").order_by("slug"), order, SORTED_BY)
    after = request.GET.get("after", "")
    if "\0" in after:
        raise BadRequest("after")
    page, last = cut_page(rows, after, DATASETS_A_PAGE, attrgetter("slug"))
    context = {
        "datasets": [(dataset, progress.count_progress(dataset)) for dataset in page],
        "sorting": order,
        "archived": archived,
        "any_archived": Dataset.objects.filter(state="archived").exists(),
        **build_links(request, "after", last),
    }
    return render(request, "datasets/list.html", context)


@dataset_admin_required
@require_safe
def prompt_page(request: UserRequest, dataset: Dataset, pk: int) -> HttpResponse:
    """A prompt with its responses."""
    prompt = get_object_or_404(Prompt.objects.visible(), dataset=dataset, pk=pk)
    responses = list(progress.annotate_counts(Response.objects.visible().filter(prompt=prompt)).order_by("pk"))
    rendered_responses = list_rendered_responses([response.pk for response in responses])
    context = {
        "dataset": dataset,
        "pk": prompt.pk,
        "prompt": fill_prompt(prompt).html,
        "tags": prompt.tags,
        "responses": [
            (response, rendered_response, reasons.PLAIN.get(rendered_response.plain or ""))
            for response, rendered_response in zip(responses, rendered_responses, strict=True)
        ],
        "for_gold": build_gold_choices(prompt, [response.pk for response in responses]),
        "prompt_plain": reasons.PLAIN.get(prompt.plain or ""),
        "comparisons": prompt.comparisons.filter(held="").count(),
        "votes": Judgment.objects.votes().filter(comparison__prompt=prompt).count(),
    }
    return render(request, "datasets/prompt.html", context)


def build_gold_choices(prompt: Prompt, ids: Sequence[int]) -> list[tuple[int, str]]:
    """(id, numbers of its answers on the page) of the comparisons of a prompt whose answer an admin may make known.

    ids: of the responses on the page, in their order.
    """
    numbers = {pk: str(n) for n, pk in enumerate(ids, 1)}
    comparisons = prompt.comparisons.filter(held__in=HELD_BY_NOTHING, task=Comparison.Task.JUDGE).order_by("pk")
    return [
        (comparison.pk, " · ".join(numbers.get(pk, "?") for pk in comparison.response_ids))
        for comparison in comparisons[:MOST_FOR_GOLD]
        if len(comparison.response_ids) > 1
    ]
