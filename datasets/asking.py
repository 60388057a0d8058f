"""Which comparisons a dataset asks for: the policy, and the rows that follow from it."""

import hashlib
from collections import defaultdict
from itertools import combinations, islice

from django.db import transaction
from django.db.models import Count, F, IntegerField, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce

from datasets.models import Comparison, Dataset, Judgment, Prompt, Response

MANY = 6  # above so many answers to a prompt its pairs are always a sample


def groups_of(responses, policy, asked=frozenset()):
    """The groups of ids, each ascending, to ask of [(id, text hash)]: pairs, or as many answers at once as `policy` (a
    Dataset, or anything with its fields) says.

    pairs_limit: at most so many a prompt; above six answers pairs are a sample in any case, in which each answer stands
    equally often, as nearly as that goes. Byte-equal texts are never asked against each other. `asked`: groups that
    stand already; they stay, and count.
    """
    in_pairs = policy.fewest_shown == policy.most_shown == 2
    found, limit = pairs_of(responses, policy) if in_pairs else together(responses, policy)
    new = (group for group in found if group not in asked)
    return [*sorted(asked), *islice(new, max(0, limit - len(asked)) if limit else None)]


def pairs_of(responses, policy):
    """(pairs in the order of asking, at most how many)"""
    texts, limit = dict(responses), policy.pairs_limit
    ids = sorted(texts)
    if len(ids) > MANY:
        limit = limit or max(len(ids), MANY * (MANY - 1) // 2)
    if policy.pairs == Dataset.Pairs.FIRST:
        found = ((ids[0], other) for other in ids[1:])
    elif limit:
        found = around(ring_of(texts))
    else:
        found = combinations(ids, 2)
    return (pair for pair in found if texts[pair[0]] != texts[pair[1]]), limit


def together(responses, policy):
    """(groups of as many answers as are shown at once, at most how many): all of a prompt's where they are few enough;
    else along a ring, each group beginning with the last of the one before, so that all can be compared. Where a single
    answer can be asked (stars), no answer is asked twice for that."""
    first_of = {mark: pk for pk, mark in sorted(responses, reverse=True)}
    texts = {pk: mark for mark, pk in first_of.items()}
    n, most = len(texts), policy.most_shown
    if n < policy.fewest_shown:
        return [], None
    if n <= most:
        return [tuple(sorted(texts))], policy.pairs_limit
    ring, step = ring_of(texts), most if policy.fewest_shown == 1 else most - 1
    groups = [tuple(sorted(ring[(start + i) % n] for i in range(most))) for start in range(0, n, step)]
    if policy.fewest_shown == 1:
        groups[-1] = tuple(sorted(ring[len(groups[:-1]) * step :]))
    return groups, policy.pairs_limit


def ring_of(texts):
    """The ids of {id: text hash} in an order that has nothing to do with that of the file."""
    return sorted(texts, key=lambda pk: hashlib.sha256(texts[pk].encode()).digest())


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
    there = Comparison.objects.filter(prompt__in=prompts, task=Comparison.Task.JUDGE).order_by("pk")
    if anew:
        there = there.select_for_update()
    there = {(c.prompt_id, tuple(c.response_ids)): c for c in there}
    touched = set(there)
    if anew:
        judged = Judgment.objects.filter(comparison__in=[c.pk for c in there.values()])
        judged = set(judged.values_list("comparison", flat=True))
        touched = {group for group, comparison in there.items() if comparison.pk in judged or comparison.held}
    wanted = set()
    read = dict(Prompt.objects.filter(pk__in=prompts).values_list("pk", "words"))
    length = {}
    for prompt, responses in candidates(dataset, prompts).items():
        length |= {pk: words for pk, _, words in responses}
        ids = {pk for pk, *_ in responses}
        asked = {group for owner, group in touched if owner == prompt and ids.issuperset(group)}
        wanted |= {(prompt, group) for group in groups_of([(pk, mark) for pk, mark, _ in responses], dataset, asked)}
    gone = [comparison.pk for group, comparison in there.items() if group not in wanted | touched]
    Comparison.objects.filter(pk__in=gone).delete()
    new = [
        Comparison(
            dataset=dataset,
            prompt_id=prompt,
            key=Comparison.key_of(group),
            wanted=dataset.overlap,
            open_slots=dataset.overlap,
            words=read[prompt] + sum(length[pk] for pk in group),
        )
        for prompt, group in sorted(wanted - set(there))
    ]
    Comparison.objects.bulk_create(new, ignore_conflicts=True)
    if dataset.ask_repairs:
        bar_writers(prompts)


def bar_writers(prompts):
    """Let nobody be given a comparison of an answer that they wrote."""
    writer, bar = Response.writers.through, Comparison.barred.through
    written = defaultdict(set)
    for pk, user in writer.objects.filter(response__prompt__in=prompts).values_list("response", "user"):
        written[pk].add(user)
    comparisons = Comparison.objects.filter(prompt__in=prompts) if written else []
    bars = [bar(comparison=c, user_id=user) for c in comparisons for pk in c.response_ids for user in written[pk]]
    bar.objects.bulk_create(bars, ignore_conflicts=True)


def candidates(dataset, prompts):
    """{prompt id: [(response id, text hash, words)]} of what the policy may ask."""
    role = Q(candidate=True) | Q(demonstration=True) if dataset.ask_demonstrations else Q(candidate=True)
    found = defaultdict(list)
    rows = Response.objects.visible().filter(role, prompt__in=prompts).order_by("pk")
    for prompt, pk, mark, words in rows.values_list("prompt", "pk", "text_hash", "words"):
        found[prompt].append((pk, mark, words))
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
    wanted = F("wanted") - count
    Comparison.objects.filter(pk__in=ids).update(open_slots=wanted)
    kept = [Comparison.FLAGGED, Comparison.WITHDRAWN, Comparison.GOLD]
    Comparison.objects.filter(pk__in=ids).exclude(held__in=kept).update(held="")


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
