"""The audit log for reading: filtered, newest first; as pages of sentences, or as plain rows."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.humanize.templatetags.humanize import intcomma
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from datasets.files.writers import defuse_row
from datasets.judgments import wording
from datasets.judgments.said import Statement
from datasets.models import Change, Dataset, Gold

Kind = Change.Kind
PAGE_SIZE = 50
COLUMNS = ("at", "by", "dataset", "kind", "what", "before", "after")
# {(before, after): sentence} of each kind
Sentences = dict[tuple[Any, Any], Promise]
MEMBERS: Sentences = {
    (None, "named"): gettext_lazy("%(what)s was assigned"),
    ("named", None): gettext_lazy("%(what)s is no longer assigned"),
    (None, "paused"): gettext_lazy("%(what)s was paused"),
    ("paused", None): gettext_lazy("%(what)s was resumed"),
    (None, "practice"): gettext_lazy("%(what)s: qualification reset"),
}
PEOPLE: Sentences = {
    (None, "link"): gettext_lazy("%(what)s: invite link created"),
    (None, "password"): gettext_lazy("%(what)s: password set"),
    ("tokens", None): gettext_lazy("%(what)s: API tokens revoked"),
    ("active", "inactive"): gettext_lazy("%(what)s was deactivated"),
    ("inactive", "active"): gettext_lazy("%(what)s was reactivated"),
}
DATASETS: Sentences = {
    (None, "made"): gettext_lazy("Dataset created"),
    (None, "deleted"): gettext_lazy("Dataset deleted"),
}
GOLD: Sentences = {
    **dict.fromkeys([(None, verdict) for verdict, _words in Gold.VERDICTS],
                    gettext_lazy("Comparison %(what)s: made a gold question")),
    **dict.fromkeys([(verdict, None) for verdict, _words in Gold.VERDICTS],
                    gettext_lazy("Comparison %(what)s: removed from gold")),
}  # fmt: skip
SENTENCES: dict[str, Sentences] = {Kind.MEMBER: MEMBERS, Kind.PERSON: PEOPLE, Kind.DATASET: DATASETS, Kind.GOLD: GOLD}
DECISIONS = {
    "put_back": gettext_lazy("returned to queue"),
    "leave_out": gettext_lazy("excluded"),
    "leave_out_prompt": gettext_lazy("excluded with its prompt"),
    "flagged": gettext_lazy("sent to review"),
    "asked": gettext_lazy("sent to review"),
}
CHOICES = {field.name: dict(field.flatchoices) for field in Dataset._meta.concrete_fields if field.choices}
PROMPT_ACTS = {  # of many prompts at once, see datasets/prompts/bulk.py
    "hold_back": gettext_lazy("held back"),
    "release": gettext_lazy("released"),
    "delete": gettext_lazy("deleted"),
    "add_tags": gettext_lazy("tagged %(value)s"),
    "remove_tags": gettext_lazy("tag %(value)s removed"),
    "overlap": gettext_lazy("overlap %(value)s"),
}
ROLES = dict(get_user_model()._meta.get_field("role").flatchoices)


class LogFilter(forms.Form):
    """Filters of the audit log."""

    kind = forms.ChoiceField(label=gettext_lazy("What"), required=False)
    person = forms.CharField(
        label=gettext_lazy("Person"),
        required=False,
        max_length=150,
        help_text=gettext_lazy("Who made the change, or whom it concerns."),
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        field = self.fields["kind"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [("", _("All")), *((kind.value, capfirst(kind.label)) for kind in Kind)]

    def apply(self, changes: QuerySet[Change]) -> QuerySet[Change]:
        """The entries that match a valid form."""
        kind, name = self.cleaned_data["kind"], self.cleaned_data["person"]
        condition = Q(kind=kind) if kind else Q()
        if name:
            condition &= Q(by_name=name) | Q(what=name, kind__in=[Kind.PERSON, Kind.MEMBER])
        return changes.filter(condition)


class LogLine(NamedTuple):
    """An entry as a page shows it: `sentence` in the reader's language, and `link` to what it is about, or None.

    by_name: "" for a command.
    slug: of the dataset, as it was then; "" for none.
    dataset_id: None for no dataset, or a deleted one.
    """

    pk: int
    at: datetime
    by_name: str
    slug: str
    dataset_id: int | None
    sentence: str
    link: str | None


def list_page(changes: QuerySet[Change], before: int | None = 0) -> tuple[list[LogLine], int | None]:
    """A page of entries, newest first, and the key of the next page (None on the last one).

    before: key of the page; 0 or None for the first one.
    """
    query = changes.filter(pk__lt=before) if before else changes
    page = list(query.order_by("-pk")[: PAGE_SIZE + 1])
    lines = [
        LogLine(
            change.pk,
            change.at,
            change.by_name,
            change.slug,
            change.dataset_id,
            sentence=format_change(change),
            link=build_link(change),
        )
        for change in page[:PAGE_SIZE]
    ]
    return lines, page[PAGE_SIZE - 1].pk if len(page) > PAGE_SIZE else None


def format_change(change: Change) -> str:
    """Sentence for an entry, in the reader's language."""
    was: Any = change.before
    now: Any = change.after
    names = {"what": change.what}
    if change.kind == Kind.SETTING:
        return format_transition(
            format_setting(change.what), format_value(change.what, was), format_value(change.what, now)
        )
    if change.kind == Kind.GUIDELINE and was is None:
        return _("Guidelines: version %(now)s") % {"now": now}
    if change.kind == Kind.GUIDELINE:
        return _("Guidelines: version %(was)s → %(now)s") % {"was": was, "now": now}
    if change.kind == Kind.JUDGMENT:
        return _("Judgment %(what)s: %(was)s → %(now)s") % {
            **names,
            "was": format_verdict(was),
            "now": format_verdict(now),
        }
    if change.kind == Kind.FLAG:
        return _("Comparison %(what)s: %(decided)s") % {**names, "decided": DECISIONS.get(now, now)}
    if change.kind == Kind.IMPORT:
        return _("Import %(number)s was undone: %(what)s") % {**names, "number": was}
    if change.kind == Kind.DATASET and was in PROMPT_ACTS:
        said = PROMPT_ACTS[was] % {"value": now["value"]}
        words = ngettext("%(n)s prompt: %(said)s", "%(n)s prompts: %(said)s", now["prompts"])
        return words % {"n": intcomma(now["prompts"]), "said": said}
    template = next((words for values, words in SENTENCES.get(change.kind, {}).items() if values == (was, now)), None)
    return (
        template % names
        if template
        else format_transition(change.what, format_value("role", was), format_value("role", now))
    )


def format_transition(what: str, was: str, now: str) -> str:
    return _("%(what)s: %(was)s → %(now)s") % {"what": what, "was": was, "now": now}


def format_setting(setting: str) -> str:
    """Label of a setting in the form; for a setting that no longer exists, its code."""
    labels = {field.name: field.verbose_name for field in Dataset._meta.concrete_fields}
    return str(capfirst(labels.get(setting, setting)))


def format_value(setting: str, value: Any) -> str:
    """Value of a setting, or a role, in words."""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    choices = ROLES if setting == "role" else CHOICES.get(setting, {})
    return str(choices[value]) if isinstance(value, str) and value in choices else format_plain(value)


def format_plain(value: Any) -> str:
    """Text of a JSON value; a dash for an empty one."""
    if isinstance(value, list):
        return ", ".join(map(format_plain, value)) or "–"
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return "–" if value in (None, "") else str(value)


def format_verdict(code: Any) -> str:
    """A logged verdict in words, the responses named by letters in the order that the annotator saw.

    code: a verdict, or {"verdict": verdict, **Said}.
    """
    statement: dict[str, Any] = code if isinstance(code, dict) else {"verdict": code}
    overall: Statement = {
        "verdict": [statement["verdict"]],
        "rank": statement.get("rank", []),
        "stars": statement.get("stars", []),
    }
    parts = [format_statement(overall)]
    parts += [f"{name} {format_statement(part)}" for name, part in statement.get("criteria", {}).items()]
    return " · ".join(part for part in parts if part)


def format_statement(part: Statement) -> str:
    """A statement, overall or by one criterion, in words; its values are in the order of the responses as shown."""
    letters = dict(enumerate(wording.LETTERS))
    codes = [code for code in part.get("verdict", []) if code not in ("rank", "rate")]
    words = [str(wording.VERDICTS.get(code, code)) for code in codes]
    if places := part.get("rank"):
        words.append(wording.format_ranking(places, range(len(places)), letters))
    if stars := part.get("stars"):
        words.append(wording.format_stars(stars, range(len(stars)), letters))
    return " · ".join(words)


def build_link(change: Change) -> str | None:
    """URL of the page that shows what an entry is about; None where there is no such page."""
    if not change.dataset_id:
        return None
    if change.kind == Kind.JUDGMENT:
        return reverse("judgment", args=[change.slug, change.what])
    if change.kind == Kind.GUIDELINE:
        return f"{reverse('guidelines', args=[change.slug])}?new={change.after}"
    return None


def iter_rows(changes: QuerySet[Change]) -> Iterator[dict[str, Any]]:
    """Entries as rows {column: value}, newest first, in batches."""
    for change in changes.order_by("-pk").iterator(chunk_size=500):
        values = (change.at.isoformat(timespec="milliseconds"), change.by_name, change.slug, change.kind, change.what)
        yield dict(zip(COLUMNS, (*values, change.before, change.after), strict=True))


def iter_csv_rows(changes: QuerySet[Change]) -> Iterator[dict[str, Any]]:
    """Rows for a spreadsheet: `before` and `after` as JSON, formulas escaped, see `writers.defuse_row`."""
    for row in iter_rows(changes):
        values = {name: json.dumps(row[name], ensure_ascii=False) for name in ("before", "after")}
        yield defuse_row(row | values)
