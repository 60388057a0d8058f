"""Helpers of the shapes that hold choices: judged rows of two answers, or of several in a ranking."""

import itertools
from collections.abc import Iterator, Mapping, Sequence, Sized
from typing import Literal, TypeAlias

from datasets.formats import parsers
from datasets.formats.rows import JUDGED, Prompt, RawRow, Refusal, Response, Row, Turn, Vote

MOST_ANSWERS = 26  # in one judgment: each pair of a ranking is a choice, and 26 answers make 325
Winner: TypeAlias = int | Literal["tie", "both_bad"]  # the index of the better response, or the verdict without one


def parse_single_answer(transcript: list[Turn], field: str) -> str:
    """The text of a side that holds only the answer, as one assistant message."""
    if len(transcript) != 1 or transcript[0][0] != "assistant":
        raise Refusal("not_one_answer", field)
    return parsers.parse_answer(transcript[0][1], field)


def parse_row_answer(row: RawRow, key: str) -> str:
    """The answer in a column: a text, or a list of one assistant message."""
    value = row[key]
    if parsers.is_message_list(row, key):
        return parse_single_answer(parsers.parse_messages(value, key), key)
    return parsers.drop_blank(row, parsers.parse_answer(value, key))


def build_pair_row(
    prompt: Prompt,
    responses: Sequence[Response],
    verdict: Winner,
    field: str,
    annotator: str = "",
    *,
    strength: int = 1,
    also: tuple[tuple[str, str], ...] = (),
) -> Row:
    """The judged row of two answers.

    verdict: 0 or 1, the index of the better one, or `tie` or `both_bad`.
    field: the field that states the verdict.
    strength, also: as in Vote.
    """
    if responses[0].text == responses[1].text:
        raise Refusal("same_answer", field)
    pair, outcome = ((1, 0) if verdict == 1 else (0, 1)), verdict if isinstance(verdict, str) else "left"
    vote = Vote(pair, outcome, annotator, strength=strength, also=also)
    return Row(prompt, tuple(responses), JUDGED, (vote,))


def build_graded_row(row: RawRow, prompt: Prompt, responses: Sequence[Response], field: str) -> Row:
    """The judged row of two answers and a grade from -3 (the first is better) through 0 (a tie) to 3."""
    grade = parsers.parse_scale_value(parsers.require_field(row, field), field, range(-3, 4))
    verdict: Winner = int(grade > 0) if grade else "tie"
    annotator = parsers.parse_name(row.get("annotator"), "annotator")
    return build_pair_row(prompt, responses, verdict, field, annotator, strength=abs(grade) or 1)


def check_answer_count(answers: Sized, field: str = "") -> None:
    """Refuses a judgment of more than MOST_ANSWERS answers."""
    if len(answers) > MOST_ANSWERS:
        raise Refusal("too_many_answers", field, f"{len(answers)} > {MOST_ANSWERS}")


def iter_ranked_votes(responses: Sequence[Response], ranks: Mapping[int, float], annotator: str = "") -> Iterator[Vote]:
    """The votes of a ranking: for each pair the better response, or a tie if their ranks are equal.

    ranks: {index of a response: its rank}; 1 is the best.

    Skips pairs of equal texts. Of duplicates with the same source, the better place counts.
    """
    check_answer_count(ranks)
    steps = {rank: step for step, rank in enumerate(sorted(set(ranks.values())))}
    in_order = sorted(ranks, key=lambda index: (ranks[index], index))
    first = {responses[index]: index for index in reversed(in_order)}
    for better, worse in itertools.combinations([index for index in in_order if first[responses[index]] == index], 2):
        if responses[better].text != responses[worse].text:
            gap = steps[ranks[worse]] - steps[ranks[better]]
            yield Vote((better, worse), "left" if gap else "tie", annotator, gap=gap or None)
