"""AlpacaFarm and the annotations of AlpacaEval: instruction, output_1, output_2, and preference 1 or 2. Read shape 12.

AlpacaEval's newer preferences lie between (1.94: quite sure of the second); 1.5, and 0 as older ones have it, is a tie.
"""

from datasets.formats import reading, wide
from datasets.formats.judged import pair_row
from datasets.formats.rows import Refused, Response

LABEL = "AlpacaFarm (two outputs and a preference)"
SHAPE = 12


def matches(keys, row):
    two = wide.numbered(keys, wide.ANSWER_COLUMN).keys() == {"1", "2"}
    return two and {"instruction", "output_1", "output_2", "preference"} <= keys and preference(row) is not None


def preference(row):
    """The preference as a number, or None."""
    try:
        return reading.number(row.get("preference"), "preference")
    except Refused:
        return None


def read(row):
    preferred = reading.number(reading.required(row, "preference"), "preference")
    if preferred and not 1 <= preferred <= 2:
        raise Refused("off_scale", "preference", str(preferred))
    verdict = "tie" if preferred in (0, 1.5) else int(preferred > 1.5)
    responses = [
        Response(reading.answer(reading.required(row, key), key), reading.name(row.get(source), source))
        for key, source in (("output_1", "generator_1"), ("output_2", "generator_2"))
    ]
    annotator = reading.name(row.get("annotator"), "annotator")
    return pair_row(reading.prompt(row), responses, verdict, "preference", annotator)
