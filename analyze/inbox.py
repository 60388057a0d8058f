"""The inbox of a dataset: the comparisons that wait for a decision, and those that its report suggests to look at."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import DateTimeField, F, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from analyze.latest_report import fetch_numbers, find_latest_report
from datasets.comparisons import flags, review
from datasets.judgments.listing import EPOCH, assign_letters, format_page_key, parse_page_key
from datasets.judgments.outcomes import VoteCount, count_by_winner, list_outcomes
from datasets.models import Comparison, Dataset, Judgment, Response

FLAGGED, SPLIT, ASKED, CONTRADICTION, OUTLIER = "flagged", "split", "asked", "contradiction", "outlier"
LABELS = {
    FLAGGED: gettext_lazy("Flagged"),
    SPLIT: gettext_lazy("Split votes"),
    ASKED: gettext_lazy("Sent to review"),
    CONTRADICTION: gettext_lazy("Contradictions"),
    OUTLIER: gettext_lazy("Outliers"),
}
CONDITIONS = {  # of the kinds that wait
    "": Comparison.WAITING,
    FLAGGED: Comparison.IS_FLAGGED,
    SPLIT: Q(review=Comparison.Review.WANTED) & ~Q(review="") & ~Q(held=Comparison.FLAGGED),
    ASKED: Q(review=Comparison.Review.ASKED) & ~Q(review=""),
}
SUGGESTED = (CONTRADICTION, OUTLIER)
CONTRADICTIONS = {  # {lists of the report's part: why a comparison is in one}, the clearest first
    "opposites": gettext_lazy("Opposite votes on one pair"),
    "stars": gettext_lazy("Ratings contradict the choice"),
    "within": gettext_lazy("Cycle within one annotator"),
    "across": gettext_lazy("Cycle across annotators"),
}
MOST_JUDGMENTS = 12  # linked in one reason
UNLIKELY = 0.2  # probability of a choice below which its judgment is an outlier


class Reason(NamedTuple):
    """Why the report suggests a comparison. judgments: ids, of this comparison."""

    kind: str
    words: str
    judgments: list[int]


@dataclass
class Suggestion:
    """A comparison that the report suggests to look at, and why. is_waiting: whether it waits for a decision anyway."""

    comparison_id: int
    is_waiting: bool
    reasons: list[Reason] = field(default_factory=list)

    def has_kind(self, kind: str) -> bool:
        return any(reason.kind == kind for reason in self.reasons)


@dataclass(frozen=True)
class Item:
    """A comparison in the inbox with all reasons why it is there.

    held: with the judgments that flagged it. votes: how they fell, in the letters of `answers`. leader: see
    `find_leader`.
    """

    held: flags.HeldComparison
    answers: list[tuple[str, Response]]
    votes: list[VoteCount]
    reasons: list[Reason]
    leader: int | str = ""

    @property
    def is_flagged(self) -> bool:
        return self.held.comparison.held == Comparison.FLAGGED

    @property
    def is_split(self) -> bool:
        return self.held.comparison.review == Comparison.Review.WANTED and not self.is_flagged

    @property
    def is_asked(self) -> bool:
        return self.held.comparison.review == Comparison.Review.ASKED

    @property
    def is_task(self) -> bool:
        """Whether it asks for a verdict, so that a reviewer can decide it and its answer can be known."""
        return self.held.comparison.task == Comparison.Task.JUDGE and len(self.answers) > 1


class Inbox:
    """The inbox of a dataset at one moment. suggestions: {comparison id: Suggestion}, the most important first."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self.suggestions = list_suggestions(dataset)

    def count(self) -> dict[str, int]:
        """{kind: its number of comparisons}; "" for all, each counted once."""
        counts = {kind: self.filter(kind).count() for kind in CONDITIONS}
        suggested = list(self.suggestions.values())
        counts |= {kind: sum(one.has_kind(kind) for one in suggested) for kind in SUGGESTED}
        return counts | {"": counts[""] + sum(not one.is_waiting for one in suggested)}

    def filter(self, kind: str) -> QuerySet[Comparison]:
        """The comparisons that wait for a decision, of one kind; of all for ""."""
        return Comparison.objects.filter(CONDITIONS[kind], dataset=self.dataset)

    def list_page(self, kind: str, after: str, size: int) -> tuple[list[Item], str | None]:
        """A page of the inbox, and the key of the next page (None on the last one).

        What waits comes first, the latest judged first; then what the report suggests, the most important first.

        kind: "" for all. after: the key of the page, "" for the first one.

        Raises ValueError or OverflowError for a malformed key.
        """
        part, _dot, key = after.partition(".")
        if part not in ("", "waiting", "suggested"):
            raise ValueError(after)
        ids: list[int] = []
        if kind in CONDITIONS and part != "suggested":
            waiting = list_by_last_judged(self.filter(kind), parse_page_key(key) if key else None)[: size + 1]
            page: list[Any] = list(waiting)
            ids = [comparison.pk for comparison in page[:size]]
            if len(page) > size:
                return self.describe(ids), f"waiting.{format_page_key(page[size - 1])}"
        if kind and kind not in SUGGESTED:
            return self.describe(ids), None
        start = parse_rank(key) if part == "suggested" else 0
        ranked = [
            (rank, one.comparison_id)
            for rank, one in enumerate(self.suggestions.values(), 1)
            if rank > start and (one.has_kind(kind) if kind else not one.is_waiting)
        ]
        room = size - len(ids)
        ids += [pk for _rank, pk in ranked[:room]]
        if len(ranked) <= room:
            return self.describe(ids), None
        return self.describe(ids), f"suggested.{ranked[room - 1][0] if room else start}"

    def describe(self, ids: Sequence[int]) -> list[Item]:
        """These comparisons, with all reasons why they are in the inbox."""
        found = Comparison.objects.select_related("prompt", "dataset").in_bulk(ids)
        page = flags.render_comparisons(flags.attach_flags([found[pk] for pk in ids if pk in found]))
        votes = list(Judgment.objects.votes().filter(comparison__in=found).order_by("pk"))
        outcomes, items = list_outcomes(votes), []
        for held in page:
            order, pk = held.comparison.response_ids, held.comparison.pk
            theirs = [vote for vote in votes if vote.comparison_id == pk]
            counts = count_by_winner(theirs, outcomes, order)
            letters = assign_letters(order)
            reasons = self.suggestions[pk].reasons if pk in self.suggestions else []
            answers = [(letters[response.pk], response) for response in held.answers]
            items.append(Item(held, answers, counts, reasons, find_leader(counts, order)))
        return items


def find_leader(counts: Sequence[VoteCount], order: Sequence[int]) -> int | str:
    """What more votes say than anything else: the id of a response, `tie` or `both_bad`; "" without such a thing."""
    most = sorted(counts, key=lambda count: -count.n)
    if not most or (len(most) > 1 and most[0].n == most[1].n):
        return ""
    letters = {letter: pk for pk, letter in assign_letters(order).items()}
    return letters.get(most[0].code, most[0].code if most[0].code in ("tie", "both_bad") else "")


def list_by_last_judged(
    comparisons: QuerySet[Comparison], before: tuple[datetime, int] | None
) -> QuerySet[Comparison, Any]:
    """The comparisons, the latest judged first, each annotated with that moment, `decided_at`.

    before: starts after this (moment, id).
    """
    dated = Judgment.objects.filter(comparison=OuterRef("pk"), decided_at__isnull=False).order_by("-decided_at")
    epoch = Value(EPOCH, DateTimeField())
    comparisons = comparisons.annotate(decided_at=Coalesce(Subquery(dated.values("decided_at")[:1]), epoch))
    if before:
        at, pk = before
        comparisons = comparisons.filter(Q(decided_at__lt=at) | Q(decided_at=at, pk__lt=pk))
    return comparisons.order_by(F("decided_at").desc(), "-pk")


def parse_rank(key: str) -> int:
    if not key.isdecimal() or len(key) > 18:
        raise ValueError(key)
    return int(key)


def list_outlier_ids(dataset: Dataset) -> list[int]:
    """The judgments (ids) that the stored report finds very unlikely, the least likely first."""
    lines = fetch_numbers(find_latest_report(dataset), "suspicious")["suspicious"]
    return [line["judgment"] for line in lines or [] if line["probability"] < UNLIKELY]


def list_suggestions(dataset: Dataset) -> dict[int, Suggestion]:
    """{comparison id: Suggestion} of the stored report, the most important first: contradictions, then outliers.

    Without what a reviewer has decided, and what is left out or gold.
    """
    numbers = fetch_numbers(find_latest_report(dataset), "suspicious", "contradictions")
    found = list(iter_reasons(numbers))
    judged = Judgment.objects.visible().filter(
        dataset=dataset, pk__in={pk for reason in found for pk in reason.judgments}
    )
    judged = judged.exclude(comparison__review=Comparison.Review.DECIDED)
    rows = judged.filter(comparison__held__in=review.UNDECIDED, comparison__task=Comparison.Task.JUDGE)
    fields = ("pk", "comparison", "comparison__held", "comparison__review")
    states = {pk: (comparison, held, state) for pk, comparison, held, state in rows.values_list(*fields)}
    suggestions: dict[int, Suggestion] = {}
    for reason in found:
        judgments: dict[int, list[int]] = {}
        for pk in reason.judgments:
            if pk in states:
                judgments.setdefault(states[pk][0], []).append(pk)
        for comparison, ids in judgments.items():
            _comparison, held, state = states[ids[0]]
            is_waiting = held == Comparison.FLAGGED or state in Comparison.OPEN_REVIEWS
            one = suggestions.setdefault(comparison, Suggestion(comparison, is_waiting))
            one.reasons.append(reason._replace(judgments=ids[:MOST_JUDGMENTS]))
    return suggestions


def iter_reasons(numbers: Mapping[str, Any]) -> Iterator[Reason]:
    """All that the parts of a report suggest. numbers: of the parts `suspicious` and `contradictions`, or None."""
    contradictions = numbers["contradictions"] or {}
    for name, label in CONTRADICTIONS.items():
        for line in contradictions.get(name, []):
            ids = line["judgments"] if "judgments" in line else [line["judgment"]]
            yield Reason(CONTRADICTION, str(label), list(ids))
    for line in numbers["suspicious"] or []:
        if line["probability"] >= UNLIKELY:
            continue
        share = f"{100 * line['probability']:.0f}"
        words = _("A model trained on the other prompts gives this choice a probability of %(n)s %%") % {"n": share}
        yield Reason(OUTLIER, words, [line["judgment"]])
