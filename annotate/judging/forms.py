from dataclasses import dataclass, field
from datetime import UTC

from django import forms
from django.core.exceptions import BadRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext_lazy as _

from annotate.judging.question_spec import NEW, REPAIR
from annotate.questions import FLAG, FLAGS, KEEP, SKIP
from annotate.wording import get_chips

WRONG = {
    "no_tie": _("Two answers cannot have the same place here."),
    "one_best_one_worst": _("Name one answer as the best and one as the worst."),
}


@dataclass(frozen=True)
class Submission:
    """What a person said of a comparison. said: as Judgment.said. seconds: time at work on it as the browser saw it,
    None where it did not."""

    verdict: str
    said: dict = field(default_factory=dict)
    seconds: float | None = None
    flag: str = ""


class SecondsField(forms.FloatField):
    """A time that the browser measured; nonsense is no time, and no reason to refuse a verdict."""

    def clean(self, value):
        try:
            seconds = super().clean(value)
        except forms.ValidationError:
            return None
        return seconds if seconds is not None and seconds >= 0 else None


class JudgmentForm(forms.Form):
    """Which judgment a form speaks of, and at which revision."""

    judgment = forms.IntegerField(min_value=1)
    revision = forms.IntegerField(min_value=0)


class VerdictForm(JudgmentForm):
    """One verdict on one judgment, as its page posts it. `submission` is what it says, once it is valid."""

    verdict = forms.ChoiceField(error_messages={"invalid_choice": _("This verdict is not asked for any more.")})
    seconds = SecondsField(required=False)

    def __init__(self, dataset, spec, data):
        super().__init__(data)
        check_text(data)
        self.dataset, self.spec = dataset, spec
        self.fields["verdict"].choices = [(name, name) for name in (*spec.verdicts, KEEP)]
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

    def clean(self):
        values = super().clean()
        verdict = values.get("verdict")
        if verdict == FLAG and not values.get("flag"):
            self.add_error("flag", _("Say what is wrong with it."))
        if verdict == REPAIR and not values.get(f"repair_{NEW}", "").strip():
            self.add_error(f"repair_{NEW}", _("Write a better answer."))
        if self.spec.needs_groups(verdict) and not self.errors:
            self.check_groups(values)
            self.check_reasons(values)
        return values

    def check_groups(self, values):
        for group in self.spec.groups:
            if values.get(group.name) is None:
                self.add_error(group.name, _("This is still to be answered."))
        if not self.errors and self.spec.question:
            code = self.spec.find_error(self.dataset, self.spec.gather(values))
            if code:
                self.add_error(None, WRONG.get(code, code))

    def check_reasons(self, values):
        required = self.dataset.reasons == self.dataset.Asked.REQUIRED and self.spec.question
        if required and not (values.get("reasons") or values.get("reason")):
            self.add_error("reasons", _("Give a reason: choose one, or write it."))

    @property
    def submission(self):
        """The Submission of a valid form."""
        values = self.cleaned_data
        verdict, seconds = values["verdict"], values["seconds"]
        if verdict in (SKIP, KEEP):
            return Submission(verdict, {}, seconds)
        if verdict == FLAG:
            return Submission(verdict, {"note": values["note"]} if values["note"] else {}, seconds, values["flag"])
        details = self.spec.gather(values)
        details |= {name: values[name] for name in ("reasons", "reason") if values.get(name)}
        repairs = {
            side: restore_newlines(values[f"repair_{side}"]) for side in self.spec.repairs if values[f"repair_{side}"]
        }
        return Submission(verdict, details | ({"repairs": repairs} if repairs else {}), seconds)


class LeasesForm(forms.Form):
    """Judgments that a browser gives back unseen: `lease` is an id and until when, as often as there are some."""

    def __init__(self, data):
        super().__init__(data)
        self.leases = {}

    def clean(self):
        for lease in self.data.getlist("lease")[:50]:
            pk, _space, until = lease.partition(" ")
            moment = parse_time(until)
            if moment is None or not (pk.isdecimal() and len(pk) < 19):
                raise forms.ValidationError("lease")
            self.leases[int(pk)] = moment


def parse_time(text):
    """The moment that a text names with its time zone; None where it names none."""
    try:
        moment = parse_datetime(text)
        return None if moment is None or timezone.is_naive(moment) else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def check_text(data):
    """No browser sends half of a surrogate pair, none can be kept or shown: such a request is bad as a whole."""
    try:
        "".join(text for _name, values in data.lists() for text in values).encode()
    except UnicodeEncodeError:
        raise BadRequest("half of a surrogate pair") from None


def restore_newlines(text):
    """A text as it was typed: a browser sends every line end of a text area as CR LF."""
    return text.replace("\r\n", "\n")
