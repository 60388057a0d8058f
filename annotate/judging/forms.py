"""The forms that judging pages post."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.core.exceptions import BadRequest
from django.http import QueryDict
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from annotate.judging.question_spec import NEW, REPAIR, QuestionSpec
from annotate.judging.spans import WrongSpans, parse_spans
from annotate.questions import FLAG, FLAGS, KEEP, SKIP
from annotate.wording import get_chips
from datasets.judgments.said import Said, Span
from datasets.models import Dataset

MOST_OF_A_DRAFT = 64 * 1024  # bytes
TOKEN = "csrfmiddlewaretoken"
WRONG = {
    "no_tie": _("Ties are not allowed: give each answer its own rank."),
    "one_best_one_worst": _("Pick one best and one worst answer."),
}


@dataclass(frozen=True)
class Submission:
    """What a person submits on a comparison.

    seconds: working time measured by the browser, None if it sent none. flag: why the comparison is flagged, a code.
    """

    verdict: str
    said: Said = field(default_factory=Said)
    seconds: float | None = None
    flag: str = ""


class SecondsField(forms.FloatField):
    """A duration measured by the browser. An invalid one counts as missing instead of refusing the verdict."""

    def clean(self, value: Any) -> float | None:
        try:
            seconds = super().clean(value)
        except forms.ValidationError:
            return None
        return seconds if seconds is not None and seconds >= 0 else None


class JudgmentForm(forms.Form):
    """The judgment that a form is about, and the revision it was made for."""

    judgment = forms.IntegerField(min_value=1)
    revision = forms.IntegerField(min_value=0)


class DraftForm(JudgmentForm):
    """What is filled in of a judgment. A valid form has its values by name in `entries`."""

    data: QueryDict

    at = forms.IntegerField(min_value=0, max_value=2**53)

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data)
        check_text(data)
        self.entries = {name: values for name, values in data.lists() if name not in (*self.fields, TOKEN)}

    def clean(self) -> None:
        if len(json.dumps(self.entries, ensure_ascii=False).encode()) > MOST_OF_A_DRAFT:
            raise forms.ValidationError("too long")
        if any("\0" in text for name, values in self.entries.items() for text in (name, *values)):
            raise forms.ValidationError("NUL")


class VerdictForm(JudgmentForm):
    """One verdict on one judgment, as posted by its page. A valid form has its content in `submission`.

    order: of the judgment, for highlights.
    """

    data: QueryDict

    verdict = forms.ChoiceField(error_messages={"invalid_choice": _("This verdict is no longer available.")})
    seconds = SecondsField(required=False)

    def __init__(self, dataset: Dataset, spec: QuestionSpec, data: QueryDict, order: Sequence[int] = ()) -> None:
        super().__init__(data)
        check_text(data)
        self.dataset, self.spec, self.order = dataset, spec, order
        self.spans: list[Span] = []
        verdict = self.fields["verdict"]
        assert isinstance(verdict, forms.ChoiceField)
        verdict.choices = [(name, name) for name in (*spec.verdicts, KEEP)]
        for group in spec.groups:
            values = group.field.values
            self.fields[group.name] = forms.TypedChoiceField(
                choices=[(value, value) for value in values], coerce=type(values[0]), empty_value=None, required=False
            )
        if dataset.reasons != dataset.Asked.OFF:
            self.fields["reasons"] = forms.MultipleChoiceField(
                choices=[(c, c) for c in get_chips(dataset)], required=False
            )
            self.fields["reason"] = forms.CharField(required=False, max_length=10_000)
        if dataset.allow_flag:
            self.fields["flag"] = forms.ChoiceField(choices=[("", ""), *((f, f) for f in FLAGS)], required=False)
            self.fields["note"] = forms.CharField(required=False, max_length=10_000)
        for side in spec.repairs:
            self.fields[f"repair_{side}"] = forms.CharField(required=False, strip=False)

    def clean(self) -> dict[str, Any]:
        super().clean()
        values = self.cleaned_data
        verdict = values.get("verdict")
        if verdict == FLAG and not values.get("flag"):
            self.add_error("flag", _("Say what the problem is."))
        if verdict == REPAIR and not values.get(f"repair_{NEW}", "").strip():
            self.add_error(f"repair_{NEW}", _("Write a better answer first."))
        if self.spec.needs_groups(verdict) and not self.errors:
            self.check_groups(values)
            self.check_reasons(values)
            self.check_spans()
        return values

    def check_groups(self, values: dict[str, Any]) -> None:
        for group in self.spec.groups:
            if values.get(group.name) is None:
                self.add_error(group.name, _("Please answer this first."))
        if not self.errors and self.spec.question:
            code = self.spec.find_error(self.dataset, self.spec.gather(values))
            if code:
                self.add_error(None, WRONG.get(code, code))

    def check_reasons(self, values: dict[str, Any]) -> None:
        required = self.dataset.reasons == self.dataset.Asked.REQUIRED and self.spec.question
        if required and not (values.get("reasons") or values.get("reason")):
            self.add_error("reasons", _("Give a reason: pick one or write your own."))

    def check_spans(self) -> None:
        posted = self.data.getlist("span") if self.dataset.spans and self.spec.question else []
        try:
            self.spans = parse_spans(self.dataset, posted, dict(zip(self.spec.sides, self.order, strict=False)))
        except WrongSpans as why:
            self.add_error(None, str(why))

    @property
    def submission(self) -> Submission:
        """The content of a valid form."""
        values = self.cleaned_data
        verdict, seconds = values["verdict"], values["seconds"]
        if verdict in (SKIP, KEEP):
            return Submission(verdict, {}, seconds)
        if verdict == FLAG:
            return Submission(verdict, {"note": values["note"]} if values["note"] else {}, seconds, values["flag"])
        details = self.spec.gather(values)
        if values.get("reasons"):
            details["reasons"] = values["reasons"]
        if values.get("reason"):
            details["reason"] = values["reason"]
        if self.spans:
            details["spans"] = self.spans
        repairs = {
            side: restore_newlines(values[f"repair_{side}"]) for side in self.spec.repairs if values[f"repair_{side}"]
        }
        if repairs:
            details["repairs"] = repairs
        return Submission(verdict, details, seconds)


class LeasesForm(forms.Form):
    """Leases that a browser returns unused: `lease`, at most 50 times, is a judgment id and its `lease_until`."""

    data: QueryDict

    def __init__(self, data: QueryDict) -> None:
        super().__init__(data)
        self.leases: dict[int, datetime] = {}

    def clean(self) -> None:
        for lease in self.data.getlist("lease")[:50]:
            pk, _space, until = lease.partition(" ")
            moment = parse_time(until)
            if moment is None or not (pk.isdecimal() and len(pk) < 19):
                raise forms.ValidationError("lease")
            self.leases[int(pk)] = moment


def parse_time(text: str) -> datetime | None:
    """The text's date and time in UTC; None if it is invalid or lacks a time zone."""
    try:
        moment = parse_datetime(text)
        return None if moment is None or timezone.is_naive(moment) else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def check_text(data: QueryDict) -> None:
    """Raises BadRequest on a lone surrogate, which no browser sends and which can be neither stored nor shown."""
    try:
        "".join(text for _name, values in data.lists() for text in values).encode()
    except UnicodeEncodeError:
        raise BadRequest("half of a surrogate pair") from None


def restore_newlines(text: str) -> str:
    """The text as typed: browsers send every line break of a text area as CR LF."""
    return text.replace("\r\n", "\n")
