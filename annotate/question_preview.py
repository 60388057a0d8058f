"""The comparison page of a dataset under unsaved settings."""

from typing import Any

from annotate.comparison_context import build_comparison_context, render_criteria
from annotate.questions import load_questions
from datasets.comparisons.generate import choose_groups, list_candidates
from datasets.models import Comparison, Dataset, Judgment, Prompt
from datasets.text.rendered import render

SEARCH_LIMIT = 50  # prompts searched for a comparison to show


def build_preview_context(dataset: Dataset) -> dict[str, Any]:
    """The context of _preview.html: the page of one comparison; `judgment` is None if none can be shown."""
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


def find_comparison(dataset: Dataset) -> Comparison | None:
    """A comparison as the settings would generate it, unsaved: the one with the most responses in the first prompts.

    If they would generate none, the first existing comparison that the question can be asked of, else None.
    """
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


def is_askable(question: str, n: int) -> bool:
    """Whether the question can compare n responses."""
    module = load_questions().get(question)
    return module is not None and module.FEWEST <= n <= module.MOST
