"""Which comparisons go to a reviewer, as the votes on them stand."""

from collections import Counter, defaultdict
from itertools import combinations

from django.db import transaction
from django.db.models import FilteredRelation, Q

from datasets.db.write_lock import write_turn
from datasets.models import Comparison, Dataset, Judgment

AT_ONCE = 500
Review, ReviewState = Dataset.Review, Comparison.Review
TIE, NEITHER = 0, None  # where no answer of a pair is the better one


def is_undecided(review, response_ids, votes):
    """Whether votes leave something to a reviewer, on any pair of the answers that were shown, in all.

    Of a pair each vote says one of these: the one is better, the other is, a tie, or nothing (both bad, or a pair that
    a ranking leaves open). DIFFER: not all say the same. SPLIT: nothing is said by more than half of them, so that as
    many speak against the one answer as for it; a tie and "both bad" speak for neither.

    votes: [{frozenset of two ids: the better one of them, or TIE}] of each vote; a pair that is missing is NEITHER.
    """
    if len(votes) < 2:
        return False
    for pair in map(frozenset, combinations(response_ids, 2)):
        most = max(Counter(vote.get(pair, NEITHER) for vote in votes).values())
        if most * 2 <= len(votes) if review == Review.SPLIT else most < len(votes):
            return True
    return False


def refresh(dataset, ids):
    """Bring `review` of these comparisons in line with the votes on them, with what holds them, and with what was
    decided; what is decided stays so. They are locked, so that of two last votes at once one sees the other."""
    with transaction.atomic():
        comparisons = list(Comparison.objects.select_for_update().filter(pk__in=ids).order_by("pk"))
        review = Dataset.objects.values_list("review", flat=True).get(pk=dataset.pk)
        decided = Judgment.objects.decisions().filter(comparison__in=comparisons)
        decided = set(decided.values_list("comparison", flat=True))
        votes = {} if review == Review.OFF else list_votes(comparisons)
        changed = defaultdict(list)
        for comparison in comparisons:
            state = ReviewState.DECIDED if comparison.pk in decided else choose_state(comparison, review, votes)
            if comparison.review != state:
                changed[state].append(comparison.pk)
        for state, pks in changed.items():
            Comparison.objects.filter(pk__in=pks).update(review=state)


def choose_state(comparison, review, votes):
    """WANTED where a comparison that nobody decided goes to a reviewer: flagged, or all wanted votes there, and
    undecided. What was left out, and a better answer that is to be written, is not theirs to decide."""
    if review == Review.OFF or comparison.task != Comparison.Task.JUDGE:
        return ReviewState.NONE
    if comparison.held == Comparison.FLAGGED:
        return ReviewState.WANTED
    cast = votes.get(comparison.pk, {}).values()
    if comparison.held in (Comparison.WITHDRAWN, Comparison.GOLD) or len(cast) < comparison.wanted:
        return ReviewState.NONE
    undecided = is_undecided(review, comparison.response_ids, list(cast))
    return ReviewState.WANTED if undecided else ReviewState.NONE


def list_votes(comparisons):
    """{comparison id: {judgment id: a vote as `is_undecided` takes it}}"""
    stated = FilteredRelation("choices", condition=Q(choices__criterion=""))
    votes = Judgment.objects.votes().filter(comparison__in=comparisons).annotate(stated=stated).order_by()
    votes_by_comparison = defaultdict(lambda: defaultdict(dict))
    fields = ("comparison", "pk", "stated__chosen", "stated__rejected", "stated__strength")
    for comparison, pk, chosen, rejected, strength in votes.values_list(*fields):
        vote = votes_by_comparison[comparison][pk]
        if chosen is not None:
            vote[frozenset((chosen, rejected))] = chosen if strength else TIE
    return votes_by_comparison


def refresh_all(dataset, progress=lambda done, total: None):
    """The same for every comparison of a dataset, some hundred at a time, while people judge."""
    comparisons = Comparison.objects.filter(dataset=dataset).order_by("pk")
    total, done, last = comparisons.count(), 0, 0
    while ids := list(comparisons.filter(pk__gt=last).values_list("pk", flat=True)[:AT_ONCE]):
        last, done = ids[-1], done + len(ids)
        with write_turn():
            refresh(dataset, ids)
        progress(done, total)


def has_review(dataset):
    """Whether anything of this dataset goes to reviewers."""
    return dataset.review != Review.OFF
