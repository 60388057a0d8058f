"""The form that maps columns to roles: one choice per column."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from datasets import reasons
from datasets.formats import mapping
from datasets.imports.columns import Draft

ROLE_LABELS = {
    "prompt": _("Prompt"),
    "input": _("Input field of the prompt"),
    "context": _("Context or passage"),
    "system": _("System text"),
    "history": _("Previous turns"),
    "answers": _("All answers, as a list"),
    "sources": _("Sources of the answers, as a list"),
    "scores": _("Scores of the answers, as a list"),
    "winner": _("Which answer is better"),
    "chosen": _("The better answer"),
    "rejected": _("The worse answer"),
    "chosen_source": _("Source of the better answer"),
    "rejected_source": _("Source of the worse answer"),
    "chosen_score": _("Score of the better answer"),
    "rejected_score": _("Score of the worse answer"),
    "margin": _("Margin between the two answers"),
    "answer": _("One of several answers (the others are in other rows)"),
    "source": _("Source of the answer"),
    "demonstration": _("Answer to train on"),
    "conversation": _("Whole conversation to train on"),
    "label": _("Label: whether the answer is good"),
    "annotator": _("Annotator"),
    "tags": _("Tags"),
    "id": _("Row id"),
    "weight": _("Weight (rows with weight 0 are rejected)"),
    "image": _("Image or audio (rows that have it are rejected)"),
    "tools": _("Tools (rows that have them are rejected)"),
    "reasoning": _("Reasoning (rows that have it are rejected)"),
    "meta": _("Metadata, kept"),
    "ignored": _("Ignored"),
}
NUMBERED_LABELS = {
    "answer": _("Answer %(n)s"),
    "source": _("Source of answer %(n)s"),
    "score": _("Score of answer %(n)s"),
    "rejected": _("Worse answer %(n)s"),
}
GROUPS = (
    (_("Not read"), ("meta", "ignored")),
    (_("Prompt and context"), ("prompt", "input", "context", "system", "history")),
    (_("Several answers per row"), ("answers", "sources", "scores", "winner")),
    (_("Two answers with a verdict"), mapping.PAIR_ROLES),
    (_("One answer per row"), ("answer", "source", "demonstration", "conversation", "label")),
    (_("Other columns"), ("annotator", "tags", "id", "weight")),
    (_("Not supported yet"), ("image", "tools", "reasoning")),
)
SEVERAL = 2  # place in GROUPS of the roles that are numbered
DIRECTIONS = {"high": _("A higher score is better"), "low": _("A lower score is better")}
VERDICTS = {"": _("default"), "none": _("no verdict"), "tie": _("tie"), "both_bad": _("both bad")}
MOST_VALUES = 12  # of a winner column, to say what each means
COUNTS = {
    "names": _("by letter, number from 1, column name or source"),
    "from_0": _("by number from 0"),
    "minus_first": _("by sign: negative means the first is better, positive the second"),
    "plus_first": _("by sign: positive means the first is better, negative the second"),
}


def format_role(role: str) -> str | Promise:
    """The label of a role."""
    match = mapping.NUMBERED.fullmatch(role)
    if not match:
        return ROLE_LABELS[role]
    if match[1] in mapping.COLUMN_CHOICES:
        return ROLE_LABELS[match[1]]
    return NUMBERED_LABELS[match[1]] % {"n": match[2]}


def build_choices(most: int) -> list[tuple[str | Promise, Any]]:
    """The roles that a column may have, in groups.

    most: number of numbered answers to offer.
    """
    numbered = [f"{kind}_{n}" for kind in NUMBERED_LABELS for n in range(1, most + 1)]
    groups = [(label, (*numbered, *roles) if n == SEVERAL else roles) for n, (label, roles) in enumerate(GROUPS)]
    return [
        ("", _("not used")),
        *((label, [(role, format_role(role)) for role in roles]) for label, roles in groups),
    ]


def find_choice(role: str | None) -> str | None:
    """The choice of the form for a role: metadata and ignored columns have no number there."""
    match = mapping.NUMBERED.fullmatch(role or "")
    return match[1] if match and match[1] in mapping.COLUMN_CHOICES else role


def has_kept_shape(draft: Draft) -> bool:
    """Whether the detected format is proposed, instead of a mapping."""
    return bool(draft["shape"]) and (mapping.FORMAT in draft["roles"] or draft["why"] in ("unread", "said"))


class ColumnsForm(forms.Form):
    """One choice of a role per column of a draft mapping. Once valid, `roles` is the mapping {role: column}.

    With `keep_shape` the detected format reads the file, and only metadata and ignored columns are taken over.
    """

    keep_shape = forms.BooleanField(label=_("Keep the detected format"), required=False)
    counts = forms.ChoiceField(label=_("How the better answer is named"), choices=COUNTS.items(), initial="names")
    better = forms.ChoiceField(label=_("Scores"), choices=DIRECTIONS.items(), initial="high", required=False)

    roles: dict[str, str]

    def __init__(self, draft: Draft, data: Mapping[str, Any] | None = None) -> None:
        roles = draft["roles"]
        role_of = {column: role for role, column in roles.items() if not mapping.is_setting(role)}
        settings = {name: roles.get(name, values[0]) for name, values in mapping.SETTINGS.items()}
        super().__init__(data, initial={**settings, "keep_shape": has_kept_shape(draft)})
        self.draft, self.columns = draft, draft["columns"]
        if not draft["shape"]:
            del self.fields["keep_shape"]
        most = min(mapping.MOST_ANSWERS, max(2, len(self.columns) - 1))
        for n, column in enumerate(self.columns):
            field = forms.ChoiceField(
                label=column, choices=build_choices(most), required=False, initial=find_choice(role_of.get(column))
            )
            self.fields[f"column_{n}"] = field
        self.values = self.list_values(most)
        for n, value in enumerate(self.values):
            numbers = [(str(k), _("answer %(n)s") % {"n": k}) for k in range(1, most + 1)]
            choices = [("", VERDICTS[""]), *numbers, *list(VERDICTS.items())[1:]]
            initial = roles.get(f"{mapping.VERDICT}{value.lower()}", "")
            self.fields[f"value_{n}"] = forms.ChoiceField(label=value, choices=choices, required=False, initial=initial)

    def list_values(self, most: int) -> list[str]:
        """What the winner column holds in the first rows, if that is few short texts."""
        chosen = [self[f"column_{n}"].value() for n in range(len(self.columns))]
        if "winner" not in chosen:
            return []
        column = self.columns[chosen.index("winner")]
        values = dict.fromkeys(
            str(row[column]).strip() for row in self.draft["rows"] if row.get(column) not in (None, "")
        )
        return [value for value in values if len(value) <= 80][:MOST_VALUES]

    def get_column_fields(self) -> list[forms.BoundField]:
        """The fields of the columns, in their order."""
        return [self[f"column_{n}"] for n in range(len(self.columns))]

    def get_value_fields(self) -> list[forms.BoundField]:
        """The fields of the values of the winner column."""
        return [self[f"value_{n}"] for n in range(len(self.values))]

    def clean(self) -> dict[str, Any]:
        """Sets `roles`; an error if the mapping is inconsistent."""
        cleaned = self.cleaned_data
        chosen = {column: cleaned.get(f"column_{n}") for n, column in enumerate(self.columns)}
        self.roles = {}
        for kind in sorted(mapping.COLUMN_CHOICES):
            columns = [column for column, role in chosen.items() if role == kind]
            self.roles |= {f"{kind}_{n}": column for n, column in enumerate(columns, 1)}
        if cleaned.get("keep_shape"):
            self.roles[mapping.FORMAT] = self.draft["shape"]
            return cleaned
        for n, (column, role) in enumerate(chosen.items()):
            if role and role not in mapping.COLUMN_CHOICES:
                if role in self.roles:
                    self.add_error(f"column_{n}", reasons.MAPPING["role_twice"])
                self.roles[role] = column
        self.add_settings(cleaned)
        if not self.errors and (fault := mapping.find_fault(self.roles)):
            raise forms.ValidationError(reasons.MAPPING[fault])
        return cleaned

    def add_settings(self, cleaned: dict[str, Any]) -> None:
        """Adds what is said of the winner and of scores, where there are some."""
        if cleaned.get("counts") != "names" and "winner" in self.roles:
            self.roles["counts"] = cleaned["counts"]
        if cleaned.get("better") == "low" and any("score" in role for role in self.roles):
            self.roles["better"] = "low"
        if "winner" in self.roles:
            values = {value: cleaned.get(f"value_{n}") for n, value in enumerate(self.values)}
            self.roles |= {f"{mapping.VERDICT}{value.lower()}": text for value, text in values.items() if text}
