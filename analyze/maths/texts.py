"""Texts as rows of numbers, for any language."""

import re
from collections.abc import Sequence
from typing import Any

from analyze.maths.arrays import Sparse

UNSPACED = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
WORD = re.compile(rf"[^\W_{UNSPACED}]+")
RUN = re.compile(rf"[{UNSPACED}]+")  # scripts without spaces between words
COMMON_TOKEN = ""
MOST_WORDS = 200_000  # size of the vocabulary: the most frequent words
MOST_CHARACTERS = 20_000  # of a text; the rest is ignored


def split_tokens(text: str) -> list[str]:
    """The words of a text; in Chinese, Japanese and the like, its characters and character bigrams.

    The list starts with COMMON_TOKEN, so that even an empty text has a token to count.

    >>> split_tokens("Two moons")[1:], split_tokens("海滩")[1:]
    (['two', 'moons'], ['海', '滩', '海滩'])
    """
    text = text[:MOST_CHARACTERS].lower()
    words = [COMMON_TOKEN, *WORD.findall(text)]
    for run in RUN.findall(text):
        words += run
        words += [run[place : place + 2] for place in range(len(run) - 1)]
    return words


def fit_tfidf(texts: Sequence[str]) -> tuple[Any, Sparse]:
    """(vectorizer, matrix): TF-IDF of the texts with sublinear counts (Salton and Buckley 1988).

    The vectorizer is sklearn's TfidfVectorizer; the matrix has the shape (texts, words).

    >>> vectorizer, matrix = fit_tfidf(["one two", "two three"])
    >>> matrix.shape, sorted(vectorizer.vocabulary_)
    ((2, 4), ['', 'one', 'three', 'two'])
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    rare = 2 if len(texts) > 20 else 1
    vectorizer = TfidfVectorizer(analyzer=split_tokens, sublinear_tf=True, min_df=rare, max_features=MOST_WORDS)
    return vectorizer, vectorizer.fit_transform(texts)
