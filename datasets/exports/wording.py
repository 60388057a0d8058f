"""What an export holds, in words: the purpose of a dialect, and the filters of a file or release that was made."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from django import forms
from django.utils.dateparse import parse_datetime
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from datasets.exports.forms import OFFERED_FIRST, FilterForm
from datasets.formats import get_writable_formats
from datasets.formats.rows import Demonstration, JudgmentRow, Label, Preference
from datasets.text.near_duplicates import PARTS

Cleaned = Mapping[str, Any]  # cleaned data of FilterForm, and of FileForm or BundleForm

PURPOSES: dict[type, str | Promise] = {
    Preference: gettext_lazy("Preference pairs"),
    Label: gettext_lazy("Good and bad answers (unpaired)"),
    Demonstration: gettext_lazy("Chosen answers"),
    JudgmentRow: gettext_lazy("All judgments"),
}


def get_purpose(name: str) -> str | Promise:
    """What the rows of a dialect are.

    >>> str(get_purpose("dpo"))
    'Preference pairs'
    """
    return PURPOSES[get_writable_formats()[name].WRITES]


def format_moment(moment: datetime, end: bool = False) -> str:
    """A moment as a filter takes it: a date where it is the start of one (the end, for `end`), in UTC.

    end: whether it is the end of an interval.
    """
    moment = moment.astimezone(UTC)
    if (moment.hour, moment.minute, moment.second, moment.microsecond) != (0, 0, 0, 0):
        return moment.isoformat()
    return (moment - timedelta(days=end)).date().isoformat()


def iter_set_filters(cleaned: Cleaned) -> Iterator[tuple[str, Any]]:
    """(name of the field, value) of each filter that is not left at what the page offers first.

    Dates are texts, see `format_moment`.

    >>> list(iter_set_filters({"min_votes": 3, "mode": "majority"}))
    [('min_votes', 3)]
    """
    for name in FilterForm.base_fields:
        value = cleaned.get(name)
        if value in (None, "", (), OFFERED_FIRST.get(name)):
            continue
        yield name, format_moment(value, name == "until") if isinstance(value, datetime) else value


def describe_filters(cleaned: Cleaned) -> list[tuple[str, str]]:
    """(label, value) of each filter that is set, as the page words them.

    >>> describe_filters({"min_votes": 3})
    [('Min. votes per pair', '3')]
    """
    described = []
    for name, value in iter_set_filters(cleaned):
        field = FilterForm.base_fields[name]
        if isinstance(value, tuple):
            value = ", ".join(value)
        elif isinstance(field, forms.ChoiceField) and name != "criterion":
            value = dict(cast(Any, field.choices)).get(value, value)
        described.append((str(field.label), str(value)))
    return described or [(_("Filters"), _("none"))]


def restore_cleaned(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The cleaned data of the forms of which the settings in a release's manifest were made.

    PostgreSQL does not keep the order of keys in JSON.

    >>> shares = {"train": 90, "validation": 5, "test": 5}
    >>> restore_cleaned({"min_votes": 3, "dialects": ["dpo"], "shares": shares})["min_votes"]
    3
    """
    cleaned = {name: settings.get(name) for name in FilterForm.base_fields}
    for name, least in (("min_agreement", 0), ("min_strength", 1), ("min_votes", 1)):
        cleaned[name] = None if cleaned[name] == least else cleaned[name]
    for name in ("since", "until"):
        cleaned[name] = parse_datetime(cleaned[name] or "")
    return cleaned | {
        "annotator": tuple(settings.get("annotators") or ()),
        "tags": tuple(settings.get("tags") or ()),
        "length": "balanced" if settings.get("balanced") else "",
        "dialects": settings["dialects"],
        "split": tuple(settings["shares"][part] for part in PARTS),
        "with": settings.get("with") or [],
    }
