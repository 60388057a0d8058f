"""The log: who changed what, when, from what to what. Whoever does an act writes its line in the act's own transaction:
there is no act without a line, and no line without its act. listing.py reads it.

Values are small: codes, numbers and names; a guideline stands by its number. No password, link or token is in it.
"""

from django.db import transaction
from django.forms import ModelForm

from datasets.audit.guidelines import save_version
from datasets.models import Change, Dataset

Kind = Change.Kind
NOT_SETTINGS = ("id", "slug", "created_at", "guideline", "guideline_number", "fewest_shown")
SETTINGS = [field.name for field in Dataset._meta.concrete_fields if field.name not in NOT_SETTINGS]
MAX_WHAT_LENGTH = 200


def log(kind, what, before=None, after=None, by=None, dataset=None, slug=""):
    """Write a line. by: the person who did it, None for a command. slug: of a dataset that is not there any more."""
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
def save_settings(form, by=None, extra_fields=()):
    """The dataset of a valid form, saved, with a line for each setting and person that changed, and a new version of
    its guideline where that did. Only the form's own fields (and `extra_fields`) are written: another admin may have
    changed others since it was read."""
    dataset = ModelForm.save(form, commit=False)
    stored = Dataset.objects.select_for_update(no_key=True).filter(pk=dataset.pk).first()
    if stored:
        fields = [name for name in form._meta.fields if name != "annotators"]
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


def list_annotator_names(dataset):
    """Who is named as an annotator."""
    return set(dataset.annotators.values_list("username", flat=True))


def log_settings(before, after, names, by=None):
    """A line for each of these settings of a dataset that differs."""
    for name in names:
        was, now = get_logged_value(name, before), get_logged_value(name, after)
        if name in SETTINGS and was != now:
            log(Kind.SETTING, name, was, now, by=by, dataset=after)


def get_logged_value(name, dataset):
    """A setting as it stands in the log: of criteria their names, what else they say is in the guideline's versions."""
    value = getattr(dataset, name)
    return [criterion["name"] for criterion in value] if name == "criteria" else value


def log_members(dataset, before, after, by=None):
    """A line for each person who may judge from now on, or may not any more because others are named."""
    for name in sorted(before - after):
        log(Kind.MEMBER, name, "named", None, by=by, dataset=dataset)
    for name in sorted(after - before):
        log(Kind.MEMBER, name, None, "named", by=by, dataset=dataset)
