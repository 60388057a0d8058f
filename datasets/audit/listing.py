"""The log to look at: filtered, newest first, a page at a time by key; in sentences, and as plain rows."""

import json

from django import forms
from django.contrib.auth import get_user_model
from django.db.models import Q
from django.urls import reverse
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from datasets.files.writers import defused_row
from datasets.judgments import wording
from datasets.models import Change, Dataset, Gold

Kind = Change.Kind
PAGE = 50
LETTERS = "ABCDEF"
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
    **dict.fromkeys([(None, verdict) for verdict, _words in Gold.VERDICTS],
                    gettext_lazy("Comparison %(what)s: its answer counts as known")),
    **dict.fromkeys([(verdict, None) for verdict, _words in Gold.VERDICTS],
                    gettext_lazy("Comparison %(what)s: its answer counts as known no longer")),
}  # fmt: skip
TOLD = {Kind.MEMBER: MEMBERS, Kind.PERSON: PEOPLE, Kind.DATASET: DATASETS, Kind.GOLD: GOLD}
DECISIONS = {
    "put_back": gettext_lazy("put back"),
    "leave_out": gettext_lazy("left out"),
    "leave_out_prompt": gettext_lazy("left out with its prompt"),
}
VERDICTS = {
    "repair": gettext_lazy("Better answer written"),
    "skip": gettext_lazy("Skip"),
    "flag": gettext_lazy("Flagged"),
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

    def kept(self, changes):
        """Those that a valid form lets through."""
        kind, name = self.cleaned_data["kind"], self.cleaned_data["person"]
        wanted = Q(kind=kind) if kind else Q()
        if name:
            wanted &= Q(by_name=name) | Q(what=name, kind__in=[Kind.PERSON, Kind.MEMBER])
        return changes.filter(wanted)


def page_of(changes, before=0):
    """(a page of them, newest first, each with its `sentence` and `link`; the key before which the next goes on)"""
    found = changes.filter(pk__lt=before) if before else changes
    page = list(found.order_by("-pk")[: PAGE + 1])
    for change in page[:PAGE]:
        change.sentence, change.link = sentence(change), link(change)
    return page[:PAGE], page[PAGE - 1].pk if len(page) > PAGE else None


def sentence(change):
    """What a line of the log says, in the reader's language."""
    was, now, names = change.before, change.after, {"what": change.what}
    if change.kind == Kind.SETTING:
        return became(label_of(change.what), valued(change.what, was), valued(change.what, now))
    if change.kind == Kind.GUIDELINE and was is None:
        return _("Guideline: version %(now)s") % {"now": now}
    if change.kind == Kind.GUIDELINE:
        return _("Guideline: version %(was)s → %(now)s") % {"was": was, "now": now}
    if change.kind == Kind.JUDGMENT:
        return _("Judgment %(what)s: %(was)s → %(now)s") % {**names, "was": verdict(was), "now": verdict(now)}
    if change.kind == Kind.FLAG:
        return _("Flagged comparison %(what)s: %(decided)s") % {**names, "decided": DECISIONS.get(now, now)}
    if change.kind == Kind.IMPORT:
        return _("Import %(number)s was undone: %(what)s") % {**names, "number": was}
    told = next((words for values, words in TOLD.get(change.kind, {}).items() if values == (was, now)), None)
    return told % names if told else became(change.what, valued("role", was), valued("role", now))


def became(what, was, now):
    return _("%(what)s: %(was)s → %(now)s") % {"what": what, "was": was, "now": now}


def label_of(setting):
    """The name of a setting as the form has it; of one that there is no more, its code."""
    there = {field.name: field.verbose_name for field in Dataset._meta.concrete_fields}
    return capfirst(there.get(setting, setting))


def valued(setting, value):
    """A setting's value, or a person's role, in words."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    choices = ROLES if setting == "role" else CHOICES.get(setting, {})
    return str(choices[value]) if isinstance(value, str) and value in choices else plain(value)


def plain(value):
    """A value as it stands; nothing is a dash."""
    if isinstance(value, list):
        return ", ".join(map(plain, value)) or "–"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return "–" if value in (None, "") else str(value)


def verdict(code):
    """A verdict in words: the answers by their letters, as whoever judged saw them."""
    said = code if isinstance(code, dict) else {"verdict": code}
    parts = [in_words({**said, "verdict": [said["verdict"]]})]
    parts += [f"{name} {in_words(part)}" for name, part in said.get("criteria", {}).items()]
    return " · ".join(part for part in parts if part)


def in_words(part):
    """What was said in all, or by one criterion; the places are those of the answers as they were shown."""
    letters = dict(enumerate(LETTERS))
    codes = [code for code in part.get("verdict", []) if code not in ("rank", "rate")]
    words = [str(VERDICTS.get(code) or wording.better(code, range(2), letters)) for code in codes]
    listed = [(kind, part[kind]) for kind in ("rank", "stars") if part.get(kind)]
    words += [wording.told({kind: values}, range(len(values)), letters) for kind, values in listed]
    return " · ".join(words)


def link(change):
    """Where one can look at it; None where there is nothing to look at."""
    if not change.dataset_id:
        return None
    if change.kind == Kind.JUDGMENT:
        return reverse("judgment", args=[change.slug, change.what])
    if change.kind == Kind.GUIDELINE:
        return f"{reverse('guidelines', args=[change.slug])}?new={change.after}"
    return None


def rows_of(changes):
    """The changes as plain rows {column: value}, newest first, a few in memory at a time."""
    for change in changes.order_by("-pk").iterator(chunk_size=500):
        values = (change.at.isoformat(timespec="milliseconds"), change.by_name, change.slug, change.kind, change.what)
        yield dict(zip(COLUMNS, (*values, change.before, change.after), strict=True))


def table(changes):
    """The same for a spreadsheet: what was before and after as JSON, and no cell that it would take for a formula."""
    for row in rows_of(changes):
        values = {name: json.dumps(row[name], ensure_ascii=False) for name in ("before", "after")}
        yield defused_row(row | values)
