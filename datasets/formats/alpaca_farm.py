"""AlpacaFarm and the annotations of AlpacaEval: instruction, output_1, output_2, and preference 1 or 2. Read shape 12.

AlpacaEval's newer preferences lie between (1.94: quite sure of the second); 1.5, and 0 as older ones have it, is a tie.
"""

from datasets.formats import reading, wide
from datasets.formats.judged import build_pair_row
from datasets.formats.rows import Refusal, Response

LABEL = "AlpacaFarm (two outputs and a preference)"
SHAPE = 12


def matches(keys, row):
    two = wide.find_columns(keys, wide.ANSWER_COLUMN).keys() == {"1", "2"}
    return two and {"instruction", "output_1", "output_2", "preference"} <= keys and find_preference(row) is not None


def find_preference(row):
    """The preference as a number, or None."""
    try:
        return reading.parse_number(row.get("preference"), "preference")
    except Refusal:
        return None


def read(row):
    preferred = reading.parse_number(reading.require_field(row, "preference"), "preference")
    if preferred and not 1 <= preferred <= 2:
        raise Refusal("off_scale", "preference", str(preferred))
    verdict = "tie" if preferred in (0, 1.5) else int(preferred > 1.5)
    responses = [
        Response(
            reading.parse_answer(reading.require_field(row, key), key), reading.parse_name(row.get(source), source)
        )
        for key, source in (("output_1", "generator_1"), ("output_2", "generator_2"))
    ]
    annotator = reading.parse_name(row.get("annotator"), "annotator")
    return build_pair_row(reading.parse_prompt(row), responses, verdict, "preference", annotator)
