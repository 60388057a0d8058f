"""The models. Their rules are database constraints; queries over rows are QuerySet methods."""

from datasets.models.dataset import RESERVED_SLUGS, Dataset, DatasetQuerySet
from datasets.models.imports import Import, ImportQuerySet, Mapping
from datasets.models.judgments import (
    Choice,
    ChoiceQuerySet,
    Comparison,
    ComparisonQuerySet,
    Gold,
    Judgment,
    JudgmentQuerySet,
    Rating,
    draw_priority,
)
from datasets.models.prompts import ImportedQuerySet, Likeness, Prompt, Response, RoleGiven
from datasets.models.records import Change, Guideline, Job, Snapshot, SnapshotPart

__all__ = [
    "RESERVED_SLUGS",
    "Change",
    "Choice",
    "ChoiceQuerySet",
    "Comparison",
    "ComparisonQuerySet",
    "Dataset",
    "DatasetQuerySet",
    "Gold",
    "Guideline",
    "Import",
    "ImportQuerySet",
    "ImportedQuerySet",
    "Job",
    "Judgment",
    "JudgmentQuerySet",
    "Likeness",
    "Mapping",
    "Prompt",
    "Rating",
    "Response",
    "RoleGiven",
    "Snapshot",
    "SnapshotPart",
    "draw_priority",
]
