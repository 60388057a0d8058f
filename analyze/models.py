"""The stored report of a dataset."""

from django.db import models

from datasets.models import Dataset


class Report(models.Model):
    """The numbers of one dataset, as last computed; see analyze/reports/.

    computed_from: their basis, see `report.compute_basis`; once that changes, the report is old.
    """

    dataset = models.OneToOneField(Dataset, models.CASCADE, related_name="report")
    made_at = models.DateTimeField()
    seconds = models.FloatField(help_text="How long it took")
    computed_from = models.JSONField()
    numbers = models.JSONField()

    def __str__(self) -> str:
        return f"{self.dataset_id}: {self.made_at}"
