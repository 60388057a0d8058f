"""The Django app of optimize."""

from django.apps import AppConfig


class OptimizeConfig(AppConfig):
    name = "optimize"
