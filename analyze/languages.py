"""The language of a text, judged by its script."""

import re

KANA = re.compile(r"[\u3040-\u30ff]")
HANGUL = re.compile(r"[\uac00-\ud7af]")
IDEOGRAPH = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
CYRILLIC = re.compile(r"[\u0400-\u04ff]")
ARABIC = re.compile(r"[\u0600-\u06ff]")
LATIN = re.compile(r"[a-zA-Z\u00c0-\u024f]")
MOST_CHARACTERS = 2000  # of a text; the rest is ignored
WEIGHT = 3  # an ideograph carries about as much as three letters


def detect_language(text: str) -> str:
    """`zh`, `ja`, `ko`, `ru` (any Cyrillic), `ar` (any Arabic), `latin`, or `other`, by the text's main script."""
    text = text[:MOST_CHARACTERS]
    counts = {
        "ko": WEIGHT * len(HANGUL.findall(text)),
        "zh": WEIGHT * len(IDEOGRAPH.findall(text)),
        "ru": len(CYRILLIC.findall(text)),
        "ar": len(ARABIC.findall(text)),
        "latin": len(LATIN.findall(text)),
    }
    if KANA.search(text) and counts["zh"] + counts["ko"] < WEIGHT * 10 * len(KANA.findall(text)):
        counts["ja"] = counts["zh"] + WEIGHT * len(KANA.findall(text)) + 1
    best = max(counts, key=lambda name: counts[name])
    return best if counts[best] else "other"
