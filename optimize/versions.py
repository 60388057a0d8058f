"""Versions of models: replaced in place until an answer of theirs is wanted, frozen afterwards."""

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import transaction

from datasets.db.write_lock import write_turn
from datasets.formats import parsers
from datasets.formats.message_lists import build_message, build_messages, build_turns
from datasets.formats.rows import Prompt, Refusal
from datasets.models import Response
from optimize.models import Endpoint, Generation, ModelVersion
from optimize.wire.addresses import Network, WrongURL, parse_base_url
from optimize.wire.client import Target
from optimize.wire.keys import KeyProblem, find_key

if TYPE_CHECKING:
    from annotate.models import User

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
# Always sent, since servers take what is missing from files of the model. null leaves one out.
DEFAULTS: Mapping[str, Any] = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 1024}
OURS = frozenset({"model", "messages", "stream", "stream_options", "n"})  # fields that a version cannot set
LONGEST_PARAMETERS = 10_000  # characters of JSON


class WrongModel(ValueError):
    """A model that cannot be saved.

    field: `name`, `url`, `model`, `system`, `parameters` or `key`.
    reason: a code of optimize.reasons.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field, self.reason = field, reason


def save_version(
    name: str,
    url: str,
    model_id: str,
    system: str = "",
    parameters: Mapping[str, Any] | None = None,
    key_name: str = "",
    by: "User | None" = None,
) -> ModelVersion:
    """The version of a model that has these values: the newest one, changed in place if unused, or the next one.

    name: of the model; its answers get the source `NAME@VERSION`.
    url: of the server, up to `/chat/completions`.
    model_id: what the server calls the model.
    parameters: of sampling, over DEFAULTS; null leaves a field out of the request.
    key_name: of a key in the environment, see wire/keys.py.

    Raises WrongModel.
    """
    check_text("name", name, NAME)
    check_text("model", model_id)
    check_text("system", system, required=False)
    base_url = check_url(url, key_name)
    values: dict[str, Any] = {
        "model_id": model_id,
        "system": system,
        "parameters": check_parameters({**DEFAULTS, **(parameters or {})}),
    }
    with write_turn(), transaction.atomic():
        endpoint, _ = Endpoint.objects.get_or_create(base_url=base_url, key_name=key_name)
        version = ModelVersion.objects.select_for_update().filter(name=name).order_by("-number").first()
        values["endpoint"] = endpoint
        if version and all(getattr(version, field) == value for field, value in values.items()):
            return version
        if version is None or is_used(version):
            version = ModelVersion(name=name, number=version.number + 1 if version else 1, made_by=by)
        for field, value in values.items():
            setattr(version, field, value)
        version.save()
        Endpoint.objects.filter(versions=None).delete()
    return version


def is_used(version: ModelVersion) -> bool:
    """Whether an answer of a version is wanted or there, so that the version must not change any more."""
    if Generation.objects.filter(version=version).exists():
        return True
    return Response.objects.filter(source=version.source).exists()


def delete_model(name: str) -> bool:
    """Deletes a model none of whose versions is used, with its endpoint if nothing else is there; False if one is."""
    with write_turn(), transaction.atomic():
        versions = list(ModelVersion.objects.select_for_update().filter(name=name).order_by("pk"))
        if any(map(is_used, versions)):
            return False
        ModelVersion.objects.filter(pk__in=[version.pk for version in versions]).delete()
        Endpoint.objects.filter(versions=None).delete()
    return True


def find_version(name: str) -> ModelVersion:
    """The version that `NAME` (the newest one) or `NAME@VERSION` names. Raises ModelVersion.DoesNotExist."""
    model, _, number = name.partition("@")
    versions = ModelVersion.objects.select_related("endpoint").filter(name=model)
    if number:
        versions = versions.filter(number=int(number)) if number.isdecimal() else versions.none()
    version = versions.order_by("-number").first()
    if version is None:
        raise ModelVersion.DoesNotExist(name)
    return version


def list_newest() -> list[ModelVersion]:
    """The newest version of each model, by name."""
    newest: dict[str, ModelVersion] = {}
    for version in ModelVersion.objects.select_related("endpoint").order_by("name", "-number"):
        newest.setdefault(version.name, version)
    return list(newest.values())


def check_text(field: str, text: str, pattern: re.Pattern[str] | None = None, required: bool = True) -> None:
    """Raises WrongModel if a text is empty, too long, not of its pattern, or cannot be stored."""
    try:
        parsers.parse_text(text, field, required)
    except Refusal as refusal:
        raise WrongModel(field, refusal.reason) from None
    if (required and not text.strip()) or (pattern and not pattern.fullmatch(text)):
        raise WrongModel(field, f"wrong_{field}")
    if field != "system" and len(text) > 200:
        raise WrongModel(field, "name_too_long")


def check_url(url: str, key_name: str) -> str:
    """The address of an endpoint, to whose host the key may go. Raises WrongModel."""
    try:
        base_url = parse_base_url(url)
    except WrongURL as why:
        raise WrongModel("url", why.reason) from None
    try:
        find_key(key_name, base_url, os.environ)
    except KeyProblem as why:
        raise WrongModel("key", why.reason) from None
    return base_url


def check_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of sampling. Raises WrongModel."""
    ranges = {"temperature": (0, 5), "top_p": (0, 1), "max_tokens": (1, 1_000_000)}
    for name, value in parameters.items():
        if name in OURS:
            raise WrongModel("parameters", "parameter_is_ours")
        low, high = ranges.get(name, (-math.inf, math.inf))
        if name in ranges and value is not None:
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not low <= value <= high:
                raise WrongModel("parameters", f"wrong_{name}")
    try:
        text = json.dumps(parameters, allow_nan=False)
    except ValueError:
        raise WrongModel("parameters", "not_json") from None
    if len(text) > LONGEST_PARAMETERS or "\\u0000" in text:
        raise WrongModel("parameters", "not_json")
    return dict(parameters)


def build_request(version: ModelVersion, prompt: Prompt, seed: int) -> dict[str, Any]:
    """The body of a request for one answer, without `n`: one request, one answer.

    The version's system text comes before the prompt's own.
    """
    system = "\n\n".join(text for text in (version.system, prompt.system) if text)
    turns = build_messages(build_turns(prompt._replace(system="")))
    messages = [build_message("system", system), *turns] if system else turns
    sampling = {"seed": seed, **version.parameters}
    return {
        "model": version.model_id,
        "messages": messages,
        **{name: value for name, value in sampling.items() if value is not None},
    }


def build_target(endpoint: Endpoint) -> Target:
    """Where requests to an endpoint go, with its key. Raises KeyProblem."""
    return Target(
        endpoint.base_url,
        find_key(endpoint.key_name, endpoint.base_url, os.environ),
        endpoint.first_byte_s,
        endpoint.total_s,
        endpoint.max_bytes,
        streams=endpoint.probed.get("stream", True),
        tells_usage=endpoint.probed.get("stream_options", True),
    )


def get_networks() -> Sequence[Network]:
    """The private networks in which an endpoint may be."""
    networks: Sequence[Network] = settings.ENDPOINT_NETS
    return networks
