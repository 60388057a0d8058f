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


class Statistic(models.Model):
    """A count of a large dataset as last made; see analyze/counted.py.

    key: what was counted. value: JSON. seconds: that the counting took. began_at: when the last counting began.
    """

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="+")
    key = models.CharField(max_length=100)
    value = models.TextField()
    made_at = models.DateTimeField()
    seconds = models.FloatField()
    began_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dataset", "key"], name="statistic_once_in_a_dataset")]

    def __str__(self) -> str:
        return f"{self.dataset_id}: {self.key}"
