"""Tells the reasoning of a model, between tags such as <think>, from its answer. Imports no Django."""

import re
from itertools import islice
from typing import NamedTuple

# DeepSeek and Qwen, GLM, Kimi; some leave out the opening tag, and one that is cut off the closing one.
TAG = re.compile(
    r"<(?P<end>/?)(?:think(?:ing)?|reasoning)>|◁(?P<end_of_kimi>/?)think▷|<\|(?:begin|(?P<end_of_thought>end))_of_thought\|>",
    re.IGNORECASE,
)
FENCE = re.compile(r"^ {0,3}(?:```|~~~)", re.MULTILINE)
SENTENCE_END = re.compile(r"[.!?。！？…)）] *$")
MOST_TAGS = 100  # that are looked at


class Part(NamedTuple):
    """A part of an answer."""

    text: str
    is_reasoning: bool


def split_reasoning(text: str) -> list[Part]:
    """The parts of an answer, without the tags between them.

    A tag within a line of text or a code block is text, and so is an opening tag after the beginning without its end.

    >>> split_reasoning("<think>Two moons.</think>\\n\\nPhobos")
    [Part(text='Two moons.', is_reasoning=True), Part(text='Phobos', is_reasoning=False)]
    >>> split_reasoning("Two moons.\\n</think>\\nPhobos")
    [Part(text='Two moons.\\n', is_reasoning=True), Part(text='Phobos', is_reasoning=False)]
    >>> split_reasoning("<think>Two mo"), split_reasoning("Write `<think>` first")
    ([Part(text='Two mo', is_reasoning=True)], [Part(text='Write `<think>` first', is_reasoning=False)])
    """
    return [Part(text[start:end], is_reasoning) for start, end, is_reasoning in find_parts(text)]


def find_parts(text: str) -> list[tuple[int, int, bool]]:
    """The parts of `split_reasoning` as (start, end, whether it is reasoning).

    >>> find_parts("<think>Two moons.</think>\\n\\nPhobos")
    [(7, 17, True), (27, 33, False)]
    """
    parts: list[tuple[int, int, bool]] = []
    done, opened = 0, None
    for tag in islice(TAG.finditer(text), MOST_TAGS):
        if is_closing(tag) and (opened or (not parts and is_closing_apart(text, tag))):
            start = opened.end() if opened else 0
            parts += [(done, opened.start() if opened else 0, False), (start, tag.start(), True)]
            done, opened = tag.end(), None
        elif not opened and not is_closing(tag) and is_opening_apart(text, done, tag):
            opened = tag
    if opened and not text[: opened.start()].strip():
        parts.append((opened.end(), len(text), True))
        done = len(text)
    parts.append((len(text) - len(text[done:].lstrip("\r\n")) if parts else 0, len(text), False))
    return [part for part in parts if text[part[0] : part[1]].strip()] or [(0, 0, False)]


def is_closing(tag: re.Match[str]) -> bool:
    return bool(tag["end"] or tag["end_of_kimi"] or tag["end_of_thought"])


def is_opening_apart(text: str, done: int, tag: re.Match[str]) -> bool:
    """Whether an opening tag begins its line, outside of blocks of code."""
    before = text[done : tag.start()]
    return not before.rpartition("\n")[2].strip() and not is_in_code(before)


def is_closing_apart(text: str, tag: re.Match[str]) -> bool:
    """Whether a closing tag without an opening one ends reasoning: it begins its line or follows a sentence."""
    before = text[: tag.start()]
    is_after_text = before[-1:] not in (*" `\"'",) or SENTENCE_END.search(before[-20:])
    return (not before.rpartition("\n")[2].strip() or bool(is_after_text)) and not is_in_code(before)


def is_in_code(before: str) -> bool:
    """Whether a fence before a place is still open."""
    return len(FENCE.findall(before)) % 2 == 1
