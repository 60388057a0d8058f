"""The best of n: of each prompt's answers the one that people would choose, by a model of what they chose so far."""

from itertools import groupby

from analyze.columns import DatasetColumns
from analyze.maths.predictor import rank_texts
from analyze.queue_order import fit_model
from datasets.models import Response

AT_ONCE = 500


def iter_best_answers(dataset):
    """{"prompt", "response", "source", "score", "chance", "of"} of each prompt with two answers or more, streamed, by
    prompt. score: log-odds; chance: that it would be chosen over the second best; of: among how many.

    Raises maths.predictor.TooFewChoices where there are too few choices to learn from.
    """
    model = fit_model(DatasetColumns(dataset))
    rows = Response.objects.visible().filter(prompt__dataset=dataset).order_by("prompt", "pk")
    rows = rows.values_list("prompt", "prompt__instruction", "source", "text").iterator(AT_ONCE)
    for (_pk, prompt), answers in groupby(rows, key=lambda row: row[:2]):
        answers = list(answers)
        if len(answers) < 2:
            continue
        order, scores, chance = rank_texts(model, [text for *_, text in answers])
        *_, source, text = answers[order[0]]
        yield {
            "prompt": prompt,
            "response": text,
            "source": source,
            "score": float(scores[0]),
            "chance": chance,
            "of": len(answers),
        }
