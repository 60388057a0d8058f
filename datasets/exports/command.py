"""The command that writes the same file as the page."""

import shlex
from collections.abc import Iterator

from datasets.exports.wording import Cleaned, iter_set_filters
from datasets.formats import get_file_kind, get_writable_formats
from datasets.models import Dataset


def build_command(dataset: Dataset, name: str, cleaned: Cleaned) -> str:
    """The command for a file or a release, quoted for a shell.

    name: of the dialect, or "bundle".

    >>> build_command(dataset, "dpo", {"min_votes": 3})
    'manage.py export_dataset moons --format dpo --min-votes 3 --output moons-dpo.jsonl'
    """
    is_dialect = name in get_writable_formats()
    file = f"{dataset.slug}-{name}.{get_file_kind(name)}" if is_dialect else f"{dataset.slug}.zip"
    words = ["manage.py", "export_dataset", dataset.slug, "--format", name]
    for option, value in iter_options(cleaned):
        words += [f"--{option}={value}"] if value.startswith("-") else [f"--{option}", value]
    words += [f"--{flag}" for flag in list_flags(name, cleaned)]
    return shlex.join([*words, "--output", file])


def iter_options(cleaned: Cleaned) -> Iterator[tuple[str, str]]:
    """(name, value) of each option with a value."""
    for name, value in iter_set_filters(cleaned):
        option = name.replace("_", "-")
        if name == "annotator":
            yield from ((option, person) for person in value)
        else:
            yield option, ",".join(value) if isinstance(value, tuple) else str(value)
    for option in ("with", "dialects", "split"):
        if cleaned.get(option):
            yield option, ",".join(map(str, cleaned[option]))


def list_flags(name: str, cleaned: Cleaned) -> list[str]:
    """The names of the options without a value."""
    is_table = name in get_writable_formats() and get_file_kind(name) == "csv"
    flags = ["for-spreadsheets"] if is_table and cleaned.get("for_spreadsheets") == "1" else []
    return [*flags, "conversations"] if cleaned.get("conversations") == "1" else flags
