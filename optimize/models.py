"""Endpoints, versions of models, and generations: one row per wanted answer."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from datasets.models import Prompt, Response

MILLION = 1_000_000
PRICE: dict[str, Any] = {
    "max_digits": 12,
    "decimal_places": 6,
    "default": Decimal(0),
    "validators": [MinValueValidator(Decimal(0))],
}


class Endpoint(models.Model):
    """A server that speaks OpenAI's chat API, with its limits and prices."""

    base_url = models.CharField(_("address"), max_length=500, help_text="Up to /chat/completions")
    key_name = models.CharField(_("key"), max_length=60, blank=True, help_text="NAME of CHOSEN_KEY_NAME")
    at_once = models.PositiveSmallIntegerField(
        _("concurrent requests"), default=8, validators=[MinValueValidator(1), MaxValueValidator(256)]
    )
    first_byte_s = models.PositiveIntegerField(
        _("timeout for the first byte (seconds)"),
        default=120,
        validators=[MinValueValidator(1), MaxValueValidator(3600)],
    )
    total_s = models.PositiveIntegerField(
        _("total timeout (seconds)"), default=600, validators=[MinValueValidator(1), MaxValueValidator(7200)]
    )
    max_bytes = models.PositiveIntegerField(
        _("largest response (bytes)"),
        default=4 << 20,
        validators=[MinValueValidator(1024), MaxValueValidator(64 << 20)],
    )
    price_in = models.DecimalField(_("price per million input tokens"), **PRICE)
    price_out = models.DecimalField(_("price per million output tokens"), **PRICE)
    currency = models.CharField(_("currency"), max_length=10, blank=True)
    probed: "models.JSONField[Any, dict[str, Any]]" = models.JSONField(
        default=dict, blank=True, help_text="What the server honours, see wire/probe.py"
    )
    probed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["base_url", "key_name"]
        constraints = [models.UniqueConstraint(fields=["base_url", "key_name"], name="endpoint_once")]

    def __str__(self) -> str:
        return self.base_url

    @property
    def has_prices(self) -> bool:
        """Whether its tokens cost something."""
        return bool(self.price_in or self.price_out)

    def compute_cost(self, tokens_in: int, tokens_out: int) -> Decimal:
        """The cost of these tokens, in the endpoint's currency."""
        return (self.price_in * tokens_in + self.price_out * tokens_out) / MILLION


class ModelVersion(models.Model):
    """One version of a model: model id, system text and sampling, as one endpoint serves it.

    Never changed once an answer of it is wanted: its answers carry the source `NAME@VERSION`.
    """

    name = models.CharField(_("name"), max_length=60)
    number = models.PositiveIntegerField(help_text="From 1, within the name")
    endpoint = models.ForeignKey(Endpoint, models.PROTECT, related_name="versions")
    model_id = models.CharField(_("model"), max_length=200, help_text="As the server calls it")
    system = models.TextField(_("system text"), blank=True)
    parameters: "models.JSONField[Any, dict[str, Any]]" = models.JSONField(
        default=dict, blank=True, help_text="Sampling, as sent: {temperature, top_p, max_tokens, stop, …}"
    )
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    made_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name", "-number"]
        constraints = [models.UniqueConstraint(fields=["name", "number"], name="version_once_of_a_model")]

    def __str__(self) -> str:
        return self.source

    @property
    def source(self) -> str:
        """The source of its answers."""
        return f"{self.name}@{self.number}"


class Generation(models.Model):
    """One answer wanted from one model version for one prompt: what came of it, or why nothing did.

    place: from 1 among the answers of the version to the prompt.
    reasoning: what the model thought first; kept beside the answer, never shown to annotators.
    detail: what the server said when it failed, without secrets.
    """

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="generations")
    version = models.ForeignKey(ModelVersion, models.PROTECT, related_name="generations")
    place = models.PositiveSmallIntegerField()
    seed = models.PositiveBigIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    response = models.ForeignKey(Response, models.SET_NULL, null=True, related_name="generations")
    reasoning = models.TextField(blank=True)
    finish = models.CharField(max_length=40, blank=True)
    tokens_in = models.PositiveIntegerField(null=True)
    tokens_out = models.PositiveIntegerField(null=True)
    tokens_cached = models.PositiveIntegerField(null=True)
    first_ms = models.PositiveIntegerField(null=True)
    ms = models.PositiveIntegerField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=30, blank=True, help_text="A code of optimize/reasons.py")
    detail = models.CharField(max_length=300, blank=True)
    warnings: "models.JSONField[Any, list[str]]" = models.JSONField(default=list, blank=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["prompt", "version", "place"], name="generation_once_in_its_place")
        ]
        indexes = [
            models.Index(fields=["version", "prompt"], condition=~Q(state="done"), name="generations_not_done"),
        ]

    def __str__(self) -> str:
        return f"{self.prompt_id}: {self.version_id} {self.place}"
