"""The part on strengths of sources: intervals and ranks, effects of length and side, strengths by tag and language."""

from collections import Counter, defaultdict
from collections.abc import Iterator

import numpy as np
from django.utils.translation import gettext_lazy as _

from analyze.columns import DatasetColumns
from analyze.languages import detect_language
from analyze.maths.arrays import Column
from analyze.maths.strengths import (
    Strengths,
    compute_length_control,
    compute_win_matrix,
    fit_strengths,
    fit_strengths_by_part,
)
from analyze.shapes import Line, Numbers, Tables
from datasets.models import Prompt

LABEL = _("Model ranking")
PLACE = 2
AT_ONCE = 5000  # rows fetched in one query
FEWEST = 30  # choices of a tag or a language
MOST_PARTS = 50


def numbers(data: DatasetColumns) -> Numbers:
    choices = data.choices
    sources = data.get_sources(choices.chosen), data.get_sources(choices.rejected)
    if data.strengths is None:
        why = _("No answers of different models have been compared.") if len(choices) else _("No judgments yet.")
        return {"strengths": None, "strengths_reason": str(why), "style": None, "matrix": None, "parts": None}
    columns = (*sources, choices.strength)
    fitted = data.strengths
    lengths = compute_length_control(data.get_lengths(choices.chosen), data.get_lengths(choices.rejected))
    controlled = fit_strengths(
        *columns,
        clusters=choices.prompt,
        weights=data.weights,
        controls={"length": lengths, "left": choices.left / 2},
    )
    matrix = compute_win_matrix(*columns)
    return {
        "strengths": build_lines(fitted),
        "is_whole": fitted.connectivity.is_whole,
        "components": build_components(fitted),
        "style": {
            "strengths": build_lines(controlled),
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
        "parts": fit_parts(data, columns),
    }


def tables(numbers: Numbers) -> Tables:
    style, parts = numbers["style"] or {}, numbers["parts"] or {}
    return {
        "strengths": numbers["strengths"] or [],
        "controlled": style.get("strengths", []),
        "effects": style.get("effects", []),
        "matrix": build_cells(numbers["matrix"]),
        "parts": [{"part": part, **line} for part, lines in sorted(parts.items()) for line in lines],
    }


def build_cells(matrix: Numbers | None) -> list[Line]:
    """A line for each ordered pair of compared sources."""
    if not matrix:
        return []
    places = list(enumerate(matrix["sources"]))
    return [
        {"source": source, "other": other, **{name: matrix[name][n][k] for name in ("wins", "ties", "share")}}
        for n, source in places
        for k, other in places
        if n != k and matrix["share"][n][k] is not None
    ]


def build_lines(fitted: Strengths) -> list[Line]:
    """A line for each source, the strongest first."""
    return [
        {
            "source": fitted.source[n],
            "strength": fitted.strength[n],
            "interval": [fitted.low[n], fitted.high[n]],
            "rank_interval": [fitted.rank_low[n], fitted.rank_high[n]],
            "group": fitted.group[n],
            "component": fitted.component[n],
            "judgments": fitted.judgments[n],
        }
        for n in range(len(fitted.source))
    ]


def build_components(fitted: Strengths) -> list[list[str]]:
    """[[source, …]] of each connected component of sources."""
    parts = range(fitted.component.max(initial=0) + 1)
    return [fitted.source[fitted.component == part].tolist() for part in parts]


def fit_parts(data: DatasetColumns, columns: tuple[Column, Column, Column]) -> dict[str, list[Line]]:
    """{tag or language: lines} of the MOST_PARTS most judged parts with FEWEST choices; each takes a fit.

    columns: chosen source, rejected source, strength.
    """
    judged = Counter(data.choices.prompt[columns[0] != columns[1]].tolist())
    prompts: defaultdict[str, set[int]] = defaultdict(set)
    choices: Counter[str] = Counter()
    for pk, tags, instruction in list_prompts(data):
        for name in {*(f"tag:{tag}" for tag in tags), f"language:{detect_language(instruction)}"}:
            prompts[name].add(pk)
            choices[name] += judged[pk]
    names = [name for name in sorted(choices, key=lambda name: (-choices[name], name)) if choices[name] >= FEWEST]
    if len(names) < 2:
        return {}
    column = data.choices.prompt
    large = {name: np.isin(column, list(prompts[name])) for name in sorted(names[:MOST_PARTS])}
    return {
        name: build_lines(fitted)
        for name, fitted in fit_strengths_by_part(large, *columns, clusters=data.choices.prompt).items()
    }


def list_prompts(data: DatasetColumns) -> Iterator[tuple[int, list[str], str]]:
    """(id, tags, instruction) of the prompts."""
    judged = Prompt.objects.filter(dataset=data.dataset).order_by()
    return judged.values_list("pk", "tags", "instruction").iterator(AT_ONCE)
