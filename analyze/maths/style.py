"""The form of an answer: length, lists, headings, code, bold, and whether it is a refusal."""

import re
from collections.abc import Sequence

import numpy as np

from analyze.maths.arrays import Floats

LIST = re.compile(r"^[ \t]*(?:[-*+][ \t]+|\d{1,3}[.)][ \t]+|•[ \t]*|\d{1,3}、)\S", re.MULTILINE)
HEADING = re.compile(r"^#{1,6}[ \t]+\S|^\S.{0,80}\n(?:={3,}|-{3,})[ \t]*$", re.MULTILINE)
CODE = re.compile(r"^[ \t]*(?:```|~~~)", re.MULTILINE)
BOLD = re.compile(r"\*\*[^*\n]+\*\*|__[^_\n]+__")
# Openings of refusals: the kinds of Röttger et al. (2024), "XSTest", arXiv 2308.01263, in English and in Chinese.
REFUSAL_START = 200  # characters: a refusal opens with it
AM, CANNOT = r"I(?:['’]m| am)", r"(?:can(?:no|['’])t|won['’]t|must decline|will not)"
REFUSALS = (
    rf"\b{AM} (?:very |really |so |truly )?sorry,? (?:but )?(?:that )?(?:I {CANNOT}|{AM} (?:not|unable)|as an AI)",
    rf"\bI {CANNOT}(?: to)? (?:help|assist|provide|answer|comply|fulfil|engage|discuss|create|generate|write|support)",
    rf"\b{AM} (?:unable to|not able to|not comfortable)\b",
    r"\bI (?:do not|don['’]t) feel comfortable\b",
    rf"\bas an? (?:AI|artificial intelligence)(?: language)?(?: model| assistant)?,? I (?:{CANNOT}|do not|don['’]t)\b",
    r"(?:抱歉|对不起|很遗憾|不好意思)[，,。！! ]*.{0,12}(?:不能|无法|不可以|没办法|不便|不会)",
    r"我(?:不能|无法|没办法|不会|不便)(?:[为向帮][你您])?(?:提供|协助|帮助|回答|满足|完成|讨论|生成|参与)",
    r"作为(?:一个|一名)?(?:人工智能|AI|语言模型)[^。]{0,20}(?:不能|无法|不会|没有)",
)
REFUSAL = re.compile("|".join(REFUSALS), re.IGNORECASE)
TRAITS = ("length", "lists", "headings", "code", "bold", "refusals")


def count_traits(texts: Sequence[str]) -> Floats:
    """(n, 6): for each text the counts of TRAITS: characters, list items, headings, code blocks, bold spans, refusal.

    A refusal counts 1.

    >>> count_traits(["**Yes**", "I cannot help with that."]).tolist()
    [[7.0, 0.0, 0.0, 0.0, 1.0, 0.0], [24.0, 0.0, 0.0, 0.0, 0.0, 1.0]]
    """
    return np.array([_count_text_traits(text) for text in texts], float).reshape(len(texts), len(TRAITS))


def is_refusal(text: str) -> bool:
    """Whether the text opens as refusals do."""
    return bool(REFUSAL.search(text[:REFUSAL_START]))


def _count_text_traits(text: str) -> tuple[int, int, int, int, int, bool]:
    lists, headings, fences, bold = (len(pattern.findall(text)) for pattern in (LIST, HEADING, CODE, BOLD))
    return len(text), lists, headings, fences // 2, bold, is_refusal(text)
