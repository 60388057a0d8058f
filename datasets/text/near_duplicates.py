"""Which part of a bundle a prompt belongs to: drawn from its text, near-duplicates together.

A prompt keeps the group that it was given: that of the first prompt that it is like, else its own. The part is drawn
from the group alone, so that no new row ever moves an old one.
"""

from collections import defaultdict
from hashlib import sha256

from django.db import connection, transaction

from datasets.db.write_lock import writing
from datasets.models import Likeness, Prompt
from datasets.text.minhash import ALIKE, marks_of, shingles_of, similarity

PARTS = ("train", "validation", "test")
AT_ONCE = 200
LOOKED_AT = 20  # prompts that share a mark, at most, for each mark
MARKS_AT_ONCE = 400  # SQLite joins 500 queries at most


def part_of(group, shares):
    """The part of a group, shares = (train, validation, test) in percent: uniform by the group's hash."""
    drawn = int.from_bytes(sha256(f"split\0{group}".encode()).digest()[:8], "big") / 2**64 * 100
    for part, upto in zip(PARTS, (shares[0], shares[0] + shares[1]), strict=False):
        if drawn < upto:
            return part
    return PARTS[2]


def give_groups(dataset, most=None):
    """Give each prompt of a dataset that has none its group; of many, the first `most`."""
    without = Prompt.objects.visible().filter(dataset=dataset, group="").order_by("pk").defer("html")
    given = 0
    while (most is None or given < most) and (some := list(without[:AT_ONCE])):
        given += len(some)
        with writing(), transaction.atomic():
            give_some(dataset, some)


def give_some(dataset, prompts):
    shingles = {prompt.pk: shingles_of(prompt) for prompt in prompts}
    marks = {pk: marks_of(found) for pk, found in shingles.items()}
    alike = prompts_with(dataset, {mark for found in marks.values() for mark in found})
    before = {prompt.pk: prompt for found in alike.values() for prompt in found}
    known = {pk: shingles_of(prompt) for pk, prompt in before.items()}
    for prompt in prompts:
        candidates = {one.pk: one for mark in marks[prompt.pk] for one in alike[mark] if one.pk in known}
        first = (one for pk, one in sorted(candidates.items()) if similarity(shingles[prompt.pk], known[pk]) >= ALIKE)
        like = next(first, None)
        prompt.group = like.group if like else prompt.fingerprint
        known[prompt.pk] = shingles[prompt.pk]
        for mark in marks[prompt.pk]:
            if len(alike[mark]) < LOOKED_AT:
                alike[mark].append(prompt)
    Prompt.objects.bulk_update(prompts, ["group"])
    Likeness.objects.bulk_create(
        Likeness(dataset=dataset, prompt=prompt, mark=mark) for prompt in prompts for mark in marks[prompt.pk]
    )


def prompts_with(dataset, marks):
    """{mark: [the first prompts that have it]}"""
    found = first_with(dataset, marks, LOOKED_AT)
    prompts = Prompt.objects.defer("html").in_bulk({pk for pks in found.values() for pk in pks})
    return defaultdict(list, {mark: [prompts[pk] for pk in pks if pk in prompts] for mark, pks in found.items()})


def first_with(dataset, marks, most):
    """{mark: [ids of the first prompts that have it, at most so many]}. The database reads no more than these of a
    mark, however many prompts have it."""
    first = "SELECT mark, prompt_id, id FROM {} WHERE dataset_id = %s AND mark = %s ORDER BY id LIMIT %s"
    one = f"SELECT * FROM ({first.format(Likeness._meta.db_table)}) AS found"
    found, marks = {}, sorted(marks)
    with connection.cursor() as cursor:
        for start in range(0, len(marks), MARKS_AT_ONCE):
            some = marks[start : start + MARKS_AT_ONCE]
            values = [value for mark in some for value in (dataset.pk, mark, most)]
            cursor.execute(" UNION ALL ".join([one] * len(some)), values)
            for mark, prompt, _ in sorted(cursor.fetchall(), key=lambda row: row[2]):
                found.setdefault(mark, []).append(prompt)
    return found
