"""Rows of a chosen answer and one or more rejected ones, with their sources, scores and margins."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from datasets.formats import parsers
from datasets.formats.judged import check_answer_count, parse_single_answer
from datasets.formats.rows import JUDGED, Prompt, RawRow, Refusal, Response, Row, TableRow, Turn, Vote

SOURCE_WORDS = ("model", "source", "generator", "model_name", "model_id")
SCORE_WORDS = ("score", "rating", "reward")
MARGINS = ("margin", "reward_margin", "score_margin")
SOURCE_LISTS = ("models", "sources")  # in the order chosen, rejected
NO_VALUE = (None, "")


class PairColumns(NamedTuple):
    """The columns that say more about the two sides of a row; "" where the row has none."""

    chosen_source: str = ""
    rejected_source: str = ""
    sources: str = ""
    margin: str = ""
    chosen_score: str = ""
    rejected_score: str = ""


NO_COLUMNS = PairColumns()


@lru_cache(maxsize=64)  # the rows of a file have the same columns
def find_pair_columns(keys: tuple[str, ...]) -> PairColumns:
    """The columns of a row with these keys.

    >>> find_pair_columns(("prompt", "chosen", "rejected", "chosen-rating", "rejected-rating")).chosen_score
    'chosen-rating'
    """
    spelled = {key.lower().replace("-", "_"): key for key in reversed(keys)}
    sources = find_sides(spelled, SOURCE_WORDS)
    scores = find_sides(spelled, SCORE_WORDS)
    return PairColumns(
        *sources,
        "" if any(sources) else next((spelled[name] for name in SOURCE_LISTS if name in spelled), ""),
        next((spelled[name] for name in MARGINS if name in spelled), ""),
        *(scores if all(scores) else ("", "")),
    )


def find_sides(spelled: dict[str, str], words: Sequence[str]) -> tuple[str, str]:
    """The columns of the chosen and of the rejected side that one of these words names; "" for none."""
    candidates = [
        (spelled.get(pattern.format("chosen"), ""), spelled.get(pattern.format("rejected"), ""))
        for word in words
        for pattern in (f"{{}}_{word}", f"{word}_{{}}")
    ]
    return max(candidates, key=lambda sides: sum(map(bool, sides)))


def read_pair(row: RawRow, chosen_key: str = "chosen", rejected_key: str = "rejected", as_json: bool = True) -> Row:
    """The row of two columns: each a text or a list of messages; `rejected` may be a list of either.

    as_json: whether a text that is a list of messages in JSON is read as that list.
    """
    chosen_context, chosen = parse_side(row, chosen_key, as_json)
    rejected_context, rejected = parse_side(row, rejected_key, as_json)
    if len(chosen) > 1:
        raise Refusal("not_one_answer", chosen_key)
    if chosen_context is not None and rejected_context is not None and chosen_context != rejected_context:
        raise Refusal("prompts_differ", rejected_key)
    context = chosen_context or rejected_context
    prompt = build_shared_prompt(row, context, chosen_key) if context else parsers.parse_prompt(row)
    return build_pair(row, prompt, chosen[0], rejected, rejected_key)


def parse_side(row: RawRow, key: str, as_json: bool) -> tuple[list[Turn] | None, list[str]]:
    """(turns before the answer, or None if the side is not a list of messages; the answers) of one side."""
    value = parsers.require_field(row, key)
    if isinstance(value, str) and not (as_json and parsers.is_message_text(value, isinstance(row, TableRow))):
        return None, [parsers.parse_answer(value, key)]
    if isinstance(value, list) and value and not isinstance(value[0], dict):
        return None, [parse_one_answer(item, f"{key}[{number}]") for number, item in enumerate(value)]
    if not isinstance(value, str | list):
        return None, [parsers.parse_answer(value, key)]
    transcript = parsers.parse_messages(value, key)
    if not transcript:
        raise Refusal("empty_answer", key)
    return transcript[:-1], [parse_single_answer(transcript[-1:], key)]


def parse_one_answer(value: Any, place: str) -> str:
    """An answer in a list of answers: a text, or a list of one message."""
    if isinstance(value, list):
        return parse_single_answer(parsers.parse_messages(value, place), place)
    return parsers.parse_answer(value, place)


def build_shared_prompt(row: RawRow, context: list[Turn], field: str) -> Prompt:
    """The prompt of two transcripts: all messages but the last. A prompt that the row states must be the same."""
    system = parsers.parse_system(row)
    shared = parsers.build_prompt(context, field, system)
    stated = row.get("prompt")
    if parsers.is_message_list(row, "prompt"):
        differs = parsers.build_prompt(parsers.parse_messages(stated, "prompt"), "prompt", system) != shared
    else:
        differs = isinstance(stated, str) and stated not in ("", shared.instruction) and not shared.turns
    if differs:
        raise Refusal("prompts_differ", "prompt")
    return shared


def build_pair(
    row: RawRow, prompt: Prompt, chosen: str, rejected: Sequence[str], field: str = "rejected", verdict: str = "left"
) -> Row:
    """The judged row whose first answer is better than each of the others, with sources and margins if it has them.

    field: named by the Refusal when two answers are equal.
    verdict: `left` or `tie`.
    """
    if chosen[:1] == " " or any(text[:1] == " " for text in rejected):
        chosen, rejected = parsers.drop_blank(row, chosen), [parsers.drop_blank(row, text) for text in rejected]
    if chosen in rejected:
        raise Refusal("same_answer", field)
    check_answer_count(rejected, field)
    annotator = parsers.parse_name(row.get("annotator"), "annotator")
    columns = find_pair_columns(tuple(row))
    if columns == NO_COLUMNS and len(rejected) == 1:
        return Row(prompt, (Response(chosen), Response(rejected[0])), JUDGED, (Vote((0, 1), verdict, annotator),))
    sources, margins = parse_sources(row, columns, len(rejected)), parse_margins(row, columns, len(rejected))
    responses = [Response(chosen, sources[0])]
    votes = []
    for text, source, margin in zip(rejected, sources[1:], margins, strict=True):
        response = Response(text, source)
        if response not in responses:
            responses.append(response)
            votes.append(Vote((0, len(responses) - 1), verdict, annotator, margin=margin))
    return Row(prompt, tuple(responses), JUDGED, tuple(votes))


def parse_sources(row: RawRow, columns: PairColumns, n: int) -> list[str]:
    """The sources of the chosen answer and of `n` rejected ones."""
    if key := columns.sources:
        names = [] if row[key] in NO_VALUE else parsers.parse_list(row[key], key)
        if names and len(names) != n + 1:
            raise Refusal("lengths_differ", key, f"{len(names)} / {n + 1}")
        return [parsers.parse_name(name, key) for name in names] or [""] * (n + 1)
    chosen, rejected = columns.chosen_source, columns.rejected_source
    return [
        parsers.parse_name(row[chosen], chosen) if chosen else "",
        *parse_each(row, rejected, n, parsers.parse_name),
    ]


def parse_each(row: RawRow, key: str, n: int, parse: Any) -> list[Any]:
    """The value of each of `n` rejected answers: one for all of them, or a list."""
    value = row[key] if key else ""
    if not isinstance(value, list):
        return [parse(value, key)] * n
    if len(value) != n:
        raise Refusal("lengths_differ", key, f"{len(value)} / {n}")
    return [parse(item, f"{key}[{number}]") for number, item in enumerate(value)]


def parse_margins(row: RawRow, columns: PairColumns, n: int) -> list[float | None]:
    """How much better the chosen answer is than each of `n` rejected ones; None where the row does not say."""
    margins: list[float | None] = parse_each(row, columns.margin, n, parse_optional_number)
    if any(margin is not None and margin < 0 for margin in margins):
        raise Refusal("off_scale", columns.margin, str(row[columns.margin])[:80])
    if not columns.chosen_score:
        return margins
    chosen = parse_optional_number(row[columns.chosen_score], columns.chosen_score)
    for number, score in enumerate(parse_each(row, columns.rejected_score, n, parse_optional_number)):
        if chosen is not None and score is not None:
            if chosen < score:
                raise Refusal("score_contradicts", columns.chosen_score, f"{chosen} < {score}")
            if margins[number] is None:
                margins[number] = float(chosen - score)
    return margins


def parse_optional_number(value: object, field: str) -> float | None:
    """A number, or None for an empty value."""
    return None if value in NO_VALUE else float(parsers.parse_number(value, field))
