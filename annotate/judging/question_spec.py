"""What is asked of one comparison, put together from the settings: the question, its fields (once in all, once for each
criterion), and what the answers to them state."""

import zlib
from dataclasses import dataclass, replace
from types import ModuleType

from annotate.questions import FLAG, KEEP, SKIP, STARS, VERDICT, Field, question_for, sides_of, stars
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
class Asked:
    """What is asked of a comparison. verdicts: the buttons that save; groups: what is to be filled in beside them;
    repairs: the sides that may be improved, and `new`."""

    question: ModuleType | None
    sides: tuple
    verdicts: tuple
    groups: tuple = ()
    repairs: tuple = ()

    def needs(self, verdict):
        """Whether a verdict needs the groups filled in."""
        return verdict not in (SKIP, KEEP, FLAG)

    def gather(self, values):
        """What was said, of {name of a group: value}: {kind: [value, …], "criteria": {name: {kind: [value, …]}}}."""
        said, criteria = {}, {}
        for group in self.groups:
            where = criteria.setdefault(group.criterion, {}) if group.criterion else said
            where.setdefault(group.field.kind, []).append(values[group.name])
        return said | ({"criteria": criteria} if criteria else {})

    def scatter(self, said):
        """{name of a group: value} of what was said: the other way round."""
        values, taken = {}, {}
        for group in self.groups:
            where = said.get("criteria", {}).get(group.criterion, {}) if group.criterion else said
            place = taken.setdefault((group.criterion, group.field.kind), [])
            found = where.get(group.field.kind, [])
            if len(place) < len(found):
                values[group.name] = found[len(place)]
            place.append(group.name)
        return values

    def wrong(self, settings, said):
        """The code of what is wrong with what was said, or ""."""
        parts = [said, *said.get("criteria", {}).values()]
        return next((code for part in parts if (code := self.question.wrong(settings, part))), "")

    def choices(self, order, verdict, said):
        """[(criterion, chosen, rejected, strength, rank gap)]"""
        stated = [("", *choice) for choice in self.question.choices(order, verdict, said)]
        for criterion, part in said.get("criteria", {}).items():
            given = part.get(VERDICT, [verdict])[0]
            stated += [(criterion, *choice) for choice in self.question.choices(order, given, part)]
        return stated

    def ratings(self, order, said):
        """[(criterion, response, stars)]"""
        parts = {"": said, **said.get("criteria", {})}
        return [
            (criterion, *rating)
            for criterion, part in parts.items()
            if STARS in part
            for rating in stars.ratings(order, part)
        ]

    def contradicts(self, order, verdict, said):
        """Whether the stars in all say otherwise than the verdict."""
        chosen = [] if self.question is stars or STARS not in said else self.question.choices(order, verdict, said)
        return bool(chosen) and stars.contradicts(order, said, chosen)


def asked_of(dataset, n, task=Comparison.Task.JUDGE):
    """What the dataset asks of a comparison of n answers."""
    sides, flag = sides_of(n), (FLAG,) if dataset.allow_flag else ()
    if task == Comparison.Task.REPAIR:  # who knows nothing better must be able to pass it on
        return Asked(None, sides, (REPAIR, SKIP, *flag), repairs=(NEW,))
    always = (SKIP, *flag) if dataset.allow_skip else flag
    question = question_for(dataset.question, n)
    groups = [Group(field.name, "", field) for field in question.fields(sides)]
    if dataset.with_stars and question is not stars:
        groups += [Group(field.name, "", field) for field in stars.fields(sides)]
    for criterion in dataset.criteria:
        mark = mark_of(criterion["name"])
        fields = question.by_criterion(dataset, sides)
        groups += [Group(f"{mark}_{field.name}", criterion["name"], field) for field in fields]
    repairs = (*sides, NEW) if dataset.allow_repair else ()
    return Asked(question, sides, (*question.verdicts(dataset), *always), tuple(groups), repairs)


def asked_about(judgment):
    """What is asked of whoever has this judgment: the same of all, but that a reviewer may always pass, flags nothing
    and writes nothing; and of what is flagged decides no more than whether it goes on."""
    comparison = judgment.comparison
    asked = asked_of(judgment.dataset, len(judgment.order), comparison.task)
    if judgment.purpose not in Judgment.REVIEWS:
        return asked
    if judgment.purpose == Judgment.Purpose.DECISION and comparison.held == Comparison.FLAGGED:
        return replace(asked, verdicts=(SKIP,), groups=(), repairs=())
    verdicts = [verdict for verdict in asked.verdicts if verdict not in (SKIP, FLAG)]
    return replace(asked, verdicts=(*verdicts, SKIP), repairs=())


def mark_of(criterion):
    """What stands for a criterion in a form: the same whatever place it has in the list."""
    return f"c{zlib.crc32(criterion.encode()):08x}"
