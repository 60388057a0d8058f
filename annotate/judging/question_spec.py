"""What one comparison is asked, built from the dataset's settings: the question, its fields (overall and for each
criterion), and the choices and ratings that answers to them state.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from annotate.questions import (
    FLAG,
    KEEP,
    SKIP,
    STARS,
    VERDICT,
    Field,
    Kind,
    Question,
    Settings,
    find_question,
    get_sides,
    stars,
)
from datasets.judgments.said import Said, Statement
from datasets.models import Comparison, Dataset, Judgment

REPAIR: Final = "repair"
NEW: Final = "new"

ChoiceRow: TypeAlias = tuple[str, int, int, int, int | None]  # (criterion, chosen, rejected, strength, rank gap)
RatingRow: TypeAlias = tuple[str, int, int]  # (criterion, response, stars)


@dataclass(frozen=True)
class Group:
    """A Field in the form: under `name`, for a criterion or overall ("")."""

    name: str
    criterion: str
    field: Field


@dataclass(frozen=True)
class QuestionSpec:
    """What a comparison is asked.

    question: None where a better response is wanted instead of a verdict. verdicts: the buttons that save. groups: what
    is filled in beside them. repairs: the sides that the person may improve, and `new`.
    """

    question: Question | None
    sides: tuple[str, ...]
    verdicts: tuple[str, ...]
    groups: tuple[Group, ...] = ()
    repairs: tuple[str, ...] = ()

    def needs_groups(self, verdict: str | None) -> bool:
        """Whether a verdict requires the groups to be filled in."""
        return verdict not in (SKIP, KEEP, FLAG)

    def gather(self, values: Mapping[str, Any]) -> Said:
        """The form's values in the shape of `Judgment.said`.

        values: {name of a group: value}.
        """
        details: Said = {}
        criteria: dict[str, Statement] = {}
        for group in self.groups:
            where = criteria.setdefault(group.criterion, {}) if group.criterion else details
            where.setdefault(group.field.kind, []).append(values[group.name])
        if criteria:
            details["criteria"] = criteria
        return details

    def scatter(self, details: Said) -> dict[str, int | str]:
        """{name of a group: value}: the inverse of `gather`."""
        values: dict[str, int | str] = {}
        taken: dict[tuple[str, Kind], list[str]] = {}
        for group in self.groups:
            where = details.get("criteria", {}).get(group.criterion, {}) if group.criterion else details
            names = taken.setdefault((group.criterion, group.field.kind), [])
            entries = where.get(group.field.kind, [])
            if len(names) < len(entries):
                values[group.name] = entries[len(names)]
            names.append(group.name)
        return values

    def find_error(self, settings: Settings, details: Said) -> str:
        """The error code of the details, "" if they are valid."""
        question = self.question
        if question is None:
            return ""
        parts = [details, *details.get("criteria", {}).values()]
        return next((code for part in parts if (code := question.wrong(settings, part))), "")

    def list_choices(self, order: Sequence[int], verdict: str, details: Said) -> list[ChoiceRow]:
        """The choices that a verdict states, overall and for each criterion; none without a question."""
        question = self.question
        if question is None:
            return []
        stated = [("", *choice) for choice in question.choices(order, verdict, details)]
        for criterion, part in details.get("criteria", {}).items():
            part_verdict = part.get(VERDICT, [verdict])[0]
            stated += [(criterion, *choice) for choice in question.choices(order, part_verdict, part)]
        return stated

    def list_ratings(self, order: Sequence[int], details: Said) -> list[RatingRow]:
        """The ratings that the details state, overall and for each criterion."""
        parts = {"": details, **details.get("criteria", {})}
        return [
            (criterion, *rating)
            for criterion, part in parts.items()
            if STARS in part
            for rating in stars.ratings(order, part)
        ]

    def is_contradicted(self, order: Sequence[int], verdict: str, details: Said) -> bool:
        """Whether the overall stars contradict the verdict."""
        if self.question is None or self.question is stars or STARS not in details:
            return False
        chosen = self.question.choices(order, verdict, details)
        return bool(chosen) and stars.contradicts(order, details, chosen)


def build_spec(dataset: Dataset, n: int, task: str = Comparison.Task.JUDGE) -> QuestionSpec:
    """What the dataset asks of a comparison of n responses."""
    sides, flag = get_sides(n), (FLAG,) if dataset.allow_flag else ()
    if task == Comparison.Task.REPAIR:  # always allows a skip, for people who know no better response
        return QuestionSpec(None, sides, (REPAIR, SKIP, *flag), repairs=(NEW,))
    always = (SKIP, *flag) if dataset.allow_skip else flag
    question = find_question(dataset.question, n)
    groups = [Group(field.name, "", field) for field in question.fields(sides)]
    if dataset.with_stars and question is not stars:
        groups += [Group(field.name, "", field) for field in stars.fields(sides)]
    for criterion in dataset.criteria:
        prefix = build_prefix(criterion["name"])
        fields = question.by_criterion(dataset, sides)
        groups += [Group(f"{prefix}_{field.name}", criterion["name"], field) for field in fields]
    repairs = (*sides, NEW) if dataset.allow_repair else ()
    return QuestionSpec(question, sides, (*question.verdicts(dataset), *always), tuple(groups), repairs)


def build_judgment_spec(judgment: Judgment) -> QuestionSpec:
    """What the person with this judgment is asked.

    Annotators get the dataset's question. Reviewers may always skip, never flag and write no repairs; of a flagged
    comparison they decide only whether it stays in the queue.
    """
    comparison = judgment.comparison
    spec = build_spec(judgment.dataset, len(judgment.order), comparison.task)
    if judgment.purpose not in Judgment.REVIEWS:
        return spec
    if judgment.purpose == Judgment.Purpose.DECISION and comparison.held == Comparison.FLAGGED:
        return replace(spec, verdicts=(SKIP,), groups=(), repairs=())
    verdicts = [verdict for verdict in spec.verdicts if verdict not in (SKIP, FLAG)]
    return replace(spec, verdicts=(*verdicts, SKIP), repairs=())


def build_prefix(criterion: str) -> str:
    """The prefix of a criterion's field names, independent of its position in the list."""
    return f"c{zlib.crc32(criterion.encode()):08x}"
