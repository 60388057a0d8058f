"""What a judgment says, in words. `letters`: {response id: its letter}, whichever order of the answers is meant."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"  # names of answers on the pages, from left to right
VERDICTS = {  # that stand, the answers as they were shown; "" and what reviewers and admins count: choice, skip, flag
    "choice": gettext_lazy("Choice"),
    "left": gettext_lazy("A is better"),
    "left1": gettext_lazy("A slightly better"),
    "left2": gettext_lazy("A clearly better"),
    "left3": gettext_lazy("A much better"),
    "right": gettext_lazy("B is better"),
    "right1": gettext_lazy("B slightly better"),
    "right2": gettext_lazy("B clearly better"),
    "right3": gettext_lazy("B much better"),
    "tie": gettext_lazy("Tie"),
    "both_bad": gettext_lazy("Both bad"),
    "rank": gettext_lazy("Ordered"),
    "rate": gettext_lazy("Stars given"),
    "repair": gettext_lazy("Better answer written"),
    "skip": gettext_lazy("Skip"),
    "flag": gettext_lazy("Flagged"),
    "": gettext_lazy("Skipped"),
}
FLAGS = {
    "leak": gettext_lazy("It names the model"),
    "unsafe": gettext_lazy("Unsafe"),
    "broken": gettext_lazy("Broken: cut off, unreadable, empty"),
    "unclear": gettext_lazy("The prompt is unclear"),
}


def format_pair_verdict(verdict, order, letters):
    """Of a verdict on two answers: which is better, and how much. order: of the ids, as they were shown."""
    side = verdict.rstrip("123")
    if side in ("left", "right"):
        letter = letters[order[side == "right"]]
        verdict = {"A": "left", "B": "right"}[letter] + verdict[len(side) :]
    return VERDICTS.get(verdict, verdict)


def parse_strength(verdict):
    """How strong a verdict on two answers is on the scale, 1 to 3; None outside of it."""
    return int(verdict[-1]) if verdict[:-1] in ("left", "right") else None


def format_ranking(places, order, letters):
    """An order of answers, best first: B > A = C."""
    groups = {}
    for place, pk in sorted(zip(places, order, strict=True)):
        groups.setdefault(place, []).append(letters[pk])
    return " > ".join(" = ".join(sorted(group)) for group in groups.values())


def format_stars(stars, order, letters):
    """The stars of each answer: A 5 ★ · B 3 ★."""
    return " · ".join(f"{letter} {n} ★" for letter, n in sorted(zip(map(letters.get, order), stars, strict=True)))


def format_statement(part, order, letters):
    """What was said in all, or by one criterion ({kind: [value, …]}): a verdict, an order, stars."""
    words = [str(format_pair_verdict(verdict, order, letters)) for verdict in part.get("verdict", [])]
    words += [format_ranking(part["rank"], order, letters)] if part.get("rank") else []
    words += [format_stars(part["stars"], order, letters)] if part.get("stars") else []
    return " · ".join(words)


def format_criteria(judgment, letters, criteria):
    """[(criterion, what was said by it)]. criteria: those of the dataset, in their order; then others of before."""
    statements = judgment.said.get("criteria", {})
    current_names = [criterion["name"] for criterion in criteria]
    names = [*(name for name in current_names if name in statements), *sorted(statements.keys() - set(current_names))]
    return [(name, format_statement(statements[name], judgment.order, letters)) for name in names]


def format_reasons(judgment, chips):
    """The reasons that were ticked, in words. chips: those that the dataset offers of its own; without any, ours were
    offered, and are shown in the reader's language."""
    given = judgment.said.get("reasons", [])
    return given if chips else [_(reason) for reason in given if reason]
