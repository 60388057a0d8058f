"""Alpaca: instruction, input, output. FORMATS.md section 3, `alpaca`; read shape 24."""

from datasets.formats import parsers
from datasets.formats.judged import parse_row_answer
from datasets.formats.rows import DEMONSTRATION, Demonstration, Omission, RawRow, Response, Row
from datasets.formats.vocabulary import MODEL_KEYS

LABEL = "Alpaca"
SHAPE = 24
WRITES = Demonstration
TRAINERS = {
    "LLaMA-Factory": "",
    "ms-swift": "",
    "Axolotl": "type: alpaca",
}
TAKES_EXTRAS = True


def matches(keys: set[str], row: RawRow) -> bool:
    return {"instruction", "output"} <= keys and not parsers.has_rating(keys, row)


def read(row: RawRow) -> Row:
    parsers.require_field(row, "output")
    text = parse_row_answer(row, "output")
    return Row(parsers.parse_prompt(row), (Response(text, parsers.find_source(row, MODEL_KEYS)),), DEMONSTRATION)


def write(row: Demonstration) -> RawRow:
    if row.prompt.turns:
        raise Omission("needs_history")
    if row.prompt.system:
        raise Omission("needs_system")
    return {"instruction": row.prompt.instruction, "input": row.prompt.input, "output": row.answer}
