"""Every judgment as a row of a CSV table, with its texts, votes and other replies. Read shape 1, from CSV or Parquet.

Each saved vote is read as the vote of its annotator. Skips, flags, decisions of reviewers and judgments without a
choice bring their prompt and answers only.
"""

import itertools
import json
from typing import Any

from datasets.formats import parsers
from datasets.formats.rows import JUDGED, JudgmentRow, Prompt, RawRow, Refusal, Response, Row, Turn, Vote
from datasets.formats.trajectories import parse_spoken_answer

LABEL = "Every judgment (CSV)"
SHAPE = 1
FILE = "csv"
WRITES = JudgmentRow
TRAINERS = {"Tables": ""}
COLUMNS = (
    "judgment", "comparison", "annotator", "decided_at", "seconds", "verdict", "flag", "surplus", "guideline",
    "reasons", "reason", "note", "tags", "system", "turns", "instruction", "input", "responses", "sources", "choices",
    "ratings", "said", "purpose", "id", "meta", "margin", "response_turns",
    "spans",
)  # fmt: skip
MARKS = {"judgment", "comparison", "verdict", "instruction", "responses", "choices"}
NO_VERDICT = ("tie", "both_bad")
# What a vote does not hold is kept as metadata.
KEEPS = frozenset(
    {"judgment", "comparison", "decided_at", "seconds", "flag", "surplus", "guideline", "reasons", "reason", "note",
     "ratings", "said", "spans"}
)  # fmt: skip


def matches(keys: set[str], row: RawRow) -> bool:
    return keys >= MARKS


def read(row: RawRow) -> Row:
    texts = parsers.parse_list(parsers.require_field(row, "responses"), "responses")
    sources = parsers.parse_list(row.get("sources") or "[]", "sources") or [""] * len(texts)
    if len(sources) != len(texts):
        raise Refusal("lengths_differ", "sources", f"{len(sources)} / {len(texts)}")
    spoken = parse_response_turns(row, len(texts))
    responses = tuple(
        (spoken[n] or Response(parsers.parse_answer(text, f"responses[{n}]")))._replace(
            source=parsers.parse_name(source, f"sources[{n}]")
        )
        for n, (text, source) in enumerate(zip(texts, sources, strict=True))
    )
    prompt = Prompt(
        parsers.parse_filled_text(parsers.require_field(row, "instruction"), "instruction"),
        parsers.parse_text(row.get("input"), "input", required=False),
        parsers.parse_text(row.get("system"), "system", required=False),
        parse_turns(row.get("turns"), "turns"),
    )
    is_vote = row.get("purpose") in (None, "", "vote")
    votes = parse_votes(row, len(texts)) if is_vote else ()
    return Row(prompt, responses, JUDGED, votes, meta=parse_metadata(row))


def parse_metadata(row: RawRow) -> dict[str, Any] | None:
    """The metadata that the row has as a JSON object in text, or None."""
    try:
        meta = json.loads(row.get("meta") or "null")
    except (ValueError, RecursionError):
        raise Refusal("bad_json", "meta") from None
    return meta if isinstance(meta, dict) and meta else None


def parse_response_turns(row: RawRow, n: int) -> list[Response | None]:
    """The answers that have several turns, without sources; None for each of the others.

    n: the number of answers.
    """
    lists = parsers.parse_list(row.get("response_turns") or "[]", "response_turns") or [[]] * n
    if len(lists) != n:
        raise Refusal("lengths_differ", "response_turns", f"{len(lists)} / {n}")
    places = [f"response_turns[{number}]" for number in range(n)]
    return [
        parse_spoken_answer(parse_turns(turns, place), place) if turns else None
        for turns, place in zip(lists, places, strict=True)
    ]


def parse_turns(value: Any, field: str) -> tuple[Turn, ...]:
    """Turns, a list of [role, text]."""
    turns: list[Turn] = []
    for number, turn in enumerate(parsers.parse_list(value or "[]", field)):
        if not isinstance(turn, list) or len(turn) != 2 or turn[0] not in ("user", "assistant"):
            raise Refusal("not_a_pair", f"{field}[{number}]")
        turns.append((turn[0], parsers.parse_filled_text(turn[1], f"{field}[{number}]", "empty_turn")))
    return tuple(turns)


def parse_votes(row: RawRow, n: int) -> tuple[Vote, ...]:
    """The votes of a judgment: one for each overall choice, with those by other criteria on the same pair.

    n: the number of answers.
    """
    verdict = str(row.get("verdict") or "")
    annotator = parsers.parse_name(row.get("annotator"), "annotator")
    margin = None if row.get("margin") in (None, "") else float(parsers.parse_number(row["margin"], "margin"))
    overall: dict[frozenset[int], Vote] = {}
    others: dict[frozenset[int], list[tuple[str, int]]] = {}
    for number, choice in enumerate(parsers.parse_list(row.get("choices") or "[]", "choices")):
        criterion, first, second, strength, gap = parse_choice(choice, n, f"choices[{number}]")
        if criterion:
            others.setdefault(frozenset((first, second)), []).append((criterion, first if strength else -1))
        else:
            outcome = "left" if strength else (verdict if verdict in NO_VERDICT else "tie")
            vote = Vote((first, second), outcome, annotator, strength=max(strength, 1), gap=gap, margin=margin)
            overall[frozenset((first, second))] = vote
    if verdict in NO_VERDICT:
        for pair in itertools.combinations(range(min(n, count_shown(row))), 2):
            overall.setdefault(frozenset(pair), Vote(pair, verdict, annotator))
    return tuple(vote._replace(also=tuple(build_also(vote, others.get(pair, [])))) for pair, vote in overall.items())


def count_shown(row: RawRow) -> int:
    """The number of answers that were shown; better ones that the annotator wrote follow them."""
    return str(row.get("comparison") or "").count("-") + 1


def build_also(vote: Vote, chosen: list[tuple[str, int]]) -> list[tuple[str, str]]:
    """The verdicts by other criteria on the pair of a vote; ties by a criterion are none.

    chosen: (criterion, index of the chosen answer, -1 for a tie).
    """
    return [(criterion, "left" if index == vote.pair[0] else "right") for criterion, index in chosen if index >= 0]


def parse_choice(choice: Any, n: int, field: str) -> tuple[str, int, int, int, int | None]:
    """(criterion, index of the chosen answer, of the rejected one, strength, distance in ranks) of a choice."""
    if not isinstance(choice, list) or len(choice) < 4:
        raise Refusal("not_a_list", field, type(choice).__name__)
    first, second = (parsers.parse_scale_value(place, field, range(1, n + 1)) - 1 for place in choice[1:3])
    if first == second:
        raise Refusal("same_answer", field)
    strength = parsers.parse_scale_value(choice[3], field, range(4))
    gap = parsers.parse_scale_value(choice[4], field, range(1, n + 1)) if choice[4:] and choice[4] else None
    return parsers.parse_name(choice[0], field), first, second, strength, gap


def write(row: JudgmentRow) -> RawRow:
    return row.columns
