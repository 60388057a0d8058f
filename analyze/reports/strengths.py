"""How strong each source is, with intervals and ranks; what length and side have to do with it; tags and languages."""

from collections import Counter, defaultdict

import numpy as np
from django.utils.translation import gettext_lazy as _

from analyze.languages import language_of
from analyze.maths.strengths import length_control, strengths, strengths_within, win_matrix
from datasets.models import Prompt

LABEL = _("Strengths")
PLACE = 2
AT_ONCE = 5000
FEWEST = 30  # choices of a tag or a language
MOST_PARTS = 50


def numbers(data):
    choices = data.choices
    sources = data.source_of(choices.chosen), data.source_of(choices.rejected)
    if data.strengths is None:
        why = _("No two answers of different sources were compared.") if len(choices) else _("Nothing was judged yet.")
        return {"strengths": None, "strengths_reason": str(why), "style": None, "matrix": None, "parts": None}
    said, same = (*sources, choices.strength), {"clusters": choices.prompt, "weights": data.weights}
    found = data.strengths
    lengths = length_control(data.length_of(choices.chosen), data.length_of(choices.rejected))
    controlled = strengths(*said, **same, controls={"length": lengths, "left": choices.left / 2})
    matrix = win_matrix(*said)
    return {
        "strengths": lines_of(found),
        "is_whole": found.connectivity.is_whole,
        "components": components_of(found),
        "style": {
            "strengths": lines_of(controlled),
            "effects": [
                {"name": effect.name, "value": effect.value, "interval": [effect.low, effect.high]}
                for effect in controlled.effects
            ],
        },
        "matrix": {
            "sources": matrix.source.tolist(),
            "wins": matrix.wins,
            "ties": matrix.ties,
            "share": matrix.share,
        },
        "parts": parts_of(data, said),
    }


def tables(numbers):
    style, parts = numbers["style"] or {}, numbers["parts"] or {}
    return {
        "strengths": numbers["strengths"] or [],
        "controlled": style.get("strengths", []),
        "effects": style.get("effects", []),
        "matrix": cells_of(numbers["matrix"]),
        "parts": [{"part": part, **line} for part, lines in sorted(parts.items()) for line in lines],
    }


def cells_of(matrix):
    """A line for each two sources that were compared, from the side of either."""
    if not matrix:
        return []
    places = list(enumerate(matrix["sources"]))
    return [
        {"source": one, "other": other, **{name: matrix[name][n][k] for name in ("wins", "ties", "share")}}
        for n, one in places
        for k, other in places
        if n != k and matrix["share"][n][k] is not None
    ]


def lines_of(found):
    """A line for each source, the strongest first."""
    return [
        {
            "source": found.source[n],
            "strength": found.strength[n],
            "interval": [found.low[n], found.high[n]],
            "rank_interval": [found.rank_low[n], found.rank_high[n]],
            "group": found.group[n],
            "component": found.component[n],
            "judgments": found.judgments[n],
        }
        for n in range(len(found.source))
    ]


def components_of(found):
    """[[source, …]] of the groups of sources between which nothing was compared."""
    parts = range(found.component.max(initial=0) + 1)
    return [found.source[found.component == part].tolist() for part in parts]


def parts_of(data, said):
    """{tag or language: strengths} of those with choices enough; of the MOST_PARTS most judged, as each is a fit."""
    judged = Counter(data.choices.prompt[said[0] != said[1]].tolist())
    prompts, choices = defaultdict(set), Counter()
    for pk, tags, instruction in prompts_of(data):
        for name in {*(f"tag:{tag}" for tag in tags), f"language:{language_of(instruction)}"}:
            prompts[name].add(pk)
            choices[name] += judged[pk]
    names = [name for name in sorted(choices, key=lambda name: (-choices[name], name)) if choices[name] >= FEWEST]
    if len(names) < 2:
        return {}
    column = data.choices.prompt
    large = {name: np.isin(column, list(prompts[name])) for name in sorted(names[:MOST_PARTS])}
    return {
        name: lines_of(found) for name, found in strengths_within(large, *said, clusters=data.choices.prompt).items()
    }


def prompts_of(data):
    judged = Prompt.objects.filter(dataset=data.dataset).order_by()
    return judged.values_list("pk", "tags", "instruction").iterator(AT_ONCE)
