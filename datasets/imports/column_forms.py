"""Which column is what, as a form: one choice a column."""

from django import forms
from django.utils.translation import gettext_lazy as _

from datasets import reasons
from datasets.formats import mapping

ROLE_LABELS = {
    "prompt": _("Prompt"),
    "input": _("Input beside the prompt"),
    "system": _("System text"),
    "history": _("Earlier turns"),
    "answers": _("All answers, as a list"),
    "sources": _("Sources of the answers, as a list"),
    "winner": _("Which answer is better"),
    "chosen": _("The better answer"),
    "rejected": _("The worse answer"),
    "answer": _("One of several answers: the others are in other rows"),
    "source": _("Source of the answer"),
    "demonstration": _("The answer to learn from"),
    "conversation": _("A whole conversation, to learn from"),
    "annotator": _("Who judged"),
    "tags": _("Tags"),
}
GROUPS = (
    (_("What was asked"), ("prompt", "input", "system", "history")),
    (_("Several answers in a row"), ("answers", "sources", "winner")),
    (_("Two answers, already judged"), ("chosen", "rejected")),
    (_("One answer in a row"), ("answer", "source", "demonstration", "conversation")),
    (_("Besides"), ("annotator", "tags")),
)
COUNTS = {
    "names": _("by its letter, its number from 1, its column or its source"),
    "from_0": _("by its number, counted from 0"),
    "minus_first": _("by a sign: below zero the first is better, above it the second"),
    "plus_first": _("by a sign: above zero the first is better, below it the second"),
}


def format_role(role):
    """What a column is, in words."""
    match = mapping.NUMBERED.fullmatch(role)
    if not match:
        return ROLE_LABELS[role]
    label = _("Answer number %(n)s") if match[1] == "answer" else _("Source of answer %(n)s")
    return label % {"n": match[2]}


def build_choices(most):
    """All that a column may be, in groups, with so many numbered answers."""
    numbered = [f"{kind}_{n}" for kind in ("answer", "source") for n in range(1, most + 1)]
    first, several, *rest = GROUPS
    groups = [first, (several[0], (*numbered, *several[1])), *rest]
    return [("", _("not used")), *((label, [(role, format_role(role)) for role in roles]) for label, roles in groups)]


class ColumnsForm(forms.Form):
    counts = forms.ChoiceField(label=_("The better answer is named"), choices=COUNTS.items(), initial="names")

    def __init__(self, draft, data=None):
        role_of = {column: role for role, column in draft["roles"].items() if role != "counts"}
        super().__init__(data, initial={"counts": draft["roles"].get("counts", "names")})
        self.columns = draft["columns"]
        most = min(mapping.MOST_ANSWERS, max(2, len(self.columns) - 1))
        for n, column in enumerate(self.columns):
            field = forms.ChoiceField(
                label=column, choices=build_choices(most), required=False, initial=role_of.get(column)
            )
            self.fields[f"column_{n}"] = field

    def get_column_fields(self):
        return [self[f"column_{n}"] for n in range(len(self.columns))]

    def clean(self):
        """Put together what was said: `roles`."""
        cleaned = self.cleaned_data
        self.roles = {}
        for n, column in enumerate(self.columns):
            if role := cleaned.get(f"column_{n}"):
                if role in self.roles:
                    self.add_error(f"column_{n}", reasons.MAPPING["role_twice"])
                self.roles[role] = column
        if cleaned.get("counts") != "names" and "winner" in self.roles:
            self.roles["counts"] = cleaned["counts"]
        if not self.errors and (fault := mapping.find_fault(self.roles)):
            raise forms.ValidationError(reasons.MAPPING[fault])
        return cleaned
