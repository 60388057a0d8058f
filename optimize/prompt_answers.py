"""The answers to one prompt, asked for at once: a person or a client waits for them."""

import functools
import itertools
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from django.db import transaction
from django.db.models import Q

from datasets.db.write_lock import write_turn
from datasets.formats import rows
from datasets.models import Prompt
from optimize.asking import Answer, Ask, choose_pause, convert_prompt
from optimize.models import Generation, ModelVersion
from optimize.storing import write_answers
from optimize.versions import build_request, build_target, get_networks
from optimize.wire.client import Client, Completion, RequestFailed
from optimize.wire.keys import KeyProblem

MOST_ATTEMPTS = 3
LONGEST_PAUSE_S = 5.0
CONNECTIONS = 64
FIRST_BYTE_S, TOTAL_S = 60, 300  # at most, whatever the endpoint allows: a person waits, and a place is taken
NOT_REPEATED = ("timeout", "stalled")
LOST = Q(state=Generation.State.FAILED) | Q(state=Generation.State.DONE, response=None)  # as is_lost says
_limits: dict[tuple[int, int], threading.Semaphore] = {}  # {(endpoint id, at_once): free requests of this process}
_guard = threading.Lock()


def ensure_generations(prompt: Prompt, wanted: Sequence[tuple[int, int]]) -> list[Generation]:
    """The rows of these answers, stored where they are missing; failed ones wait again.

    wanted: (version, place) of each, ids. The place is the seed.
    """
    found = find_generations(prompt, wanted)
    lost = [row.pk for row in found.values() if is_lost(row)]
    if lost or len(found) < len(set(wanted)):
        with write_turn(), transaction.atomic():
            create_missing(prompt, [key for key in wanted if key not in found])
            again = Generation.objects.filter(LOST, pk__in=lost)
            again.update(state=Generation.State.WAITING, error="", detail="", attempts=0)
        found = find_generations(prompt, wanted)
    return [found[key] for key in wanted]


def create_missing(prompt: Prompt, wanted: Sequence[tuple[int, int]]) -> None:
    """Stores the rows of these answers where they are missing, in the caller's transaction.

    wanted: (version, place) of each, ids.
    """
    rows_wanted = [Generation(prompt=prompt, version_id=version, place=place, seed=place) for version, place in wanted]
    Generation.objects.bulk_create(rows_wanted, ignore_conflicts=True)


def find_generations(prompt: Prompt, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Generation]:
    """{(version, place): row} of these answers, as far as they are stored, with what asking needs."""
    stored = Generation.objects.filter(
        prompt=prompt, version__in={version for version, _ in wanted}, place__in={place for _, place in wanted}
    )
    rows_found = stored.select_related("version__endpoint", "prompt", "response")
    return {key: row for row in rows_found if (key := (row.version_id, row.place)) in wanted}


def is_lost(row: Generation) -> bool:
    """Whether an answer has to be asked for again: it failed, or its response was deleted."""
    return row.state == Generation.State.FAILED or (row.state == Generation.State.DONE and row.response_id is None)


def ask_missing(wanted: Sequence[Generation]) -> str:
    """Asks for the answers of rows that wait for one and stores them together. Returns why one failed, or ""."""
    answers = fetch_missing(wanted)
    if not answers:
        return ""
    with write_turn(), transaction.atomic():
        return store_missing(wanted, answers)


def fetch_missing(wanted: Sequence[Generation]) -> list[Answer]:
    """Asks for the answers of rows that wait for one, all at once."""
    waiting = [row for row in wanted if row.state == Generation.State.WAITING]
    if not waiting:
        return []
    with ThreadPoolExecutor(len(waiting)) as threads:
        return list(threads.map(ask_patiently, waiting))


def store_missing(wanted: Sequence[Generation], answers: Sequence[Answer]) -> str:
    """Stores the answers that fetch_missing got for these rows, in the caller's transaction, and updates the rows.

    Returns why one failed, or "".
    """
    if answers:
        write_answers(answers, candidate=False)
        stored = Generation.objects.select_related("response").in_bulk([answer.ask.pk for answer in answers])
        for row in wanted:
            now = stored.get(row.pk)
            if now is not None:
                row.state, row.error, row.response = now.state, now.error, now.response
    return next((row.error for row in wanted if row.state == Generation.State.FAILED), "")


def ask_patiently(row: Generation) -> Answer:
    """The answer that a row wants."""
    ask = Ask(row.pk, row.prompt_id, row.version, convert_prompt(row.prompt), row.seed)
    got, ask.attempts = complete_patiently(row.version, ask.prompt, row.seed)
    return Answer(ask, failure=got) if isinstance(got, RequestFailed) else Answer(ask, got)


def complete_patiently(
    version: ModelVersion, prompt: rows.Prompt, seed: int, overrides: Mapping[str, Any] | None = None
) -> tuple[Completion | RequestFailed, int]:
    """(one answer of a version, or why there is none; the number of attempts, at most MOST_ATTEMPTS)

    overrides: fields of the request that replace those of the version.
    """
    for attempt in itertools.count(1):
        try:
            return complete_once(version, {**build_request(version, prompt, seed), **(overrides or {})}), attempt
        except KeyProblem as why:
            return RequestFailed(why.reason), attempt
        except RequestFailed as failure:
            if not failure.may_retry or failure.code in NOT_REPEATED or attempt >= MOST_ATTEMPTS:
                return failure, attempt
            time.sleep(min(LONGEST_PAUSE_S, choose_pause(attempt, failure)))
        except Exception as why:  # whatever a hostile server makes a library raise
            return RequestFailed("not_openai", type(why).__name__), attempt
    raise AssertionError  # the loop has no end


def complete_once(version: ModelVersion, request: Mapping[str, Any]) -> Completion:
    """The answer to one request, once the endpoint has a place for it. Raises RequestFailed, KeyProblem."""
    endpoint = version.endpoint
    with _guard:
        limit = _limits.setdefault((endpoint.pk, endpoint.at_once), threading.Semaphore(endpoint.at_once))
    target = build_target(endpoint)
    target = replace(target, first_byte_s=min(target.first_byte_s, FIRST_BYTE_S), total_s=min(target.total_s, TOTAL_S))
    if not limit.acquire(timeout=FIRST_BYTE_S):
        raise RequestFailed("rate_limited")
    try:
        return get_client().complete(target, request)
    finally:
        limit.release()


@functools.cache
def get_client() -> Client:
    """The connections of this process."""
    return Client(get_networks(), CONNECTIONS)
