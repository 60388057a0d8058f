"""Forms for editing a prompt and its responses."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from datasets.formats import parsers, rows
from datasets.models import Prompt
from datasets.prompts.editing import EditedAnswer

SPARE_TURNS, SPARE_ANSWERS = 1, 2


class TextField(forms.CharField):
    """A text, kept byte for byte except for line ends: CR LF, which browsers send, becomes LF.

    lines: height of the field.
    """

    def __init__(self, **options: Any) -> None:
        rows_shown = options.pop("lines", 3)
        super().__init__(strip=False, widget=forms.Textarea(attrs={"rows": rows_shown}), **options)

    def to_python(self, value: Any) -> str:
        text: str = super().to_python(value) or ""
        return text.replace("\r\n", "\n")

    def clean(self, value: Any) -> str:
        value = super().clean(value)
        try:
            return parsers.parse_text(value, "")
        except rows.Refusal:
            raise ValidationError(_("The text contains a character that cannot be stored.")) from None


class PromptForm(forms.Form):
    """The parts of a prompt, without earlier turns."""

    system = TextField(label=_("System"), required=False)
    instruction = TextField(label=_("Instruction"), lines=4)
    input = TextField(label=_("Input"), required=False)

    def clean_instruction(self) -> str:
        instruction: str = self.cleaned_data["instruction"]
        if not instruction.strip():
            raise ValidationError(_("The prompt is empty."))
        return instruction


class TurnForm(forms.Form):
    """An earlier turn of the user with the assistant's reply."""

    user = TextField(label=_("User (previous turn)"), required=False)
    assistant = TextField(label=_("Assistant (previous turn)"), required=False)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if bool(data.get("user", "").strip()) != bool(data.get("assistant", "").strip()):
            raise ValidationError(_("A previous turn needs both a user message and an answer."))
        return data


class AnswerForm(forms.Form):
    """One response."""

    pk = forms.IntegerField(required=False, widget=forms.HiddenInput)
    text = TextField(label=_("Answer"), required=False, lines=6)
    source = forms.CharField(label=_("Source"), required=False, max_length=200)
    demonstration = forms.BooleanField(
        label=_("demonstration (SFT)"),
        required=False,
        help_text=_("Included in every SFT export, even without judgments."),
    )

    def build_answer(self) -> EditedAnswer:
        """The response of a valid form; a blank text counts as empty."""
        data = self.cleaned_data
        text = data["text"] if data["text"].strip() else ""
        return EditedAnswer(text, data["source"] if text else "", data["demonstration"], data["pk"])


TurnForms = forms.formset_factory(TurnForm, extra=SPARE_TURNS)
AnswerForms = forms.formset_factory(AnswerForm, extra=SPARE_ANSWERS)


def build_forms(
    prompt: Prompt | None = None, data: Mapping[str, Any] | None = None
) -> "tuple[PromptForm, forms.BaseFormSet[TurnForm], forms.BaseFormSet[AnswerForm]]":
    """Forms for a prompt, its earlier turns and its responses.

    prompt: None for empty forms.
    data: submitted values.
    """
    first: dict[str, str] = {}
    turns: list[dict[str, str]] = []
    answers: list[dict[str, Any]] = []
    if prompt:
        first = {"system": prompt.system, "instruction": prompt.instruction, "input": prompt.input}
        texts = [text for _role, text in prompt.turns]
        turns = [{"user": user, "assistant": reply} for user, reply in zip(texts[::2], texts[1::2], strict=True)]
        answers = [
            {"pk": r.pk, "text": r.text, "source": r.source, "demonstration": r.demonstration}
            for r in prompt.responses.order_by("pk")
        ]
    return (
        PromptForm(data, initial=first),
        TurnForms(data, prefix="turns", initial=turns),
        AnswerForms(data, prefix="answers", initial=answers),
    )


def build_prompt(form: PromptForm, turns: Iterable[TurnForm]) -> rows.Prompt:
    """The prompt of valid forms."""
    earlier_turns: list[tuple[str, str]] = []
    for turn in turns:
        if turn.cleaned_data.get("user", "").strip():
            earlier_turns += [("user", turn.cleaned_data["user"]), ("assistant", turn.cleaned_data["assistant"])]
    data = form.cleaned_data
    return rows.Prompt(data["instruction"], data["input"], data["system"], tuple(earlier_turns))
