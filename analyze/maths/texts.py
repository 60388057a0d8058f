"""Texts as columns of numbers, for any language."""

import re

UNSPACED = r"\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
WORD = re.compile(rf"[^\W_{UNSPACED}]+")
RUN = re.compile(rf"[{UNSPACED}]+")  # of letters that are written without blanks between words
EVERY = ""
MOST = 200_000  # different words that are kept, the most frequent
LOOKED_AT = 20_000  # characters of a text


def tokens(text):
    """Words; of Chinese, Japanese and the like each letter and each two that stand side by side. And EVERY, which all
    texts have: there is always something to count."""
    text = text[:LOOKED_AT].lower()
    found = [EVERY, *WORD.findall(text)]
    for run in RUN.findall(text):
        found += run
        found += [run[place : place + 2] for place in range(len(run) - 1)]
    return found


def weighed(texts):
    """(vectorizer, matrix) of texts: TF-IDF of sublinear counts (Salton and Buckley 1988)."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    rare = 2 if len(texts) > 20 else 1
    vectorizer = TfidfVectorizer(analyzer=tokens, sublinear_tf=True, min_df=rare, max_features=MOST)
    return vectorizer, vectorizer.fit_transform(texts)
