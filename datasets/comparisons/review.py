"""Which comparisons go to a reviewer, given the votes on them."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import FilteredRelation, Q

from datasets.audit.log import Kind, log
from datasets.db.write_lock import write_turn
from datasets.models import Comparison, Dataset, Judgment

if TYPE_CHECKING:
    from annotate.models import User

AT_ONCE = 500
Review, ReviewState = Dataset.Review, Comparison.Review
UNDECIDED = ("", Comparison.FLAGGED, Comparison.SURE)  # what may hold a comparison that goes to a reviewer
TIE, NEITHER = 0, None  # outcomes of a pair in which no response wins

# A vote: {frozenset of two response ids: the id of the better one, or TIE}; a pair that is missing is NEITHER.
PairVote = Mapping[frozenset[int], int]


def is_undecided(review: str, response_ids: Iterable[int], votes: Sequence[PairVote]) -> bool:
    """Whether the votes leave any pair of the responses shown for a reviewer to decide, overall.

    On a pair, a vote has one of four outcomes: either response wins, a tie, or neither (both bad, or a pair that a
    ranking leaves open). DIFFER: the votes are not unanimous. SPLIT: no outcome has more than half of the votes; a tie
    and "both bad" count for neither response.

    review: the dataset's setting, DIFFER or SPLIT.
    """
    if len(votes) < 2:
        return False
    for pair in map(frozenset, combinations(response_ids, 2)):
        most = max(Counter(vote.get(pair, NEITHER) for vote in votes).values())
        if most * 2 <= len(votes) if review == Review.SPLIT else most < len(votes):
            return True
    return False


def refresh(dataset: Dataset, ids: Iterable[int]) -> None:
    """Updates `review` of comparisons from their votes, from what holds them, and from decisions, which are final.

    Locks the comparisons by id, so that of two concurrent last votes one sees the other.

    ids: of comparisons of this dataset.
    """
    with transaction.atomic():
        comparisons = list(Comparison.objects.select_for_update().filter(pk__in=ids).order_by("pk"))
        review = Dataset.objects.values_list("review", flat=True).get(pk=dataset.pk)
        decisions = Judgment.objects.decisions().filter(comparison__in=comparisons)
        decided = set(decisions.values_list("comparison", flat=True))
        votes = {} if review == Review.OFF else list_votes(comparisons)
        changed = defaultdict(list)
        for comparison in comparisons:
            state = ReviewState.DECIDED if comparison.pk in decided else choose_state(comparison, review, votes)
            if comparison.review != state:
                changed[state].append(comparison.pk)
        for state, pks in changed.items():
            Comparison.objects.filter(pk__in=pks).update(review=state)


def choose_state(comparison: Comparison, review: str, votes: Mapping[int, Mapping[int, PairVote]]) -> Comparison.Review:
    """WANTED where an undecided comparison goes to a reviewer, ASKED where an admin has sent it to one, else NONE.

    It is WANTED where it is flagged, or where it has all the votes it wants and they leave it undecided. Comparisons
    that were left out and repairs never go to a reviewer.

    votes: {comparison id: {judgment id: vote}}.
    """
    if comparison.review == ReviewState.ASKED and is_reviewable(comparison):
        return ReviewState.ASKED
    if review == Review.OFF or comparison.task != Comparison.Task.JUDGE:
        return ReviewState.NONE
    if comparison.held == Comparison.FLAGGED:
        return ReviewState.WANTED
    cast = votes.get(comparison.pk, {}).values()
    if comparison.held in (Comparison.WITHDRAWN, Comparison.GOLD) or len(cast) < comparison.wanted:
        return ReviewState.NONE
    undecided = is_undecided(review, comparison.response_ids, list(cast))
    return ReviewState.WANTED if undecided else ReviewState.NONE


def is_reviewable(comparison: Comparison) -> bool:
    """Whether a reviewer could decide this comparison: it asks for a verdict, and is neither left out nor gold."""
    return comparison.task == Comparison.Task.JUDGE and comparison.held in UNDECIDED


def ask_for_review(comparison: Comparison, by: "User | None" = None) -> bool:
    """Sends a comparison to a reviewer, whatever its votes say. Returns whether it waits for one now.

    comparison: the current row, locked.
    """
    if comparison.review in Comparison.OPEN_REVIEWS:
        return True
    if comparison.review == ReviewState.DECIDED or not is_reviewable(comparison):
        return False
    comparison.review = ReviewState.ASKED
    Comparison.objects.filter(pk=comparison.pk).update(review=ReviewState.ASKED)
    log(Kind.FLAG, comparison.pk, comparison.held, ReviewState.ASKED.value, by=by, dataset=comparison.dataset)
    return True


def list_votes(comparisons: Iterable[Comparison]) -> dict[int, dict[int, dict[frozenset[int], int]]]:
    """{comparison id: {judgment id: vote}}, see PairVote."""
    stated = FilteredRelation("choices", condition=Q(choices__criterion=""))
    votes = Judgment.objects.votes().filter(comparison__in=comparisons).annotate(stated=stated).order_by()
    votes_by_comparison: dict[int, dict[int, dict[frozenset[int], int]]] = defaultdict(lambda: defaultdict(dict))
    fields = ("comparison", "pk", "stated__chosen", "stated__rejected", "stated__strength")
    for comparison, pk, chosen, rejected, strength in votes.values_list(*fields):
        vote = votes_by_comparison[comparison][pk]
        if chosen is not None:
            vote[frozenset((chosen, rejected))] = chosen if strength else TIE
    return votes_by_comparison


def refresh_all(dataset: Dataset, progress: Callable[[int, int], None] = lambda done, total: None) -> None:
    """Updates `review` of all comparisons of a dataset, in batches, while people judge.

    progress: called with (done, total) after each batch.
    """
    comparisons = Comparison.objects.filter(dataset=dataset).order_by("pk")
    total, done, last = comparisons.count(), 0, 0
    while ids := list(comparisons.filter(pk__gt=last).values_list("pk", flat=True)[:AT_ONCE]):
        last, done = ids[-1], done + len(ids)
        with write_turn():
            refresh(dataset, ids)
        progress(done, total)


def list_open_states(dataset: Dataset) -> Sequence[str]:
    """The states in which a comparison waits for a reviewer of this dataset; with reviews off only ASKED."""
    return Comparison.OPEN_REVIEWS if has_review(dataset) else (ReviewState.ASKED,)


def has_review(dataset: Dataset) -> bool:
    """Whether any comparison of this dataset goes to reviewers."""
    return dataset.review != Review.OFF
