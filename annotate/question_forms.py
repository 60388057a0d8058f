"""The form in which an admin chooses the question of a dataset and its options."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.forms.boundfield import BoundWidget
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from annotate.models import User
from annotate.questions import STARS, Question, get_sides, load_questions
from annotate.wording import CHIPS, QUESTIONS, Label
from datasets.audit.log import save_settings
from datasets.comparisons.generate import regenerate_comparisons
from datasets.judgments.wording import SPAN_LABELS
from datasets.models import Dataset, Response

DEFAULT_AT_ONCE = 4  # responses at once, proposed when the previous question left no choice
DISPLAY = ("show_answers", "show_reasoning")  # a form that does not send them leaves them as they are
MAX_LENGTH, MAX_LINES = 80, 30  # characters in the name of a criterion or in a reason; number of either

SENTENCES: dict[str, Label] = {
    "pair": _("One keypress per pair. The fastest, and enough for most trainers."),
    "scale": _("Seven steps from “A much better” to “B much better”; also records preference strength."),
    "rank": _("Each answer gets a rank: four ranked answers yield six pairs at once."),
    "best_worst": _("Only the best and the worst are picked: faster than ranking many answers."),
    "stars": _("One to five stars per answer, without direct comparison."),
}
READY_CRITERIA: dict[str, tuple[Label, Label]] = {  # criteria to start with: (name, guideline)
    "helpful": (_("helpful"), _("follows the request fully and to the point")),
    "honest": (_("honest"), _("is accurate and admits uncertainty")),
    "harmless": (_("harmless"), _("avoids harm and does not enable it")),
}


def format_label(name: str) -> Label:
    """The label of a question; one without a label gets its capitalised name."""
    return QUESTIONS.get(name, capfirst(name.replace("_", " ")))


def build_question_choices() -> list[tuple[str, Label]]:
    """All questions as (name, label), in the order of QUESTIONS; those without a label come last."""
    known = list(QUESTIONS)
    names = sorted(load_questions(), key=lambda name: (known.index(name) if name in known else len(known), name))
    return [(name, format_label(name)) for name in names]


def format_answer_range(module: Question) -> str:
    """The number of responses that a question takes, as in “2 answers” or “2 to 6 answers”."""
    if module.FEWEST == module.MOST:
        return ngettext("%(n)s answer", "%(n)s answers", module.MOST) % {"n": module.MOST}
    return _("%(fewest)s to %(most)s answers") % {"fewest": module.FEWEST, "most": module.MOST}


def format_traits(module: Question) -> str:
    """The options of the form that apply to a question, as words that the style sheet selects on."""
    everything = Dataset(allow_tie=True, allow_both_bad=True)
    traits = {
        "many": module.MOST > module.FEWEST,
        "both-bad": "both_bad" in module.verdicts(everything),
        "stars": any(field.kind == STARS for field in module.fields(get_sides(module.MOST))),
    }
    return " ".join(name for name, has in traits.items() if has)


class QuestionSelect(forms.RadioSelect):
    """Radio buttons that carry the traits of their question in data-traits."""

    def create_option(self, name: str, value: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(name, value, *args, **kwargs)
        option["attrs"]["data-traits"] = format_traits(load_questions()[value])
        return option


class LinesField(forms.CharField):
    """A list with one entry per line, deduplicated; ignores empty lines."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, **kwargs)

    def clean(self, value: Any) -> list[Any]:
        lines = [line.strip() for line in super().clean(value).splitlines()]
        lines = list(dict.fromkeys(line for line in lines if line))
        if len(lines) > MAX_LINES:
            raise forms.ValidationError(_("At most %(n)s."), params={"n": MAX_LINES})
        return lines

    def check_length(self, names: Iterable[str]) -> None:
        """Raises ValidationError for a name over MAX_LENGTH characters."""
        for name in names:
            if len(name) > MAX_LENGTH:
                raise forms.ValidationError(
                    _("At most %(n)s characters: %(name)s…"), params={"n": MAX_LENGTH, "name": name[:30]}
                )


class CriteriaField(LinesField):
    """Criteria, [{"name", "guideline"}], edited as lines of `name: guideline`."""

    widget = forms.Textarea(attrs={"rows": 4})

    def prepare_value(self, value: Any) -> str:
        return value if isinstance(value, str) else "\n".join(map(format_criterion, value or ()))

    def clean(self, value: Any) -> list[dict[str, str]]:
        parts = [re.split("[:：]", line, maxsplit=1) for line in super().clean(value)]
        criteria = [{"name": name.strip(), "guideline": "".join(rest).strip()} for name, *rest in parts]
        names = [criterion["name"] for criterion in criteria]
        if "" in names:
            raise forms.ValidationError(_("A criterion needs a name before the colon."))
        self.check_length(names)
        folded = [name.casefold() for name in names]
        if twice := sorted({name for name in names if folded.count(name.casefold()) > 1}):
            raise forms.ValidationError(_("Two criteria have the same name: %(names)s"), params={"names": twice[0]})
        return criteria


def format_criterion(criterion: Mapping[str, str]) -> str:
    """A criterion as a line of CriteriaField; line breaks in its guideline become spaces."""
    guideline = " ".join(criterion.get("guideline", "").split())
    return f"{criterion['name']}: {guideline}" if guideline else criterion["name"]


class ChipsField(LinesField):
    """Texts to pick from. Stores the default ones as an empty list. defaults: {stored value: label}."""

    def __init__(self, *, defaults: Mapping[str, Label], rows: int, **kwargs: Any) -> None:
        super().__init__(widget=forms.Textarea(attrs={"rows": rows}), **kwargs)
        self.defaults = defaults

    def prepare_value(self, value: Any) -> str:
        return value if isinstance(value, str) else "\n".join(value or map(str, self.defaults.values()))

    def clean(self, value: Any) -> list[str]:
        chips = super().clean(value)
        self.check_length(chips)
        return [] if chips in (list(self.defaults), [str(label) for label in self.defaults.values()]) else chips


class QuestionForm(forms.ModelForm):
    """The question of a dataset and its options."""

    instance: Dataset

    question = forms.ChoiceField(label=_("Question"), choices=build_question_choices, widget=QuestionSelect)
    most_shown = forms.TypedChoiceField(
        label=_("Answers per screen (max.)"),
        choices=[(n, n) for n in range(1, 7)],
        coerce=int,
        empty_value=None,
        required=False,
        widget=forms.RadioSelect,
        help_text=_("A prompt with more answers is split into several comparisons that share answers."),
    )
    criteria = CriteriaField(
        label=_("Criteria"),
        help_text=_(
            "One per line, “name: description”. Annotators answer each criterion, then overall. Blank = overall only."
        ),
    )
    chips = ChipsField(
        label=_("Preset reasons"),
        help_text=_("One per line. The first nine have a key. Blank = default list."),
        defaults=CHIPS,
        rows=8,
    )
    span_labels = ChipsField(
        label=_("Highlight labels"),
        help_text=_("One per line. The first nine have a key. Blank = default list."),
        defaults=SPAN_LABELS,
        rows=3,
    )

    class Meta:
        model = Dataset
        fields = [
            "question",
            "most_shown",
            "with_stars",
            "allow_tie",
            "allow_both_bad",
            "allow_skip",
            "allow_flag",
            "criteria",
            "reasons",
            "chips",
            "spans",
            "span_labels",
            "allow_repair",
            "repair_round",
            "ask_repairs",
            "show_answers",
            "show_reasoning",
            "kept_ready",
        ]
        widgets = dict.fromkeys(("reasons", *DISPLAY), forms.RadioSelect)
        help_texts = {
            "with_stars": _("One to five stars per answer, in addition to the question."),
            "allow_tie": _("Neither is better; in a ranking, two answers may share a rank."),
            "allow_both_bad": _("No answer is good enough to choose: counted, but yields no pair."),
            "allow_skip": _("The annotator cannot judge this item: it goes to another annotator."),
            "allow_flag": _("The item is removed from the queue until an admin decides."),
            "spans": _(
                "Annotators select text in an answer, label it and can add a note. Needs JavaScript in the browser."
            ),
            "allow_repair": _("The edited text is stored as preferred to the original answer, and as a demonstration."),
            "repair_round": _("An item judged “both bad” goes to another annotator, who writes a better answer."),
            "ask_repairs": _("Other annotators then compare rewrites with the other answers."),
            "show_answers": _("Each annotator can switch, with the key m."),
            "show_reasoning": _(
                "Text that a model puts in tags such as <think>, or sends separately from its "
                "answer. Hidden: annotators do not see it, not even in raw text. Exports are unaffected."
            ),
            "kept_ready": _("0 to 19. More items last longer offline, but each annotator locks that many at a time."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in DISPLAY:
            self.fields[name].required = False
        module = load_questions().get(self.instance.question)
        if module and module.FEWEST == module.MOST:
            self.initial["most_shown"] = DEFAULT_AT_ONCE

    @property
    def cards(self) -> list[tuple[BoundWidget, Label, Label, str]]:
        """Each question as (radio button, label, description, number of responses)."""
        return [
            (
                radio,
                radio.choice_label,
                SENTENCES.get(radio.data["value"], ""),
                format_answer_range(load_questions()[radio.data["value"]]),
            )
            for radio in self["question"]
        ]

    def clean(self) -> dict[str, Any]:
        super().clean()
        values = self.cleaned_data
        module = load_questions().get(values.get("question", ""))
        if module and "most_shown" in values:
            self.instance.fewest_shown = module.FEWEST
            values["most_shown"] = self.check_most_shown(module, values["most_shown"])
        sent = {name: values.get(name) or getattr(self.instance, name) for name in DISPLAY if name not in self.errors}
        return values | sent

    def check_most_shown(self, module: Question, most: int | None) -> int | None:
        """The number of responses to show at once: the question's own if it is fixed, else `most`.

        Adds an error to the form if the question does not take that many.
        """
        if module.FEWEST == module.MOST:
            return module.MOST
        if most is None or not module.FEWEST <= most <= module.MOST:
            range_ = {"fewest": module.FEWEST, "most": module.MOST}
            self.add_error("most_shown", _("This question type shows %(fewest)s to %(most)s answers at once.") % range_)
        return most

    def save(self, by: User | None = None) -> Dataset:  # type: ignore[override]  # always commits
        """Saves the dataset and regenerates its comparisons where needed. by: the admin, for the audit log."""
        dataset = save_settings(self, by, extra_fields=("fewest_shown",))
        if "ask_repairs" in self.changed_data:
            repairs = Response.objects.filter(prompt__dataset=dataset, source=Response.REPAIR)
            repairs.update(candidate=dataset.ask_repairs)
        if {"question", "most_shown", "ask_repairs"} & set(self.changed_data):
            regenerate_comparisons(dataset)
        return dataset


def add_ready_criterion(text: str, name: str) -> str:
    """The text of CriteriaField with a criterion of READY_CRITERIA added, unless it has one of that name."""
    label, guideline = READY_CRITERIA[name]
    lines = [line for line in text.splitlines() if line.strip()]
    names = {re.split("[:：]", line)[0].strip().casefold() for line in lines}
    ready = (
        [] if str(label).casefold() in names else [format_criterion({"name": str(label), "guideline": str(guideline)})]
    )
    return "\n".join([*lines, *ready])
