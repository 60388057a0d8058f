"""Helpers of the management commands: find a dataset, report invalid options, write a file."""

import os
from collections.abc import Iterable
from pathlib import Path

from django.core.management.base import CommandError
from django.forms import BaseForm

from datasets.models import Dataset


def find_dataset(slug: str) -> Dataset:
    """The dataset. Raises CommandError with the existing slugs."""
    try:
        return Dataset.objects.get(slug=slug)
    except Dataset.DoesNotExist:
        there = ", ".join(Dataset.objects.values_list("slug", flat=True)) or "none"
        raise CommandError(f"There is no dataset {slug}. There are: {there}", returncode=2) from None


def format_form_errors(form: BaseForm) -> str:
    """The errors of a form, by the command's options."""
    return "; ".join(
        f"--{name.replace('_', '-')}: {' '.join(map(str, errors))}" for name, errors in form.errors.items()
    )


def split_words(text: str | None) -> list[str]:
    """The comma-separated words of an option."""
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def write_whole(path: str | Path, pieces: Iterable[bytes]) -> None:
    """Writes a file atomically: to a temporary file, which then replaces it. Writes straight into a pipe or device."""
    place = Path(os.path.realpath(path))
    is_file = place.is_file() or not place.exists()
    aside = place.with_name(f".{place.name}.{os.getpid()}") if is_file else place
    try:
        with open(aside, "wb") as file:
            file.writelines(pieces)
        if is_file:
            aside.replace(place)
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", returncode=2) from None
    finally:
        if is_file:
            aside.unlink(missing_ok=True)
