"""LLaMA-Factory's multi-turn ranking: conversations (or messages) and one chosen, one rejected turn. Read shape 6."""

from datasets.formats import parsers
from datasets.formats.judged import parse_single_answer
from datasets.formats.message_lists import build_sharegpt, build_sharegpt_turn, build_turns, require_alternation
from datasets.formats.pairs import build_pair
from datasets.formats.rows import Preference, RawRow, Response, Row

LABEL = "ShareGPT ranking (LLaMA-Factory)"
SHAPE = 6
WRITES = Preference
TRAINERS = {"LLaMA-Factory": '"formatting": "sharegpt", "ranking": true'}
TAKES_EXTRAS = True


def matches(keys: set[str], row: RawRow) -> bool:
    return {"chosen", "rejected"} <= keys and any(isinstance(row.get(key), dict) for key in ("chosen", "rejected"))


def read(row: RawRow) -> Row:
    chosen = parse_single_answer(parsers.parse_messages([parsers.require_field(row, "chosen")], "chosen"), "chosen")
    rejected = parse_single_answer(
        parsers.parse_messages([parsers.require_field(row, "rejected")], "rejected"), "rejected"
    )
    return build_pair(row, parsers.parse_prompt(row), Response(chosen), [Response(rejected)])


def write(row: Preference) -> RawRow:
    require_alternation(row.prompt)
    return {
        "conversations": build_sharegpt(build_turns(row.prompt)),
        "chosen": build_sharegpt_turn("assistant", row.chosen),
        "rejected": build_sharegpt_turn("assistant", row.rejected),
    }
