"""What was computed of a dataset, kept until something else is to be said."""

from django.db import models

from datasets.models import Dataset


class Report(models.Model):
    """The numbers of one dataset as they were computed last, see analyze/reports/.

    computed_from: what they were computed from, see `report.compute_basis`; where that is another now, they are old.
    """

    dataset = models.OneToOneField(Dataset, models.CASCADE, related_name="report")
    made_at = models.DateTimeField()
    seconds = models.FloatField(help_text="How long it took")
    computed_from = models.JSONField()
    numbers = models.JSONField()

    def __str__(self):
        return f"{self.dataset_id}: {self.made_at}"
