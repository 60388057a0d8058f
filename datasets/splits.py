"""Which part of a bundle a prompt belongs to: drawn from its text, near-duplicates together.

A prompt keeps the group that it was given: that of the first prompt that it is like, else its own. The part is drawn
from the group alone, so that no new row ever moves an old one.
"""

import re
import unicodedata
from collections import defaultdict
from hashlib import blake2b, sha256

from django.db import transaction

from datasets.models import Likeness, Prompt
from datasets.writing import writing

PARTS = ("train", "validation", "test")
ALIKE = 0.7  # Jaccard similarity of the runs of three words
SHINGLE = 3
BINS, BANDS = 30, 10
AT_ONCE = 200
LOOKED_AT = 20  # prompts that share a mark, at most, for each mark
# A word, or one ideograph, kana or hangul syllable: those stand without blanks between them.
TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+")


def part_of(group, shares):
    """The part of a group, shares = (train, validation, test) in percent: uniform by the group's hash."""
    drawn = int.from_bytes(sha256(f"split\0{group}".encode()).digest()[:8], "big") / 2**64 * 100
    for part, upto in zip(PARTS, (shares[0], shares[0] + shares[1]), strict=False):
        if drawn < upto:
            return part
    return PARTS[2]


def give_groups(dataset):
    """Give each prompt of a dataset that has none its group."""
    without = Prompt.objects.visible().filter(dataset=dataset, group="").order_by("pk").defer("html")
    while some := list(without[:AT_ONCE]):
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


def shingles_of(prompt):
    """The runs of three words of all that a prompt says, as hashes; case, accents' spelling and punctuation aside."""
    said = "\n".join([prompt.system, *(words for _, words in prompt.turns), prompt.instruction, prompt.input])
    words = TOKEN.findall(unicodedata.normalize("NFKC", said).casefold()) or [said]
    runs = {" ".join(words[n : n + SHINGLE]) for n in range(max(1, len(words) - SHINGLE + 1))}
    return {int.from_bytes(blake2b(run.encode(), digest_size=8).digest(), "big") for run in runs}


def similarity(one, other):
    return len(one & other) / len(one | other)


def marks_of(shingles):
    """Ten marks of a prompt; two prompts share one the more likely, the more runs they share (0.98 at a similarity of
    0.7, 0.08 at 0.2).

    MinHash with one permutation: the smallest hash in each of 30 bins (Li, Owen and Zhang 2012, "One Permutation
    Hashing"), empty bins filled from the next full one (Shrivastava and Li 2014, "Densifying One Permutation Hashing
    via Rotation"), in bands of three (Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", section 3.4).
    """
    smallest = [None] * BINS
    for value in shingles:
        place, rest = value % BINS, value // BINS
        if smallest[place] is None or rest < smallest[place]:
            smallest[place] = rest
    filled = [nearest(smallest, place) for place in range(BINS)]
    size = BINS // BANDS
    bands = [repr((band, filled[band * size : (band + 1) * size])) for band in range(BANDS)]
    return [int.from_bytes(blake2b(band.encode(), digest_size=8).digest(), "big", signed=True) for band in bands]


def nearest(smallest, place):
    """(how far, what) of the next bin from this one on that is not empty."""
    turned = [*smallest[place:], *smallest[:place]]
    return next((step, value) for step, value in enumerate(turned) if value is not None)
