"""Splits prompts into the parts of a bundle: drawn from their text, near-duplicates in the same part.

A prompt keeps the group it first gets: that of the first prompt similar to it, else its own fingerprint. The group
alone determines the part, so new rows never move old ones.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from hashlib import sha256

from django.db import connection, transaction

from datasets.db.write_lock import write_turn
from datasets.models import Dataset, Likeness, Prompt
from datasets.text.minhash import (
    SIMILARITY_THRESHOLD,
    compute_minhash_bands,
    compute_prompt_shingles,
    compute_similarity,
)

PARTS = ("train", "validation", "test")
AT_ONCE = 200  # prompts per transaction
MOST_SHARING = 20  # prompts compared per shared mark
MARKS_AT_ONCE = 400  # SQLite joins at most 500 queries in a compound SELECT


def pick_part(group: str, shares: Sequence[float]) -> str:
    """The part of a group, drawn by the group's hash.

    shares: percent of train, validation and test.
    """
    drawn = int.from_bytes(sha256(f"split\0{group}".encode()).digest()[:8], "big") / 2**64 * 100
    for part, upto in zip(PARTS, (shares[0], shares[0] + shares[1]), strict=False):
        if drawn < upto:
            return part
    return PARTS[2]


def assign_groups(dataset: Dataset, most: int | None = None) -> None:
    """Assigns a group to each prompt of a dataset without one, or to the first `most` of them."""
    ungrouped = Prompt.objects.visible().filter(dataset=dataset, group="").order_by("pk").defer("html")
    count = 0
    while (most is None or count < most) and (batch := list(ungrouped[:AT_ONCE])):
        count += len(batch)
        with write_turn(), transaction.atomic():
            assign_batch(dataset, batch)


def assign_batch(dataset: Dataset, prompts: list[Prompt]) -> None:
    """Assigns groups to new prompts, and stores their marks; call it in a transaction."""
    shingles = {prompt.pk: compute_prompt_shingles(prompt) for prompt in prompts}
    marks = {pk: compute_minhash_bands(shingle_set) for pk, shingle_set in shingles.items()}
    alike = find_prompts(dataset, {mark for shared in marks.values() for mark in shared})
    before = {prompt.pk: prompt for similar in alike.values() for prompt in similar}
    known = {pk: compute_prompt_shingles(prompt) for pk, prompt in before.items()}
    for prompt in prompts:
        candidates = {
            candidate.pk: candidate for mark in marks[prompt.pk] for candidate in alike[mark] if candidate.pk in known
        }
        first = (
            candidate
            for pk, candidate in sorted(candidates.items())
            if compute_similarity(shingles[prompt.pk], known[pk]) >= SIMILARITY_THRESHOLD
        )
        like = next(first, None)
        prompt.group = like.group if like else prompt.fingerprint
        known[prompt.pk] = shingles[prompt.pk]
        for mark in marks[prompt.pk]:
            if len(alike[mark]) < MOST_SHARING:
                alike[mark].append(prompt)
    Prompt.objects.bulk_update(prompts, ["group"])
    Likeness.objects.bulk_create(
        Likeness(dataset=dataset, prompt=prompt, mark=mark) for prompt in prompts for mark in marks[prompt.pk]
    )


def find_prompts(dataset: Dataset, marks: Iterable[int]) -> defaultdict[int, list[Prompt]]:
    """{mark: the first prompts that have it, at most MOST_SHARING}"""
    ids_by_mark = find_first_ids(dataset, marks, MOST_SHARING)
    prompts = Prompt.objects.defer("html").in_bulk({pk for pks in ids_by_mark.values() for pk in pks})
    return defaultdict(list, {mark: [prompts[pk] for pk in pks if pk in prompts] for mark, pks in ids_by_mark.items()})


def find_first_ids(dataset: Dataset, marks: Iterable[int], most: int) -> dict[int, list[int]]:
    """{mark: ids of the first `most` prompts that have it}

    The database reads only these rows of a mark, however many prompts have it.
    """
    first = "SELECT mark, prompt_id, id FROM {} WHERE dataset_id = %s AND mark = %s ORDER BY id LIMIT %s"
    query = f"SELECT * FROM ({first.format(Likeness._meta.db_table)}) AS found"
    ids_by_mark: dict[int, list[int]] = {}
    sorted_marks = sorted(marks)
    with connection.cursor() as cursor:
        for start in range(0, len(sorted_marks), MARKS_AT_ONCE):
            batch = sorted_marks[start : start + MARKS_AT_ONCE]
            values = [value for mark in batch for value in (dataset.pk, mark, most)]
            cursor.execute(" UNION ALL ".join([query] * len(batch)), values)
            for mark, prompt, _ in sorted(cursor.fetchall(), key=lambda row: row[2]):
                ids_by_mark.setdefault(mark, []).append(prompt)
    return ids_by_mark
