"""The policies of datasets as OpenAI's chat API: `/v1/chat/completions` and `/v1/models`, for a token of scope `chat`.

`model` is the short name of a dataset. A bot that uses OpenAI's API uses a policy by changing its base URL.
"""

import json
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from django.db.models import Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from api.tokens import find_token, token_required
from datasets.formats import parsers, rows
from datasets.models import Dataset
from optimize import reasons
from optimize.policy.settings import NoAnswer, find_policy

if TYPE_CHECKING:
    from optimize.policy.serving import Served

P = ParamSpec("P")
SERVES_POLICIES = "CHOSEN_POLICIES"  # environment variable of a process that serves nothing else
AT_ONCE = 48 if SERVES_POLICIES in os.environ else 3  # requests of a process; others would wait for its threads
PLACES = threading.BoundedSemaphore(AT_ONCE)
OVERRIDES = ("max_tokens", "max_completion_tokens", "stop")  # fields of a request that the models get
OWNER = "chosen"


class Refused(Exception):
    """An error in OpenAI's shape. param: the field that is wrong."""

    def __init__(self, status: int, kind: str, message: str, code: str = "", param: str = "", retry: int = 0) -> None:
        super().__init__(message)
        self.status, self.retry = status, retry
        self.body = {"error": {"message": message, "type": kind, "param": param or None, "code": code or None}}


def answer_like_openai(
    view: Callable[Concatenate[HttpRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """For a token of scope `chat`; errors have OpenAI's shape."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            check_token(request)
            return view(request, *args, **kwargs)
        except Refused as why:
            answer = JsonResponse(why.body, status=why.status)
            if why.retry:
                answer["Retry-After"] = str(why.retry)
            return answer

    exempt: Callable[Concatenate[HttpRequest, P], HttpResponseBase] = csrf_exempt(guarded)
    return token_required(exempt)


def check_token(request: HttpRequest) -> None:
    """Raises Refused without a token that works and has the scope `chat`."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    token = find_token(secret.strip()) if scheme.lower() == "bearer" else None
    if token is None:
        raise Refused(
            401, "invalid_request_error", "Send a token that works: Authorization: Bearer …", "invalid_api_key"
        )
    if not token.chats:
        raise Refused(403, "invalid_request_error", "This token lacks the scope “chat”.", "insufficient_scope")


@answer_like_openai
def models(request: HttpRequest) -> HttpResponse:
    """The policies: datasets in which a model answers."""
    if request.method not in ("GET", "HEAD"):
        raise Refused(405, "invalid_request_error", "Send a GET.")
    return JsonResponse({"object": "list", "data": [describe_model(dataset) for dataset in list_policies()]})


def list_policies() -> list[Dataset]:
    """The datasets that have a policy, by short name."""
    named = Q(policy_settings__isnull=False) & ~Q(policy_settings__names=[])
    return list(Dataset.objects.current().filter(Q(has_chat=True) | named).order_by("slug"))


def describe_model(dataset: Dataset) -> dict[str, Any]:
    """A policy in OpenAI's list of models."""
    created = int(dataset.created_at.timestamp())
    return {"id": dataset.slug, "object": "model", "created": created, "owned_by": OWNER}


@answer_like_openai
def chat_completions(request: HttpRequest) -> HttpResponseBase:
    """One answer of a policy, whole or as a stream. Nothing is streamed before the pick is made."""
    from optimize.policy.serving import serve_prompt  # with the numerical libraries

    if request.method != "POST":
        raise Refused(405, "invalid_request_error", "Send a POST.")
    body = read_body(request)
    dataset = find_dataset(body.get("model"))
    prompt = read_prompt(body)
    if body.get("n") not in (None, 1):
        raise Refused(400, "invalid_request_error", "A policy returns one answer: leave n out.", param="n")
    if not PLACES.acquire(blocking=False):
        raise Refused(429, "rate_limit_error", "Too many requests at once.", "rate_limit_exceeded", retry=1)
    try:
        overrides = {name: body[name] for name in OVERRIDES if body.get(name) is not None}
        if "max_completion_tokens" in overrides:  # servers refuse both
            overrides |= {"max_tokens": overrides.pop("max_completion_tokens")}
        served = serve_prompt(find_policy(dataset), prompt, overrides)
    except NoAnswer as why:
        raise Refused(502, "server_error", reasons.explain_policy_failure(why.reason), why.reason) from None
    finally:
        PLACES.release()
    answer = build_answer(dataset, served)
    if not body.get("stream"):
        return JsonResponse(answer)
    options = body.get("stream_options")
    wants_usage = isinstance(options, dict) and bool(options.get("include_usage"))
    response = HttpResponse(b"".join(iter_chunks(answer, wants_usage)), content_type="text/event-stream")
    response["Cache-Control"] = "no-store"
    return response


def read_body(request: HttpRequest) -> dict[str, Any]:
    """The JSON object of the body. Raises Refused."""
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise Refused(400, "invalid_request_error", "The body is not a JSON object.")
    return body


def find_dataset(name: object) -> Dataset:
    """The dataset whose policy is asked. Raises Refused."""
    found = next((dataset for dataset in list_policies() if dataset.slug == name), None)
    if found is None:
        words = f"There is no policy {str(name)[:80]!r}. GET /v1/models lists them."
        raise Refused(404, "invalid_request_error", words, "model_not_found", "model")
    return found


def read_prompt(body: dict[str, Any]) -> rows.Prompt:
    """The prompt in the messages. Raises Refused."""
    try:
        transcript = parsers.parse_messages(parsers.require_field(body, "messages"), "messages")
        return parsers.build_prompt(transcript, "messages", "")
    except rows.Refusal as why:
        words = f"{reasons.explain_refusal(why.reason)} {why.detail}".strip()
        raise Refused(400, "invalid_request_error", words, why.reason, why.field) from None
    except RecursionError:
        raise Refused(400, "invalid_request_error", "The body is nested too deeply.") from None


def build_answer(dataset: Dataset, served: "Served") -> dict[str, Any]:
    """The answer in OpenAI's shape; `usage` is the sum over all answers, which is what was paid for."""
    tokens, decision = served.sum_tokens(), served.decision
    usage = tokens and {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)}
    message = {"role": "assistant", "content": served.completion.text}
    chosen = {"policy": dataset.slug, "n": len(served.answers), "chance": decision.chance, "covered": decision.covered}
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": dataset.slug,
        "choices": [{"index": 0, "message": message, "finish_reason": served.completion.finish or "stop"}],
        "usage": usage,
        "chosen": chosen,
    }


def iter_chunks(answer: dict[str, Any], wants_usage: bool) -> Iterator[bytes]:
    """The answer as a stream: the role, the text, the end, and the usage if it is wanted."""
    about = {"id": answer["id"], "object": "chat.completion.chunk"}
    about |= {"created": answer["created"], "model": answer["model"]}
    (choice,) = answer["choices"]
    role, content = choice["message"]["role"], choice["message"]["content"]
    for delta, finish in (
        ({"role": role, "content": ""}, None),
        ({"content": content}, None),
        ({}, choice["finish_reason"]),
    ):
        chunk = {**about, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        if finish:
            chunk["chosen"] = answer["chosen"]
        yield encode_event(chunk)
    if wants_usage:
        yield encode_event({**about, "choices": [], "usage": answer["usage"]})
    yield b"data: [DONE]\n\n"


def encode_event(chunk: dict[str, Any]) -> bytes:
    """One event of a stream."""
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode()
