"""What the comparison page shows: prompt, answers, what is asked; no source, no id of a response, nothing of others."""

from dataclasses import dataclass, field

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotate.judging.question_spec import build_judgment_spec
from annotate.questions import RANK, STARS, VERDICT, best_worst, pair, rank, scale
from annotate.wording import BUTTONS, PLACES, format_question, format_short_verdict, format_verdict, get_chips
from datasets.judgments import wording
from datasets.models import Comparison, Judgment, Response
from datasets.text.diff import mark_differences
from datasets.text.rendered import get_html, render

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
class ChoiceGroup:
    """A group of radio buttons: [(value, label, whether it is set)]."""

    name: str
    legend: str
    kind: str
    options: list
    guideline: str = ""
    errors: list = field(default_factory=list)


@dataclass
class AnswerCard:
    side: str
    letter: str
    html: str
    groups: list
    text: str | None = None
    repair: str = ""


def build_comparison_context(judgment, form=None, differing=False, spec=None):
    """What _comparison.html takes. form: a VerdictForm of it that was refused, to be shown as it was filled in. spec:
    a QuestionSpec other than what the dataset's settings give."""
    comparison, dataset = judgment.comparison, judgment.dataset
    spec = spec or build_judgment_spec(judgment)
    reopened = judgment.state == Judgment.State.REOPENED
    details = parse_details(form, spec) if form else judgment.said if reopened else {}
    groups = [build_choice_group(spec, group, form, spec.scatter(details)) for group in spec.groups]
    prompt, htmls = get_html(comparison.prompt_id, judgment.order, getattr(judgment, "kept", None))
    repairing = comparison.task == Comparison.Task.REPAIR
    context = {
        "judgment": judgment,
        "question": format_question("repair" if repairing else spec.question.__name__.rpartition(".")[2]),
        "prompt": prompt,
        "answers": build_answers(judgment, spec, groups, details, mark_differences(htmls) if differing else htmls),
        "rows": [choices for choices, group in zip(groups, spec.groups, strict=True) if not group.field.side],
        "buttons": [build_button(verdict, spec) for verdict in spec.verdicts if not is_minor(verdict)],
        "minor": [build_button(verdict, spec) for verdict in spec.verdicts if is_minor(verdict) and verdict != "flag"],
        "stands": format_verdict(judgment.verdict) if reopened else None,
        "keep": reopened,
        "is_scale": spec.question is scale,
        "is_rank": spec.question is rank,
        "differing": differing,
    }
    if "new" in spec.repairs:
        context["repair_new"] = {"text": details.get("repairs", {}).get("new", ""), "open": repairing}
    if dataset.reasons != dataset.Asked.OFF and not repairing:
        chosen_reasons = details.get("reasons", [])
        context["chips"] = [(value, label, value in chosen_reasons) for value, label in get_chips(dataset).items()]
        context["reason"] = details.get("reason", "")
    if "flag" in spec.verdicts:
        context["flags"] = wording.FLAGS.items()
        filled = {name: form.data.get(name, "") for name in ("flag", "note")} if form else {}
        context["flagging"] = filled if any(filled.values()) else None
    if form:
        context["errors"] = list_errors(form)
    return context


def is_minor(verdict):
    return verdict in ("both_bad", "skip", "flag")


def parse_details(form, spec):
    """What a refused form said, as far as it can be read."""
    values = {group.name: parse_value(group, form.data.get(group.name)) for group in spec.groups}
    details = spec.gather(values)
    details["reasons"], details["reason"] = form.data.getlist("reasons"), form.data.get("reason", "")
    details["repairs"] = {side: form.data.get(f"repair_{side}", "") for side in spec.repairs}
    return details


def parse_value(group, text):
    return next((value for value in group.field.values if str(value) == text), None)


def list_errors(form):
    """Each error once, in words: those of the same text in several fields are one."""
    return list(dict.fromkeys(error for errors in form.errors.values() for error in errors))


def build_choice_group(spec, group, form, values):
    """A group of the form as it is shown."""
    selected, kind = values.get(group.name, group.field.initial), group.field.kind
    options = [(value, format_option(spec, kind, value), value == selected) for value in group.field.values]
    legend = group.criterion or {STARS: _("Stars"), RANK: _("Place"), VERDICT: ""}[kind]
    return ChoiceGroup(
        group.name, legend, "best-worst" if has_word_options(spec, kind) else kind, options,
        errors=list(form.errors.get(group.name, [])) if form else [],
    )  # fmt: skip


def has_word_options(spec, kind):
    return kind == RANK and spec.question is best_worst


def format_option(spec, kind, value):
    if kind == VERDICT:
        return format_short_verdict(value)
    if has_word_options(spec, kind):
        return PLACES[value]
    return ngettext("%(n)s star", "%(n)s stars", value) % {"n": value} if kind == STARS else str(value)


def build_answers(judgment, spec, groups, details, htmls):
    """The answers as they stand on the page."""
    answers, texts = [], list_texts(judgment) if spec.repairs else {}
    for side, letter, pk, html in zip(spec.sides, wording.LETTERS, judgment.order, htmls, strict=False):
        side_groups = [choices for choices, group in zip(groups, spec.groups, strict=True) if group.field.side == side]
        answer = AnswerCard(side, letter, html, side_groups)
        if side in spec.repairs:
            answer.text, answer.repair = texts[pk], details.get("repairs", {}).get(side, "")
        answers.append(answer)
    return answers


def list_texts(judgment):
    """{response id: text} of what a judgment shows."""
    return dict(Response.objects.filter(pk__in=judgment.order).values_list("pk", "text"))


def build_button(verdict, spec):
    """A verdict's button, with its keys."""
    key = getattr(spec.question, "KEYS", pair.KEYS).get(verdict)
    if key:
        codes = f"Digit{key} Numpad{key}{ARROWS.get(verdict, '')}"
        return Button(verdict, format_button(verdict, spec), codes, key)
    codes = OTHER_KEYS.get(verdict, ENTER)
    return Button(verdict, format_button(verdict, spec), codes, "↵" if codes == ENTER else codes[-1].lower())


def format_button(verdict, spec):
    return (
        format_short_verdict(verdict)
        if spec.question is scale and not is_minor(verdict)
        else BUTTONS.get(verdict, verdict)
    )


def render_criteria(dataset):
    """[(name, its guideline as HTML)]"""
    return [(criterion["name"], render(criterion.get("guideline", ""))) for criterion in dataset.criteria]
