"""The context of the comparison page: prompt, responses and fields. No sources, response ids or votes of others."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.http import QueryDict
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from annotate.judging.drafts import read_draft
from annotate.judging.question_spec import Group, QuestionSpec, build_judgment_spec
from annotate.judging.spans import PageSpan, list_page_spans, read_page_spans
from annotate.questions import RANK, SKIP, STARS, VERDICT, Kind, best_worst, pair, rank, scale
from annotate.wording import BUTTONS, PLACES, Label, format_question, format_verdict, get_chips, get_span_labels
from datasets.judgments import wording
from datasets.judgments.said import Said
from datasets.models import Comparison, Dataset, Judgment
from datasets.text.diff import mark_differences
from datasets.text.rendered import RenderedAnswer, get_html, render
from datasets.text.shown import HIDE, hide_reasoning, hide_reasoning_in_text, show_html, show_raw

if TYPE_CHECKING:
    from annotate.judging.forms import VerdictForm
    from datasets.text.rendered import StoredHtml

ARROWS = {"left": " ArrowLeft", "right": " ArrowRight"}
OTHER_KEYS = {"both_bad": "KeyB", "skip": "KeyS", "keep": "KeyK"}
ENTER = "Enter NumpadEnter"


@dataclass
class Button:
    """A button of a verdict.

    words: what a judgment with it is called. keys: its shortcuts as KeyboardEvent.code, separated by spaces. key: the
    one displayed. is_default: whether it is what a reviewer said at first.
    """

    value: str
    label: Label
    words: Label
    keys: str
    key: str
    is_default: bool = False


@dataclass
class Option:
    """A radio button. key: the digit or letter that chooses it, "" where its label is that digit."""

    value: int | str
    label: Label
    is_set: bool
    key: str = ""


@dataclass
class ChoiceGroup:
    """A group of radio buttons.

    look: its class in the style sheet. side, letter: of the answer that it is about, "" for all. key: the digit that
    names this answer best or worst. is_turn: whether it is the first one to fill in. guideline: of its criterion.
    """

    name: str
    legend: str
    look: str
    options: list[Option]
    side: str = ""
    letter: str = ""
    key: str = ""
    guideline: str = ""
    is_turn: bool = False
    errors: list[str] = field(default_factory=list)


@dataclass
class AnswerCard:
    """A response on the page. raw: its text as HTML. text: for a repair field, else None. repair: as entered so far.
    spans: highlighted so far.
    """

    side: str
    letter: str
    html: str
    raw: str
    text: str | None = None
    repair: str = ""
    spans: list[PageSpan] = field(default_factory=list)


def build_comparison_context(
    judgment: Judgment,
    form: "VerdictForm | None" = None,
    differing: bool = False,
    spec: QuestionSpec | None = None,
    stored_html: "StoredHtml | None" = None,
    filled_in: Said | None = None,
) -> dict[str, Any]:
    """The context of _comparison.html, filled in with the draft, if there is one.

    form: a refused form of this judgment, shown as filled in. differing: mark the differences between the responses.
    spec: replaces the one that the dataset's settings give. stored_html: of this comparison, if it was read already.
    filled_in: what the form of a judgment not yet made says from the start, in the order of this judgment.
    """
    comparison, dataset = judgment.comparison, judgment.dataset
    spec = spec or build_judgment_spec(judgment)
    reopened = judgment.state == Judgment.State.REOPENED
    data = form.data if form else read_draft(judgment)
    details: Said = parse_details(data, spec) if data is not None else judgment.said if reopened else filled_in or {}
    prompt, rendered_answers = get_html(comparison.prompt_id, judgment.order, stored_html)
    views = build_views(rendered_answers, dataset.show_reasoning, differing)
    repairing = comparison.task == Comparison.Task.REPAIR
    context: dict[str, Any] = {
        "judgment": judgment,
        "question": format_question("repair" if spec.question is None else spec.question.__name__.rpartition(".")[2]),
        "prompt": prompt,
        "reasoning": dataset.show_reasoning,
        "answers": build_answers(spec, details, rendered_answers, views, dataset.show_reasoning == HIDE),
        "rows": build_rows(spec, form, spec.scatter(details), dataset),
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
    if dataset.spans and spec.question:
        context["span_labels"] = get_span_labels(dataset).items()
        add_spans(context["answers"], rendered_answers, data, details, judgment)
    if "flag" in spec.verdicts:
        context["flags"] = wording.FLAGS.items()
        filled = {name: data.get(name, "") for name in ("flag", "note")} if data is not None else {}
        context["flagging"] = filled if any(filled.values()) else None
    if form:
        context["errors"] = list_errors(form)
    elif data is not None and judgment.draft:
        context["draft_at"] = judgment.draft["at"]
    return context


def is_minor(verdict: str) -> bool:
    """Whether a verdict's button is in the row of small ones."""
    return verdict in ("both_bad", "skip", "flag")


def parse_details(data: QueryDict, spec: QuestionSpec) -> Said:
    """The details of a refused form or a draft, as far as they are valid."""
    values = {group.name: parse_value(group, data.get(group.name)) for group in spec.groups}
    details = spec.gather(values)
    details["reasons"], details["reason"] = data.getlist("reasons"), data.get("reason", "")
    details["repairs"] = {side: data.get(f"repair_{side}", "") for side in spec.repairs}
    return details


def parse_value(group: Group, text: str | None) -> int | str | None:
    return next((value for value in group.field.values if str(value) == text), None)


def list_errors(form: "VerdictForm") -> list[str]:
    """The error messages of all fields, deduplicated."""
    return list(dict.fromkeys(str(error) for errors in form.errors.values() for error in errors))


def build_rows(
    spec: QuestionSpec, form: "VerdictForm | None", values: Mapping[str, int | str], dataset: Dataset
) -> list[list[ChoiceGroup]]:
    """The groups of the form in the order in which they are filled in, those that ask the same of each answer in a row.

    values: {name of a group: selected value}.
    """
    rows: dict[tuple[str, Kind], list[ChoiceGroup]] = {}
    guidelines = {criterion["name"]: criterion.get("guideline", "") for criterion in dataset.criteria}
    for group in spec.groups:
        choices = build_choice_group(spec, group, values.get(group.name, group.field.initial))
        choices.guideline = guidelines.get(group.criterion, "")
        choices.errors = list(map(str, form.errors.get(group.name, []))) if form else []
        rows.setdefault((group.criterion, group.field.kind), []).append(choices)
    for choices in itertools.chain.from_iterable(rows.values()):
        if not any(option.is_set for option in choices.options):
            choices.is_turn = True
            break
    return list(rows.values())


def build_choice_group(spec: QuestionSpec, group: Group, selected: int | str | None) -> ChoiceGroup:
    """A group of the form as shown."""
    kind = group.field.kind
    legend = group.criterion or {STARS: _("Stars"), RANK: _("Rank"), VERDICT: ""}[kind]
    place = spec.sides.index(group.field.side) if group.field.side else None
    in_words = has_word_options(spec, kind)
    return ChoiceGroup(
        group.name,
        legend,
        "best-worst" if in_words else "sides" if kind == VERDICT else kind,
        [Option(v, format_option(spec, kind, v), v == selected, find_key(spec, kind, v)) for v in group.field.values],
        side=group.field.side,
        letter="" if place is None else wording.LETTERS[place],
        key=str(place + 1) if in_words and place is not None else "",
    )


def find_key(spec: QuestionSpec, kind: Kind, value: int | str) -> str:
    """The key of an option that shows one."""
    if kind == STARS:
        return str(value)
    return build_button(str(value), spec).key if kind == VERDICT else ""


def has_word_options(spec: QuestionSpec, kind: Kind) -> bool:
    """Whether the places of a ranking are shown as words instead of numbers."""
    return kind == RANK and spec.question is best_worst


def format_option(spec: QuestionSpec, kind: Kind, value: Any) -> Label:
    if kind == VERDICT:
        return format_verdict(value)
    if has_word_options(spec, kind):
        return PLACES[value]
    return ngettext("%(n)s star", "%(n)s stars", value) % {"n": value} if kind == STARS else str(value)


def build_views(answers: Sequence[RenderedAnswer], reasoning: str, differing: bool) -> list[tuple[str, str]]:
    """The responses as (rendered, raw). differing: mark the differences between them."""
    htmls = [hide_reasoning(answer.html) if reasoning == HIDE else answer.html for answer in answers]
    raws: list[str] = [show_raw(answer.text, answer.reasoning, reasoning) for answer in answers]
    if differing:
        htmls, raws = mark_differences(htmls), mark_differences(raws)
    return [(show_html(html, reasoning), raw) for html, raw in zip(htmls, raws, strict=True)]


def build_answers(
    spec: QuestionSpec,
    details: Said,
    rendered_answers: Sequence[RenderedAnswer],
    views: Sequence[tuple[str, str]],
    hides: bool,
) -> list[AnswerCard]:
    """The responses as shown, in the order of the page. hides: whether reasoning is hidden."""
    cards = []
    for side, letter, answer, view in zip(spec.sides, wording.LETTERS, rendered_answers, views, strict=False):
        card = AnswerCard(side, letter, *view)
        if side in spec.repairs:
            card.text = hide_reasoning_in_text(answer.text) if hides else answer.text
            card.repair = details.get("repairs", {}).get(side, "")
        cards.append(card)
    return cards


def add_spans(
    answers: Sequence[AnswerCard],
    rendered_answers: Sequence[RenderedAnswer],
    data: QueryDict | None,
    details: Said,
    judgment: Judgment,
) -> None:
    """Gives each answer its highlights: those of a refused form or a draft (`data`), else of the details."""
    posted = data.getlist("span") if data is not None else None
    for answer, rendered, pk in zip(answers, rendered_answers, judgment.order, strict=True):
        if posted is not None:
            answer.spans = read_page_spans(judgment.dataset, posted, answer.side, rendered.text)
        else:
            spans = [span for span in details.get("spans", []) if span["response"] == pk]
            answer.spans = list_page_spans(judgment.dataset, spans, answer.side, rendered.text)


def build_button(verdict: str, spec: QuestionSpec) -> Button:
    """The button of a verdict, with its keyboard shortcuts."""
    key = getattr(spec.question, "KEYS", pair.KEYS).get(verdict)
    label, words = BUTTONS.get(verdict, verdict), format_verdict("" if verdict == SKIP else verdict)
    if key:
        codes = f"Digit{key} Numpad{key}{ARROWS.get(verdict, '')}"
        return Button(verdict, label, words, codes, key)
    codes = OTHER_KEYS.get(verdict, ENTER)
    return Button(verdict, label, words, codes, "↵" if codes == ENTER else codes[-1].lower())


def render_criteria(dataset: Dataset) -> list[tuple[str, str]]:
    """The dataset's criteria as (name, guideline as HTML)."""
    return [(criterion["name"], render(criterion.get("guideline", ""))) for criterion in dataset.criteria]
