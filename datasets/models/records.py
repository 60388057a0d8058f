"""Records: guideline versions, the audit log, snapshots, tasks."""

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from datasets.models.dataset import Dataset


class Guideline(models.Model):
    """One version of a dataset's guideline. Judgments refer to it by number."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="guidelines")
    number = models.PositiveIntegerField(help_text="From 1, within the dataset")
    text = models.TextField(blank=True)
    criteria: "models.JSONField[Any, list[dict[str, str]]]" = models.JSONField(
        default=list, blank=True, help_text="As they stood: each has a guideline of its own"
    )
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["dataset", "number"], name="guideline_once_in_a_dataset")]

    def __str__(self) -> str:
        return f"{self.dataset_id}: {self.number}"


class Change(models.Model):
    """One entry of the audit log: who changed what, when, before and after. Outlives its people and its dataset."""

    class Kind(models.TextChoices):
        SETTING = "setting", _("setting")
        GUIDELINE = "guideline", _("guidelines")
        MEMBER = "member", _("member")
        JUDGMENT = "judgment", _("judgment")
        GOLD = "gold", _("gold question")
        PERSON = "person", _("person")
        FLAG = "flag", _("flag")
        IMPORT = "import", _("import")
        DATASET = "dataset", _("dataset")

    at = models.DateTimeField(auto_now_add=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    by_name = models.CharField(max_length=150, blank=True, help_text="As it was then; empty: a command")
    dataset = models.ForeignKey(Dataset, models.SET_NULL, null=True, related_name="changes")
    slug = models.CharField(max_length=80, blank=True, help_text="Of the dataset, as it was then")
    kind = models.CharField(max_length=10, choices=Kind)
    what = models.CharField(max_length=200, help_text="Which setting, person, judgment")
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)

    class Meta:
        indexes = [models.Index(fields=["dataset", "id"], name="changes_of_a_dataset")]

    def __str__(self) -> str:
        return f"{self.kind} {self.what}"


class Snapshot(models.Model):
    """A bundle: an archive that never changes, even when its judgments or people do."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="snapshots")
    number = models.PositiveIntegerField(help_text="From 1, within the dataset")
    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=150, blank=True, help_text="The name as it was then")
    manifest = models.JSONField()
    size = models.PositiveBigIntegerField(help_text="Bytes")
    sha256 = models.CharField(max_length=64)
    is_whole = models.BooleanField(default=False, help_text="All its parts are there")

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["dataset", "number"], name="snapshot_once_in_a_dataset")]

    def __str__(self) -> str:
        return f"{self.dataset.slug}-{self.number}"


class SnapshotPart(models.Model):
    """One part of a snapshot's archive, in the database so that every machine and every backup has it."""

    snapshot = models.ForeignKey(Snapshot, models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["snapshot", "number"], name="part_once_in_a_snapshot")]

    def __str__(self) -> str:
        return f"{self.snapshot_id}: {self.number}"


class Job(models.Model):
    """A background task, see datasets/jobs/worker.py."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    OPEN = (State.WAITING, State.RUNNING)

    kind = models.CharField(max_length=20)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    dataset = models.ForeignKey(Dataset, models.CASCADE, null=True, related_name="jobs")
    arguments = models.JSONField(default=dict)
    secret = models.TextField(blank=True, default="", help_text="Sealed, see datasets/sealing.py; gone once it ends")
    language = models.CharField(max_length=10, blank=True, help_text="Of whoever asked, for what went wrong")
    result = models.JSONField(default=dict)
    error = models.TextField(blank=True)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0, help_text="0: not known")
    cancel = models.BooleanField(default=False, help_text="Somebody asked for it")
    attempts = models.PositiveSmallIntegerField(default=0)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    beat_at = models.DateTimeField(null=True, help_text="When its worker was last alive")
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["id"], condition=Q(state__in=["waiting", "running"]), name="open_jobs")]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "running"]) | Q(secret=""), name="a_task_that_ended_keeps_no_secret"
            )
        ]

    def __str__(self) -> str:
        return f"{self.pk}: {self.kind}"

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

    @property
    def share(self) -> float | None:
        """The completed share, 0 to 1; None while the total is unknown."""
        return min(1.0, self.done / self.total) if self.total else None

    @property
    def seconds_left(self) -> float | None:
        """Seconds left at the average speed so far; None in the first two seconds or while the total is unknown."""
        if self.state != self.State.RUNNING or not self.share or not self.started_at:
            return None
        so_far = (timezone.now() - self.started_at).total_seconds()
        return so_far * (1 - self.share) / self.share if so_far > 2 else None
