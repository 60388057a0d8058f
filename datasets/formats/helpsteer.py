"""HelpSteer's ratings: prompt, response, and helpfulness, correctness, coherence, complexity, verbosity. Read shape 15.

A rating is no choice: the answers to a prompt are to be compared, and the ratings passed over.
"""

from datasets.formats import parsers
from datasets.formats.rows import CANDIDATES, Response, Row

LABEL = "HelpSteer (responses with ratings)"
SHAPE = 15


def matches(keys, row):
    return {"prompt", "response"} <= keys and len(keys & parsers.RATINGS) >= 2


def read(row):
    text = parsers.parse_answer(parsers.require_field(row, "response"), "response")
    return Row(parsers.parse_prompt(row), (Response(text, parsers.find_source(row)),), CANDIDATES)
