"""The Django app of datasets."""

from django.apps import AppConfig


class DatasetsConfig(AppConfig):
    name = "datasets"
