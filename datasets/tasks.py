"""Registers the kinds of tasks of this app for workers (`manage.py work`)."""

from datasets.bundles import tasks as bundle_tasks  # noqa: F401
from datasets.comparisons import tasks as comparison_tasks  # noqa: F401
from datasets.imports import tasks as import_tasks  # noqa: F401
from datasets.prompts import tasks as prompt_tasks  # noqa: F401
