"""Prompts and the responses to them."""

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from datasets.db.bulk import match_values
from datasets.models.dataset import Dataset
from datasets.models.imports import Import


class ImportedQuerySet(models.QuerySet):
    """Rows that may come from an import: models with a nullable foreign key `imported`."""

    def visible(self) -> Self:
        """Rows made by hand or by an import that has reached `asking`."""
        return self.filter(Q(imported=None) | Q(imported__state__in=Import.VISIBLE))

    def visible_in(self, dataset: Dataset) -> Self:
        """Like `visible` for the rows of one dataset, with the visible imports looked up immediately.

        Spares PostgreSQL the join when a whole dataset is read in batches: it expects the join to leave few rows and
        sorts all remaining ones for each batch.
        """
        imports = Import.objects.filter(dataset=dataset, state__in=Import.VISIBLE).values_list("pk", flat=True)
        return self.filter(Q(imported=None) | Q(match_values(self.model, "imported", imports)))


class Prompt(models.Model):
    """A prompt, stored as four separate parts so that each dialect is exported exactly as it was imported."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="prompts")
    fingerprint = models.CharField(max_length=64)
    system = models.TextField(blank=True)
    turns: "models.JSONField[Any, list[list[str]]]" = models.JSONField(
        default=list, blank=True, help_text="Earlier turns: [[role, text], …]"
    )
    instruction = models.TextField()
    input = models.TextField(blank=True)
    imported = models.ForeignKey(Import, models.CASCADE, null=True, related_name="+")
    words = models.PositiveIntegerField(default=0)
    html = models.JSONField(null=True, help_text="The parts as rendered at the first showing")
    rendering = models.PositiveSmallIntegerField(null=True, help_text="datasets.text.markdown.VERSION of the HTML")
    plain = models.CharField(max_length=10, null=True, help_text="Why it is shown as plain text")  # noqa: DJ001
    tags: "models.JSONField[Any, list[str]]" = models.JSONField(
        default=list, blank=True, help_text="Words by which an export can choose: [tag, …]"
    )
    group = models.CharField(max_length=64, blank=True, default="", help_text="Fingerprint of the first prompt like it")
    origins: "models.JSONField[Any, list[list[Any]]]" = models.JSONField(
        default=list, blank=True, help_text="Rows of files: [[import, id, metadata, [hash of a response, …]], …]"
    )

    objects = ImportedQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dataset", "fingerprint"], name="prompt_once_in_a_dataset")]
        indexes = [
            models.Index(fields=["dataset", "id"], condition=Q(group=""), name="prompts_without_a_group"),
            models.Index(fields=["dataset"], condition=Q(plain__isnull=False), name="prompts_shown_plain"),
        ]

    def __str__(self) -> str:
        return self.instruction[:80]


class Response(models.Model):
    """A response to a prompt.

    candidate: compared with others, as the dataset's settings say.
    demonstration: a row of every SFT file.
    source: REPAIR for a better response that an annotator wrote while judging; never shown to its writers.
    turns: of an answer of several turns, whose text is their transcript.
    """

    REPAIR = "repair"

    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="responses")
    text = models.TextField()
    text_hash = models.CharField(max_length=64)
    source = models.CharField(max_length=200, blank=True)
    candidate = models.BooleanField(default=False)
    demonstration = models.BooleanField(default=False)
    label = models.BooleanField(null=True, help_text="Whether a file calls it good")
    turns: "models.JSONField[Any, list[list[str]] | None]" = models.JSONField(
        null=True, help_text="Of an answer of several turns: [[role, text], …]"
    )
    imported = models.ForeignKey(Import, models.CASCADE, null=True, related_name="+")
    writers = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+", help_text="Of a repair: who wrote it")
    words = models.PositiveIntegerField(default=0)
    reasoning = models.TextField(null=True, help_text="What the model thought before this text")  # noqa: DJ001
    html = models.TextField(null=True, help_text="Both as rendered at the first showing")  # noqa: DJ001
    rendering = models.PositiveSmallIntegerField(null=True, help_text="datasets.text.markdown.VERSION of the HTML")
    plain = models.CharField(max_length=10, null=True, help_text="Why it is shown as plain text")  # noqa: DJ001

    objects = ImportedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["prompt", "source", "text_hash"], name="response_once_of_a_source")
        ]
        indexes = [models.Index(fields=["prompt"], condition=Q(plain__isnull=False), name="responses_shown_plain")]

    def __str__(self) -> str:
        return self.text[:80]


class RoleGiven(models.Model):
    """A role that an import added to an existing response. Undoing the import removes it."""

    imported = models.ForeignKey(Import, models.CASCADE, related_name="roles_given")
    response = models.ForeignKey(Response, models.CASCADE, related_name="+")
    role = models.CharField(max_length=20)

    def __str__(self) -> str:
        return f"{self.response_id}: {self.role}"


class Likeness(models.Model):
    """One hash of a prompt that its near-duplicates share."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="+")
    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="+")
    mark = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["dataset", "mark"], name="prompts_alike")]

    def __str__(self) -> str:
        return f"{self.prompt_id}: {self.mark}"
