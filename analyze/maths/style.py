"""What shows in the form of an answer: length, lists, headings, code, bold, a refusal."""

import re

import numpy as np

LIST = re.compile(r"^[ \t]*(?:[-*+][ \t]+|\d{1,3}[.)][ \t]+|•[ \t]*|\d{1,3}、)\S", re.MULTILINE)
HEADING = re.compile(r"^#{1,6}[ \t]+\S|^\S.{0,80}\n(?:={3,}|-{3,})[ \t]*$", re.MULTILINE)
CODE = re.compile(r"^[ \t]*(?:```|~~~)", re.MULTILINE)
BOLD = re.compile(r"\*\*[^*\n]+\*\*|__[^_\n]+__")
# As refusals begin; kinds after Röttger et al. (2024), "XSTest", arXiv 2308.01263, and the same in Chinese.
REFUSAL_START = 200  # characters: a refusal says so at once
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


def count_traits(texts):
    """(n, 6) counts of each text, columns as in TRAITS: characters, list items, headings, blocks of code, words in
    bold, and 1 for a refusal."""
    return np.array([_count_text_traits(text) for text in texts], float).reshape(len(texts), len(TRAITS))


def is_refusal(text):
    return bool(REFUSAL.search(text[:REFUSAL_START]))


def _count_text_traits(text):
    lists, headings, fences, bold = (len(pattern.findall(text)) for pattern in (LIST, HEADING, CODE, BOLD))
    return len(text), lists, headings, fences // 2, bold, is_refusal(text)
