"""Similarity of texts, and the MinHash bands that similar texts share. Pure."""

import re
import struct
import unicodedata
from functools import cached_property
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasets import models
    from datasets.formats import rows

SIMILARITY_THRESHOLD = 0.7  # Jaccard similarity of the shingles (runs of three words)
SHINGLE_WORDS = 3
BINS, BANDS = 30, 10
SAMPLED_FROM, SAMPLES, SAMPLE_LENGTH = (
    120,
    9,
    12,
)  # least characters of a text; pieces; characters of each
AT_ONCE = 500  # characters normalised in one call
# A word, or one ideograph, kana or hangul syllable: these are written without blanks.
TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+")


def compute_prompt_shingles(prompt: "rows.Prompt | models.Prompt") -> set[int]:
    """The hashed shingles of all parts of a prompt."""
    return compute_shingles(
        "\n".join([prompt.system, *(words for _, words in prompt.turns), prompt.instruction, prompt.input])
    )


def split_words(text: str) -> list[str]:
    """The words of a text, case-folded and Unicode-normalised, without punctuation."""
    return TOKEN.findall(normalize_text(text).casefold()) or [text]


def normalize_text(text: str) -> str:
    """The text in Unicode's NFKC, AT_ONCE characters at a time.

    Python sorts the combining marks on one letter in quadratic time, and a hostile text can have any number of them.
    """
    if text.isascii() or len(text) <= AT_ONCE:
        return unicodedata.normalize("NFKC", text)
    pieces = (text[start : start + AT_ONCE] for start in range(0, len(text), AT_ONCE))
    return "".join([unicodedata.normalize("NFKC", piece) for piece in pieces])


def compute_shingles(text: str) -> set[int]:
    """The hashed shingles (runs of three words) of a text."""
    words = split_words(text)
    shingles = {" ".join(words[n : n + SHINGLE_WORDS]).encode() for n in range(max(1, len(words) - SHINGLE_WORDS + 1))}
    return set(
        struct.unpack(f">{len(shingles)}Q", b"".join([blake2b(run, digest_size=8).digest() for run in shingles]))
    )


def compute_similarity(first: set[int], second: set[int]) -> float:
    """The Jaccard similarity of two sets of shingles, 0 to 1."""
    return len(first & second) / len(first | second)


def compute_minhash_bands(shingles: set[int]) -> list[int]:
    """The ten band hashes of a prompt, as signed 64-bit integers.

    The more similar two prompts are, the likelier they share a band: with probability 0.98 at a similarity of 0.7, and
    0.08 at 0.2.

    MinHash with one permutation: the smallest hash in each of 30 bins (Li, Owen and Zhang 2012, "One Permutation
    Hashing"), empty bins filled from the next full one (Shrivastava and Li 2014, "Densifying One Permutation Hashing
    via Rotation"), in bands of three (Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", section 3.4).
    """
    smallest: list[int | None] = [None] * BINS
    for value in shingles:
        place, rest = value % BINS, value // BINS
        least = smallest[place]
        if least is None or rest < least:
            smallest[place] = rest
    filled = fill_empty_bins(smallest)
    size = BINS // BANDS
    bands = [repr((band, filled[band * size : (band + 1) * size])) for band in range(BANDS)]
    return [int.from_bytes(blake2b(band.encode(), digest_size=8).digest(), "big", signed=True) for band in bands]


def fill_empty_bins(smallest: list[int | None]) -> list[tuple[int, int | None]]:
    """For each bin, the distance to the next full bin from it on, and that bin's value; the bins form a ring."""
    bins: list[tuple[int, int | None]] = [(0, None)] * BINS
    last = 0
    for place in reversed(range(2 * BINS)):
        if smallest[place % BINS] is not None:
            last = place
        bins[place % BINS] = (last - place, smallest[last % BINS])
    return bins


class ComparedText:
    """A text to compare with several others; caches what the comparisons need, computed on first use."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def folded(self) -> str:
        return self.text.casefold()

    @cached_property
    def samples(self) -> list[str]:
        return pick_samples(self.folded)

    @cached_property
    def shingles(self) -> set[int]:
        return compute_shingles(self.text)


def is_near_duplicate(first: ComparedText, second: ComparedText, least: float) -> bool:
    """Whether the similarity of two texts is at least `least`, which must be at least 0.8.

    Rejects by length or by a few samples first, where these suffice.
    """
    shorter, longer = sorted((first, second), key=lambda text: len(text.folded))
    if len(shorter.folded) < 0.7 * len(longer.folded):
        return False
    if len(shorter.folded) >= SAMPLED_FROM and sum(piece in longer.folded for piece in shorter.samples) < SAMPLES // 3:
        return False
    return compute_similarity(first.shingles, second.shingles) >= least


def pick_samples(text: str) -> list[str]:
    """Evenly spread pieces of a text; any near-duplicate contains nearly all of them."""
    step = (len(text) - SAMPLE_LENGTH) // SAMPLES
    return [text[n * step : n * step + SAMPLE_LENGTH] for n in range(SAMPLES)]
