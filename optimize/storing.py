"""Stores what came of the wanted answers: responses that pass the checks of imports, and failures by reason.

Comparisons of a prompt are created once none of its answers is awaited any more, so nobody chooses between an answer
and an error.
"""

import itertools
import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

from django.db import connection
from django.utils import timezone

from datasets.comparisons.generate import generate_for_prompts
from datasets.db.bulk import insert_missing
from datasets.db.write_lock import batch_transaction, write_turn
from datasets.formats import parsers, rows
from datasets.formats.rows import CANDIDATES, Refusal
from datasets.imports.warnings import CUT, SAME, find_warnings
from datasets.models import Response
from datasets.text.fingerprints import hash_text
from datasets.text.reading_time import count_words
from optimize.asking import Answer, Ask
from optimize.models import Generation
from optimize.wanted import State, Wanted, list_prompts_waiting
from optimize.wire.client import Completion, RequestFailed

CUT_OFF = "length"  # the reason to finish where a model has reached max_tokens

ResponseKey: TypeAlias = tuple[int, str, str]  # (prompt id, source, text hash)

JSON, TIME = {"postgresql": ("jsonb", "timestamptz"), "sqlite": ("text", "text")}[connection.vendor]
UPDATE_SQL = f"""
    UPDATE optimize_generation
    SET state = column2, response_id = CAST(column3 AS bigint), finish = column4,
        tokens_in = CAST(column5 AS integer), tokens_out = CAST(column6 AS integer),
        tokens_cached = CAST(column7 AS integer), first_ms = CAST(column8 AS integer), ms = CAST(column9 AS integer),
        attempts = column10, error = column11, detail = column12, warnings = CAST(column13 AS {JSON}),
        finished_at = CAST(column14 AS {TIME})
    FROM (VALUES {{rows}}) AS given
    WHERE id = column1"""
UPDATE_ROW = f"({', '.join(['%s'] * 14)})"


class Stored(NamedTuple):
    """What a batch of answers has brought.

    done, failed: generations; responses: texts newly stored.
    """

    done: int = 0
    failed: int = 0
    responses: int = 0


def store_answers(wanted: Wanted, answers: Sequence[Answer]) -> Stored:
    """Stores answers and failures, and creates the comparisons of prompts that wait for no further answer.

    Rows that another process has finished meanwhile, or that were deleted, stay as they are.
    """
    with write_turn(), batch_transaction():  # a server that fails loses answers that are asked for again
        stored, prompts = write_answers(answers)
        complete = prompts - list_prompts_waiting(wanted, prompts)
        if complete:
            generate_for_prompts(wanted.dataset, sorted(complete))
    return stored


def write_answers(answers: Sequence[Answer], candidate: bool = True) -> tuple[Stored, set[int]]:
    """Stores answers and failures, in the caller's transaction. Returns their counts and the ids of their prompts.

    candidate: whether the dataset's settings decide what the answers are compared with.
    """
    checked = [check_answer(answer) for answer in answers]
    open_rows = Generation.objects.select_for_update().filter(
        pk__in=[answer.ask.pk for answer in checked], state=State.WAITING
    )
    waiting = set(open_rows.order_by("pk").values_list("pk", flat=True))
    checked = [answer for answer in checked if answer.ask.pk in waiting]
    whole = [(answer.ask, answer.completion) for answer in checked if answer.completion]
    found, new = store_responses(whole, candidate)
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    updates = [build_update(answer, found, now) for answer in checked]
    if updates:
        rows_given = ", ".join([UPDATE_ROW] * len(updates))
        with connection.cursor() as cursor:
            cursor.execute(UPDATE_SQL.format(rows=rows_given), list(itertools.chain(*updates)))
    return Stored(len(whole), len(checked) - len(whole), new), {answer.ask.prompt_id for answer in checked}


def check_answer(answer: Answer) -> Answer:
    """The answer; a failure in its place where its text cannot be stored or is empty."""
    if answer.completion is None:
        return answer
    try:
        parsers.parse_answer(answer.completion.text, "answer")
    except Refusal as refusal:
        code = "only_reasoning" if refusal.reason == "empty_answer" and answer.completion.reasoning else refusal.reason
        return Answer(answer.ask, failure=RequestFailed(code))
    return answer


def store_responses(
    whole: Iterable[tuple[Ask, Completion]], candidate: bool = True
) -> tuple[dict[ResponseKey, int], int]:
    """({key: id} of the responses with these texts, the number of them that are new)

    A text that comes twice keeps the reasoning that came with it first.

    candidate: of the new ones.
    """
    wanted: dict[ResponseKey, Completion] = {}
    for ask, completion in whole:
        wanted.setdefault((ask.prompt_id, ask.version.source, hash_text(completion.text)), completion)
    names = ("prompt", "source", "text_hash", "text", "words", "candidate", "reasoning")
    given = [
        (*key, one.text, count_words(one.text), candidate, clean_text(one.reasoning).strip() or None)
        for key, one in wanted.items()
    ]
    inserted = insert_missing(Response, names, given, ("prompt", "source", "text_hash", "id"))
    ids = {(prompt, source, text_hash): pk for prompt, source, text_hash, pk in inserted}
    new = len(ids)
    if new < len(wanted):
        there = find_responses(key for key in wanted if key not in ids)
        ids |= there
        if candidate:  # a chat or a policy may have stored them
            Response.objects.filter(pk__in=there.values(), candidate=False).update(candidate=True)
    return ids, new


def find_responses(keys: Iterable[ResponseKey]) -> dict[ResponseKey, int]:
    """{key: id} of those of these responses that are stored."""
    keys = set(keys)
    stored = Response.objects.filter(
        prompt__in={prompt for prompt, *_ in keys}, text_hash__in={text_hash for *_, text_hash in keys}
    )
    rows_there = stored.values_list("prompt", "source", "text_hash", "pk")
    return {(prompt, source, text_hash): pk for prompt, source, text_hash, pk in rows_there} if keys else {}


def build_update(answer: Answer, responses: dict[ResponseKey, int], now: Any) -> tuple[Any, ...]:
    """The values of UPDATE_SQL for one answer."""
    ask, completion, failure = answer.ask, answer.completion, answer.failure or RequestFailed("no_answer")
    if completion is None:
        about: tuple[Any, ...] = (ask.pk, State.FAILED.value, None, "", None, None, None, None, None)
        return *about, ask.attempts, failure.code, failure.detail, "[]", now
    response = responses[ask.prompt_id, ask.version.source, hash_text(completion.text)]
    about = (ask.pk, State.DONE.value, response, clean_text(completion.finish))
    about += completion.tokens_in, completion.tokens_out, completion.tokens_cached, completion.first_ms, completion.ms
    return *about, ask.attempts, "", "", json.dumps(list_warnings(ask, completion)), now


def clean_text(text: str) -> str:
    """A text that no export holds, without characters that cannot be stored."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def list_warnings(ask: Ask, completion: Completion) -> list[str]:
    """The warnings about one answer that an import would give, and that the model was cut off."""
    response = rows.Response(completion.text, ask.version.name)
    warnings = set(find_warnings(rows.Row(ask.prompt, (response,), CANDIDATES))) - {SAME}
    if completion.finish == CUT_OFF:
        warnings.add(CUT)
    return sorted(warnings)
