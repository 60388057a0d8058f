"""Forms for the filters of an export, shared by the command (`--name value`) and the page (`name=value`)."""

import functools
import json
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Any, TypedDict, cast

from django import forms
from django.core.validators import ProhibitNullCharactersValidator
from django.utils import timezone
from django.utils.datastructures import MultiValueDict
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext_lazy as _

from datasets.exports.conversations import CONVERSATION_FORMATS
from datasets.exports.extras import EXTRAS, ID, META, SOURCE, get_dialects_with_extras
from datasets.exports.selection import (
    ADJACENT,
    ALL,
    BEST_REST,
    BEST_WORST,
    EVERY,
    FIRST,
    MAJORITY,
    ONLY,
    SOFT,
    UNFLAGGED,
    UNPAUSED,
    VOTES,
    Filters,
)
from datasets.formats import get_writable_formats
from datasets.judgments.progress import count_with_cache
from datasets.models import Choice, Dataset
from datasets.text.fingerprints import hash_text
from datasets.text.tags import parse_tags

OFFERED_FIRST = {"mode": MAJORITY, "decisions": VOTES, "ranks": ALL}  # of the filters that are never empty


class MomentField(forms.CharField):
    """A date or a date with time, in UTC unless it has an offset.

    end: a date stands for its end instead of its start.
    """

    def __init__(self, *, end: bool = False, **options: Any) -> None:
        super().__init__(required=False, **options)
        self.end = end

    def clean(self, value: Any) -> datetime | None:
        value = super().clean(value)
        if not value:
            return None
        try:
            day = parse_date(value)
            moment = datetime.combine(day + timedelta(days=self.end), time()) if day else parse_datetime(value)
        except OverflowError:  # the end of the calendar's last day
            moment = datetime.max
        except ValueError:
            moment = None
        if moment is None:
            raise forms.ValidationError(
                _("“%(value)s” is not a date; use 2026-11-22 or 2026-11-22T15:00."), params={"value": value}
            )
        return moment if timezone.is_aware(moment) else moment.replace(tzinfo=UTC)


def validate_names(names: Iterable[str]) -> None:
    """Raises ValidationError for a name with a NUL."""
    for name in names:
        ProhibitNullCharactersValidator()(name)


class NamesField(forms.Field):
    """Usernames, from repeated parameters; ignores empty ones."""

    widget = forms.SelectMultiple

    default_validators = [validate_names]

    def to_python(self, value: Iterable[str] | None) -> tuple[str, ...]:
        return tuple(name for name in value or () if name)


class TagsField(forms.CharField):
    """Comma-separated tags."""

    def clean(self, value: Any) -> tuple[str, ...]:
        return tuple(parse_tags(super().clean(value)))


class CriterionField(forms.ChoiceField):
    """A criterion of the dataset; "" for the overall choice."""

    def validate(self, value: Any) -> None:
        if value and not self.valid_value(value):
            choices: Any = self.choices
            there = ", ".join(name for name, _words in choices if name)
            message = _("Unknown criterion “%(value)s”. Available: %(there)s")
            raise forms.ValidationError(message, params={"value": value, "there": there or _("none")})


def list_criteria(dataset: Dataset) -> list[str]:
    """Criteria that can be exported: the dataset's, then those that only earlier choices have."""
    asked = [criterion["name"] for criterion in dataset.criteria]
    past_choices = Choice.objects.filter(judgment__dataset=dataset).exclude(criterion__in=["", *asked])
    names = past_choices.order_by("criterion").values_list("criterion", flat=True).distinct()
    key = f"criteria-{dataset.pk}-{hash_text(json.dumps(asked))}"
    return [*asked, *count_with_cache(key, lambda: list(names))]


class FilterForm(forms.Form):
    """Filters of an export. Queries the criteria only when the field is rendered, or a criterion is given."""

    mode = forms.ChoiceField(
        label=_("Aggregation"),
        required=False,
        choices=[
            (MAJORITY, _("Majority vote")),
            (SOFT, _("Majority + vote counts")),
            (EVERY, _("Every judgment")),
        ],
    )
    annotator = NamesField(label=_("Annotators"), required=False)
    since = MomentField(label=_("From"), widget=forms.DateInput(attrs={"type": "date"}))
    until = MomentField(label=_("To"), end=True, widget=forms.DateInput(attrs={"type": "date"}))
    min_agreement = forms.FloatField(
        label=_("Min. agreement (0 to 1)"),
        required=False,
        min_value=0,
        max_value=1,
        widget=forms.NumberInput(attrs={"step": "0.05"}),
    )
    min_strength = forms.IntegerField(
        label=_("Min. preference strength (1 to 3)"), required=False, min_value=1, max_value=3
    )
    min_votes = forms.IntegerField(label=_("Min. votes per pair"), required=False, min_value=1)
    tags = TagsField(label=_("Tags (any of)"), required=False)
    flags = forms.ChoiceField(
        label=_("Flagged items"),
        required=False,
        choices=[("", _("Follow decisions")), (UNFLAGGED, _("Exclude all"))],
    )
    paused = forms.ChoiceField(
        label=_("Paused annotators"),
        required=False,
        choices=[("", _("Include")), (UNPAUSED, _("Exclude"))],
    )
    decisions = forms.ChoiceField(
        label=_("Review decisions"),
        required=False,
        choices=[
            (VOTES, _("Ignore")),
            (FIRST, _("Override votes")),
            (ONLY, _("Reviewed items only")),
        ],
    )
    length = forms.ChoiceField(
        label=_("Length balancing"),
        required=False,
        choices=[("", _("Off")), ("balanced", _("Balance shorter and longer wins"))],
    )
    criterion = CriterionField(label=_("Criterion"), required=False)
    ranks = forms.ChoiceField(
        label=_("Pairs from rankings"),
        required=False,
        choices=[
            (ALL, _("All pairs")),
            (ADJACENT, _("Adjacent")),
            (BEST_REST, _("Best vs. rest")),
            (BEST_WORST, _("Best vs. worst")),
        ],
    )

    def __init__(self, dataset: Dataset, *args: Any) -> None:
        super().__init__(*args)
        list_cached_criteria = functools.cache(functools.partial(list_criteria, dataset))
        field = self.fields["criterion"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = lambda: [
            ("", _("Overall")),
            *((name, name) for name in list_cached_criteria()),
        ]

    def build_filters(self) -> Filters:
        """Filters of a valid form."""
        cleaned = self.cleaned_data
        return Filters(
            mode=cleaned["mode"] or MAJORITY,
            annotators=cleaned["annotator"],
            since=cleaned["since"],
            until=cleaned["until"],
            min_agreement=cleaned["min_agreement"] or 0.0,
            min_strength=cleaned["min_strength"] or 1,
            criterion=cleaned["criterion"],
            ranks=cleaned["ranks"] or ALL,
            min_votes=cleaned["min_votes"] or 1,
            tags=cleaned["tags"],
            flags=cleaned["flags"],
            paused=cleaned["paused"],
            balanced=cleaned["length"] == "balanced",
            decisions=cleaned["decisions"] or VOTES,
        )

    def add_prefix(self, field_name: str) -> str:
        """Parameter names have hyphens where field names have underscores."""
        return super().add_prefix(field_name).replace("_", "-")


def list_effective(data: MultiValueDict[str, str]) -> list[str]:
    """The names of the filters in a form's data that are not left at what the page offers first."""
    names = [name.replace("_", "-") for name in FilterForm.base_fields]
    return [name for name in names if any(value not in ("", OFFERED_FIRST.get(name)) for value in data.getlist(name))]


class ExtrasField(forms.MultipleChoiceField):
    """Further columns, comma-separated or from repeated parameters, in the order of EXTRAS."""

    def to_python(self, value: Any) -> list[str]:
        words = [word.strip() for text in super().to_python(value) for word in text.split(",") if word.strip()]
        return sorted(dict.fromkeys(words), key=lambda word: (*EXTRAS, word).index(word))


def build_extras_field() -> ExtrasField:
    """The field `with` of the forms for exports and bundles."""
    choices = [(ID, _("ids")), (SOURCE, _("models")), (META, _("metadata"))]
    return ExtrasField(label=_("Extra columns"), required=False, choices=choices)


class FileOptions(TypedDict):
    """Keyword arguments for an Export."""

    for_spreadsheets: bool
    extras: tuple[str, ...]
    conversations: bool


class FileForm(forms.Form):
    """How an export's file is written, whichever rows it has; and whether it has a row per chat, whatever was judged.

    data: has the filters too, none of which chooses among chats.
    name: of the dialect, or of the bundle; without it, any dialect takes any option.
    """

    for_spreadsheets = forms.ChoiceField(label=_("Spreadsheet-safe"), required=False, choices=[("", ""), ("1", "1")])
    conversations = forms.ChoiceField(label=_("One row per chat"), required=False, choices=[("", ""), ("1", "1")])

    def __init__(self, data: Any = None, *, name: str = "") -> None:
        super().__init__(data)
        self.name = name

    def get_options(self) -> FileOptions:
        """Options of a valid form."""
        cleaned = self.cleaned_data
        return {
            "for_spreadsheets": cleaned["for_spreadsheets"] == "1",
            "extras": tuple(cleaned["with"]),
            "conversations": cleaned["conversations"] == "1",
        }

    def clean(self) -> None:
        if self.cleaned_data.get("conversations"):
            self.check_conversations()
        elif (
            self.cleaned_data.get("with")
            and self.name in get_writable_formats()
            and self.name not in get_dialects_with_extras()
        ):
            message = _("%(name)s does not support these. Formats that do: %(names)s")
            names = {"name": self.name, "names": ", ".join(get_dialects_with_extras())}
            self.add_error("with", forms.ValidationError(message, params=names))

    def check_conversations(self) -> None:
        """Adds an error where the dialect, a filter or another option does not go with one row per chat."""
        others = list_effective(cast("MultiValueDict[str, str]", self.data))
        others += ["with"] if self.cleaned_data.get("with") else []
        if self.name and self.name not in CONVERSATION_FORMATS:
            message, names = _("One row per chat is supported by %(names)s only."), ", ".join(CONVERSATION_FORMATS)
        elif others:
            message, names = _("One row per chat cannot be combined with: %(names)s"), ", ".join(others)
        else:
            return
        self.add_error("conversations", forms.ValidationError(message, params={"names": names}))

    def add_prefix(self, field_name: str) -> str:
        """Same as `FilterForm.add_prefix`."""
        return super().add_prefix(field_name).replace("_", "-")


FileForm.base_fields["with"] = build_extras_field()  # outside of the class: `with` is a keyword
