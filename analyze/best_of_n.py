"""Best of n: the answer to each prompt that annotators would choose, by a model of their past choices."""

from collections.abc import Iterator
from itertools import groupby
from typing import TypedDict

from analyze.columns import DatasetColumns
from analyze.maths.predictor import rank_texts
from analyze.queue_order import fit_model
from datasets.models import Dataset, Response

AT_ONCE = 500  # rows fetched in one query


class BestAnswer(TypedDict):
    """The best answer to a prompt.

    score: log-odds.
    chance: that annotators would choose it over the second best.
    of: number of answers.
    """

    prompt: str
    response: str
    source: str
    score: float
    chance: float
    of: int


def iter_best_answers(dataset: Dataset) -> Iterator[BestAnswer]:
    """The BestAnswer of each prompt with two answers or more, streamed, by prompt.

    Raises maths.predictor.TooFewChoices.
    """
    model = fit_model(DatasetColumns(dataset))
    responses = Response.objects.visible().filter(prompt__dataset=dataset).order_by("prompt", "pk")
    rows = responses.values_list("prompt", "prompt__instruction", "source", "text").iterator(AT_ONCE)
    for (_pk, prompt), group in groupby(rows, key=lambda row: row[:2]):
        answers = list(group)
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
