"""Which comparisons a dataset asks for: the policy, and the rows that follow from it."""

import hashlib
from collections import defaultdict
from itertools import combinations, islice

from django.db import IntegrityError, connection, transaction
from django.db.models import Case, Count, Exists, F, IntegerField, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce

from datasets.db.bulk import insert, insert_select, match_values, match_values_sql
from datasets.models import Comparison, Dataset, Gold, Import, Judgment, Prompt, Response, draw_priority

MAX_FOR_ALL_PAIRS = 6  # above so many answers to a prompt its pairs are always a sample


def choose_groups(responses, policy, existing=frozenset()):
    """The groups of ids, each ascending, to ask of [(id, text hash)]: pairs, or as many answers at once as `policy` (a
    Dataset, or anything with its fields) says.

    pairs_limit: at most so many a prompt; above six answers pairs are a sample in any case, in which each answer stands
    equally often, as nearly as that goes. Byte-equal texts are never asked against each other. `existing`: groups that
    stand already; they stay, and count.
    """
    in_pairs = policy.fewest_shown == policy.most_shown == 2
    groups, limit = build_pairs(responses, policy) if in_pairs else build_groups_of_many(responses, policy)
    new = (group for group in groups if group not in existing)
    return [*sorted(existing), *islice(new, max(0, limit - len(existing)) if limit else None)]


def build_pairs(responses, policy):
    """(pairs in the order of asking, at most how many)"""
    texts, limit = dict(responses), policy.pairs_limit
    ids = sorted(texts)
    if len(ids) > MAX_FOR_ALL_PAIRS:
        limit = limit or max(len(ids), MAX_FOR_ALL_PAIRS * (MAX_FOR_ALL_PAIRS - 1) // 2)
    if policy.pairs == Dataset.Pairs.FIRST:
        pairs = ((ids[0], other) for other in ids[1:])
    elif limit:
        pairs = iter_ring_pairs(build_ring(texts))
    else:
        pairs = combinations(ids, 2)
    return (pair for pair in pairs if texts[pair[0]] != texts[pair[1]]), limit


def build_groups_of_many(responses, policy):
    """(groups of as many answers as are shown at once, at most how many): all of a prompt's where they are few enough;
    else along a ring, each group beginning with the last of the one before, so that all can be compared. Where a single
    answer can be asked (stars), no answer is asked twice for that."""
    first_of = {text_hash: pk for pk, text_hash in sorted(responses, reverse=True)}
    texts = {pk: text_hash for text_hash, pk in first_of.items()}
    n, most = len(texts), policy.most_shown
    if n < policy.fewest_shown:
        return [], None
    if n <= most:
        return [tuple(sorted(texts))], policy.pairs_limit
    ring, step = build_ring(texts), most if policy.fewest_shown == 1 else most - 1
    groups = [tuple(sorted(ring[(start + i) % n] for i in range(most))) for start in range(0, n, step)]
    if policy.fewest_shown == 1:
        groups[-1] = tuple(sorted(ring[len(groups[:-1]) * step :]))
    return groups, policy.pairs_limit


def build_ring(texts):
    """The ids of {id: text hash} in an order that has nothing to do with that of the file."""
    return sorted(texts, key=lambda pk: hashlib.sha256(texts[pk].encode()).digest())


def iter_ring_pairs(ring):
    """Pairs of neighbours in a ring, then of those two apart, and so on: each stands in as many as any other. Of each
    distance first those that have no answer in common, so that this holds wherever one stops."""
    n = len(ring)
    for step in range(1, n // 2 + 1):
        starts = range(n if step * 2 != n else n // 2)
        for start in sorted(starts, key=lambda start: start // step % 2):
            yield tuple(sorted((ring[start], ring[(start + step) % n])))


def generate_for_prompts(dataset, prompts, anew=False):
    """Make the comparisons that the dataset's policy wants for these prompts and that are not there yet.

    anew: under changed settings. What the policy no longer wants goes, unless somebody has touched it.
    """
    if not anew and needs_every_pair(dataset):
        prompts = insert_every_pair(dataset, prompts)
        if not prompts:
            return
    of_prompts = match_values(Comparison, "prompt", prompts)
    existing = Comparison.objects.filter(of_prompts, task=Comparison.Task.JUDGE).order_by("pk")
    if anew:
        existing = existing.select_for_update()
    existing = {
        (prompt, tuple(Comparison.parse_key(key))): (pk, held)
        for prompt, key, pk, held in existing.values_list("prompt", "key", "pk", "held")
    }
    touched = set(existing)
    if anew:
        judged = Judgment.objects.filter(comparison__in=[pk for pk, _ in existing.values()])
        judged = set(judged.values_list("comparison", flat=True))
        touched = {group for group, (pk, held) in existing.items() if pk in judged or held}
    touched_groups = defaultdict(set)
    for prompt, group in touched:
        touched_groups[prompt].add(group)
    wanted = {}
    prompt_words = dict(Prompt.objects.filter(match_values(Prompt, "id", prompts)).values_list("pk", "words"))
    for prompt, responses in list_candidates(dataset, prompts).items():
        length = {pk: words for pk, _, words in responses}
        stands = {group for group in touched_groups[prompt] if length.keys() >= set(group)}
        for group in choose_groups([(pk, text_hash) for pk, text_hash, _ in responses], dataset, stands):
            wanted[prompt, group] = prompt_words[prompt] + sum(length[pk] for pk in group)
    if obsolete := [pk for group, (pk, _) in existing.items() if group not in wanted and group not in touched]:
        Comparison.objects.filter(pk__in=obsolete).delete()
    new = sorted(wanted.keys() - existing.keys())
    create_comparisons(dataset, [(prompt, Comparison.build_key(group), wanted[prompt, group]) for prompt, group in new])
    if dataset.ask_repairs:
        bar_writers(prompts)


def needs_every_pair(dataset):
    """Whether the policy is to ask all pairs of a prompt's answers, where these are few."""
    in_pairs = dataset.fewest_shown == dataset.most_shown == 2 and dataset.pairs == Dataset.Pairs.ALL
    return in_pairs and not dataset.pairs_limit and not dataset.ask_repairs


EVERY_PAIR_SQL = """
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
DRAW_PRIORITY_SQL = {
    "postgresql": "CAST(random() * 4611686018427387904 AS bigint)",
    "sqlite": "random() & 4611686018427387903",
}


def insert_every_pair(dataset, prompts):
    """What `generate_for_prompts` does where `needs_every_pair`, done by the database; the prompts with so many answers
    that their pairs are a sample are left to do. Most imports are of this kind, and no row of theirs has to come here
    for it."""
    answers = Response.objects.filter(match_values(Response, "prompt", prompts)).order_by().values("prompt")
    rest = set(answers.annotate(n=Count("pk")).filter(n__gt=MAX_FOR_ALL_PAIRS).values_list("prompt", flat=True))
    few = [pk for pk in prompts if pk not in rest]
    ones, ids = match_values_sql("one.prompt_id", few)
    others, _ = match_values_sql("other.prompt_id", few)
    states = ", ".join(["%s"] * len(Import.VISIBLE))
    visible = f"SELECT id FROM datasets_import WHERE state IN ({states})"
    query = EVERY_PAIR_SQL.format(drawn=DRAW_PRIORITY_SQL[connection.vendor], ones=ones, others=others, visible=visible)
    names = ("prompt", "key", "words", "priority", "dataset", "wanted", "open_slots")
    same, role = [dataset.pk, dataset.overlap, dataset.overlap], dataset.ask_demonstrations
    insert_select(Comparison, names, query, [*same, *ids, *ids, role, role, *Import.VISIBLE, *Import.VISIBLE])
    return list(rest)


def create_comparisons(dataset, comparisons):
    """Make comparisons of [(prompt id, key, words)]; one that somebody else has made meanwhile stays as it is."""
    names = ("prompt", "key", "words", "dataset", "wanted", "open_slots", "priority")
    same = dataset.pk, dataset.overlap, dataset.overlap
    rows = [(*new, *same, draw_priority()) for new in comparisons]
    try:
        with transaction.atomic():
            insert(Comparison, names, rows)
    except IntegrityError:
        fields = [Comparison._meta.get_field(name).attname for name in names]
        objects = [Comparison(**dict(zip(fields, row, strict=True))) for row in rows]
        Comparison.objects.bulk_create(objects, ignore_conflicts=True)


def bar_writers(prompts):
    """Let nobody be given a comparison of an answer that they wrote."""
    writer, bar = Response.writers.through, Comparison.barred.through
    written = defaultdict(set)
    for pk, user in writer.objects.filter(response__prompt__in=prompts).values_list("response", "user"):
        written[pk].add(user)
    comparisons = Comparison.objects.filter(prompt__in=prompts) if written else []
    bars = [bar(comparison=c, user_id=user) for c in comparisons for pk in c.response_ids for user in written[pk]]
    bar.objects.bulk_create(bars, ignore_conflicts=True)


def list_candidates(dataset, prompts):
    """{prompt id: [(response id, text hash, words)]} of what the policy may ask."""
    role = Q(candidate=True) | Q(demonstration=True) if dataset.ask_demonstrations else Q(candidate=True)
    candidates = defaultdict(list)
    rows = Response.objects.visible().filter(role, match_values(Response, "prompt", prompts)).order_by("pk")
    for prompt, *response in rows.values_list("prompt", "pk", "text_hash", "words"):
        candidates[prompt].append(tuple(response))
    return candidates


def reopen_comparisons(comparisons):
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
    held_states = [Comparison.FLAGGED, Comparison.WITHDRAWN, Comparison.GOLD]
    is_gold = Exists(Gold.objects.filter(comparison=OuterRef("pk")))
    held = Case(
        When(held__in=held_states, then=F("held")), When(is_gold, then=Value(Comparison.GOLD)), default=Value("")
    )
    Comparison.objects.filter(match_values(Comparison, "id", ids)).update(open_slots=F("wanted") - count, held=held)
    return ids


def regenerate_comparisons(dataset):
    """Bring all comparisons in line with changed settings, a few prompts at a time."""
    last = 0
    while ids := list(
        Prompt.objects.filter(dataset=dataset, pk__gt=last).order_by("pk").values_list("pk", flat=True)[:200]
    ):
        last = ids[-1]
        with transaction.atomic():
            generate_for_prompts(dataset, ids, anew=True)


def set_overlap(dataset, overlap):
    """Want so many judgments of every comparison, while people judge."""
    Dataset.objects.filter(pk=dataset.pk).update(overlap=overlap)
    Comparison.objects.filter(dataset=dataset).exclude(wanted=overlap).update(
        open_slots=F("open_slots") + overlap - F("wanted"), wanted=overlap
    )
