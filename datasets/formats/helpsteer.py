"""HelpSteer's ratings: prompt, response, and helpfulness, correctness, coherence, complexity, verbosity. Read shape 15.

Ratings are not choices: they are ignored, and the answers to a prompt are candidates to compare.
"""

from datasets.formats import parsers
from datasets.formats.judged import parse_row_answer
from datasets.formats.rows import CANDIDATES, RawRow, Response, Row
from datasets.formats.vocabulary import RATINGS

LABEL = "HelpSteer (responses with ratings)"
SHAPE = 15
KEEPS = frozenset(RATINGS)


def matches(keys: set[str], row: RawRow) -> bool:
    return {"prompt", "response"} <= keys and len(keys & RATINGS) >= 2


def read(row: RawRow) -> Row:
    parsers.require_field(row, "response")
    text = parse_row_answer(row, "response")
    return Row(parsers.parse_prompt(row), (Response(text, parsers.find_source(row)),), CANDIDATES)
