"""Judgments in words.

Arguments that recur here: `order`, response ids as they were shown, from left to right; `letters`, {response id: its
letter on the page}.
"""

from collections.abc import Collection, Mapping, Sequence

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from datasets.judgments.said import Statement
from datasets.models import Judgment

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"  # names of responses on the pages, from left to right
# Standing verdicts, and what reviewers and admins count: choice, skip, flag. A and B are left and right.
VERDICTS = {
    "choice": gettext_lazy("Preference"),
    "left": gettext_lazy("A is better"),
    "left1": gettext_lazy("A is slightly better"),
    "left2": gettext_lazy("A is better"),
    "left3": gettext_lazy("A is much better"),
    "right": gettext_lazy("B is better"),
    "right1": gettext_lazy("B is slightly better"),
    "right2": gettext_lazy("B is better"),
    "right3": gettext_lazy("B is much better"),
    "tie": gettext_lazy("Tie"),
    "both_bad": gettext_lazy("Both bad"),
    "rank": gettext_lazy("Ranked"),
    "rate": gettext_lazy("Rated"),
    "repair": gettext_lazy("Rewritten"),
    "skip": gettext_lazy("Skip"),
    "flag": gettext_lazy("Flagged"),
    "": gettext_lazy("Skipped"),
}
FLAGS = {
    "leak": gettext_lazy("Reveals the model"),
    "unsafe": gettext_lazy("Unsafe"),
    "broken": gettext_lazy("Broken (cut off, unreadable, empty)"),
    "unclear": gettext_lazy("Unclear prompt"),
}

SPAN_LABELS = {  # default labels of highlights; stored in English whatever the language of the page
    "good": gettext_lazy("good"),
    "wrong": gettext_lazy("wrong"),
    "unsafe": gettext_lazy("unsafe"),
}


def format_pair_verdict(verdict: str, order: Sequence[int], letters: Mapping[int, str]) -> str | Promise:
    """Verdict on two responses: which is better, and by how much."""
    verdict = align_verdict(verdict, order, letters)
    return VERDICTS.get(verdict, verdict)


def align_verdict(verdict: str, order: Sequence[int], letters: Mapping[int, str]) -> str:
    """The code that a verdict on two responses would have if A had stood on the left and B on the right."""
    side = verdict.rstrip("123")
    if side not in ("left", "right"):
        return verdict
    return {"A": "left", "B": "right"}[letters[order[side == "right"]]] + verdict[len(side) :]


def parse_strength(verdict: str) -> int | None:
    """Strength of a verdict on the scale, 1 to 3; None for a verdict without a scale."""
    return int(verdict[-1]) if verdict[:-1] in ("left", "right") else None


def format_ranking(places: Sequence[int], order: Sequence[int], letters: Mapping[int, str]) -> str:
    """A ranking, best first: B > A = C."""
    groups: dict[int, list[str]] = {}
    for place, pk in sorted(zip(places, order, strict=True)):
        groups.setdefault(place, []).append(letters[pk])
    return " > ".join(" = ".join(sorted(group)) for group in groups.values())


def format_stars(stars: Sequence[int], order: Sequence[int], letters: Mapping[int, str]) -> str:
    """Stars of each response: A 5 ★ · B 3 ★."""
    return " · ".join(f"{letter} {n} ★" for letter, n in sorted(zip(map(letters.get, order), stars, strict=True)))


def format_statement(part: Statement, order: Sequence[int], letters: Mapping[int, str]) -> str:
    """A statement, overall or by one criterion, in words: verdict, ranking, stars."""
    words = [str(format_pair_verdict(verdict, order, letters)) for verdict in part.get("verdict", [])]
    words += [format_ranking(part["rank"], order, letters)] if part.get("rank") else []
    words += [format_stars(part["stars"], order, letters)] if part.get("stars") else []
    return " · ".join(words)


def format_criteria(
    judgment: Judgment, letters: Mapping[int, str], criteria: Sequence[Mapping[str, str]]
) -> list[tuple[str, str]]:
    """[(criterion, statement in words)], in the dataset's order, then criteria that it no longer has.

    criteria: the dataset's.
    """
    statements = judgment.said.get("criteria", {})
    current_names = [criterion["name"] for criterion in criteria]
    names = [*(name for name in current_names if name in statements), *sorted(statements.keys() - set(current_names))]
    return [(name, format_statement(statements[name], judgment.order, letters)) for name in names]


def format_span_label(label: str, own_labels: Collection[str]) -> str | Promise:
    """The label of a highlight in words. own_labels: those of the dataset; the built-in ones are translated."""
    return label if own_labels else SPAN_LABELS.get(label, label)


def format_reasons(judgment: Judgment, chips: Sequence[str]) -> list[str]:
    """The ticked reasons, in words.

    chips: the reasons that the dataset defines; if it has none, the built-in ones were offered, and are translated.
    """
    given = judgment.said.get("reasons", [])
    return given if chips else [_(reason) for reason in given if reason]
