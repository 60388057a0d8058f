"""AlpacaFarm and the annotations of AlpacaEval: instruction, output_1, output_2, and preference 1 or 2. Read shape 12.

AlpacaEval's newer preferences lie in between (1.94: the second, almost certainly). A tie is 1.5, in older files 0.
"""

from datasets.formats import parsers, wide
from datasets.formats.judged import Winner, build_pair_row
from datasets.formats.rows import RawRow, Refusal, Response, Row

LABEL = "AlpacaFarm (two outputs and a preference)"
SHAPE = 12
KEEPS = frozenset(
    {"annotator_index", "sample_mode", "raw_preference", "raw_completion", "price_per_example", "time_per_example",
     "is_flipped", "datasplit", "referenced_models"}
)  # fmt: skip


def matches(keys: set[str], row: RawRow) -> bool:
    two = wide.find_columns(keys, wide.ANSWER_COLUMN).keys() == {"1", "2"}
    return two and {"instruction", "output_1", "output_2", "preference"} <= keys and find_preference(row) is not None


def find_preference(row: RawRow) -> float | None:
    """The preference as a number, or None."""
    try:
        return parsers.parse_number(row.get("preference"), "preference")
    except Refusal:
        return None


def read(row: RawRow) -> Row:
    preferred = parsers.parse_number(parsers.require_field(row, "preference"), "preference")
    if preferred and not 1 <= preferred <= 2:
        raise Refusal("off_scale", "preference", str(preferred))
    verdict: Winner = "tie" if preferred in (0, 1.5) else int(preferred > 1.5)
    responses = [
        Response(
            parsers.parse_answer(parsers.require_field(row, key), key), parsers.parse_name(row.get(source), source)
        )
        for key, source in (("output_1", "generator_1"), ("output_2", "generator_2"))
    ]
    annotator = parsers.parse_name(row.get("annotator"), "annotator")
    return build_pair_row(parsers.parse_prompt(row), responses, verdict, "preference", annotator)
