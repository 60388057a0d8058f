"""Asks an endpoint a few small questions to see what it honours. A list of models that fails is no obstacle."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypedDict

from optimize.wire.client import Client, Completion, RequestFailed, Target

QUESTION = "Say one short sentence about the sea."
MOST_LISTED = 200  # models that are kept
OTHERS = 3  # requests with other seeds at the same time


class Findings(TypedDict, total=False):
    """What an endpoint honours.

    models: their names; models_failure: the code of the failure instead.
    stream: whether answers come in pieces; stream_options: whether it takes this field.
    usage: whether it tells how many tokens an answer took.
    seed: whether the same seed gives the same text, also among other requests; None if the server refuses seeds.
    failure, detail: why it gave no answer at all.
    ms: milliseconds of one answer.
    """

    models: list[str]
    models_failure: str
    stream: bool
    stream_options: bool
    usage: bool
    seed: bool | None
    failure: str
    detail: str
    ms: int


def probe(client: Client, target: Target, model_id: str) -> Findings:
    """What an endpoint honours, by at most nine requests. Never raises RequestFailed."""
    findings: Findings = {}
    try:
        findings["models"] = client.list_models(target)[:MOST_LISTED]
    except RequestFailed as failure:
        findings["models_failure"] = failure.code
    request = {
        "model": model_id,
        "messages": [{"role": "user", "content": QUESTION}],
        "temperature": 1.0,
        "max_tokens": 40,
        "seed": 12345,
    }
    try:
        first, target = ask_first(client, target, request, findings)
    except RequestFailed as failure:
        return {**findings, "failure": failure.code, "detail": failure.detail}
    findings["usage"], findings["ms"] = first.tokens_out is not None, first.ms
    if findings.get("seed", False) is not None:
        findings["seed"] = is_seed_honoured(client, target, request, first)
    return findings


def is_seed_honoured(client: Client, target: Target, request: dict[str, Any], first: Completion) -> bool:
    """Whether the same request gives the same answer while others are answered; some servers share one generator."""
    seeds = [request["seed"], *range(1, OTHERS + 1)]
    try:
        with ThreadPoolExecutor(len(seeds)) as threads:
            second, *_ = threads.map(lambda seed: client.complete(target, {**request, "seed": seed}), seeds)
    except RequestFailed:
        return False
    return (first.text, first.reasoning) == (second.text, second.reasoning)


def ask_first(client: Client, target: Target, request: dict[str, Any], findings: Findings) -> tuple[Completion, Target]:
    """The first answer, and the target with what the server does not take switched off. Raises RequestFailed."""
    attempts = [
        (replace(target, streams=True, tells_usage=True), {}),
        (replace(target, streams=True, tells_usage=False), {}),
        (replace(target, streams=False), {}),
        (replace(target, streams=False), {"seed": None}),
    ]
    refused: RequestFailed | None = None
    for tried, without in attempts:
        asked = {name: value for name, value in request.items() if name not in without}
        try:
            answer = client.complete(tried, asked)
        except RequestFailed as failure:
            if failure.code not in ("bad_request", "not_openai", "no_answer"):
                raise
            refused = failure
            continue
        findings["stream"], findings["stream_options"] = tried.streams, tried.streams and tried.tells_usage
        if without:
            findings["seed"] = None
            request.pop("seed")
        return answer, tried
    assert refused is not None
    raise refused
