from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from datasets.formats import reading, rows
from datasets.prompts.editing import Answer

SPARE_TURNS, SPARE_ANSWERS = 1, 2


class Text(forms.CharField):
    """A text kept to the byte but for the line ends, which a browser sends as CR LF."""

    def __init__(self, **options):
        rows_shown = options.pop("lines", 3)
        super().__init__(strip=False, widget=forms.Textarea(attrs={"rows": rows_shown}), **options)

    def to_python(self, value):
        return super().to_python(value).replace("\r\n", "\n")

    def clean(self, value):
        value = super().clean(value)
        try:
            return reading.text(value, "")
        except rows.Refused:
            raise ValidationError(_("The text holds a character that cannot be stored.")) from None


class PromptForm(forms.Form):
    system = Text(label=_("System"), required=False)
    instruction = Text(label=_("Instruction"), lines=4)
    input = Text(label=_("Input"), required=False)

    def clean_instruction(self):
        if not self.cleaned_data["instruction"].strip():
            raise ValidationError(_("The prompt is empty."))
        return self.cleaned_data["instruction"]


class TurnForm(forms.Form):
    user = Text(label=_("User, earlier"), required=False)
    assistant = Text(label=_("Assistant, earlier"), required=False)

    def clean(self):
        said = super().clean()
        if bool(said.get("user", "").strip()) != bool(said.get("assistant", "").strip()):
            raise ValidationError(_("An earlier turn needs both: what the user said, and the answer."))
        return said


class AnswerForm(forms.Form):
    pk = forms.IntegerField(required=False, widget=forms.HiddenInput)
    text = Text(label=_("Answer"), required=False, lines=6)
    source = forms.CharField(label=_("Source"), required=False, max_length=200)
    demonstration = forms.BooleanField(
        label=_("demonstration"), required=False, help_text=_("In every SFT file, also without a judgment.")
    )

    def answer(self):
        said = self.cleaned_data
        text = said["text"] if said["text"].strip() else ""
        return Answer(text, said["source"] if text else "", said["demonstration"], said["pk"])


TurnForms = forms.formset_factory(TurnForm, extra=SPARE_TURNS)
AnswerForms = forms.formset_factory(AnswerForm, extra=SPARE_ANSWERS)


def forms_for(prompt=None, data=None):
    """(PromptForm, turns, answers) of a prompt, or empty ones."""
    first, turns, answers = {}, [], []
    if prompt:
        first = {"system": prompt.system, "instruction": prompt.instruction, "input": prompt.input}
        said = [text for _role, text in prompt.turns]
        turns = [{"user": user, "assistant": reply} for user, reply in zip(said[::2], said[1::2], strict=True)]
        answers = [
            {"pk": r.pk, "text": r.text, "source": r.source, "demonstration": r.demonstration}
            for r in prompt.responses.order_by("pk")
        ]
    return (
        PromptForm(data, initial=first),
        TurnForms(data, prefix="turns", initial=turns),
        AnswerForms(data, prefix="answers", initial=answers),
    )


def parts_of(form, turns):
    """The rows.Prompt that valid forms hold."""
    said = []
    for turn in turns:
        if turn.cleaned_data.get("user", "").strip():
            said += [("user", turn.cleaned_data["user"]), ("assistant", turn.cleaned_data["assistant"])]
    data = form.cleaned_data
    return rows.Prompt(data["instruction"], data["input"], data["system"], tuple(said))
