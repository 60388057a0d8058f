"""What the shapes that hold choices share: judged rows of two answers, or of several in an order."""

import itertools

from datasets.formats import parsers
from datasets.formats.rows import JUDGED, Refusal, Response, Row, Vote

MOST_ANSWERS = 26  # in one judgment: each two of an order are a choice, and 26 leave 325


def build_judged_row(row, prompt, chosen, rejected, field="rejected"):
    """The row that says: of these two answers the first is better."""
    if chosen == rejected:
        raise Refusal("same_answer", field)
    annotator = parsers.parse_name(row.get("annotator"), "annotator")
    return Row(prompt, (Response(chosen), Response(rejected)), JUDGED, (Vote((0, 1), "left", annotator),))


def parse_single_answer(transcript, field):
    """The text of one side that holds only the answer: one assistant message."""
    if len(transcript) != 1 or transcript[0][0] != "assistant":
        raise Refusal("not_one_answer", field)
    return parsers.parse_answer(transcript[0][1], field)


def build_pair_row(prompt, responses, verdict, field, annotator="", **more):
    """The row of two answers of which one is better (`verdict` 0 or 1), or which are a `tie` or `both_bad`. more: of
    the Vote. field: where the verdict stands."""
    if responses[0].text == responses[1].text:
        raise Refusal("same_answer", field)
    pair, outcome = ((1, 0) if verdict == 1 else (0, 1)), verdict if isinstance(verdict, str) else "left"
    return Row(prompt, tuple(responses), JUDGED, (Vote(pair, outcome, annotator, **more),))


def build_graded_row(row, prompt, responses, field):
    """The row of two answers and how much better one is, from -3 (the first is) through 0 (a tie) to 3."""
    grade = parsers.parse_scale_value(parsers.require_field(row, field), field, range(-3, 4))
    verdict = int(grade > 0) if grade else "tie"
    annotator = parsers.parse_name(row.get("annotator"), "annotator")
    return build_pair_row(prompt, responses, verdict, field, annotator, strength=abs(grade) or 1)


def check_answer_count(answers, field=""):
    """Refuse a judgment of more answers than anybody reads."""
    if len(answers) > MOST_ANSWERS:
        raise Refusal("too_many_answers", field, f"{len(answers)} > {MOST_ANSWERS}")


def iter_ranked_votes(responses, ranks, annotator=""):
    """The votes of an order: of each two places (`ranks`: {index of a response: its rank, 1 the best}) the better
    one, the same rank a tie. Two equal texts are never compared; of one that stands twice with the same source the
    better place counts."""
    check_answer_count(ranks)
    steps = {rank: step for step, rank in enumerate(sorted(set(ranks.values())))}
    in_order = sorted(ranks, key=lambda index: (ranks[index], index))
    first = {responses[index]: index for index in reversed(in_order)}
    for better, worse in itertools.combinations([index for index in in_order if first[responses[index]] == index], 2):
        if responses[better].text != responses[worse].text:
            gap = steps[ranks[worse]] - steps[ranks[better]]
            yield Vote((better, worse), "left" if gap else "tie", annotator, gap=gap or None)
