"""What is asked of one comparison, put together from the settings: the question, its fields (once in all, once for each
criterion), and what the answers to them state."""

import zlib
from dataclasses import dataclass, replace
from types import ModuleType

from annotate.questions import FLAG, KEEP, SKIP, STARS, VERDICT, Field, find_question, get_sides, stars
from datasets.models import Comparison, Judgment

REPAIR = "repair"
NEW = "new"


@dataclass(frozen=True)
class Group:
    """A Field as it stands in the form: under `name`, for a criterion or in all ("")."""

    name: str
    criterion: str
    field: Field


@dataclass(frozen=True)
class QuestionSpec:
    """What is asked of a comparison. verdicts: the buttons that save; groups: what is to be filled in beside them;
    repairs: the sides that may be improved, and `new`."""

    question: ModuleType | None
    sides: tuple
    verdicts: tuple
    groups: tuple = ()
    repairs: tuple = ()

    def needs_groups(self, verdict):
        """Whether a verdict needs the groups filled in."""
        return verdict not in (SKIP, KEEP, FLAG)

    def gather(self, values):
        """What was said, of {name of a group: value}: {kind: [value, …], "criteria": {name: {kind: [value, …]}}}."""
        details, criteria = {}, {}
        for group in self.groups:
            where = criteria.setdefault(group.criterion, {}) if group.criterion else details
            where.setdefault(group.field.kind, []).append(values[group.name])
        return details | ({"criteria": criteria} if criteria else {})

    def scatter(self, details):
        """{name of a group: value} of what was said: the other way round."""
        values, taken = {}, {}
        for group in self.groups:
            where = details.get("criteria", {}).get(group.criterion, {}) if group.criterion else details
            names = taken.setdefault((group.criterion, group.field.kind), [])
            entries = where.get(group.field.kind, [])
            if len(names) < len(entries):
                values[group.name] = entries[len(names)]
            names.append(group.name)
        return values

    def find_error(self, settings, details):
        """The code of what is wrong with what was said, or ""."""
        parts = [details, *details.get("criteria", {}).values()]
        return next((code for part in parts if (code := self.question.wrong(settings, part))), "")

    def list_choices(self, order, verdict, details):
        """[(criterion, chosen, rejected, strength, rank gap)]"""
        stated = [("", *choice) for choice in self.question.choices(order, verdict, details)]
        for criterion, part in details.get("criteria", {}).items():
            part_verdict = part.get(VERDICT, [verdict])[0]
            stated += [(criterion, *choice) for choice in self.question.choices(order, part_verdict, part)]
        return stated

    def list_ratings(self, order, details):
        """[(criterion, response, stars)]"""
        parts = {"": details, **details.get("criteria", {})}
        return [
            (criterion, *rating)
            for criterion, part in parts.items()
            if STARS in part
            for rating in stars.ratings(order, part)
        ]

    def is_contradicted(self, order, verdict, details):
        """Whether the stars in all say otherwise than the verdict."""
        chosen = (
            [] if self.question is stars or STARS not in details else self.question.choices(order, verdict, details)
        )
        return bool(chosen) and stars.contradicts(order, details, chosen)


def build_spec(dataset, n, task=Comparison.Task.JUDGE):
    """What the dataset asks of a comparison of n answers."""
    sides, flag = get_sides(n), (FLAG,) if dataset.allow_flag else ()
    if task == Comparison.Task.REPAIR:  # who knows nothing better must be able to pass it on
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


def build_judgment_spec(judgment):
    """What is asked of whoever has this judgment: the same of all, but that a reviewer may always pass, flags nothing
    and writes nothing; and of what is flagged decides no more than whether it goes on."""
    comparison = judgment.comparison
    spec = build_spec(judgment.dataset, len(judgment.order), comparison.task)
    if judgment.purpose not in Judgment.REVIEWS:
        return spec
    if judgment.purpose == Judgment.Purpose.DECISION and comparison.held == Comparison.FLAGGED:
        return replace(spec, verdicts=(SKIP,), groups=(), repairs=())
    verdicts = [verdict for verdict in spec.verdicts if verdict not in (SKIP, FLAG)]
    return replace(spec, verdicts=(*verdicts, SKIP), repairs=())


def build_prefix(criterion):
    """What stands for a criterion in a form: the same whatever place it has in the list."""
    return f"c{zlib.crc32(criterion.encode()):08x}"
