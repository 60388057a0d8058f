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
_limits: dict[tuple[int, int], threading.Semaphore] = {}  # {(endpoint id, at_once): free requests of this process}
_guard = threading.Lock()


def ensure_generations(prompt: Prompt, wanted: Sequence[tuple[int, int]]) -> list[Generation]:
    """The rows of these answers, stored where they are missing; failed ones wait again.

    wanted: (version, place) of each, ids. The place is the seed.
    """
    stored = Generation.objects.filter(prompt=prompt, version__in={version for version, _ in wanted})
    with write_turn(), transaction.atomic():
        there = set(stored.values_list("version", "place"))
        Generation.objects.bulk_create(
            [
                Generation(prompt=prompt, version_id=version, place=place, seed=place)
                for version, place in wanted
                if (version, place) not in there
            ],
            ignore_conflicts=True,
        )
        lost = Q(state=Generation.State.FAILED) | Q(state=Generation.State.DONE, response=None)
        again = stored.filter(lost, place__in={place for _, place in wanted})
        again.update(state=Generation.State.WAITING, error="", detail="", attempts=0)
    related = stored.select_related("version__endpoint", "prompt", "response")
    found = {(row.version_id, row.place): row for row in related}
    return [found[key] for key in wanted]


def ask_missing(wanted: Sequence[Generation]) -> str:
    """Asks for the answers of rows that wait for one and stores them together. Returns why one failed, or ""."""
    answers = fetch_missing(wanted)
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
