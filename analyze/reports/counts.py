"""How often each answer was chosen and rejected: the primer's table; and the same of each source."""

from django.utils.translation import gettext_lazy as _

from analyze.maths.counts import counts
from datasets.judgments.progress import verdicts
from datasets.models import Judgment

LABEL = _("Counts")
PLACE = 1


def numbers(data):
    choices = data.choices
    found = counts(choices.chosen, choices.rejected, choices.strength)
    by_source = counts(data.source_of(choices.chosen), data.source_of(choices.rejected), choices.strength)
    said = verdicts(data.dataset)
    return {
        "judgments": Judgment.objects.votes().filter(dataset=data.dataset).count(),
        "choices": len(choices),
        "ties": int((choices.strength == 0).sum()),
        "both_bad": said["both_bad"],
        "skips": said["skip"],
        "counts": lines_of(data, found),
        "sources": [
            {"source": source, "chosen": won, "rejected": lost, "tied": tied}
            for source, won, lost, tied in zip(*columns_of(by_source), strict=True)
        ],
    }


def lines_of(data, found):
    """A line for each answer that was judged, the most judged first."""
    ids = found.item.tolist()
    if data.most is not None:
        ids = ids[: data.most]
    texts = data.texts_of(ids)
    prompts = data.prompts_of([data.responses[pk].prompt for pk in ids])
    return [
        {
            "prompt": prompts[data.responses[pk].prompt],
            "response": texts[pk],
            "source": data.responses[pk].source,
            "chosen": won,
            "rejected": lost,
            "tied": tied,
        }
        for pk, won, lost, tied in zip(ids, *columns_of(found)[1:], strict=False)
    ]


def columns_of(found):
    return [column.tolist() for column in (found.item, found.chosen, found.rejected, found.tied)]


def tables(numbers):
    return {"counts": numbers["counts"], "sources": numbers["sources"]}
