"""Which comparisons a dataset asks for: the policy, and the rows that follow from it."""

import hashlib
from collections import defaultdict
from itertools import combinations, islice

from django.db import transaction
from django.db.models import Count, F, IntegerField, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce

from datasets.models import Comparison, Dataset, Judgment, Prompt, Response

MANY = 6  # above so many answers to a prompt its pairs are always a sample


def pairs_of(responses, pairs, limit=None, asked=frozenset()):
    """The pairs (id, id), each ascending, to ask of [(id, text hash)].

    pairs: `all`, or `first` (each against the first). limit: at most so many a prompt; above six answers a sample in
    any case, in which each answer stands equally often, as nearly as that goes. Byte-equal texts are never asked
    against each other. `asked`: pairs that stand already; they stay, and count.
    """
    texts = dict(responses)
    ids = sorted(texts)
    if len(ids) > MANY:
        limit = limit or max(len(ids), MANY * (MANY - 1) // 2)
    if pairs == Dataset.Pairs.FIRST:
        found = ((ids[0], other) for other in ids[1:])
    elif limit:
        found = around(sorted(ids, key=lambda pk: hashlib.sha256(texts[pk].encode()).digest()))
    else:
        found = combinations(ids, 2)
    new = (pair for pair in found if pair not in asked and texts[pair[0]] != texts[pair[1]])
    return [*sorted(asked), *islice(new, max(0, limit - len(asked)) if limit else None)]


def around(ring):
    """Pairs of neighbours in a ring, then of those two apart, and so on: each stands in as many as any other. Of each
    distance first those that have no answer in common, so that this holds wherever one stops."""
    n = len(ring)
    for step in range(1, n // 2 + 1):
        starts = range(n if step * 2 != n else n // 2)
        for start in sorted(starts, key=lambda start: start // step % 2):
            yield tuple(sorted((ring[start], ring[(start + step) % n])))


def ask(dataset, prompts, anew=False):
    """Make the comparisons that the dataset's policy wants for these prompts and that are not there yet.

    anew: under changed settings. What the policy no longer wants goes, unless somebody has touched it.
    """
    there = Comparison.objects.filter(prompt__in=prompts).order_by("pk")
    if anew:
        there = there.select_for_update()
    there = {(c.prompt_id, tuple(c.response_ids)): c for c in there}
    touched = set(there)
    if anew:
        judged = Judgment.objects.filter(comparison__in=[c.pk for c in there.values()])
        judged = set(judged.values_list("comparison", flat=True))
        touched = {pair for pair, comparison in there.items() if comparison.pk in judged or comparison.held}
    wanted = set()
    for prompt, responses in candidates(dataset, prompts).items():
        ids = {pk for pk, _ in responses}
        asked = {pair for owner, pair in touched if owner == prompt and ids.issuperset(pair)}
        wanted |= {(prompt, pair) for pair in pairs_of(responses, dataset.pairs, dataset.pairs_limit, asked)}
    gone = [comparison.pk for pair, comparison in there.items() if pair not in wanted | touched]
    Comparison.objects.filter(pk__in=gone).delete()
    new = [
        Comparison(
            dataset=dataset,
            prompt_id=prompt,
            key=Comparison.key_of(pair),
            wanted=dataset.overlap,
            open_slots=dataset.overlap,
        )
        for prompt, pair in sorted(wanted - set(there))
    ]
    Comparison.objects.bulk_create(new, ignore_conflicts=True)


def candidates(dataset, prompts):
    """{prompt id: [(response id, text hash)]} of what the policy may ask."""
    role = Q(candidate=True) | Q(demonstration=True) if dataset.ask_demonstrations else Q(candidate=True)
    found = defaultdict(list)
    rows = Response.objects.visible().filter(role, prompt__in=prompts).order_by("pk")
    for prompt, pk, mark in rows.values_list("prompt", "pk", "text_hash"):
        found[prompt].append((pk, mark))
    return found


def open_again(comparisons):
    """Release comparisons that came with verdicts, and count anew how many judgments each still wants."""
    ids = list(comparisons.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))
    taken = (
        Judgment.objects.filter(comparison=OuterRef("pk"), purpose=Judgment.Purpose.VOTE)
        .filter(state__in=[Judgment.State.LEASED, *Judgment.STANDING])
        .order_by()
        .values("comparison")
        .annotate(n=Count("pk"))
        .values("n")
    )
    count = Coalesce(Subquery(taken, output_field=IntegerField()), Value(0))
    Comparison.objects.filter(pk__in=ids).update(held="", open_slots=F("wanted") - count)


def ask_anew(dataset):
    """Bring all comparisons in line with changed settings, a few prompts at a time."""
    last = 0
    while ids := list(
        Prompt.objects.filter(dataset=dataset, pk__gt=last).order_by("pk").values_list("pk", flat=True)[:200]
    ):
        last = ids[-1]
        with transaction.atomic():
            ask(dataset, ids, anew=True)


def set_overlap(dataset, overlap):
    """Want so many judgments of every comparison, while people judge."""
    Dataset.objects.filter(pk=dataset.pk).update(overlap=overlap)
    Comparison.objects.filter(dataset=dataset).exclude(wanted=overlap).update(
        open_slots=F("open_slots") + overlap - F("wanted"), wanted=overlap
    )
