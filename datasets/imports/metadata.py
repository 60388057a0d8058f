"""Metadata of rows: what our own exports wrote of it, and whether it can be stored."""

from typing import Any

from datasets.files.jsonl import decoder
from datasets.formats import parsers
from datasets.formats.rows import Refusal

OWN_META = "meta"  # the column of metadata in our own exports


def parse_own_meta(cell: str, name: str) -> dict[str, Any]:
    """The metadata in a cell of our own exports, one object as JSON; {name: cell} if it is none.

    >>> parse_own_meta('{"topic": "space"}', "meta")
    {'topic': 'space'}
    """
    try:
        return dict(decoder.decode(cell))
    except (ValueError, RecursionError):
        return {name: cell}


def find_unstorable_text(value: object, field: str) -> Refusal | None:
    """The refusal of a text in metadata that cannot be stored (NUL, a lone surrogate); None if there is none.

    >>> find_unstorable_text({"topic": ["a\\x00b"]}, "").field
    'topic[0]'
    """
    if isinstance(value, dict):
        parts = [(name, f"{field}.{name}" if field else name) for name in value]
        texts = [(name, place) for name, place in parts] + [(value[name], place) for name, place in parts]
    elif isinstance(value, list):
        texts = [(item, f"{field}[{number}]") for number, item in enumerate(value)]
    else:
        try:
            parsers.parse_text(value if isinstance(value, str) else "", field)
        except Refusal as refusal:
            return refusal
        return None
    return next(filter(None, (find_unstorable_text(text, place) for text, place in texts)), None)
