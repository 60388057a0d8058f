"""Rows of a chosen answer and one or more rejected ones, with their sources, scores and margins."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from datasets.formats import parsers
from datasets.formats.judged import check_answer_count, parse_single_answer
from datasets.formats.rows import JUDGED, Prompt, RawRow, Refusal, Response, Row, TableRow, Turn, Vote
from datasets.formats.trajectories import find_divergence, parse_spoken_answer
from datasets.formats.vocabulary import CONVERSATION_KEYS

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
    chosen_transcript, chosen = parse_transcript(row, chosen_key, as_json)
    rejected_transcript, rejected = parse_transcript(row, rejected_key, as_json)
    if len(chosen) > 1:
        raise Refusal("not_one_answer", chosen_key)
    transcripts = [transcript for transcript in (chosen_transcript, rejected_transcript) if transcript]
    before = count_prompt_turns(row, transcripts, rejected_key) if transcripts else 0
    better = chosen[0] if chosen_transcript is None else parse_spoken_answer(chosen_transcript[before:], chosen_key)
    if rejected_transcript is not None:
        rejected = [parse_spoken_answer(rejected_transcript[before:], rejected_key)]
    prompt = build_shared_prompt(row, transcripts[0][:before], chosen_key) if before else parsers.parse_prompt(row)
    return build_pair(row, prompt, better, rejected, rejected_key)


def count_prompt_turns(row: RawRow, transcripts: Sequence[list[Turn]], field: str) -> int:
    """How many turns at the beginning of the sides of a row are the prompt; what follows is the answer.

    0 if the sides continue the prompt that the row states.

    transcripts: of one side or of both.
    field: named by the Refusal when the sides do not share a prompt.
    """
    first, last = transcripts[0], transcripts[-1]
    if len(first) == len(last) == 1 or is_continuation(row, transcripts):
        return 0
    if first[:-1] == last[:-1]:
        return len(first) - 1
    place = find_divergence(first, last)
    if place is None:
        raise Refusal("prompts_differ", field)
    return place


def is_continuation(row: RawRow, transcripts: Sequence[list[Turn]]) -> bool:
    """Whether the sides begin after the prompt that the row states: with the assistant, and without repeating it."""
    key = parsers.find_prompt_key(row)
    if any(transcript[0][0] != "assistant" for transcript in transcripts) or not key or key in CONVERSATION_KEYS:
        return False
    if not row[key]:
        return False
    prompt = parsers.parse_prompt(row)
    if parsers.is_message_list(row, key):
        asked = [*prompt.turns, ("user", prompt.instruction)]
        return not any(transcript[: len(asked)] == asked for transcript in transcripts)
    shared = transcripts[0][:-1]
    return ("user", prompt.instruction) not in shared or any(side[:-1] != shared for side in transcripts)


def parse_side(row: RawRow, key: str, as_json: bool) -> tuple[list[Turn] | None, list[Response]]:
    """(turns before the answer, or None if the side is not a list of messages; the answers) of one side."""
    transcript, answers = parse_transcript(row, key, as_json)
    if transcript is None:
        return None, answers
    return transcript[:-1], [Response(parse_single_answer(transcript[-1:], key))]


def parse_transcript(row: RawRow, key: str, as_json: bool) -> tuple[list[Turn] | None, list[Response]]:
    """(turns of a side that is a list of messages, else None; the answers of any other side) of one side."""
    value = parsers.require_field(row, key)
    if isinstance(value, str) and not (as_json and parsers.is_message_text(value, isinstance(row, TableRow))):
        return None, [Response(parsers.parse_answer(value, key))]
    if isinstance(value, list) and value and not isinstance(value[0], dict):
        return None, [parse_one_answer(item, f"{key}[{number}]") for number, item in enumerate(value)]
    if not isinstance(value, str | list):
        return None, [Response(parsers.parse_answer(value, key))]
    transcript = parsers.parse_messages(value, key)
    if not transcript:
        raise Refusal("empty_answer", key)
    return transcript, []


def parse_one_answer(value: Any, place: str) -> Response:
    """An answer in a list of answers: a text, or a list of one message."""
    if isinstance(value, list):
        return Response(parse_single_answer(parsers.parse_messages(value, place), place))
    return Response(parsers.parse_answer(value, place))


def build_shared_prompt(row: RawRow, context: list[Turn], field: str) -> Prompt:
    """The prompt of two transcripts, the turns that they share. A prompt that the row states must be the same."""
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
    row: RawRow,
    prompt: Prompt,
    chosen: Response,
    rejected: Sequence[Response],
    field: str = "rejected",
    verdict: str = "left",
) -> Row:
    """The judged row whose first answer is better than each of the others, with sources and margins if it has them.

    chosen, rejected: without sources.
    field: named by the Refusal when two answers are equal.
    verdict: `left` or `tie`.
    """
    texts = [answer.text for answer in rejected]
    if " " in [text[:1] for text in (chosen.text, *texts)]:
        chosen, *rejected = (
            answer._replace(text=parsers.drop_blank(row, answer.text)) for answer in (chosen, *rejected)
        )
        texts = [answer.text for answer in rejected]
    if chosen.text in texts:
        raise Refusal("same_answer", field)
    check_answer_count(rejected, field)
    annotator = parsers.parse_name(row.get("annotator"), "annotator")
    columns = find_pair_columns(tuple(row))
    if columns == NO_COLUMNS and len(rejected) == 1:
        return Row(prompt, (chosen, rejected[0]), JUDGED, (Vote((0, 1), verdict, annotator),))
    sources, margins = parse_sources(row, columns, len(rejected)), parse_margins(row, columns, len(rejected))
    responses = [chosen._replace(source=sources[0])]
    votes = []
    for answer, source, margin in zip(rejected, sources[1:], margins, strict=True):
        response = answer._replace(source=source)
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
