"""Endpoints, versions of models, generations (one row per wanted answer), chats with models, feedback of products."""

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from datasets.models import Comparison, Dataset, Job, Judgment, Prompt, Response

MILLION = 1_000_000
PRICE: dict[str, Any] = {
    "max_digits": 12,
    "decimal_places": 6,
    "default": Decimal(0),
    "validators": [MinValueValidator(Decimal(0))],
}


class Endpoint(models.Model):
    """A server that speaks OpenAI's chat API, with its limits and prices."""

    base_url = models.CharField(_("URL"), max_length=500, help_text="Up to /chat/completions")
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
    price_in = models.DecimalField(_("price per 1M input tokens"), **PRICE)
    price_out = models.DecimalField(_("price per 1M output tokens"), **PRICE)
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


class ChatSettings(models.Model):
    """Who answers in a dataset's chat, and how. A dataset without such a row has no chat.

    names: of models (their newest version answers) or `NAME@VERSION`; with one of them both answers are its own.
    answers: shown for each turn; one of them is rated with stars.
    leaders: draw pairs of several models by Thompson sampling instead of evenly.
    """

    dataset = models.OneToOneField(Dataset, models.CASCADE, related_name="chat_settings")
    names: "models.JSONField[Any, list[str]]" = models.JSONField(default=list)
    answers = models.PositiveSmallIntegerField(
        _("answers"), default=2, choices=[(2, _("two: choose the better one")), (1, _("one: rate it with stars"))]
    )
    to_queue = models.BooleanField(_("also judged by others in the queue"), default=False)
    leaders = models.BooleanField(_("favor leading models"), default=False)
    show_names = models.BooleanField(_("show model names after the chat"), default=False)
    keep_days = models.PositiveSmallIntegerField(
        _("retention (days)"), null=True, blank=True, validators=[MinValueValidator(1)]
    )

    def __str__(self) -> str:
        return f"{self.dataset_id}: {self.names}"


class PolicySettings(models.Model):
    """How a dataset's bot answers by people's choices: best of n. A dataset without such a row uses the defaults.

    names: of models, as in ChatSettings; none for those of the chat.
    picker: a name of policy/pickers; "" for the best one that held-out choices support.
    margin: the chance from which the pick replaces the first answer.
    live_share: percent of the requests from outside whose pick and first answer go to the queue.
    """

    dataset = models.OneToOneField(Dataset, models.CASCADE, related_name="policy_settings")
    names: "models.JSONField[Any, list[str]]" = models.JSONField(default=list, blank=True)
    n = models.PositiveSmallIntegerField(
        _("candidates"), default=4, validators=[MinValueValidator(1), MaxValueValidator(16)]
    )
    picker = models.CharField(_("picker"), max_length=40, blank=True)
    margin = models.DecimalField(
        _("min. win probability"),
        max_digits=3,
        decimal_places=2,
        default=Decimal("0.6"),
        validators=[MinValueValidator(Decimal("0.5")), MaxValueValidator(Decimal("0.99"))],
    )
    live_share = models.PositiveSmallIntegerField(
        _("requests to judge (%)"), default=0, validators=[MaxValueValidator(100)]
    )

    def __str__(self) -> str:
        return f"{self.dataset_id}: {self.n}"


class Pick(models.Model):
    """What a policy made of the answers to a prompt.

    choices: the number of people's choices that it had learnt from.
    before: the earlier pick, if this one replaced another.
    comparison: of the first answer and the pick, for a request from outside that people judge.
    """

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="picks")
    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="picks")
    n = models.PositiveSmallIntegerField()
    first = models.ForeignKey(Response, models.CASCADE, related_name="+")
    pick = models.ForeignKey(Response, models.CASCADE, related_name="+")
    before = models.ForeignKey(Response, models.SET_NULL, null=True, related_name="+")
    picker = models.CharField(max_length=40)
    chance = models.FloatField(null=True)
    covered = models.BooleanField()
    choices = models.PositiveIntegerField()
    comparison = models.ForeignKey(Comparison, models.CASCADE, null=True, related_name="+")
    picked_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["prompt"], condition=Q(comparison=None), name="pick_once_for_a_prompt")
        ]
        indexes = [models.Index(fields=["dataset", "prompt"], name="picks_of_a_dataset")]

    def __str__(self) -> str:
        return f"{self.prompt_id}: {self.pick_id}"


class Chat(models.Model):
    """A person's chat with the models of a dataset.

    key: drawn by the page that begins it, so that a form that is sent twice begins one chat.
    """

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="chats")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="chats")
    key = models.CharField(max_length=40)
    begun_at = models.DateTimeField(auto_now_add=True)
    changed_at = models.DateTimeField(auto_now=True)
    is_over = models.BooleanField(default=False)

    class Meta:
        ordering = ["-pk"]
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="chat_begun_once")]

    def __str__(self) -> str:
        return f"{self.dataset_id}: {self.user_id} {self.pk}"


class Turn(models.Model):
    """What a person said in a chat, and what came of it. Its prompt holds the words and the chat before them.

    number: from 1 within the chat.
    made_prompt: whether the prompt was stored for this turn, so that it goes with the chat.
    versions: ids of the model versions that answer, one per answer.
    round: of answers that the models are asked for, from 0; a later one brings other answers.
    chosen: the answer with which the chat goes on.
    """

    class State(models.TextChoices):
        ASKED = "asked", _("models are answering")
        ANSWERED = "answered", _("awaiting a verdict")
        FAILED = "failed", _("failed")
        OVER = "over", _("judged")

    chat = models.ForeignKey(Chat, models.CASCADE, related_name="turns")
    number = models.PositiveIntegerField()
    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="chat_turns")
    made_prompt = models.BooleanField(default=False)
    versions: "models.JSONField[Any, list[int]]" = models.JSONField()
    round = models.PositiveSmallIntegerField(default=0)
    state = models.CharField(max_length=10, choices=State, default=State.ASKED)
    error = models.CharField(max_length=30, blank=True, help_text="A code of optimize/reasons.py")
    job = models.ForeignKey(Job, models.SET_NULL, null=True, related_name="+")
    comparison = models.ForeignKey(Comparison, models.SET_NULL, null=True, related_name="chat_turns")
    judgment = models.ForeignKey(Judgment, models.SET_NULL, null=True, related_name="chat_turns")
    chosen = models.ForeignKey(Response, models.SET_NULL, null=True, related_name="+")
    said_at = models.DateTimeField(auto_now_add=True)
    answered_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["chat", "number"], name="turn_once_in_a_chat")]

    def __str__(self) -> str:
        return f"{self.chat_id}: {self.number}"


class Feedback(models.Model):
    """Feedback that a product has sent under its key, see feedback.py.

    body_hash, user_hash: keyed hashes of the body, and of the sender's id of the user.
    judgment: the vote that it is.
    response, thumb: the answer that it labels, and how.
    """

    class Thumb(models.TextChoices):
        UP = "up", _("thumbs up")
        DOWN = "down", _("thumbs down")

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="feedback")
    key = models.CharField(max_length=200)
    body_hash = models.CharField(max_length=64)
    user_hash = models.CharField(max_length=64)
    judgment = models.ForeignKey(Judgment, models.SET_NULL, null=True, related_name="feedback")
    response = models.ForeignKey(Response, models.SET_NULL, null=True, related_name="feedback")
    thumb = models.CharField(max_length=4, blank=True, choices=Thumb)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dataset", "key"], name="feedback_key_once_in_a_dataset")]

    def __str__(self) -> str:
        return f"{self.dataset_id}: {self.key}"
