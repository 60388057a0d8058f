"""Forms: upload files, change the settings of a dataset, delete a dataset."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth import get_user_model
from django.core.validators import validate_slug
from django.utils.translation import gettext_lazy as _

from datasets.audit.log import save_settings
from datasets.comparisons.generate import regenerate_comparisons, set_overlap
from datasets.comparisons.tasks import start_review_refresh
from datasets.models import RESERVED_SLUGS, Dataset
from datasets.text.one_line import is_plain

if TYPE_CHECKING:
    from annotate.models import User


class FilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """One or more files."""

    widget = FilesInput

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        if not data:
            raise forms.ValidationError(self.error_messages["required"], code="required")
        return [super(FilesField, self).clean(file, initial) for file in data]


class UploadForm(forms.Form):
    """Files for a dataset. `overlap` is the last field: a form that is cut off in a file lacks it and is invalid."""

    slug = forms.CharField(
        label=_("Dataset"),
        max_length=80,
        validators=[validate_slug],
        help_text=_("The short name of a dataset, or a new one: letters, digits, - and _."),
        widget=forms.TextInput(attrs={"list": "slugs", "autocomplete": "off", "placeholder": "support-replies"}),
    )
    files = FilesField(  # type: ignore[assignment]  # the metaclass moves it to `fields`; `files` stays the uploads
        label=_("Files"),
        allow_empty_file=True,
        help_text=_(
            "JSON Lines, a JSON array, CSV, TSV, Parquet or .xlsx, also as .gz. The shape is told by the content."
        ),
    )
    overlap = forms.IntegerField(
        label=_("Judgments wanted per comparison"),
        initial=1,
        min_value=1,
        max_value=100,
        help_text=_("For a new dataset; an old one keeps its own."),
    )

    def clean_slug(self) -> str:
        slug: str = self.cleaned_data["slug"]
        if slug in RESERVED_SLUGS:
            raise forms.ValidationError(_("This short name cannot be taken."))
        return slug


class PeopleField(forms.CharField):
    """Users by name, one per line: practical for five users and for a hundred thousand."""

    widget = forms.Textarea

    def prepare_value(self, value: "str | Iterable[User] | None") -> str:
        return value if isinstance(value, str) else "\n".join(sorted(person.username for person in value or ()))

    def has_changed(self, initial: "str | Iterable[User] | None", data: str | None) -> bool:
        return self.prepare_value(initial).split() != (data or "").split()

    def clean(self, value: Any) -> "list[User]":
        names = set(super().clean(value).replace(",", " ").split())
        people = list(get_user_model().objects.filter(username__in=names).order_by("username"))
        if unknown := sorted(names - {person.username for person in people}):
            raise forms.ValidationError(
                _("There is nobody of this name: %(names)s"), params={"names": ", ".join(unknown)}
            )
        return people


OPTIONAL_SETTINGS = ("gold_share", "repeat_share", "practice", "practice_pass", "order", "review")


class SettingsForm(forms.ModelForm):
    """The settings of a dataset, without those of its question."""

    instance: Dataset

    annotators = PeopleField(
        label=_("Who may judge"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Names, one a line. Empty: every annotator."),
    )

    class Meta:
        model = Dataset
        fields = [
            "name",
            "state",
            "guideline",
            "pairs",
            "pairs_limit",
            "ask_demonstrations",
            "overlap",
            "lease_minutes",
            "annotators",
            "gold_share",
            "repeat_share",
            "practice",
            "practice_pass",
            "order",
            "stop_when_sure",
            "review",
        ]
        widgets = {
            "guideline": forms.Textarea(attrs={"rows": 8}),
        }
        help_texts = {
            "guideline": _("What to look for, in Markdown. Annotators open it beside the task with the key g."),
            "name": _("What annotators read; without one, the short name."),
            "pairs_limit": _("Empty: all of them; of more than six answers a sample in any case."),
            "ask_demonstrations": _("Rows with a single answer, which otherwise are only exported."),
            "gold_share": _(
                "Of a hundred comparisons so many are ones whose answer is known. Nobody can tell them from the "
                "others; they tell you how often each person is right, and enter no export. 0: none."
            ),
            "repeat_share": _(
                "Of a hundred so many are ones that the person has judged a while ago, with the sides swapped: they "
                "tell how often somebody says the same twice, and enter no export. 0: none."
            ),
            "practice": _(
                "So many comparisons whose answer is known come before the first real one, and after each the known "
                "answer is told, with its reason. 0: no practice. Admins need none."
            ),
            "order": _(
                "At random, all comparisons are alike. What tells the most first: those of which nobody can foretell "
                "the verdict, and those of sources whose order is open; drawn anew as people judge."
            ),
            "stop_when_sure": _(
                "A comparison that wants several judgments is asked no more once those that there are leave no doubt "
                "(95 %). It counts as done."
            ),
            "practice_pass": _(
                "So many of a hundred must be right to go on; else the round is taken once more. 0: going through it "
                "is enough."
            ),
            "review": _(
                "A reviewer gives a first impression, then sees the votes, then decides. The votes stay as they are; "
                "an export chooses between them and the decision. It takes two judgments of a comparison or more."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in OPTIONAL_SETTINGS:
            self.fields[name].required = False

    def clean_name(self) -> str:
        """The name, which has to fit on one line. A name that an older version accepted may stay."""
        name: str = self.cleaned_data["name"]
        if name != self.initial.get("name") and not is_plain(name):
            raise forms.ValidationError(_("A name is plain text on one line, without control characters."))
        return name

    def clean(self) -> dict[str, Any]:
        """The data, in which optional settings that the form does not send keep their values."""
        super().clean()
        data = self.cleaned_data
        untouched = {name: getattr(self.instance, name) for name in OPTIONAL_SETTINGS if data.get(name) in (None, "")}
        return data | {name: value for name, value in untouched.items() if name not in self.errors}

    def save(self, by: "User | None" = None) -> Dataset:  # type: ignore[override]  # always commits
        """The dataset, saved. Updates its comparisons to match the new settings.

        by: the user in the audit log; None for a command.
        """
        dataset = save_settings(self, by)
        if "overlap" in self.changed_data:
            set_overlap(dataset, dataset.overlap)
        if {"pairs", "pairs_limit", "ask_demonstrations"} & set(self.changed_data):
            regenerate_comparisons(dataset)
        if {"review", "overlap"} & set(self.changed_data):
            start_review_refresh(dataset)
        return dataset


class DeleteForm(forms.Form):
    """Confirms the deletion of a dataset by its short name."""

    name = forms.CharField(
        label=_("Type the short name to delete"), widget=forms.TextInput(attrs={"autocomplete": "off"})
    )

    def __init__(self, dataset: Dataset, *args: Any) -> None:
        super().__init__(*args)
        self.dataset = dataset

    def clean_name(self) -> str:
        if self.cleaned_data["name"] != self.dataset.slug:
            raise forms.ValidationError(_("This is not the short name of the dataset. Nothing was deleted."))
        return self.dataset.slug
