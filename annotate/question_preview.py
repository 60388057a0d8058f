"""The comparison page of a dataset under settings that are not saved."""

from annotate.questions import all_questions
from annotate.showing import comparison_context, criteria_of
from datasets.comparisons.generate import candidates, groups_of
from datasets.models import Comparison, Judgment, Prompt
from datasets.text.rendered import render

LOOKED_AT = 50  # prompts among which one is sought that shows what was chosen


def preview_context(dataset):
    """What _preview.html takes: the page of a comparison of the dataset; `judgment` is None where none can be shown."""
    comparison = comparison_of(dataset)
    context = {
        "judgment": None,
        "looked_at": LOOKED_AT,
        "fewest": dataset.fewest_shown,
        "any_prompts": comparison is not None or dataset.prompts.exists(),
        "guideline": render(dataset.guideline) if dataset.guideline else "",
        "criteria": criteria_of(dataset),
    }
    if comparison is None:
        return context
    judgment = Judgment(pk=0, comparison=comparison, dataset=dataset, order=comparison.response_ids)
    return context | comparison_context(judgment)


def comparison_of(dataset):
    """A comparison, not saved, as it would be asked: the one with the most answers among those of the first prompts.
    Where nothing would be asked, one of those that there are already; None if the question cannot be put of it."""
    ids = list(Prompt.objects.visible().filter(dataset=dataset).order_by("pk").values_list("pk", flat=True)[:LOOKED_AT])
    groups = [
        (prompt, group)
        for prompt, responses in candidates(dataset, ids).items()
        for group in groups_of([(pk, mark) for pk, mark, _words in responses], dataset)[:1]
    ]
    if groups:
        prompt, group = max(groups, key=lambda found: len(found[1]))
        return Comparison(prompt=Prompt.objects.get(pk=prompt), key=Comparison.key_of(group))
    there = Comparison.objects.filter(prompt__in=ids, task=Comparison.Task.JUDGE).select_related("prompt")
    return next((c for c in there.order_by("pk")[:LOOKED_AT] if fits(dataset.question, len(c.response_ids))), None)


def fits(question, n):
    module = all_questions().get(question)
    return module is not None and module.FEWEST <= n <= module.MOST
