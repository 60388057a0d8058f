"""Dialogues in one text: turns of `Human:` and `Assistant:`, as HH and BELLE write them."""

import re

from datasets.formats.rows import Turn
from datasets.formats.vocabulary import ROLES

# A prompt that is a dialogue in one text: it begins with the user and ends where the assistant answers.
DIALOGUE_START = re.compile(r"\s*(?:Human|User|用户)[:：]")
DIALOGUE_END = re.compile(r"(\n+)(?:Assistant|助手)[:：]\s*\Z")
DIALOGUE_TURN = r"(?:\A\s*|{gap})(Human|User|Assistant|用户|助手)[:：]"


def is_dialogue(text: str) -> bool:
    """Whether a prompt is a dialogue in one text: it begins with `Human:` and ends with `Assistant:`.

    >>> is_dialogue("Human: Hi\\nAssistant:"), is_dialogue("Human: who says this?")
    (True, False)
    """
    return ":" in text[:20].replace("：", ":") and bool(DIALOGUE_START.match(text)) and bool(DIALOGUE_END.search(text))


def parse_dialogue(text: str) -> list[Turn]:
    """The turns of a dialogue in one text, without the assistant's empty last one.

    The space after each colon belongs to the format, not to the text. Where an empty line stands before the last
    `Assistant:`, one stands before every turn.
    """
    end = DIALOGUE_END.search(text)
    gap = r"\n\n" if end and len(end[1]) > 1 else r"\n+"
    parts = re.split(DIALOGUE_TURN.format(gap=gap), text[: end.start()] if end else text)
    return [
        (ROLES[speaker.lower()], words.removeprefix(" "))
        for speaker, words in zip(parts[1::2], parts[2::2], strict=True)
    ]
