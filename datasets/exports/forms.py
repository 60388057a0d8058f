"""The filters of an export as a person writes them: `--name value` on the command, `name=value` on the page."""

import functools
from datetime import UTC, datetime, time, timedelta

from django import forms
from django.core.validators import ProhibitNullCharactersValidator
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext_lazy as _

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
from datasets.models import Choice
from datasets.text.tags import parse_tags


class MomentField(forms.CharField):
    """A date (its beginning; `end`: its end) or a date with time, in UTC unless it says otherwise."""

    def __init__(self, *, end=False, **options):
        super().__init__(required=False, **options)
        self.end = end

    def clean(self, value):
        value = super().clean(value)
        if not value:
            return None
        try:
            day = parse_date(value)
            moment = datetime.combine(day + timedelta(days=self.end), time()) if day else parse_datetime(value)
        except OverflowError:  # the end of the last day that there is
            moment = datetime.max
        except ValueError:
            moment = None
        if moment is None:
            raise forms.ValidationError(
                _("“%(value)s” is no date; write 2026-11-22 or 2026-11-22T15:00."), params={"value": value}
            )
        return moment if timezone.is_aware(moment) else moment.replace(tzinfo=UTC)


class NamesField(forms.Field):
    """Annotators' names, as often as the field is given; an empty one is nobody."""

    widget = forms.SelectMultiple

    default_validators = [lambda names: [ProhibitNullCharactersValidator()(name) for name in names]]

    def to_python(self, value):
        return tuple(name for name in value or () if name)


class TagsField(forms.CharField):
    """Words with commas between them."""

    def clean(self, value):
        return tuple(parse_tags(super().clean(value)))


class CriterionField(forms.ChoiceField):
    """One of the criteria that there are; "" is in all."""

    def validate(self, value):
        if value and not self.valid_value(value):
            there = ", ".join(name for name, _words in self.choices if name)
            message = _("There is no criterion “%(value)s”. There are: %(there)s")
            raise forms.ValidationError(message, params={"value": value, "there": there or _("none")})


def list_criteria(dataset):
    """The criteria by which choices can be exported: those that are asked now, and those of choices made before."""
    asked = [criterion["name"] for criterion in dataset.criteria]
    past_choices = Choice.objects.filter(judgment__dataset=dataset).exclude(criterion__in=["", *asked])
    return [*asked, *past_choices.order_by("criterion").values_list("criterion", flat=True).distinct()]


class FilterForm(forms.Form):
    """The filters. Which criteria there are is looked up when the field is shown, or when one is named."""

    mode = forms.ChoiceField(
        label=_("Rows"),
        required=False,
        choices=[
            (MAJORITY, _("one row per pair, by majority")),
            (SOFT, _("one row per pair, with its votes counted")),
            (EVERY, _("one row per judgment")),
        ],
    )
    annotator = NamesField(label=_("Only judgments of"), required=False)
    since = MomentField(label=_("Judged since"), widget=forms.DateInput(attrs={"type": "date"}))
    until = MomentField(label=_("Judged until"), end=True, widget=forms.DateInput(attrs={"type": "date"}))
    min_agreement = forms.FloatField(
        label=_("Least agreement (0 to 1)"),
        required=False,
        min_value=0,
        max_value=1,
        widget=forms.NumberInput(attrs={"step": "0.05"}),
    )
    min_strength = forms.IntegerField(label=_("Least strength (1 to 3)"), required=False, min_value=1, max_value=3)
    min_votes = forms.IntegerField(label=_("Least judgments of a pair"), required=False, min_value=1)
    tags = TagsField(label=_("Only prompts with one of these tags"), required=False)
    flags = forms.ChoiceField(
        label=_("Flagged comparisons"),
        required=False,
        choices=[("", _("as the admin decided")), (UNFLAGGED, _("leave out whatever was flagged"))],
    )
    paused = forms.ChoiceField(
        label=_("Judgments of people who are paused"),
        required=False,
        choices=[("", _("as those of others")), (UNPAUSED, _("leave them out"))],
    )
    decisions = forms.ChoiceField(
        label=_("Reviewers' decisions"),
        required=False,
        choices=[
            (VOTES, _("not taken: the votes only")),
            (FIRST, _("in place of the votes, where there is one")),
            (ONLY, _("only what a reviewer decided")),
        ],
    )
    length = forms.ChoiceField(
        label=_("Length of the chosen answer"),
        required=False,
        choices=[("", _("as it is")), ("balanced", _("as often the shorter answer as the longer one"))],
    )
    criterion = CriterionField(label=_("Criterion"), required=False)
    ranks = forms.ChoiceField(
        label=_("Of an order"),
        required=False,
        choices=[
            (ALL, _("every two answers")),
            (ADJACENT, _("neighbours only")),
            (BEST_REST, _("the best over each other one")),
            (BEST_WORST, _("the best over the worst")),
        ],
    )

    def __init__(self, dataset, *args):
        super().__init__(*args)
        list_cached_criteria = functools.cache(functools.partial(list_criteria, dataset))
        self.fields["criterion"].choices = lambda: [
            ("", _("in all")),
            *((name, name) for name in list_cached_criteria()),
        ]

    def build_filters(self):
        """The Filters of a valid form."""
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

    def add_prefix(self, field_name):
        """The names of the contract have hyphens."""
        return super().add_prefix(field_name).replace("_", "-")


class FileForm(forms.Form):
    """How the file is written, whatever goes in."""

    for_spreadsheets = forms.ChoiceField(label=_("For spreadsheets"), required=False, choices=[("", ""), ("1", "1")])

    def get_options(self):
        """What a valid form says, for an Export."""
        return {"for_spreadsheets": self.cleaned_data["for_spreadsheets"] == "1"}

    def add_prefix(self, field_name):
        """As of the filters."""
        return super().add_prefix(field_name).replace("_", "-")
