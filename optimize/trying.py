"""Trying a model: one prompt, three answers, nothing stored in a dataset; and the probe of its endpoint."""

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.utils import timezone

from datasets.formats.rows import Prompt
from optimize.models import Endpoint, ModelVersion
from optimize.storing import clean_text
from optimize.versions import build_request, build_target, get_networks
from optimize.wire.client import Client, RequestFailed
from optimize.wire.keys import KeyProblem
from optimize.wire.probe import probe

ANSWERS = 3


def probe_endpoint(version: ModelVersion) -> Endpoint:
    """The endpoint of a version, with what it honours as found now."""
    endpoint = version.endpoint
    client = Client(get_networks())
    try:
        endpoint.probed = dict(probe(client, build_target(endpoint), version.model_id))
    except KeyProblem as why:
        endpoint.probed = {"failure": why.reason, "detail": ""}
    finally:
        client.close()
    endpoint.probed_at = timezone.now()
    endpoint.save(update_fields=["probed", "probed_at"])
    return endpoint


def try_version(version: ModelVersion, prompt: Prompt) -> list[dict[str, Any]]:
    """Three answers to one prompt: {"text", "reasoning", "ms", "tokens_out"}, or {"failure", "detail"} each."""
    client = Client(get_networks(), ANSWERS)
    try:
        with ThreadPoolExecutor(ANSWERS) as threads:
            seeds = [random.getrandbits(31) for _ in range(ANSWERS)]
            return list(threads.map(lambda seed: ask_once(client, version, prompt, seed), seeds))
    finally:
        client.close()


def ask_once(client: Client, version: ModelVersion, prompt: Prompt, seed: int) -> dict[str, Any]:
    """One answer of try_version."""
    try:
        answer = client.complete(build_target(version.endpoint), build_request(version, prompt, seed))
    except RequestFailed as failure:
        return {"failure": failure.code, "detail": failure.detail}
    except KeyProblem as why:
        return {"failure": why.reason, "detail": ""}
    text, reasoning = clean_text(answer.text), clean_text(answer.reasoning)
    return {"text": text, "reasoning": reasoning, "ms": answer.ms, "tokens_out": answer.tokens_out}
