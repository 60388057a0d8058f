"""Imports, and the column mappings that people gave for their files."""

from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from datasets.models.dataset import Dataset


class ImportQuerySet(models.QuerySet["Import"]):
    def unfinished(self) -> Self:
        """Imports that are being stored or undone."""
        return self.filter(state__in=Import.UNFINISHED)


class Import(models.Model):
    """One upload of files. Its rows are invisible everywhere until it reaches `asking`."""

    class State(models.TextChoices):
        UNSURE = "unsure", _("not checked: columns not mapped")
        CHECKED = "checked", _("checked, not imported")
        STORING = "storing", _("importing")
        ASKING = "asking", _("imported, creating comparisons")
        DONE = "done", _("imported")
        UNDOING = "undoing", _("being undone")
        UNDONE = "undone", _("undone")

    WAITING = (State.UNSURE, State.CHECKED)
    UNFINISHED = (State.STORING, State.ASKING, State.UNDOING)
    VISIBLE = (State.ASKING, State.DONE, State.UNDOING)

    slug = models.SlugField(max_length=80)
    dataset = models.ForeignKey(Dataset, models.CASCADE, null=True, related_name="imports")
    dataset_settings = models.JSONField(default=dict, help_text="{field: value} of a dataset that this import creates")
    state = models.CharField(max_length=10, choices=State, default=State.CHECKED)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    touched_at = models.DateTimeField(auto_now=True)
    files: "models.JSONField[Any, list[str]]" = models.JSONField(default=list)
    folder = models.CharField(max_length=80, blank=True, help_text="Of its files in DATA_DIR/uploads, while it has any")
    format = models.CharField(max_length=100)
    read_as = models.JSONField(default=list, help_text="[{what: column}] where somebody said which column is what")
    unread = models.JSONField(default=dict, help_text="{column: rows that have it} of what was not read")
    blocking = models.JSONField(default=list, help_text="[column] of these that bear on learning")
    rows = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    stored_upto = models.PositiveIntegerField(default=0)
    prompts = models.PositiveIntegerField(default=0)
    responses = models.PositiveIntegerField(default=0)
    choices = models.PositiveIntegerField(default=0)
    duplicates = models.PositiveIntegerField(default=0)

    objects = ImportQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["dataset"], condition=Q(state__in=["storing", "asking", "undoing"]), name="one_import_at_a_time"
            )
        ]

    def __str__(self) -> str:
        return ", ".join(self.files)


class Mapping(models.Model):
    """Which column of a file has which role. Applies to every file with the same columns."""

    key = models.CharField(max_length=64, unique=True, help_text="Of the names of the columns, whatever their order")
    columns: "models.JSONField[Any, list[str]]" = models.JSONField()
    roles = models.JSONField(help_text="{what: column}, see datasets/formats/mapping.py")
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return ", ".join(self.columns)
