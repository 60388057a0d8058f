"""Alpaca: instruction, input, output. FORMATS.md section 3, `alpaca`; read shape 24."""

from datasets.formats import parsers
from datasets.formats.rows import DEMONSTRATION, Demonstration, Omission, Response, Row

LABEL = "Alpaca"
SHAPE = 24
WRITES = Demonstration


def matches(keys, row):
    return {"instruction", "output"} <= keys and not parsers.has_rating(keys, row)


def read(row):
    text = parsers.parse_answer(parsers.require_field(row, "output"), "output")
    return Row(parsers.parse_prompt(row), (Response(text, parsers.find_source(row)),), DEMONSTRATION)


def write(row):
    if row.prompt.turns:
        raise Omission("needs_history")
    if row.prompt.system:
        raise Omission("needs_system")
    return {"instruction": row.prompt.instruction, "input": row.prompt.input, "output": row.answer}
