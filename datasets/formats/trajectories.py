"""Answers of several turns: a model's answer, what the user says to it, the next answer, and so on."""

from collections.abc import Sequence

from datasets.formats import parsers
from datasets.formats.judged import parse_row_answer
from datasets.formats.rows import RawRow, Refusal, Response, Turn

HEADINGS = {"assistant": "**Assistant:**", "user": "**User:**"}


def build_transcript(turns: Sequence[Turn]) -> str:
    """The text of an answer of several turns, for people who compare it; its turns are kept beside it.

    >>> build_transcript([("assistant", "Phobos."), ("user", "And?"), ("assistant", "Deimos.")])
    '**Assistant:**\\n\\nPhobos.\\n\\n**User:**\\n\\nAnd?\\n\\n**Assistant:**\\n\\nDeimos.'
    """
    return "\n\n".join(f"{HEADINGS[role]}\n\n{words}" for role, words in turns)


def build_response(turns: Sequence[Turn], source: str = "") -> Response:
    """The response of these turns, which begin and end with the assistant.

    >>> build_response([("assistant", "Phobos.")])
    Response(text='Phobos.', source='', turns=())
    """
    return Response(build_transcript(turns), source, tuple(turns)) if len(turns) > 1 else Response(turns[0][1], source)


def parse_spoken_answer(transcript: Sequence[Turn], field: str) -> Response:
    """The answer that continues a prompt: one turn of the assistant, or several that alternate with the user's."""
    if len(transcript) == 1 and transcript[0][0] == "assistant":
        return Response(parsers.parse_answer(transcript[0][1], field))
    roles = [role for role, _ in transcript]
    if "system" in roles[1:]:
        raise Refusal("system_not_first", field)
    if not roles or {roles[0], roles[-1]} != {"assistant"} or "user" not in roles:
        raise Refusal("not_one_answer", field)
    if "user" in roles[::2] or "assistant" in roles[1::2]:
        raise Refusal("not_alternating", field)
    for _, words in transcript[:-1]:
        if not words.strip():
            raise Refusal("empty_turn", field)
    parsers.parse_answer(transcript[-1][1], field)
    return build_response(transcript)


def parse_row_response(row: RawRow, key: str) -> Response:
    """The answer in a column: a text, or the messages that continue the row's prompt."""
    if parsers.is_message_list(row, key):
        return parse_spoken_answer(parsers.parse_messages(row[key], key), key)
    return Response(parse_row_answer(row, key))


def find_divergence(chosen: Sequence[Turn], rejected: Sequence[Turn]) -> int | None:
    """How many turns two conversations share, up to the user's turn that the assistant answers differently.

    None if they part elsewhere: what the user or the system says differs first, or one conversation only ends earlier.

    >>> asked = ("user", "Name two moons.")
    >>> find_divergence([asked, ("assistant", "Phobos.")], [asked, ("assistant", "Luna."), ("user", "And?")])
    1
    """
    place = next((n for n, (one, other) in enumerate(zip(chosen, rejected, strict=False)) if one != other), 0)
    if not place or chosen[place - 1][0] != "user":
        return None
    return place if chosen[place][0] == rejected[place][0] == "assistant" else None
