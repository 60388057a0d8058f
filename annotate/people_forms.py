"""The forms for managing people and one's own settings."""

from datetime import date
from itertools import groupby
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.conf import settings
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm, UsernameField
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.html import format_html
from django.utils.translation import get_language_info, gettext
from django.utils.translation import gettext_lazy as _

from annotate import people
from annotate.models import User
from annotate.names import check_name
from annotate.passwords import LengthValidator
from annotate.wording import Label
from datasets.models import Dataset

if TYPE_CHECKING:
    from django.db.models import QuerySet


class SearchForm(forms.Form):
    """The members on a page of the list. q: part of the name. after: the last name of the previous page."""

    q = forms.CharField(
        label=_("Search by name"), required=False, max_length=150, widget=forms.TextInput(attrs={"type": "search"})
    )
    role = forms.ChoiceField(label=_("Role"), required=False, choices=[("", _("All")), *User.Role.choices])
    status = forms.ChoiceField(label=_("Status"), required=False, choices=[("", _("All")), *people.Status.choices])
    after = forms.CharField(required=False, max_length=150, strip=False, widget=forms.HiddenInput)

    def apply(self, users: "QuerySet[User]", pages: bool = True) -> "QuerySet[User]":
        """The users that match a valid form, by name. pages: only those after the last name of the previous page."""
        matches = users.filter(username__icontains=self.cleaned_data["q"])
        if pages:
            matches = matches.filter(username__gt=self.cleaned_data["after"])
        if role := self.cleaned_data["role"]:
            matches = matches.filter(role=role)
        return people.filter_by_status(matches, self.cleaned_data["status"]).order_by("username")


class DatasetsField(forms.ModelMultipleChoiceField):
    """Datasets that are not archived, ticked in a list. Says of each whether it is open to all annotators."""

    widget = forms.CheckboxSelectMultiple(attrs={"class": "ticks"})

    def __init__(self, **options: Any) -> None:
        super().__init__(Dataset.objects.none(), required=False, **options)

    def fill(self) -> None:
        """Reads the datasets; to be called for each form."""
        self.queryset = Dataset.objects.current().defer("guideline").order_by("slug")
        listed = set(Dataset.annotators.through.objects.values_list("dataset", flat=True).distinct())
        self.choices = [(dataset.pk, format_dataset(dataset, dataset.pk not in listed)) for dataset in self.queryset]


def format_dataset(dataset: Dataset, is_open: bool) -> str:
    """A dataset's name, and whether it is open to all annotators, as HTML."""
    if not is_open:
        return str(dataset)
    return format_html('{} <span class="quiet">{}</span>', str(dataset), gettext("open to all annotators"))


def build_datasets_field(help_text: Label) -> DatasetsField:
    return DatasetsField(label=_("Assigned datasets"), help_text=help_text)


class InviteForm(forms.Form):
    name = UsernameField(
        label=_("Username"),
        max_length=150,
        validators=[User.username_validator, check_name],
        help_text=_("Used to sign in; appears in exports. Letters, digits and @ . + - _"),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    role = forms.ChoiceField(label=_("Role"), choices=User.Role, initial=User.Role.ANNOTATOR, widget=forms.RadioSelect)
    datasets = build_datasets_field(
        _(
            "None ticked: every dataset that is open to all annotators. Ticking a dataset that is open to all does not "
            "restrict it."
        )
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        cast(DatasetsField, self.fields["datasets"]).fill()


class PersonForm(forms.Form):
    """One act on a person, as posted by a button of their page."""

    ACTS = {"deactivate": people.deactivate, "reactivate": people.reactivate, "reset": people.reset_password}

    act = forms.ChoiceField(choices=[(name, name) for name in ("role", *ACTS)])
    role = forms.ChoiceField(label=_("Role"), choices=User.Role, required=False, widget=forms.RadioSelect)

    def clean(self) -> None:
        if self.cleaned_data.get("act") == "role" and not self.cleaned_data.get("role"):
            self.add_error("role", self.fields["role"].error_messages["required"])

    def save(self, person: User, by: User) -> str:
        """Performs the act and returns its name. by: the admin, for the audit log. Raises people.LastAdmin."""
        act: str = self.cleaned_data["act"]
        if act == "role":
            people.change_role(person, self.cleaned_data["role"], by)
        else:
            self.ACTS[act](person, by)
        return act


class AssignmentsForm(forms.Form):
    """The datasets that list a person as an annotator.

    was: those ticked when the page was loaded, so that a change by another admin since then stays.
    """

    ACT = "datasets"  # the value of the form's button

    datasets = build_datasets_field(
        _("Ticking a dataset that is open to all does not restrict it. Archived datasets keep their annotators.")
    )
    was = forms.ModelMultipleChoiceField(Dataset.objects.all(), required=False, widget=forms.MultipleHiddenInput)

    def __init__(self, data: Any, person: User) -> None:
        assigned = list(person.datasets.current().values_list("pk", flat=True))
        super().__init__(data, initial={"datasets": assigned, "was": assigned})
        self.person = person
        cast(DatasetsField, self.fields["datasets"]).fill()

    def save(self, by: User) -> bool:
        """Saves a valid form, and returns whether it could; if not, the form has an error. by: see PersonForm."""
        ticked, was = self.cleaned_data["datasets"], self.cleaned_data["was"]
        try:
            people.change_assignments(self.person, add=ticked, remove=set(was) - set(ticked), by=by)
        except people.LastAnnotator as refused:
            message = _(
                "%(name)s is the only annotator assigned to: %(datasets)s. A dataset with none is "
                "open to all. Assign another person first."
            )
            names = ", ".join(map(str, refused.datasets))
            self.add_error("datasets", message % {"name": self.person.username, "datasets": names})
            return False
        return True


class DayField(forms.DateField):
    """A date as sent by a browser's date field, within the years that all databases and time zones can represent."""

    def __init__(self, **options: Any) -> None:
        span = MinValueValidator(date(1970, 1, 1)), MaxValueValidator(date(2999, 12, 31))
        widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
        super().__init__(required=False, input_formats=["%Y-%m-%d"], validators=span, widget=widget, **options)


class HoursForm(forms.Form):
    """The days of a timesheet, and whose it is: a username, or blank for everybody's."""

    since = DayField(label=_("From"))
    until = DayField(label=_("To"))
    person = forms.CharField(label=_("Member"), required=False, max_length=150)

    def fill_people(self) -> None:
        """Makes `person` a list to pick from."""
        names = User.objects.order_by("username").values_list("username", flat=True)
        self.fields["person"].widget = forms.Select(choices=[("", _("All")), *((name, name) for name in names)])

    def clean(self) -> None:
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        if since and until and until < since:
            self.add_error("until", _("The end date is before the start date."))


def build_language_choices() -> list[tuple[str, Label]]:
    """The browser's language, then each language under its own name."""
    named = [(code, get_language_info(code)["name_local"]) for code, _name in settings.LANGUAGES]
    return [("", _("Browser default")), *named]


def build_zone_choices() -> list[tuple[str, Label | list[tuple[str, str]]]]:
    """The server's time zone, then the time zones by area."""
    places = [(name, name.partition("/")[2].replace("_", " ") or name) for name in people.get_time_zones()]
    areas = [(area, list(names)) for area, names in groupby(places, key=lambda place: place[0].partition("/")[0])]
    server = _("Server default (%(zone)s)") % {"zone": settings.TIME_ZONE}
    return [("", server), *areas]


class LanguageForm(forms.Form):
    language = forms.ChoiceField(choices=settings.LANGUAGES)


class ProfileForm(forms.Form):
    language = forms.ChoiceField(label=_("Language"), required=False, choices=build_language_choices)
    time_zone = forms.ChoiceField(label=_("Time zone"), required=False, choices=build_zone_choices)

    def save(self, person: User) -> None:
        people.choose_preferences(person, **self.cleaned_data)


class PlainHelpMixin:
    """Shows the password rules as one sentence instead of Django's list."""

    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["new_password1"].help_text = _(
            "At least %(n)s characters, not only digits, and not a common password."
        ) % {"n": LengthValidator().min_length}


class NewPasswordForm(PlainHelpMixin, SetPasswordForm):
    pass


class ChangePasswordForm(PlainHelpMixin, PasswordChangeForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["old_password"].widget.attrs["autofocus"]  # the page has two forms
