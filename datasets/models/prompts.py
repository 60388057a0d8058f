"""Prompts and the answers to them."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from datasets.db.bulk import match_values
from datasets.models.dataset import Dataset
from datasets.models.imports import Import


class ImportedQuerySet(models.QuerySet):
    """Rows that an import may have brought."""

    def visible(self):
        return self.filter(Q(imported=None) | Q(imported__state__in=Import.VISIBLE))

    def visible_in(self, dataset):
        """As `visible`, of one dataset and as it is now. Where all of it is read part by part, PostgreSQL should not
        join: it expects that little is left, and sorts all the rest for each part."""
        imports = Import.objects.filter(dataset=dataset, state__in=Import.VISIBLE).values_list("pk", flat=True)
        return self.filter(Q(imported=None) | Q(match_values(self.model, "imported", imports)))


class Prompt(models.Model):
    """What the answers answer. The four parts stay apart, so that each dialect comes back as it went in."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="prompts")
    fingerprint = models.CharField(max_length=64)
    system = models.TextField(blank=True)
    turns = models.JSONField(default=list, blank=True, help_text="Earlier turns: [[role, text], …]")
    instruction = models.TextField()
    input = models.TextField(blank=True)
    imported = models.ForeignKey(Import, models.CASCADE, null=True, related_name="+")
    words = models.PositiveIntegerField(default=0)
    html = models.JSONField(null=True, help_text="The parts as rendered at the first showing")
    plain = models.CharField(max_length=10, null=True, help_text="Why it is shown as plain text")  # noqa: DJ001
    tags = models.JSONField(default=list, blank=True, help_text="Words by which an export can choose: [tag, …]")
    group = models.CharField(max_length=64, blank=True, default="", help_text="Fingerprint of the first prompt like it")

    objects = ImportedQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dataset", "fingerprint"], name="prompt_once_in_a_dataset")]
        indexes = [
            models.Index(fields=["dataset", "id"], condition=Q(group=""), name="prompts_without_a_group"),
            models.Index(fields=["dataset"], condition=Q(plain__isnull=False), name="prompts_shown_plain"),
        ]

    def __str__(self):
        return self.instruction[:80]


class Response(models.Model):
    """One candidate answer. `candidate`: compared by the dataset's policy; `demonstration`: a row of every SFT file.

    Source `repair`: a better answer that somebody wrote while judging; it is never shown to its writers.
    """

    REPAIR = "repair"

    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="responses")
    text = models.TextField()
    text_hash = models.CharField(max_length=64)
    source = models.CharField(max_length=200, blank=True)
    candidate = models.BooleanField(default=False)
    demonstration = models.BooleanField(default=False)
    imported = models.ForeignKey(Import, models.CASCADE, null=True, related_name="+")
    writers = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+", help_text="Of a repair: who wrote it")
    words = models.PositiveIntegerField(default=0)
    html = models.TextField(null=True, help_text="The text as rendered at the first showing")  # noqa: DJ001
    plain = models.CharField(max_length=10, null=True, help_text="Why it is shown as plain text")  # noqa: DJ001

    objects = ImportedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["prompt", "source", "text_hash"], name="response_once_of_a_source")
        ]
        indexes = [models.Index(fields=["prompt"], condition=Q(plain__isnull=False), name="responses_shown_plain")]

    def __str__(self):
        return self.text[:80]


class RoleGiven(models.Model):
    """An import gave a response that was there before a further role. Undoing the import takes it back."""

    imported = models.ForeignKey(Import, models.CASCADE, related_name="roles_given")
    response = models.ForeignKey(Response, models.CASCADE, related_name="+")
    role = models.CharField(max_length=20)

    def __str__(self):
        return f"{self.response_id}: {self.role}"


class Likeness(models.Model):
    """One of the marks of a prompt that near-duplicates share, see datasets/splits.py."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="+")
    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="+")
    mark = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["dataset", "mark"], name="prompts_alike")]

    def __str__(self):
        return f"{self.prompt_id}: {self.mark}"
