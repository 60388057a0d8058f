"""Which comparisons a dataset wants: its policy, and the rows that follow from it."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import combinations, islice
from math import comb
from typing import NamedTuple, Protocol

from django.db import IntegrityError, connection, transaction
from django.db.models import Case, Count, Exists, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Value, When
from django.db.models.functions import Coalesce

from datasets.db.bulk import insert, insert_select, match_values, match_values_sql
from datasets.models import Comparison, Dataset, Gold, Import, Judgment, Prompt, Response, draw_priority

MAX_FOR_ALL_PAIRS = 6  # responses to a prompt; with more of them its pairs are always a sample

Group = tuple[int, ...]  # ids of the responses of a comparison, ascending


class Policy(Protocol):
    """The fields of a Dataset that decide what is compared."""

    pairs: str
    pairs_limit: int | None
    fewest_shown: int
    most_shown: int


class Candidate(NamedTuple):
    """A response that the policy may have compared."""

    pk: int
    text_hash: str
    words: int


def choose_groups(
    responses: Sequence[tuple[int, str]], policy: Policy, existing: Collection[Group] = frozenset()
) -> list[Group]:
    """Groups of a prompt's responses to compare: pairs, or as many at a time as the policy says.

    At most `pairs_limit` groups, if the policy has a limit. With more than six responses the pairs are always a sample
    in which every response occurs equally often, as far as possible. Never pairs byte-equal texts.

    responses: (id, text hash).
    existing: groups already stored; they stay, and count towards the limit.
    """
    in_pairs = policy.fewest_shown == policy.most_shown == 2
    groups, limit = build_pairs(responses, policy) if in_pairs else build_groups_of_many(responses, policy)
    new = (group for group in groups if group not in existing)
    return [*sorted(existing), *islice(new, max(0, limit - len(existing)) if limit else None)]


def build_pairs(responses: Sequence[tuple[int, str]], policy: Policy) -> tuple[Iterable[Group], int | None]:
    """(pairs, in the order in which to take them; the most to take)"""
    texts, limit = dict(responses), policy.pairs_limit
    ids = sorted(texts)
    limit = limit or get_default_limit(len(ids))
    pairs: Iterable[Group]
    if policy.pairs == Dataset.Pairs.FIRST:
        pairs = ((ids[0], other) for other in ids[1:])
    elif limit:
        pairs = iter_ring_pairs(build_ring(texts))
    else:
        pairs = combinations(ids, 2)
    return (pair for pair in pairs if texts[pair[0]] != texts[pair[1]]), limit


def build_groups_of_many(responses: Sequence[tuple[int, str]], policy: Policy) -> tuple[list[Group], int | None]:
    """(groups of as many responses as are shown together; the most to take)

    One group where a prompt's responses fit into it. Otherwise the groups run along a ring, each starting with the last
    response of the one before, so that all of them are connected. Where a single response can be shown (stars), groups
    do not overlap.
    """
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


def count_groups(copies: Sequence[int], policy: Policy, existing: int = 0, with_first: int = 0) -> int:
    """The number of groups that `choose_groups` chooses; without the texts, so that many prompts are counted at once.

    copies: the number of responses with each distinct text; that of the first response stands first.
    existing: pairs already stored; where more than two are shown at once, they are taken for other groups.
    with_first: those of them that contain the first response.

    >>> from datasets.models import Dataset
    >>> count_groups([1, 1, 1], Dataset()), count_groups([1, 2], Dataset()), count_groups([1] * 7, Dataset())
    (3, 2, 15)
    """
    n, limit = sum(copies), policy.pairs_limit
    if not policy.fewest_shown == policy.most_shown == 2:
        new = count_groups_of_many(len(copies), policy)
    elif policy.pairs == Dataset.Pairs.FIRST:
        new, limit = n - copies[0] - with_first if copies else 0, limit or get_default_limit(n)
    else:
        new, limit = comb(n, 2) - sum(comb(same, 2) for same in copies) - existing, limit or get_default_limit(n)
    return existing + (min(new, max(0, limit - existing)) if limit else new)


def count_groups_of_many(n: int, policy: Policy) -> int:
    """The number of groups that `build_groups_of_many` builds of n distinct texts."""
    if n <= policy.most_shown:
        return int(n >= policy.fewest_shown)
    return len(range(0, n, policy.most_shown if policy.fewest_shown == 1 else policy.most_shown - 1))


def get_default_limit(n: int) -> int | None:
    """The most pairs of n responses where the policy has no limit; None: all of them."""
    return max(n, comb(MAX_FOR_ALL_PAIRS, 2)) if n > MAX_FOR_ALL_PAIRS else None


def build_ring(texts: Mapping[int, str]) -> list[int]:
    """The ids of {id: text hash} in a pseudorandom order, independent of their order in the file."""
    return sorted(texts, key=lambda pk: hashlib.sha256(texts[pk].encode()).digest())


def iter_ring_pairs(ring: Sequence[int]) -> Iterator[Group]:
    """Pairs of ids by their distance in a ring: neighbours, then those two apart, and so on.

    Every id occurs equally often. Within a distance, disjoint pairs come first, so that this nearly holds for every
    prefix too.
    """
    n = len(ring)
    for step in range(1, n // 2 + 1):
        starts = range(n if step * 2 != n else n // 2)
        for start in sorted(starts, key=lambda start: start // step % 2):
            yield tuple(sorted((ring[start], ring[(start + step) % n])))


def generate_for_prompts(dataset: Dataset, prompts: Collection[int], prune: bool = False) -> None:
    """Creates the comparisons of these prompts that the dataset's policy wants and that do not exist yet.

    prompts: ids.
    prune: for changed settings or texts; deletes comparisons that the policy no longer wants, except those that
        somebody has judged or leased and those that are held.
    """
    if not prune and needs_every_pair(dataset):
        prompts = insert_every_pair(dataset, prompts)
        if not prompts:
            return
    of_prompts = match_values(Comparison, "prompt", prompts)
    stored = Comparison.objects.filter(of_prompts, task=Comparison.Task.JUDGE).order_by("pk")
    if prune:
        stored = stored.select_for_update()
    existing: dict[tuple[int, Group], tuple[int, str]] = {
        (prompt, tuple(Comparison.parse_key(key))): (pk, held)
        for prompt, key, pk, held in stored.values_list("prompt", "key", "pk", "held")
    }
    touched = set(existing)
    if prune:
        judgments = Judgment.objects.filter(comparison__in=[pk for pk, _ in existing.values()])
        judged = set(judgments.values_list("comparison", flat=True))
        touched = {group for group, (pk, held) in existing.items() if pk in judged or held}
    touched_groups = defaultdict(set)
    for prompt, group in touched:
        touched_groups[prompt].add(group)
    wanted = {}
    prompt_words = dict(Prompt.objects.filter(match_values(Prompt, "id", prompts)).values_list("pk", "words"))
    for prompt, candidates in list_candidates(dataset, prompts).items():
        length = {pk: words for pk, _, words in candidates}
        stands = {group for group in touched_groups[prompt] if length.keys() >= set(group)}
        for group in choose_groups([(pk, text_hash) for pk, text_hash, _ in candidates], dataset, stands):
            wanted[prompt, group] = prompt_words[prompt] + sum(length[pk] for pk in group)
    if obsolete := [pk for group, (pk, _) in existing.items() if group not in wanted and group not in touched]:
        Comparison.objects.filter(pk__in=obsolete).delete()
    new = sorted(wanted.keys() - existing.keys())
    create_comparisons(dataset, [(prompt, Comparison.build_key(group), wanted[prompt, group]) for prompt, group in new])
    if dataset.ask_repairs:
        bar_writers(prompts)


def needs_every_pair(dataset: Dataset) -> bool:
    """Whether the policy wants all pairs of a prompt's responses, up to MAX_FOR_ALL_PAIRS of them."""
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
# The same 62 bits as draw_priority.
DRAW_PRIORITY_SQL = {
    "postgresql": "CAST(random() * 4611686018427387904 AS bigint)",
    "sqlite": "random() & 4611686018427387903",
}


def insert_every_pair(dataset: Dataset, prompts: Collection[int]) -> list[int]:
    """Creates the comparisons for `needs_every_pair` inside the database, without reading any row here.

    Most imports take this path. Returns the ids of the prompts that are left: those with more responses than
    MAX_FOR_ALL_PAIRS.
    """
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


def create_comparisons(dataset: Dataset, comparisons: Iterable[tuple[int, str, int]]) -> None:
    """Creates comparisons; one that a concurrent process has created is left unchanged.

    comparisons: (prompt id, key, words).
    """
    names = ("prompt", "key", "words", "dataset", "wanted", "open_slots", "priority")
    same = dataset.pk, dataset.overlap, dataset.overlap
    rows = [(*new, *same, draw_priority()) for new in comparisons]
    try:
        with transaction.atomic():
            insert(Comparison, names, rows)
    except IntegrityError:
        attnames = {field.name: field.attname for field in Comparison._meta.concrete_fields}
        objects = [Comparison(**dict(zip(map(attnames.__getitem__, names), row, strict=True))) for row in rows]
        Comparison.objects.bulk_create(objects, ignore_conflicts=True)


def bar_writers(prompts: Collection[int]) -> None:
    """Bars the writers of repairs from the comparisons of their own responses.

    prompts: ids.
    """
    writer, bar = Response.writers.through, Comparison.barred.through
    written = defaultdict(set)
    for pk, user in writer.objects.filter(response__prompt__in=prompts).values_list("response", "user"):
        written[pk].add(user)
    comparisons = Comparison.objects.filter(prompt__in=prompts) if written else []
    bars = [bar(comparison=c, user_id=user) for c in comparisons for pk in c.response_ids for user in written[pk]]
    bar.objects.bulk_create(bars, ignore_conflicts=True)


def list_candidates(dataset: Dataset, prompts: Collection[int]) -> dict[int, list[Candidate]]:
    """{prompt id: the responses that the policy may have compared, by id}

    prompts: ids.
    """
    role = Q(candidate=True) | Q(demonstration=True) if dataset.ask_demonstrations else Q(candidate=True)
    candidates: dict[int, list[Candidate]] = defaultdict(list)
    rows = Response.objects.visible().filter(role, match_values(Response, "prompt", prompts)).order_by("pk")
    for prompt, pk, text_hash, words in rows.values_list("prompt", "pk", "text_hash", "words"):
        candidates[prompt].append(Candidate(pk, text_hash, words))
    return candidates


def reopen_comparisons(comparisons: QuerySet[Comparison]) -> list[int]:
    """Releases comparisons and recounts the judgments that each still wants. Returns their ids.

    Those that are flagged, left out, gold questions or of a chat stay held.
    """
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
    held_states = [Comparison.FLAGGED, Comparison.WITHDRAWN, Comparison.GOLD, Comparison.CHAT]
    is_gold = Exists(Gold.objects.filter(comparison=OuterRef("pk")))
    held = Case(
        When(held__in=held_states, then=F("held")), When(is_gold, then=Value(Comparison.GOLD)), default=Value("")
    )
    Comparison.objects.filter(match_values(Comparison, "id", ids)).update(open_slots=F("wanted") - count, held=held)
    return ids


def regenerate_comparisons(dataset: Dataset) -> None:
    """Updates all comparisons of a dataset after a change of settings, in batches of prompts."""
    last = 0
    while ids := list(
        Prompt.objects.filter(dataset=dataset, pk__gt=last).order_by("pk").values_list("pk", flat=True)[:200]
    ):
        last = ids[-1]
        with transaction.atomic():
            generate_for_prompts(dataset, ids, prune=True)


def set_overlap(dataset: Dataset, overlap: int) -> None:
    """Changes the overlap of a dataset and of its comparisons, except those of chats, while people judge."""
    Dataset.objects.filter(pk=dataset.pk).update(overlap=overlap)
    change_wanted(Comparison.objects.filter(dataset=dataset), overlap)


def change_wanted(comparisons: QuerySet[Comparison], overlap: int) -> int:
    """Changes how many judgments comparisons want, except those of chats. Returns the number changed."""
    others = comparisons.exclude(held=Comparison.CHAT).exclude(wanted=overlap)
    return others.update(open_slots=F("open_slots") + overlap - F("wanted"), wanted=overlap)
