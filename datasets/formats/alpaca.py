"""Alpaca: instruction, input, output. FORMATS.md section 3, `alpaca`; read shape 24."""

from datasets.formats import reading
from datasets.formats.rows import DEMONSTRATION, Demonstration, LeftOut, Response, Row

LABEL = "Alpaca"
SHAPE = 24
WRITES = Demonstration


def matches(keys, row):
    return {"instruction", "output"} <= keys and not reading.marked(keys, row)


def read(row):
    text = reading.answer(reading.required(row, "output"), "output")
    return Row(reading.prompt(row), (Response(text, reading.source(row)),), DEMONSTRATION)


def write(row):
    if row.prompt.turns:
        raise LeftOut("needs_history")
    if row.prompt.system:
        raise LeftOut("needs_system")
    return {"instruction": row.prompt.instruction, "input": row.prompt.input, "output": row.answer}
