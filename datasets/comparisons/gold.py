"""Known answers: made from what an admin has judged or brought by a file, told from wrong ones, and taken back."""

from django.db import transaction
from django.db.models import Count

from datasets.audit.log import Kind, log
from datasets.comparisons import review
from datasets.models import Choice, Comparison, Gold, Judgment

# What people say of a comparison whose answer is known
ATTEMPT_PURPOSES = (Judgment.Purpose.GOLD, Judgment.Purpose.PRACTICE)


class CannotMakeGold(Exception):
    """Why a judgment gives no known answer: `nothing_said` (it states no verdict in all), `held` (its comparison is
    flagged or left out), `is_gold`."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


@transaction.atomic
def create_gold(judgment, reason="", for_practice=False, by=None):
    """The Gold that a standing judgment's verdict gives; its comparison leaves the queue. Raises CannotMakeGold.

    Votes on it stay as they are; whoever has it in hand may still give theirs.
    """
    comparison = Comparison.objects.select_for_update().get(pk=judgment.comparison_id)
    if comparison.held == Comparison.GOLD:
        raise CannotMakeGold("is_gold")
    if comparison.held:
        raise CannotMakeGold("held")
    verdict, choices = derive_known_answer(judgment.verdict, list_choices([judgment.pk]).get(judgment.pk, []))
    if judgment.state not in Judgment.STANDING or not verdict:
        raise CannotMakeGold("nothing_said")
    Comparison.objects.filter(pk=comparison.pk).update(held=Comparison.GOLD)
    log(Kind.GOLD, comparison.pk, None, verdict, by=by, dataset=judgment.dataset)
    refresh_review(comparison)
    return Gold.objects.create(
        comparison=comparison,
        dataset_id=comparison.dataset_id,
        verdict=verdict,
        choices=choices,
        reason=reason,
        for_practice=for_practice,
        made_by=by,
    )


def can_become_gold(judgment):
    """Whether this is a standing verdict of an admin, which may become a known answer."""
    by_admin = judgment.annotator is not None and judgment.annotator.is_admin
    return by_admin and judgment.state in Judgment.STANDING and judgment.purpose not in ATTEMPT_PURPOSES


@transaction.atomic
def update_gold(gold, reason, for_practice, by=None):
    """Say why the answer is what it is, and whether people practise with it."""
    current = Gold.objects.select_for_update().get(pk=gold.pk)
    if (current.reason, current.for_practice) == (reason, for_practice):
        return
    use = ["mixed in", "practice"]
    log(Kind.GOLD, current.comparison_id, use[current.for_practice], use[for_practice], by=by, dataset=current.dataset)
    Gold.objects.filter(pk=gold.pk).update(reason=reason, for_practice=for_practice)


@transaction.atomic
def delete_gold(gold, by=None):
    """The answer counts as known no more; the comparison goes back to the queue. What was judged of it stays."""
    Comparison.objects.filter(pk=gold.comparison_id, held=Comparison.GOLD).update(held="")
    log(Kind.GOLD, gold.comparison_id, gold.verdict, None, by=by, dataset=gold.dataset)
    refresh_review(gold.comparison)
    gold.delete()


def refresh_review(comparison):
    """What is known is not for a reviewer to decide; what was known may be."""
    if review.has_review(comparison.dataset):
        review.refresh(comparison.dataset, [comparison.pk])


def derive_known_answer(verdict, choices):
    """(verdict, choices) of a Gold, of what a judgment said in all: choices [(chosen, rejected, strength)]. The
    verdict is "" where nothing was said."""
    decided = [[chosen, rejected] for chosen, rejected, strength in choices if strength]
    if decided:
        return "choice", decided
    if verdict == "both_bad":
        return "both_bad", []
    return ("tie", []) if choices else ("", [])


def is_right(gold, verdict, choices):
    """Whether a judgment says of the comparison what is known: of a choice, that the best answer (the one that loses to
    none) is better than some of the others and worse than none. choices: as of `derive_known_answer`."""
    if gold.verdict != "choice":
        return derive_known_answer(verdict, choices)[0] == gold.verdict
    losers = {rejected for _, rejected in gold.choices}
    best = {(chosen, rejected) for chosen, rejected in gold.choices if chosen not in losers}
    preferences = {(chosen, rejected) for chosen, rejected, strength in choices if strength}
    return bool(best & preferences) and not any((rejected, chosen) in preferences for chosen, rejected in best)


def list_choices(judgments):
    """{judgment id: [(chosen, rejected, strength)]} of what these judgments (ids) say in all."""
    choices = {}
    rows = Choice.objects.filter(judgment__in=judgments, criterion="").order_by("pk")
    for pk, *choice in rows.values_list("judgment", "chosen", "rejected", "strength"):
        choices.setdefault(pk, []).append(tuple(choice))
    return choices


def list_attempts(golds):
    """[(Gold, Judgment, whether it is right)] of all that people said to these, knowing it or not; the oldest first."""
    of_comparison = {gold.comparison_id: gold for gold in golds}
    attempts = Judgment.objects.filter(comparison__in=of_comparison, state__in=Judgment.STANDING)
    attempts = list(
        attempts.filter(purpose__in=ATTEMPT_PURPOSES).select_related("annotator").order_by("decided_at", "pk")
    )
    choices = list_choices([judgment.pk for judgment in attempts])
    return [
        (gold, judgment, is_right(gold, judgment.verdict, choices.get(judgment.pk, [])))
        for judgment in attempts
        for gold in [of_comparison[judgment.comparison_id]]
    ]


def list_gold(dataset, after, limit):
    """At most so many known answers after this id, each with `right` of `tried`."""
    page = list(
        Gold.objects.filter(dataset=dataset, pk__gt=after)
        .select_related("comparison__prompt", "made_by")
        .order_by("pk")[:limit]
    )
    for gold in page:
        gold.right = gold.tried = 0
    for gold, _judgment, right in list_attempts(page):
        gold.right += right
        gold.tried += 1
    return page


def count_gold(dataset):
    """(how many are mixed in, how many are for practice)"""
    totals = dict(dataset.gold.order_by().values_list("for_practice").annotate(Count("pk")))
    return totals.get(False, 0), totals.get(True, 0)
