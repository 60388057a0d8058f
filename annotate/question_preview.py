"""The comparison page of a dataset under settings that are not saved."""

from annotate.comparison_context import build_comparison_context, render_criteria
from annotate.questions import load_questions
from datasets.comparisons.generate import choose_groups, list_candidates
from datasets.models import Comparison, Judgment, Prompt
from datasets.text.rendered import render

SEARCH_LIMIT = 50  # prompts among which one is sought that shows what was chosen


def build_preview_context(dataset):
    """What _preview.html takes: the page of a comparison of the dataset; `judgment` is None where none can be shown."""
    comparison = find_comparison(dataset)
    context = {
        "judgment": None,
        "looked_at": SEARCH_LIMIT,
        "fewest": dataset.fewest_shown,
        "any_prompts": comparison is not None or dataset.prompts.exists(),
        "guideline": render(dataset.guideline) if dataset.guideline else "",
        "criteria": render_criteria(dataset),
    }
    if comparison is None:
        return context
    judgment = Judgment(pk=0, comparison=comparison, dataset=dataset, order=comparison.response_ids)
    return context | build_comparison_context(judgment)


def find_comparison(dataset):
    """A comparison, not saved, as it would be asked: the one with the most answers among those of the first prompts.
    Where nothing would be asked, one of those that there are already; None if the question cannot be put of it."""
    ids = list(
        Prompt.objects.visible().filter(dataset=dataset).order_by("pk").values_list("pk", flat=True)[:SEARCH_LIMIT]
    )
    groups = [
        (prompt, group)
        for prompt, responses in list_candidates(dataset, ids).items()
        for group in choose_groups([(pk, mark) for pk, mark, _words in responses], dataset)[:1]
    ]
    if groups:
        prompt, group = max(groups, key=lambda pair: len(pair[1]))
        return Comparison(prompt=Prompt.objects.get(pk=prompt), key=Comparison.build_key(group))
    existing = Comparison.objects.filter(prompt__in=ids, task=Comparison.Task.JUDGE).select_related("prompt")
    return next(
        (c for c in existing.order_by("pk")[:SEARCH_LIMIT] if is_askable(dataset.question, len(c.response_ids))), None
    )


def is_askable(question, n):
    module = load_questions().get(question)
    return module is not None and module.FEWEST <= n <= module.MOST
