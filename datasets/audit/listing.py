"""The log to look at: filtered, newest first, a page at a time by key; in sentences, and as plain rows."""

import json

from django import forms
from django.contrib.auth import get_user_model
from django.db.models import Q
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from datasets.files.writers import defuse_row
from datasets.judgments import wording
from datasets.models import Change, Dataset, Gold

Kind = Change.Kind
PAGE_SIZE = 50
COLUMNS = ("at", "by", "dataset", "kind", "what", "before", "after")
# What is told of (before, after).
MEMBERS = {
    (None, "named"): gettext_lazy("%(what)s is named among those who may judge"),
    ("named", None): gettext_lazy("%(what)s is named no longer among those who may judge"),
    (None, "paused"): gettext_lazy("%(what)s is paused"),
    ("paused", None): gettext_lazy("%(what)s goes on after a pause"),
}
PEOPLE = {
    (None, "link"): gettext_lazy("%(what)s: a link was made that sets the password"),
    (None, "password"): gettext_lazy("%(what)s: the password was set"),
    ("tokens", None): gettext_lazy("%(what)s: the tokens for scripts were revoked"),
    ("active", "inactive"): gettext_lazy("%(what)s was deactivated"),
    ("inactive", "active"): gettext_lazy("%(what)s was reactivated"),
}
DATASETS = {
    (None, "made"): gettext_lazy("The dataset was made"),
    (None, "deleted"): gettext_lazy("The dataset was deleted"),
}
GOLD = {
    **dict.fromkeys([(None, format_verdict) for format_verdict, _words in Gold.VERDICTS],
                    gettext_lazy("Comparison %(what)s: its answer counts as known")),
    **dict.fromkeys([(format_verdict, None) for format_verdict, _words in Gold.VERDICTS],
                    gettext_lazy("Comparison %(what)s: its answer counts as known no longer")),
}  # fmt: skip
SENTENCES = {Kind.MEMBER: MEMBERS, Kind.PERSON: PEOPLE, Kind.DATASET: DATASETS, Kind.GOLD: GOLD}
DECISIONS = {
    "put_back": gettext_lazy("put back"),
    "leave_out": gettext_lazy("left out"),
    "leave_out_prompt": gettext_lazy("left out with its prompt"),
}
CHOICES = {field.name: dict(field.flatchoices) for field in Dataset._meta.concrete_fields if field.choices}
ROLES = dict(get_user_model()._meta.get_field("role").flatchoices)


class LogFilter(forms.Form):
    kind = forms.ChoiceField(label=gettext_lazy("What"), required=False)
    person = forms.CharField(
        label=gettext_lazy("Person"),
        required=False,
        max_length=150,
        help_text=gettext_lazy("Who did it, or whom it concerns."),
    )

    def __init__(self, *args):
        super().__init__(*args)
        self.fields["kind"].choices = [("", _("any")), *((kind.value, capfirst(kind.label)) for kind in Kind)]

    def apply(self, changes):
        """Those that a valid form lets through."""
        kind, name = self.cleaned_data["kind"], self.cleaned_data["person"]
        condition = Q(kind=kind) if kind else Q()
        if name:
            condition &= Q(by_name=name) | Q(what=name, kind__in=[Kind.PERSON, Kind.MEMBER])
        return changes.filter(condition)


def list_page(changes, before=0):
    """(a page of them, newest first, each with its `sentence` and `link`; the key before which the next goes on)"""
    query = changes.filter(pk__lt=before) if before else changes
    page = list(query.order_by("-pk")[: PAGE_SIZE + 1])
    for change in page[:PAGE_SIZE]:
        change.sentence, change.link = format_change(change), build_link(change)
    return page[:PAGE_SIZE], page[PAGE_SIZE - 1].pk if len(page) > PAGE_SIZE else None


def format_change(change):
    """What a line of the log says, in the reader's language."""
    was, now, names = change.before, change.after, {"what": change.what}
    if change.kind == Kind.SETTING:
        return format_transition(
            format_setting(change.what), format_value(change.what, was), format_value(change.what, now)
        )
    if change.kind == Kind.GUIDELINE and was is None:
        return _("Guideline: version %(now)s") % {"now": now}
    if change.kind == Kind.GUIDELINE:
        return _("Guideline: version %(was)s → %(now)s") % {"was": was, "now": now}
    if change.kind == Kind.JUDGMENT:
        return _("Judgment %(what)s: %(was)s → %(now)s") % {
            **names,
            "was": format_verdict(was),
            "now": format_verdict(now),
        }
    if change.kind == Kind.FLAG:
        return _("Flagged comparison %(what)s: %(decided)s") % {**names, "decided": DECISIONS.get(now, now)}
    if change.kind == Kind.IMPORT:
        return _("Import %(number)s was undone: %(what)s") % {**names, "number": was}
    template = next((words for values, words in SENTENCES.get(change.kind, {}).items() if values == (was, now)), None)
    return (
        template % names
        if template
        else format_transition(change.what, format_value("role", was), format_value("role", now))
    )


def format_transition(what, was, now):
    return _("%(what)s: %(was)s → %(now)s") % {"what": what, "was": was, "now": now}


def format_setting(setting):
    """The name of a setting as the form has it; of one that there is no more, its code."""
    labels = {field.name: field.verbose_name for field in Dataset._meta.concrete_fields}
    return capfirst(labels.get(setting, setting))


def format_value(setting, value):
    """A setting's value, or a person's role, in words."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    choices = ROLES if setting == "role" else CHOICES.get(setting, {})
    return str(choices[value]) if isinstance(value, str) and value in choices else format_plain(value)


def format_plain(value):
    """A value as it stands; nothing is a dash."""
    if isinstance(value, list):
        return ", ".join(map(format_plain, value)) or "–"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return "–" if value in (None, "") else str(value)


def format_verdict(code):
    """A verdict in words: the answers by their letters, as whoever judged saw them."""
    statement = code if isinstance(code, dict) else {"verdict": code}
    parts = [format_statement({**statement, "verdict": [statement["verdict"]]})]
    parts += [f"{name} {format_statement(part)}" for name, part in statement.get("criteria", {}).items()]
    return " · ".join(part for part in parts if part)


def format_statement(part):
    """What was said in all, or by one criterion; the places are those of the answers as they were shown."""
    letters = dict(enumerate(wording.LETTERS))
    codes = [code for code in part.get("verdict", []) if code not in ("rank", "rate")]
    words = [str(wording.VERDICTS.get(code, code)) for code in codes]
    listed = [(kind, part[kind]) for kind in ("rank", "stars") if part.get(kind)]
    words += [wording.format_statement({kind: values}, range(len(values)), letters) for kind, values in listed]
    return " · ".join(words)


def build_link(change):
    """Where one can look at it; None where there is nothing to look at."""
    if not change.dataset_id:
        return None
    if change.kind == Kind.JUDGMENT:
        return reverse("judgment", args=[change.slug, change.what])
    if change.kind == Kind.GUIDELINE:
        return f"{reverse('guidelines', args=[change.slug])}?new={change.after}"
    return None


def iter_rows(changes):
    """The changes as plain rows {column: value}, newest first, a few in memory at a time."""
    for change in changes.order_by("-pk").iterator(chunk_size=500):
        values = (change.at.isoformat(timespec="milliseconds"), change.by_name, change.slug, change.kind, change.what)
        yield dict(zip(COLUMNS, (*values, change.before, change.after), strict=True))


def iter_csv_rows(changes):
    """The same for a spreadsheet: what was before and after as JSON, and no cell that it would take for a formula."""
    for row in iter_rows(changes):
        values = {name: json.dumps(row[name], ensure_ascii=False) for name in ("before", "after")}
        yield defuse_row(row | values)
