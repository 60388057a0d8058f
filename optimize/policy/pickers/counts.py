"""Counts how often people chose what an answer contains.

What counts is the words in which the two answers of a choice differ: all of a short answer if they have little in
common, else each place where they differ. An answer's score is how often its words were chosen; among answers with the
same score, the one whose words were rejected less often.
"""

import difflib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from ahocorasick_rs import AhoCorasick

from analyze.maths.arrays import Floats
from analyze.maths.predictor import assign_folds
from analyze.maths.texts import COMMON_TOKEN, RUN, WORD, split_tokens
from optimize.policy.choices import JudgedChoices

RANK = 1
HAS_CHANCES = False
LONGEST_WHOLE = 60  # characters of an answer that counts as a whole
LONGEST_COMPARED = 300  # characters; of longer answers, the words that only one of them has count
LONGEST = 4000  # characters of an answer that are looked at
MOST_WORDS = 20_000  # that are counted, the most frequent ones
ALIKE = 0.5  # share of common pieces from which only the differences count

Difference = tuple[frozenset[str], frozenset[str]]  # (words only in the better answer, words only in the worse one)


@dataclass(frozen=True)
class CountsPicker:
    """chosen, rejected: (words,), how often each was. finder: finds the words in a text."""

    chosen: Floats
    rejected: Floats
    finder: AhoCorasick | None

    def score(self, texts: Sequence[str]) -> Floats:
        most, scores = self.rejected.sum() + 1, []
        for text in texts:
            contained: list[int] = []
            if self.finder:
                found = self.finder.find_matches_as_indexes(text[:LONGEST].casefold(), overlapping=True)
                contained = list({word for word, _, _ in found})
            scores.append(self.chosen[contained].sum() - self.rejected[contained].sum() / most)
        return np.array(scores, float)


def fit(choices: JudgedChoices) -> CountsPicker:
    return count_words([difference for difference in list_differences(choices) if difference])


def score_held_out(choices: JudgedChoices) -> dict[int, float]:
    differences, fold = list_differences(choices), assign_folds(choices.prompt)
    scores: dict[int, float] = {}
    for number in range(fold.max() + 1):
        out = fold == number
        seen = zip(differences, out.tolist(), strict=True)
        picker = count_words([difference for difference, is_out in seen if difference and not is_out])
        ids = np.unique(np.concatenate([choices.chosen[out], choices.rejected[out]])).tolist()
        scores |= dict(zip(ids, picker.score([choices.texts[pk] for pk in ids]).tolist(), strict=True))
    return scores


def list_differences(choices: JudgedChoices) -> list[Difference | None]:
    """The difference of each choice; None for a tie."""
    known: dict[tuple[str, str], Difference] = {}
    found: list[Difference | None] = []
    for better, worse, strength in zip(*choices.get_texts(), choices.strength.tolist(), strict=True):
        if strength and (better, worse) not in known:
            known[better, worse] = find_differences(better, worse)
        found.append(known[better, worse] if strength else None)
    return found


def count_words(differences: Iterable[Difference]) -> CountsPicker:
    """The picker that has counted these differences."""
    won: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for better, worse in differences:
        won.update(better)
        lost.update(worse)
    words = [word for word, _ in (won + lost).most_common(MOST_WORDS)]
    counts = [np.array([counter[word] for word in words], float) for counter in (won, lost)]
    return CountsPicker(counts[0], counts[1], AhoCorasick(words) if words else None)


def find_differences(better: str, worse: str) -> Difference:
    """The words in which two answers differ."""
    texts = [text.casefold()[:LONGEST] for text in (better, worse)]
    if max(map(len, texts)) > LONGEST_COMPARED:
        tokens = [frozenset(split_tokens(text)) - {COMMON_TOKEN} for text in texts]
        return tokens[0] - tokens[1], tokens[1] - tokens[0]
    pieces = [split_pieces(text) for text in texts]
    matcher = difflib.SequenceMatcher(None, pieces[0], pieces[1], autojunk=False)
    if matcher.ratio() < ALIKE:
        wholes = [{strip_edges(text)} if len(text) <= LONGEST_WHOLE else set() for text in texts]
        return frozenset(wholes[0] - wholes[1] - {""}), frozenset(wholes[1] - wholes[0] - {""})
    found: tuple[set[str], set[str]] = (set(), set())
    for kind, start, end, other_start, other_end in matcher.get_opcodes():
        if kind != "equal":
            found[0].add(strip_edges("".join(pieces[0][start:end])))
            found[1].add(strip_edges("".join(pieces[1][other_start:other_end])))
    return frozenset(found[0] - found[1] - {""}), frozenset(found[1] - found[0] - {""})


def split_pieces(text: str) -> list[str]:
    """The text in pieces: words, characters of scripts without spaces, and what is between them."""
    pieces, at = [], 0
    while at < len(text):
        found = WORD.match(text, at)
        end = found.end() if found else at + 1
        pieces.append(text[at:end])
        at = end
    return pieces


def strip_edges(text: str) -> str:
    """The text without white space and punctuation around it; "" if nothing else is in it."""
    if not (WORD.search(text) or RUN.search(text)):
        return ""
    start, end = 0, len(text)
    while not (WORD.match(text[start]) or RUN.match(text[start])):
        start += 1
    while not (WORD.match(text[end - 1]) or RUN.match(text[end - 1])):
        end -= 1
    return text[start:end]
