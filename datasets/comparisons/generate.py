"""Which comparisons a dataset asks for: the policy, and the rows that follow from it."""

import hashlib
from collections import defaultdict
from itertools import combinations, islice

from django.db import IntegrityError, connection, transaction
from django.db.models import Case, Count, Exists, F, IntegerField, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce

from datasets.db.bulk import among, insert, insert_found, is_among
from datasets.models import Comparison, Dataset, Gold, Import, Judgment, Prompt, Response, draw_priority

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
    if not anew and asks_every_pair(dataset):
        prompts = ask_every_pair(dataset, prompts)
        if not prompts:
            return
    of_prompts = among(Comparison, "prompt", prompts)
    there = Comparison.objects.filter(of_prompts, task=Comparison.Task.JUDGE).order_by("pk")
    if anew:
        there = there.select_for_update()
    there = {
        (prompt, tuple(Comparison.ids_in(key))): (pk, held)
        for prompt, key, pk, held in there.values_list("prompt", "key", "pk", "held")
    }
    touched = set(there)
    if anew:
        judged = Judgment.objects.filter(comparison__in=[pk for pk, _ in there.values()])
        judged = set(judged.values_list("comparison", flat=True))
        touched = {group for group, (pk, held) in there.items() if pk in judged or held}
    asked = defaultdict(set)
    for prompt, group in touched:
        asked[prompt].add(group)
    wanted = {}
    read = dict(Prompt.objects.filter(among(Prompt, "id", prompts)).values_list("pk", "words"))
    for prompt, responses in candidates(dataset, prompts).items():
        length = {pk: words for pk, _, words in responses}
        stands = {group for group in asked[prompt] if length.keys() >= set(group)}
        for group in groups_of([(pk, mark) for pk, mark, _ in responses], dataset, stands):
            wanted[prompt, group] = read[prompt] + sum(length[pk] for pk in group)
    if gone := [pk for group, (pk, _) in there.items() if group not in wanted and group not in touched]:
        Comparison.objects.filter(pk__in=gone).delete()
    new = sorted(wanted.keys() - there.keys())
    make(dataset, [(prompt, Comparison.key_of(group), wanted[prompt, group]) for prompt, group in new])
    if dataset.ask_repairs:
        bar_writers(prompts)


def asks_every_pair(dataset):
    """Whether the policy is to ask all pairs of a prompt's answers, where these are few."""
    in_pairs = dataset.fewest_shown == dataset.most_shown == 2 and dataset.pairs == Dataset.Pairs.ALL
    return in_pairs and not dataset.pairs_limit and not dataset.ask_repairs


EVERY_PAIR = """
    SELECT one.prompt_id, one.id || '-' || other.id, prompt.words + one.words + other.words, {drawn}, %s, %s, %s
    FROM datasets_response one
    JOIN datasets_response other
      ON other.prompt_id = one.prompt_id AND other.id > one.id AND other.text_hash <> one.text_hash
    JOIN datasets_prompt prompt ON prompt.id = one.prompt_id
    WHERE {ones} AND {others}
      AND (one.candidate OR (one.demonstration AND %s)) AND (other.candidate OR (other.demonstration AND %s))
      AND (one.imported_id IS NULL OR one.imported_id IN ({visible}))
      AND (other.imported_id IS NULL OR other.imported_id IN ({visible}))
    ORDER BY one.prompt_id, one.id, other.id"""
# As draw_priority: 62 bits.
DRAWN = {"postgresql": "CAST(random() * 4611686018427387904 AS bigint)", "sqlite": "random() & 4611686018427387903"}


def ask_every_pair(dataset, prompts):
    """What `ask` does where `asks_every_pair`, done by the database; the prompts with so many answers that their pairs
    are a sample are left to do. Most imports are of this kind, and no row of theirs has to come here for it."""
    answers = Response.objects.filter(among(Response, "prompt", prompts)).order_by().values("prompt")
    rest = set(answers.annotate(n=Count("pk")).filter(n__gt=MANY).values_list("prompt", flat=True))
    few = [pk for pk in prompts if pk not in rest]
    ones, ids = is_among("one.prompt_id", few)
    others, _ = is_among("other.prompt_id", few)
    states = ", ".join(["%s"] * len(Import.VISIBLE))
    visible = f"SELECT id FROM datasets_import WHERE state IN ({states})"
    query = EVERY_PAIR.format(drawn=DRAWN[connection.vendor], ones=ones, others=others, visible=visible)
    names = ("prompt", "key", "words", "priority", "dataset", "wanted", "open_slots")
    same, role = [dataset.pk, dataset.overlap, dataset.overlap], dataset.ask_demonstrations
    insert_found(Comparison, names, query, [*same, *ids, *ids, role, role, *Import.VISIBLE, *Import.VISIBLE])
    return list(rest)


def make(dataset, asked):
    """Make comparisons of [(prompt id, key, words)]; one that somebody else has made meanwhile stays as it is."""
    names = ("prompt", "key", "words", "dataset", "wanted", "open_slots", "priority")
    same = dataset.pk, dataset.overlap, dataset.overlap
    rows = [(*new, *same, draw_priority()) for new in asked]
    try:
        with transaction.atomic():
            insert(Comparison, names, rows)
    except IntegrityError:
        fields = [Comparison._meta.get_field(name).attname for name in names]
        made = [Comparison(**dict(zip(fields, row, strict=True))) for row in rows]
        Comparison.objects.bulk_create(made, ignore_conflicts=True)


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
    rows = Response.objects.visible().filter(role, among(Response, "prompt", prompts)).order_by("pk")
    for prompt, *response in rows.values_list("prompt", "pk", "text_hash", "words"):
        found[prompt].append(tuple(response))
    return found


def open_again(comparisons):
    """Release comparisons that came with verdicts, and count anew how many judgments each still wants. Their ids."""
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
    kept = [Comparison.FLAGGED, Comparison.WITHDRAWN, Comparison.GOLD]
    known = Exists(Gold.objects.filter(comparison=OuterRef("pk")))
    held = Case(When(held__in=kept, then=F("held")), When(known, then=Value(Comparison.GOLD)), default=Value(""))
    Comparison.objects.filter(among(Comparison, "id", ids)).update(open_slots=F("wanted") - count, held=held)
    return ids


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
