"""Forms: change the settings of a dataset, delete a dataset."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.auth import get_user_model
from django.db.models import Model, Q
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from datasets.audit.log import save_settings
from datasets.comparisons.generate import regenerate_comparisons, set_overlap
from datasets.comparisons.tasks import start_review_refresh
from datasets.models import Dataset
from datasets.text.one_line import is_plain

if TYPE_CHECKING:
    from annotate.models import User


class PeopleInput(forms.CheckboxSelectMultiple):
    """A checkbox for each active member, by name, with the role; also for those ticked who are deactivated."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        self.choices = list_people_choices(value or ())
        return super().get_context(name, value, attrs)


def list_people_choices(ticked: Iterable[str]) -> list[tuple[int, str]]:
    """(id, label) of the active members and of these ids, by name."""
    users = get_user_model().objects.filter(Q(is_active=True) | Q(pk__in=list(filter(is_id, ticked))))
    return [(user.pk, format_person(user)) for user in users.order_by("username")]


def format_person(user: "User") -> str:
    """A person's name and role, as HTML."""
    state = "" if user.is_active else gettext("deactivated")
    words = " · ".join(filter(None, [str(user.get_role_display()), state]))
    return format_html('{} <span class="quiet">{}</span>', user.username, words)


def is_id(text: str) -> bool:
    """Whether the text is an id that a database can hold."""
    return text.isascii() and text.isdecimal() and len(text) < 19


class PeopleField(forms.Field):
    """Members, ticked in a list. Commands and the API send their names instead, as one text: one a line, or commas."""

    widget = PeopleInput(attrs={"class": "ticks"})

    def prepare_value(self, value: "str | Iterable[User | str] | None") -> list[str]:
        """The ids, or what was posted."""
        if isinstance(value, str):
            return split_names(value)
        return [word for one in value or () for word in split_names(str(one.pk if isinstance(one, Model) else one))]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return set(self.prepare_value(initial)) != set(self.prepare_value(data))

    def clean(self, value: Any) -> "list[User]":
        posted = set(self.prepare_value(value))
        ids = set() if isinstance(value, str) else set(filter(is_id, posted))
        names = posted - ids
        storable = [name for name in names if "\0" not in name]
        people = list(get_user_model().objects.filter(Q(pk__in=ids) | Q(username__in=storable)).order_by("username"))
        unknown = ids.difference(str(person.pk) for person in people)
        unknown |= names.difference(person.username for person in people)
        if unknown:
            raise forms.ValidationError(_("Unknown username: %(names)s"), params={"names": ", ".join(sorted(unknown))})
        if self.required and not people:
            raise forms.ValidationError(self.error_messages["required"], code="required")
        return people


def split_names(text: str) -> list[str]:
    """The names in a text, one a line or with commas between them."""
    return text.replace(",", " ").split()


# How a form declares the people who may judge.
ANNOTATORS: dict[str, Any] = {
    "label": _("Annotators"),
    "required": False,
    "help_text": _("None selected: open to all annotators."),
}
OPTIONAL_SETTINGS = ("gold_share", "repeat_share", "practice", "practice_pass", "order", "review")


class PartForm(forms.ModelForm):
    """Some settings of a dataset, without those of its question; a subclass names them."""

    instance: Dataset

    class Meta:
        model = Dataset
        fields: Sequence[str] = []
        widgets = {
            "guideline": forms.Textarea(attrs={"rows": 20}),
        }
        help_texts = {
            "guideline": _("In Markdown. Annotators open them with g."),
            "hourly_rate": _("For the costs on the overview, in your currency. Blank = no costs."),
            "name": _("Shown to annotators. Blank = the short name."),
            "pairs_limit": _("Blank = all. Prompts with more than 6 answers are always sampled."),
            "ask_demonstrations": _("Rows with a single answer; otherwise they are exported only."),
            "gold_share": _("Hidden among normal tasks; used to measure accuracy, never exported. 0 = off."),
            "repeat_share": _(
                "Items the annotator judged earlier, shown again with sides swapped to measure self-consistency; "
                "never exported. 0 = off."
            ),
            "practice": _(
                "Gold questions shown before the first real item, each with the expected answer and the reason. "
                "0 = no qualification. Admins skip it."
            ),
            "order": _(
                "Random: all items are equal. Most informative first: items with uncertain outcome and models "
                "with undecided rank come first, updated as judgments arrive."
            ),
            "stop_when_sure": _("An item with overlap counts as done once its judgments leave no doubt (95 %)."),
            "practice_pass": _("Minimum share of gold questions answered correctly. 0 = no minimum."),
            "practice_retakes": _(
                "How many times an annotator may retake it, whether failed or passed; you can allow "
                "more on the Annotators page. Blank = no limit."
            ),
            "review": _(
                "A reviewer gives a first impression, then sees the votes, then decides. Votes are kept; the "
                "export chooses between them and the decision. Needs an overlap of at least 2."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in OPTIONAL_SETTINGS:
            if name in self.fields:
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
        optional = [name for name in OPTIONAL_SETTINGS if name in self.fields and data.get(name) in (None, "")]
        untouched = {name: getattr(self.instance, name) for name in optional}
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


class GeneralForm(PartForm):
    """The name of a dataset, and what an hour of annotation costs."""

    class Meta(PartForm.Meta):
        fields = ["name", "hourly_rate"]


class GuidelineForm(PartForm):
    """The annotation guidelines of a dataset; a changed text becomes a new version."""

    class Meta(PartForm.Meta):
        fields = ["guideline"]


class QueueForm(PartForm):
    """What is compared, how often, and in which order."""

    class Meta(PartForm.Meta):
        fields = [
            "pairs",
            "pairs_limit",
            "ask_demonstrations",
            "overlap",
            "lease_minutes",
            "order",
            "stop_when_sure",
        ]


class QualityForm(PartForm):
    """How the quality of judgments is measured while people judge."""

    class Meta(PartForm.Meta):
        fields = ["gold_share", "repeat_share", "practice", "practice_pass", "practice_retakes", "review"]


class AnnotatorsForm(PartForm):
    """The people who may judge a dataset."""

    annotators = PeopleField(**ANNOTATORS)

    class Meta(PartForm.Meta):
        fields = ["annotators"]


class SettingsForm(AnnotatorsForm):
    """All settings of a dataset, without those of its question: what commands and the API change."""

    class Meta(PartForm.Meta):
        fields = [
            *GeneralForm.Meta.fields,
            "state",
            *GuidelineForm.Meta.fields,
            *QueueForm.Meta.fields,
            *AnnotatorsForm.Meta.fields,
            *QualityForm.Meta.fields,
        ]


class DeleteForm(forms.Form):
    """Confirms the deletion of a dataset by its short name."""

    name = forms.CharField(
        label=_("Type the short name to delete the dataset"), widget=forms.TextInput(attrs={"autocomplete": "off"})
    )

    def __init__(self, dataset: Dataset, *args: Any) -> None:
        super().__init__(*args)
        self.dataset = dataset

    def clean_name(self) -> str:
        if self.cleaned_data["name"] != self.dataset.slug:
            raise forms.ValidationError(_("This is not the short name of the dataset. Nothing was deleted."))
        return self.dataset.slug
