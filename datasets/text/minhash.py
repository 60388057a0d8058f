"""How alike two texts are, and marks that texts which are alike share. Pure."""

import re
import struct
import unicodedata
from functools import cached_property
from hashlib import blake2b

SIMILARITY_THRESHOLD = 0.7  # Jaccard similarity of the runs of three words
SHINGLE_WORDS = 3
BINS, BANDS = 30, 10
SAMPLED_FROM, SAMPLES, SAMPLE_LENGTH = 120, 9, 12  # texts of so many characters, so many pieces of so many characters
AT_ONCE = 500  # characters
# A word, or one ideograph, kana or hangul syllable: those stand without blanks between them.
TOKEN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_]+")


def compute_prompt_shingles(prompt):
    """The runs of three words of all that a prompt says, as hashes."""
    return compute_shingles(
        "\n".join([prompt.system, *(words for _, words in prompt.turns), prompt.instruction, prompt.input])
    )


def split_words(text):
    """The words of a text; case, accents' spelling and punctuation aside."""
    return TOKEN.findall(normalize_text(text).casefold()) or [text]


def normalize_text(text):
    """A text in which accents are spelled alike. A few characters at a time: Python sorts the accents on one letter in
    a time that grows with their square, and any number of them may stand there."""
    if text.isascii() or len(text) <= AT_ONCE:
        return unicodedata.normalize("NFKC", text)
    pieces = (text[start : start + AT_ONCE] for start in range(0, len(text), AT_ONCE))
    return "".join([unicodedata.normalize("NFKC", piece) for piece in pieces])


def compute_shingles(text):
    """The runs of three words of a text, as hashes."""
    words = split_words(text)
    shingles = {" ".join(words[n : n + SHINGLE_WORDS]).encode() for n in range(max(1, len(words) - SHINGLE_WORDS + 1))}
    return set(
        struct.unpack(f">{len(shingles)}Q", b"".join([blake2b(run, digest_size=8).digest() for run in shingles]))
    )


def compute_similarity(first, second):
    return len(first & second) / len(first | second)


def compute_minhash_bands(shingles):
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
    filled = fill_empty_bins(smallest)
    size = BINS // BANDS
    bands = [repr((band, filled[band * size : (band + 1) * size])) for band in range(BANDS)]
    return [int.from_bytes(blake2b(band.encode(), digest_size=8).digest(), "big", signed=True) for band in bands]


def fill_empty_bins(smallest):
    """For each bin (how far, what) of the next one from it on that is not empty; after the last comes the first."""
    bins, last = [None] * BINS, 0
    for place in reversed(range(2 * BINS)):
        if smallest[place % BINS] is not None:
            last = place
        bins[place % BINS] = (last - place, smallest[last % BINS])
    return bins


class ComparedText:
    """A text that is compared with several others: what that takes is made once, and only if it is needed."""

    def __init__(self, text):
        self.text = text

    @cached_property
    def folded(self):
        return self.text.casefold()

    @cached_property
    def samples(self):
        return pick_samples(self.folded)

    @cached_property
    def shingles(self):
        return compute_shingles(self.text)


def is_near_duplicate(first, second, least):
    """Whether two texts, each a ComparedText, are this much alike, at least 0.8. What is told apart by its length or
    by a few samples is not looked at further."""
    shorter, longer = sorted((first, second), key=lambda text: len(text.folded))
    if len(shorter.folded) < 0.7 * len(longer.folded):
        return False
    if len(shorter.folded) >= SAMPLED_FROM and sum(piece in longer.folded for piece in shorter.samples) < SAMPLES // 3:
        return False
    return compute_similarity(first.shingles, second.shingles) >= least


def pick_samples(text):
    """Pieces of a text, evenly spread: nearly all stand in any text that is nearly the same."""
    step = (len(text) - SAMPLE_LENGTH) // SAMPLES
    return [text[n * step : n * step + SAMPLE_LENGTH] for n in range(SAMPLES)]
