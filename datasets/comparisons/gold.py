"""Known answers: made from what an admin has judged or brought by a file, told from wrong ones, and taken back."""

from django.db import transaction
from django.db.models import Count

from datasets.audit.log import Kind, log
from datasets.comparisons import review
from datasets.models import Choice, Comparison, Gold, Judgment

TRIED = (Judgment.Purpose.GOLD, Judgment.Purpose.PRACTICE)  # what people say of a comparison whose answer is known


class CannotMake(Exception):
    """Why a judgment gives no known answer: `nothing_said` (it states no verdict in all), `held` (its comparison is
    flagged or left out), `is_gold`."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


@transaction.atomic
def make_gold(judgment, reason="", for_practice=False, by=None):
    """The Gold that a standing judgment's verdict gives; its comparison leaves the queue. Raises CannotMake.

    Votes on it stay as they are; whoever has it in hand may still give theirs.
    """
    comparison = Comparison.objects.select_for_update().get(pk=judgment.comparison_id)
    if comparison.held == Comparison.GOLD:
        raise CannotMake("is_gold")
    if comparison.held:
        raise CannotMake("held")
    verdict, choices = known_answer(judgment.verdict, choices_of([judgment.pk]).get(judgment.pk, []))
    if judgment.state not in Judgment.STANDING or not verdict:
        raise CannotMake("nothing_said")
    Comparison.objects.filter(pk=comparison.pk).update(held=Comparison.GOLD)
    log(Kind.GOLD, comparison.pk, None, verdict, by=by, dataset=judgment.dataset)
    review_anew(comparison)
    return Gold.objects.create(
        comparison=comparison,
        dataset_id=comparison.dataset_id,
        verdict=verdict,
        choices=choices,
        reason=reason,
        for_practice=for_practice,
        made_by=by,
    )


def may_make(judgment):
    """Whether this is a standing verdict of an admin, which may become a known answer."""
    by_admin = judgment.annotator is not None and judgment.annotator.is_admin
    return by_admin and judgment.state in Judgment.STANDING and judgment.purpose not in TRIED


@transaction.atomic
def explain(gold, reason, for_practice, by=None):
    """Say why the answer is what it is, and whether people practise with it."""
    stands = Gold.objects.select_for_update().get(pk=gold.pk)
    if (stands.reason, stands.for_practice) == (reason, for_practice):
        return
    use = ["mixed in", "practice"]
    log(Kind.GOLD, stands.comparison_id, use[stands.for_practice], use[for_practice], by=by, dataset=stands.dataset)
    Gold.objects.filter(pk=gold.pk).update(reason=reason, for_practice=for_practice)


@transaction.atomic
def unmake(gold, by=None):
    """The answer counts as known no more; the comparison goes back to the queue. What was judged of it stays."""
    Comparison.objects.filter(pk=gold.comparison_id, held=Comparison.GOLD).update(held="")
    log(Kind.GOLD, gold.comparison_id, gold.verdict, None, by=by, dataset=gold.dataset)
    review_anew(gold.comparison)
    gold.delete()


def review_anew(comparison):
    """What is known is not for a reviewer to decide; what was known may be."""
    if review.is_on(comparison.dataset):
        review.recount(comparison.dataset, [comparison.pk])


def known_answer(verdict, choices):
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
    none) is better than some of the others and worse than none. choices: as of `known_answer`."""
    if gold.verdict != "choice":
        return known_answer(verdict, choices)[0] == gold.verdict
    losers = {rejected for _, rejected in gold.choices}
    best = {(chosen, rejected) for chosen, rejected in gold.choices if chosen not in losers}
    said = {(chosen, rejected) for chosen, rejected, strength in choices if strength}
    return bool(best & said) and not any((rejected, chosen) in said for chosen, rejected in best)


def choices_of(judgments):
    """{judgment id: [(chosen, rejected, strength)]} of what these judgments (ids) say in all."""
    found = {}
    stated = Choice.objects.filter(judgment__in=judgments, criterion="").order_by("pk")
    for pk, *choice in stated.values_list("judgment", "chosen", "rejected", "strength"):
        found.setdefault(pk, []).append(tuple(choice))
    return found


def answers_to(golds):
    """[(Gold, Judgment, whether it is right)] of all that people said to these, knowing it or not; the oldest first."""
    of_comparison = {gold.comparison_id: gold for gold in golds}
    tried = Judgment.objects.filter(comparison__in=of_comparison, state__in=Judgment.STANDING)
    tried = list(tried.filter(purpose__in=TRIED).select_related("annotator").order_by("decided_at", "pk"))
    said = choices_of([judgment.pk for judgment in tried])
    return [
        (gold, judgment, is_right(gold, judgment.verdict, said.get(judgment.pk, [])))
        for judgment in tried
        for gold in [of_comparison[judgment.comparison_id]]
    ]


def listed(dataset, after, limit):
    """At most so many known answers after this id, each with `right` of `tried`."""
    page = list(
        Gold.objects.filter(dataset=dataset, pk__gt=after)
        .select_related("comparison__prompt", "made_by")
        .order_by("pk")[:limit]
    )
    for gold in page:
        gold.right = gold.tried = 0
    for gold, _judgment, right in answers_to(page):
        gold.right += right
        gold.tried += 1
    return page


def counts(dataset):
    """(how many are mixed in, how many are for practice)"""
    found = dict(dataset.gold.order_by().values_list("for_practice").annotate(Count("pk")))
    return found.get(False, 0), found.get(True, 0)
