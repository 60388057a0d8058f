"""What judgments state about each response: chosen or rejected, its place, its stars; and the record built from it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

from django.db.models.functions import Left
from django.utils.functional import Promise

from datasets.judgments import wording
from datasets.judgments.listing import EXCERPT_LENGTH, DescribedJudgment, assign_letters
from datasets.models import Choice, Judgment, Rating, Response
from datasets.text.rendered import list_rendered_responses


@dataclass(frozen=True)
class Outcome:
    """What a judgment states about one response.

    kind: chosen, rejected, between (within a ranking), tied, bad, written (a better answer by the annotator), or ""
    for nothing.
    place: in a ranking, from 1.
    """

    kind: str = ""
    place: int | None = None
    stars: int | None = None


Votes: TypeAlias = Mapping[int, Mapping[int, Outcome]]  # {judgment id: {response id: Outcome}}


class StatedChoice(NamedTuple):
    """A choice between two responses (ids). strength: 0 for a tie."""

    chosen: int
    rejected: int
    strength: int


class ShownAnswer(NamedTuple):
    """A response on the page of a judgment. letter: "" for a written one; authors: usernames, for a written one."""

    letter: str
    response: Response
    outcome: Outcome
    authors: list[str]


class RecordEntry(NamedTuple):
    """A judgment with the outcome and the beginning of each response."""

    line: DescribedJudgment
    answers: list[tuple[Outcome, str]]


def attach_letters(lines: Sequence[DescribedJudgment], order: Iterable[int]) -> list[DescribedJudgment]:
    """The judgments with `letter` set: the letters of the responses that each chose, named by this order."""
    letters, outcomes = assign_letters(order), list_outcomes([line.judgment for line in lines])
    return [replace(line, letter=join_chosen_letters(outcomes[line.judgment.pk], letters)) for line in lines]


def join_chosen_letters(outcomes: Mapping[int, Outcome], letters: Mapping[int, str]) -> str:
    """Letters of the chosen responses, sorted."""
    return "".join(
        sorted(letters[pk] for pk, outcome in outcomes.items() if outcome.kind == "chosen" and pk in letters)
    )


class VoteCount(NamedTuple):
    """How many votes said the same.

    code: the letters of the responses preferred, else the code of the verdict; "" where a vote prefers nothing.
    """

    label: str | Promise
    n: int
    code: str


SCALE = ("left3", "left", "left2", "left1", "tie", "right1", "right2", "right", "right3")  # from A to B


def count_by_winner(votes: Iterable[Judgment], outcomes: Votes, order: Sequence[int]) -> list[VoteCount]:
    """How votes on a comparison fell, by the response preferred: A 2, B 1, Tie 1.

    outcomes: of all these votes, see `list_outcomes`. order: response ids in the order of the page.
    """
    letters, counts = assign_letters(order), Counter[str]()
    for vote in votes:
        winners = join_chosen_letters(outcomes[vote.pk], letters)
        kinds = {outcome.kind for outcome in outcomes[vote.pk].values()}
        counts[winners or ("both_bad" if "bad" in kinds else "tie" if "tied" in kinds else "")] += 1
    codes = sorted(counts, key=lambda code: (not code.isupper(), code == "both_bad", not code, code))
    return [VoteCount(format_winners(code), counts[code], code) for code in codes]


def format_winners(code: str) -> str | Promise:
    """The code of a VoteCount in words."""
    return ", ".join(code) if code.isupper() else wording.VERDICTS[code] if code else "–"


def count_by_verdict(votes: Iterable[Judgment], order: Sequence[int]) -> list[VoteCount]:
    """How votes on a comparison of two fell, from A much better over Tie to B much better, then both bad.

    Votes that name no side, such as an order or stars, are counted by the response preferred.
    order: response ids in the order of the page.
    """
    votes, letters, counts = list(votes), assign_letters(order), Counter[str]()
    sided = [vote for vote in votes if vote.verdict not in ("rank", "rate")]
    for vote in sided:
        counts[wording.align_verdict(vote.verdict, vote.order, letters)] += 1
    codes = [*SCALE, *(code for code in counts if code not in SCALE)]
    others = [vote for vote in votes if vote not in sided]
    named = [VoteCount(wording.VERDICTS.get(code, code), counts[code], code) for code in codes if counts[code]]
    return named + (count_by_winner(others, list_outcomes(others), order) if others else [])


def list_outcomes(judgments: Iterable[Judgment]) -> dict[int, dict[int, Outcome]]:
    """{judgment id: {response id: Outcome}} of standing votes, overall: responses shown, then those written."""
    judgments = list(judgments)
    ids = [judgment.pk for judgment in judgments]
    choices: dict[int, list[StatedChoice]] = {pk: [] for pk in ids}
    stars: dict[int, dict[int, int]] = {pk: {} for pk in ids}
    choice_rows = Choice.objects.filter(judgment__in=ids, criterion="").order_by("pk")
    for pk, *choice in choice_rows.values_list("judgment", "chosen", "rejected", "strength"):
        choices[pk].append(StatedChoice(*choice))
    rating_rows = Rating.objects.filter(judgment__in=ids, criterion="")
    for pk, response, n in rating_rows.values_list("judgment", "response", "stars"):
        stars[pk][response] = n
    return {judgment.pk: build_outcomes(judgment, choices[judgment.pk], stars[judgment.pk]) for judgment in judgments}


def build_outcomes(judgment: Judgment, choices: Sequence[StatedChoice], stars: Mapping[int, int]) -> dict[int, Outcome]:
    """{response id: Outcome} of one judgment. stars: {response id: stars}."""
    shown_choices = [choice for choice in choices if choice.chosen in judgment.order]
    places = dict(zip(judgment.order, compute_dense_ranks(judgment.said.get("rank", [])), strict=False))
    bad = judgment.verdict in ("both_bad", "repair")
    outcomes = {
        pk: Outcome("bad" if bad else classify_response(pk, shown_choices), places.get(pk), stars.get(pk))
        for pk in judgment.order
    }
    return outcomes | {choice.chosen: Outcome("written") for choice in choices if choice.chosen not in judgment.order}


def compute_dense_ranks(places: Sequence[int]) -> list[int]:
    """The places without gaps: 1, 3, 3 becomes 1, 2, 2."""
    rank = {place: n for n, place in enumerate(sorted(set(places)), 1)}
    return [rank[place] for place in places]


def classify_response(response: int, choices: Sequence[StatedChoice]) -> str:
    """Kind of outcome of a response: chosen (never lost), rejected (never won), between, tied, or "" (not compared)."""
    won = any(choice.chosen == response for choice in choices if choice.strength)
    lost = any(choice.rejected == response for choice in choices if choice.strength)
    if won or lost:
        return "between" if won and lost else "chosen" if won else "rejected"
    return "tied" if any(response in (choice.chosen, choice.rejected) for choice in choices) else ""


def list_answers(judgment: Judgment) -> list[ShownAnswer]:
    """The responses that an annotator saw, rendered, then those that they wrote."""
    outcomes = list_outcomes([judgment])[judgment.pk]
    responses, letters = list_rendered_responses(list(outcomes)), assign_letters(judgment.order)
    writers = Response.writers.through.objects.filter(
        response__in=[r.pk for r in responses if r.source == Response.REPAIR]
    )
    names = list(writers.order_by("pk").values_list("response", "user__username"))
    return [
        ShownAnswer(
            letters.get(response.pk, ""),
            response,
            outcomes[response.pk],
            [name for pk, name in names if pk == response.pk],
        )
        for response in responses
    ]


def build_record(lines: Sequence[DescribedJudgment]) -> list[RecordEntry]:
    """Entries of standing votes, the chosen response first: "夏威夷 (chosen) vs 马尔代夫 (rejected)"."""
    outcomes = list_outcomes([line.judgment for line in lines])
    ids = {pk for answers in outcomes.values() for pk in answers}
    starts = dict(
        Response.objects.filter(pk__in=ids).annotate(start=Left("text", EXCERPT_LENGTH)).values_list("pk", "start")
    )
    return [
        RecordEntry(
            line,
            [
                (outcome, starts[pk])
                for pk, outcome in sorted(outcomes[line.judgment.pk].items(), key=lambda item: build_sort_key(item[1]))
            ],
        )
        for line in lines
    ]


def build_sort_key(outcome: Outcome) -> tuple[bool, int, bool, int]:
    """Sort key of the responses in a record: written ones, then by place, then chosen ones, then by stars."""
    return outcome.kind != "written", outcome.place or 0, outcome.kind != "chosen", -(outcome.stars or 0)
