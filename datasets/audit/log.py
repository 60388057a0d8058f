"""The audit log: who changed what, when, from which value to which. listing.py reads it.

An act writes its entry in its own transaction, so that neither exists without the other. Values are small: codes,
numbers, names; a guideline appears as its version number. Passwords, links and tokens are never logged.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.forms import ModelForm

from datasets.audit.guidelines import save_version
from datasets.models import Change, Dataset

if TYPE_CHECKING:
    from annotate.models import User

Kind = Change.Kind
NOT_SETTINGS = ("id", "slug", "created_at", "guideline", "guideline_number", "fewest_shown", "setup_done")
SETTINGS = [field.name for field in Dataset._meta.concrete_fields if field.name not in NOT_SETTINGS]
MAX_WHAT_LENGTH = 200


def log(
    kind: str,
    what: object,
    before: Any = None,
    after: Any = None,
    by: "User | None" = None,
    dataset: Dataset | None = None,
    slug: str = "",
) -> None:
    """Writes an entry of the audit log.

    what: what changed: the name of a setting or person, or an id.
    before, after: plain JSON values.
    by: who did it; None for a command.
    slug: of a dataset that no longer exists.
    """
    Change.objects.create(
        kind=kind,
        what=str(what)[:MAX_WHAT_LENGTH],
        before=before,
        after=after,
        by=by,
        by_name=by.username if by else "",
        dataset=dataset,
        slug=dataset.slug if dataset else slug,
    )


@transaction.atomic
def save_settings(form: "ModelForm[Dataset]", by: "User | None" = None, extra_fields: Iterable[str] = ()) -> Dataset:
    """Saves the dataset of a valid form; logs each change, and stores a new version of the guideline if it changed.

    Writes only the form's own fields and `extra_fields`: another admin may have changed others since the form was
    rendered.
    """
    dataset = ModelForm.save(form, commit=False)
    stored = Dataset.objects.select_for_update(no_key=True).filter(pk=dataset.pk).first()
    if stored:
        fields = [name for name in form._meta.fields or () if name != "annotators"]
        dataset.guideline_number = stored.guideline_number
        dataset.save(update_fields=[*fields, *extra_fields])
    else:
        fields, stored = SETTINGS, Dataset()
        dataset.save()
        log(Kind.DATASET, dataset.slug, after="made", by=by, dataset=dataset)
    names_before = list_annotator_names(dataset)
    form.save_m2m()
    log_settings(stored, dataset, fields, by)
    log_members(dataset, names_before, list_annotator_names(dataset), by)
    if versions := save_version(dataset, by):
        log(Kind.GUIDELINE, "guideline", *versions, by=by, dataset=dataset)
    return dataset


def list_annotator_names(dataset: Dataset) -> set[str]:
    """Usernames of those named as annotators."""
    return set(dataset.annotators.values_list("username", flat=True))


def log_settings(before: Dataset, after: Dataset, names: Iterable[str], by: "User | None" = None) -> None:
    """Logs each of these settings that differs."""
    for name in names:
        was, now = get_logged_value(name, before), get_logged_value(name, after)
        if name in SETTINGS and was != now:
            log(Kind.SETTING, name, was, now, by=by, dataset=after)


def get_logged_value(name: str, dataset: Dataset) -> Any:
    """A setting's value in the log; for criteria only their names, as versions store the guidelines."""
    value = getattr(dataset, name)
    return [criterion["name"] for criterion in value] if name == "criteria" else value


def log_members(dataset: Dataset, before: set[str], after: set[str], by: "User | None" = None) -> None:
    """Logs each person added to or removed from those who may judge."""
    for name in sorted(before - after):
        log(Kind.MEMBER, name, "named", None, by=by, dataset=dataset)
    for name in sorted(after - before):
        log(Kind.MEMBER, name, None, "named", by=by, dataset=dataset)
