"""What several commands do: name a dataset, say what is wrong with an option, write a file."""

import os
from pathlib import Path

from django.core.management.base import CommandError

from datasets.models import Dataset


def find_dataset(slug):
    try:
        return Dataset.objects.get(slug=slug)
    except Dataset.DoesNotExist:
        there = ", ".join(Dataset.objects.values_list("slug", flat=True)) or "none"
        raise CommandError(f"There is no dataset {slug}. There are: {there}", returncode=2) from None


def format_form_errors(form):
    """What is wrong with a form, by the options of the command."""
    return "; ".join(f"--{name.replace('_', '-')}: {' '.join(errors)}" for name, errors in form.errors.items())


def split_words(text):
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def write_whole(path, pieces):
    """Write the file aside and put it in place when it is whole; into what is no file, as a pipe, straight."""
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
