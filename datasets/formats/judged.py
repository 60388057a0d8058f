"""What all chosen/rejected shapes share: a judged row of two answers, with an optional annotator."""

from datasets.formats import reading
from datasets.formats.rows import JUDGED, Refused, Response, Row, Vote


def judged_row(row, prompt, chosen, rejected):
    """The row that says: of these two answers the first is better."""
    if chosen == rejected:
        raise Refused("same_answer", "rejected")
    annotator = reading.name(row.get("annotator"), "annotator")
    return Row(prompt, (Response(chosen), Response(rejected)), JUDGED, (Vote((0, 1), "left", annotator),))


def last_answer(said, field):
    """The text of one side that holds only the answer: one assistant message."""
    if len(said) != 1 or said[0][0] != "assistant":
        raise Refused("not_one_answer", field)
    return reading.answer(said[0][1], field)
