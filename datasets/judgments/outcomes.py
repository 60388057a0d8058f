"""What judgments say of each answer: chosen, rejected, its place, its stars; and the record made of that."""

from dataclasses import dataclass

from django.db.models.functions import Left

from datasets.judgments.listing import EXCERPT_LENGTH, assign_letters
from datasets.models import Choice, Rating, Response
from datasets.text.rendered import list_rendered_responses


@dataclass(frozen=True)
class Outcome:
    """What a judgment says of one answer: `kind` is chosen, rejected, between (of an order), tied, bad, `written` (a
    better one that the person wrote) or "" (nothing); its place in an order, from 1; its stars."""

    kind: str = ""
    place: int | None = None
    stars: int | None = None


def attach_letters(judgments, order):
    """The judgments, each with `letter`: its chosen answers', where the answers stand in this order; "" without one."""
    letters, outcomes = assign_letters(order), list_outcomes(judgments)
    for judgment in judgments:
        chosen = [
            letters[pk] for pk, outcome in outcomes[judgment.pk].items() if outcome.kind == "chosen" and pk in letters
        ]
        judgment.letter = "".join(sorted(chosen))
    return judgments


def list_outcomes(judgments):
    """{judgment id: {response id: Outcome}} of standing votes, in all: of what was shown, then of what was written."""
    ids = [judgment.pk for judgment in judgments]
    choices, stars = {pk: [] for pk in ids}, {pk: {} for pk in ids}
    choice_rows = Choice.objects.filter(judgment__in=ids, criterion="").order_by("pk")
    for pk, *choice in choice_rows.values_list("judgment", "chosen", "rejected", "strength"):
        choices[pk].append(choice)
    rating_rows = Rating.objects.filter(judgment__in=ids, criterion="")
    for pk, response, n in rating_rows.values_list("judgment", "response", "stars"):
        stars[pk][response] = n
    return {judgment.pk: build_outcomes(judgment, choices[judgment.pk], stars[judgment.pk]) for judgment in judgments}


def build_outcomes(judgment, choices, stars):
    """{response id: Outcome} of one judgment. choices: [(chosen, rejected, strength)]; stars: {response id: stars}."""
    shown_choices = [choice for choice in choices if choice[0] in judgment.order]
    places = dict(zip(judgment.order, compute_dense_ranks(judgment.said.get("rank", [])), strict=False))
    bad = judgment.verdict in ("both_bad", "repair")
    outcomes = {
        pk: Outcome("bad" if bad else classify_response(pk, shown_choices), places.get(pk), stars.get(pk))
        for pk in judgment.order
    }
    return outcomes | {chosen: Outcome("written") for chosen, *_ in choices if chosen not in judgment.order}


def compute_dense_ranks(places):
    """Places without gaps: 1, 3, 3 are first and second."""
    rank = {place: n for n, place in enumerate(sorted(set(places)), 1)}
    return [rank[place] for place in places]


def classify_response(response, choices):
    """chosen (nothing was better), rejected (it was better than nothing), between, tied, or "" of a response."""
    won = any(chosen == response for chosen, _, strength in choices if strength)
    lost = any(rejected == response for _, rejected, strength in choices if strength)
    if won or lost:
        return "between" if won and lost else "chosen" if won else "rejected"
    return "tied" if any(response in choice[:2] for choice in choices) else ""


def list_answers(judgment):
    """[(letter or "", Response rendered, Outcome)] of what a person was shown, then of what they wrote. Each that
    people wrote has the names of its `authors`."""
    outcomes = list_outcomes([judgment])[judgment.pk]
    responses, letters = list_rendered_responses(list(outcomes)), assign_letters(judgment.order)
    writers = Response.writers.through.objects.filter(
        response__in=[r.pk for r in responses if r.source == Response.REPAIR]
    )
    names = list(writers.order_by("pk").values_list("response", "user__username"))
    for response in responses:
        response.authors = [name for pk, name in names if pk == response.pk]
    return [(letters.get(response.pk, ""), response, outcomes[response.pk]) for response in responses]


def build_record(judgments):
    """[(judgment, [(outcome, start of the answer)])] of standing votes, the chosen answer first: as in
    "夏威夷 (chosen) vs 马尔代夫 (rejected)"."""
    outcomes = list_outcomes(judgments)
    ids = {pk for answers in outcomes.values() for pk in answers}
    starts = dict(
        Response.objects.filter(pk__in=ids).annotate(start=Left("text", EXCERPT_LENGTH)).values_list("pk", "start")
    )
    return [
        (
            judgment,
            [
                (outcome, starts[pk])
                for pk, outcome in sorted(outcomes[judgment.pk].items(), key=lambda item: build_sort_key(item[1]))
            ],
        )
        for judgment in judgments
    ]


def build_sort_key(outcome):
    """What the answers of a record are sorted by."""
    return outcome.kind != "written", outcome.place or 0, outcome.kind != "chosen", -(outcome.stars or 0)
