"""The summary of an import."""

from typing import Any

from datasets.models import Import

COUNTS = (
    "rows",
    "prompts",
    "responses",
    "choices",
    "duplicates",
    "refused",
)  # fields of Import


def build_summary(run: Import, warnings: dict[str, int], seconds: float) -> dict[str, Any]:
    """The summary that the command and the API return as JSON.

    warnings: rows by warning.

    >>> build_summary(run, {}, 1.5)
    {'dataset': 'moons', 'format': 'wide', 'rows': 1, 'prompts': 0, 'responses': 0, 'choices': 0, 'duplicates': 0,
     'refused': 0, 'unread': {}, 'warnings': {}, 'seconds': 1.5}
    """
    return {
        "dataset": run.slug,
        "format": run.format,
        **{name: getattr(run, name) for name in COUNTS},
        "unread": run.unread,
        "warnings": warnings,
        "seconds": round(seconds, 3),
    }
