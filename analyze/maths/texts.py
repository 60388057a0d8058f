"""Texts as columns of numbers, for any language."""

import re

UNSPACED = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
WORD = re.compile(rf"[^\W_{UNSPACED}]+")
RUN = re.compile(rf"[{UNSPACED}]+")  # of letters that are written without blanks between words
COMMON_TOKEN = ""
MOST_WORDS = 200_000  # different words that are kept, the most frequent
MOST_CHARACTERS = 20_000  # characters of a text


def split_tokens(text):
    """Words; of Chinese, Japanese and the like each letter and each two that stand side by side. And COMMON_TOKEN,
    which all texts have: there is always something to count."""
    text = text[:MOST_CHARACTERS].lower()
    words = [COMMON_TOKEN, *WORD.findall(text)]
    for run in RUN.findall(text):
        words += run
        words += [run[place : place + 2] for place in range(len(run) - 1)]
    return words


def fit_tfidf(texts):
    """(vectorizer, matrix) of texts: TF-IDF of sublinear counts (Salton and Buckley 1988)."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    rare = 2 if len(texts) > 20 else 1
    vectorizer = TfidfVectorizer(analyzer=split_tokens, sublinear_tf=True, min_df=rare, max_features=MOST_WORDS)
    return vectorizer, vectorizer.fit_transform(texts)
