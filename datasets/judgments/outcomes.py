"""What judgments say of each answer: chosen, rejected, its place, its stars; and the record made of that."""

from dataclasses import dataclass

from django.db.models.functions import Left

from datasets.judgments.listing import START, letters_in
from datasets.models import Choice, Rating, Response
from datasets.text.rendered import shown_responses


@dataclass(frozen=True)
class Mark:
    """What a judgment says of one answer: `kind` is chosen, rejected, between (of an order), tied, bad, `written` (a
    better one that the person wrote) or "" (nothing); its place in an order, from 1; its stars."""

    kind: str = ""
    place: int | None = None
    stars: int | None = None


def letters_of(judgments, order):
    """The judgments, each with `letter`: its chosen answers', where the answers stand in this order; "" without one."""
    letters, marks = letters_in(order), marks_of(judgments)
    for judgment in judgments:
        chosen = [letters[pk] for pk, mark in marks[judgment.pk].items() if mark.kind == "chosen" and pk in letters]
        judgment.letter = "".join(sorted(chosen))
    return judgments


def marks_of(judgments):
    """{judgment id: {response id: Mark}} of standing votes, in all: of what was shown, then of what was written."""
    ids = [judgment.pk for judgment in judgments]
    choices, stars = {pk: [] for pk in ids}, {pk: {} for pk in ids}
    stated = Choice.objects.filter(judgment__in=ids, criterion="").order_by("pk")
    for pk, *choice in stated.values_list("judgment", "chosen", "rejected", "strength"):
        choices[pk].append(choice)
    given = Rating.objects.filter(judgment__in=ids, criterion="")
    for pk, response, n in given.values_list("judgment", "response", "stars"):
        stars[pk][response] = n
    return {judgment.pk: marks_in(judgment, choices[judgment.pk], stars[judgment.pk]) for judgment in judgments}


def marks_in(judgment, choices, stars):
    """{response id: Mark} of one judgment. choices: [(chosen, rejected, strength)]; stars: {response id: stars}."""
    among = [choice for choice in choices if choice[0] in judgment.order]
    places = dict(zip(judgment.order, dense(judgment.said.get("rank", [])), strict=False))
    bad = judgment.verdict in ("both_bad", "repair")
    found = {pk: Mark("bad" if bad else kind_of(pk, among), places.get(pk), stars.get(pk)) for pk in judgment.order}
    return found | {chosen: Mark("written") for chosen, *_ in choices if chosen not in judgment.order}


def dense(places):
    """Places without gaps: 1, 3, 3 are first and second."""
    rank = {place: n for n, place in enumerate(sorted(set(places)), 1)}
    return [rank[place] for place in places]


def kind_of(response, choices):
    """chosen (nothing was better), rejected (it was better than nothing), between, tied, or "" of a response."""
    won = any(chosen == response for chosen, _, strength in choices if strength)
    lost = any(rejected == response for _, rejected, strength in choices if strength)
    if won or lost:
        return "between" if won and lost else "chosen" if won else "rejected"
    return "tied" if any(response in choice[:2] for choice in choices) else ""


def answers_of(judgment):
    """[(letter or "", Response rendered, Mark)] of what a person was shown, then of what they wrote. Each that people
    wrote has the names of its `authors`."""
    found = marks_of([judgment])[judgment.pk]
    responses, letters = shown_responses(list(found)), letters_in(judgment.order)
    writers = Response.writers.through.objects.filter(
        response__in=[r.pk for r in responses if r.source == Response.REPAIR]
    )
    names = list(writers.order_by("pk").values_list("response", "user__username"))
    for response in responses:
        response.authors = [name for pk, name in names if pk == response.pk]
    return [(letters.get(response.pk, ""), response, found[response.pk]) for response in responses]


def record(judgments):
    """[(judgment, [(mark, start of the answer)])] of standing votes, the chosen answer first: as in
    "夏威夷 (chosen) vs 马尔代夫 (rejected)"."""
    marks = marks_of(judgments)
    ids = {pk for found in marks.values() for pk in found}
    starts = dict(Response.objects.filter(pk__in=ids).annotate(start=Left("text", START)).values_list("pk", "start"))
    return [
        (judgment, [(mark, starts[pk]) for pk, mark in sorted(marks[judgment.pk].items(), key=lambda m: first(m[1]))])
        for judgment in judgments
    ]


def first(mark):
    """What the answers of a record are sorted by."""
    return mark.kind != "written", mark.place or 0, mark.kind != "chosen", -(mark.stars or 0)
