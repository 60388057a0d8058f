"""Which part of a bundle a prompt belongs to: drawn from its text, near-duplicates together.

A prompt keeps the group that it was given: that of the first prompt that it is like, else its own. The part is drawn
from the group alone, so that no new row ever moves an old one.
"""

from collections import defaultdict
from hashlib import sha256

from django.db import transaction

from datasets.likeness import ALIKE, marks_of, shingles_of, similarity
from datasets.models import Likeness, Prompt
from datasets.writing import writing

PARTS = ("train", "validation", "test")
AT_ONCE = 200
LOOKED_AT = 20  # prompts that share a mark, at most, for each mark


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
    found = defaultdict(list)
    rows = Likeness.objects.filter(dataset=dataset, mark__in=marks).order_by("pk").select_related("prompt")
    for row in rows.defer("prompt__html").iterator():
        if len(found[row.mark]) < LOOKED_AT:
            found[row.mark].append(row.prompt)
    return found
