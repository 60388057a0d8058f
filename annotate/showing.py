"""What the comparison page shows: prompt, answers, what is asked; no source, no id of a response, nothing of others."""

from dataclasses import dataclass, field

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotate.judging.question_spec import asked_about
from annotate.labels import BUTTONS, LETTERS, PLACES, chips_of, question_words, short_verdict, verdict_words
from annotate.labels import FLAGS as FLAG_LABELS
from annotate.questions import RANK, STARS, VERDICT, best_worst, pair, rank, scale
from datasets.models import Comparison, Judgment, Response
from datasets.text.diff import differences
from datasets.text.rendered import render, shown

ARROWS = {"left": " ArrowLeft", "right": " ArrowRight"}
OTHER_KEYS = {"both_bad": "KeyB", "skip": "KeyS", "keep": "KeyK"}
ENTER = "Enter NumpadEnter"


@dataclass
class Button:
    """A verdict to press: keys by their place on the keyboard (KeyboardEvent.code), and the one that is shown."""

    value: str
    label: str
    keys: str
    key: str


@dataclass
class Choosing:
    """A group of radio buttons: [(value, label, whether it is set)]."""

    name: str
    legend: str
    kind: str
    options: list
    guideline: str = ""
    errors: list = field(default_factory=list)


@dataclass
class Answer:
    side: str
    letter: str
    html: str
    groups: list
    text: str | None = None
    repair: str = ""


def comparison_context(judgment, form=None, differing=False, asked=None):
    """What _comparison.html takes. form: a VerdictForm of it that was refused, to be shown as it was filled in. asked:
    an Asked other than what the dataset's settings give."""
    comparison, dataset = judgment.comparison, judgment.dataset
    asked = asked or asked_about(judgment)
    reopened = judgment.state == Judgment.State.REOPENED
    said = said_in(form, asked) if form else judgment.said if reopened else {}
    groups = [choosing(asked, group, form, asked.scatter(said)) for group in asked.groups]
    prompt, htmls = shown(comparison.prompt_id, judgment.order, getattr(judgment, "kept", None))
    repairing = comparison.task == Comparison.Task.REPAIR
    context = {
        "judgment": judgment,
        "question": question_words("repair" if repairing else asked.question.__name__.rpartition(".")[2]),
        "prompt": prompt,
        "answers": answers_of(judgment, asked, groups, said, differences(htmls) if differing else htmls),
        "rows": [choosing for choosing, group in zip(groups, asked.groups, strict=True) if not group.field.side],
        "buttons": [button(verdict, asked) for verdict in asked.verdicts if not is_minor(verdict)],
        "minor": [button(verdict, asked) for verdict in asked.verdicts if is_minor(verdict) and verdict != "flag"],
        "stands": verdict_words(judgment.verdict) if reopened else None,
        "keep": reopened,
        "is_scale": asked.question is scale,
        "is_rank": asked.question is rank,
        "differing": differing,
    }
    if "new" in asked.repairs:
        context["repair_new"] = {"text": said.get("repairs", {}).get("new", ""), "open": repairing}
    if dataset.reasons != dataset.Asked.OFF and not repairing:
        given = said.get("reasons", [])
        context["chips"] = [(value, label, value in given) for value, label in chips_of(dataset).items()]
        context["reason"] = said.get("reason", "")
    if "flag" in asked.verdicts:
        context["flags"] = FLAG_LABELS.items()
        filled = {name: form.data.get(name, "") for name in ("flag", "note")} if form else {}
        context["flagging"] = filled if any(filled.values()) else None
    if form:
        context["errors"] = errors_of(form)
    return context


def is_minor(verdict):
    return verdict in ("both_bad", "skip", "flag")


def said_in(form, asked):
    """What a refused form said, as far as it can be read."""
    values = {group.name: as_value(group, form.data.get(group.name)) for group in asked.groups}
    said = asked.gather(values)
    said["reasons"], said["reason"] = form.data.getlist("reasons"), form.data.get("reason", "")
    said["repairs"] = {side: form.data.get(f"repair_{side}", "") for side in asked.repairs}
    return said


def as_value(group, text):
    return next((value for value in group.field.values if str(value) == text), None)


def errors_of(form):
    """Each error once, in words: those of the same text in several fields are one."""
    return list(dict.fromkeys(error for errors in form.errors.values() for error in errors))


def choosing(asked, group, form, values):
    """A group of the form as it is shown."""
    set_, kind = values.get(group.name, group.field.initial), group.field.kind
    options = [(value, option_label(asked, kind, value), value == set_) for value in group.field.values]
    legend = group.criterion or {STARS: _("Stars"), RANK: _("Place"), VERDICT: ""}[kind]
    return Choosing(
        group.name, legend, "best-worst" if options_are_words(asked, kind) else kind, options,
        errors=list(form.errors.get(group.name, [])) if form else [],
    )  # fmt: skip


def options_are_words(asked, kind):
    return kind == RANK and asked.question is best_worst


def option_label(asked, kind, value):
    if kind == VERDICT:
        return short_verdict(value)
    if options_are_words(asked, kind):
        return PLACES[value]
    return ngettext("%(n)s star", "%(n)s stars", value) % {"n": value} if kind == STARS else str(value)


def answers_of(judgment, asked, groups, said, htmls):
    """The answers as they stand on the page."""
    answers, texts = [], texts_of(judgment) if asked.repairs else {}
    for side, letter, pk, html in zip(asked.sides, LETTERS, judgment.order, htmls, strict=False):
        theirs = [shown for shown, group in zip(groups, asked.groups, strict=True) if group.field.side == side]
        answer = Answer(side, letter, html, theirs)
        if side in asked.repairs:
            answer.text, answer.repair = texts[pk], said.get("repairs", {}).get(side, "")
        answers.append(answer)
    return answers


def texts_of(judgment):
    """{response id: text} of what a judgment shows."""
    return dict(Response.objects.filter(pk__in=judgment.order).values_list("pk", "text"))


def button(verdict, asked):
    """A verdict's button, with its keys."""
    key = getattr(asked.question, "KEYS", pair.KEYS).get(verdict)
    if key:
        codes = f"Digit{key} Numpad{key}{ARROWS.get(verdict, '')}"
        return Button(verdict, button_label(verdict, asked), codes, key)
    codes = OTHER_KEYS.get(verdict, ENTER)
    return Button(verdict, button_label(verdict, asked), codes, "↵" if codes == ENTER else codes[-1].lower())


def button_label(verdict, asked):
    return (
        short_verdict(verdict) if asked.question is scale and not is_minor(verdict) else BUTTONS.get(verdict, verdict)
    )


def criteria_of(dataset):
    """[(name, its guideline as HTML)]"""
    return [(criterion["name"], render(criterion.get("guideline", ""))) for criterion in dataset.criteria]
