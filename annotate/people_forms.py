"""The forms for managing people and one's own settings."""

from datetime import date
from itertools import groupby
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm, UsernameField
from django.contrib.auth.password_validation import password_validators_help_texts
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils.translation import get_language_info
from django.utils.translation import gettext_lazy as _

from annotate import people
from annotate.models import User
from annotate.names import check_name
from annotate.wording import Label


class SearchForm(forms.Form):
    """The people on a page of the list. q: part of the name. after: the last name of the previous page."""

    q = forms.CharField(required=False, max_length=150)
    after = forms.CharField(required=False, max_length=150, strip=False)


class InviteForm(forms.Form):
    name = UsernameField(
        label=_("Name"),
        max_length=150,
        validators=[User.username_validator, check_name],
        help_text=_("They sign in with it, and it stands in exports: letters, digits and @ . + - _"),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    role = forms.ChoiceField(label=_("Role"), choices=User.Role, initial=User.Role.ANNOTATOR, widget=forms.RadioSelect)


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


class DayField(forms.DateField):
    """A date as sent by a browser's date field, within the years that all databases and time zones can represent."""

    def __init__(self, **options: Any) -> None:
        span = MinValueValidator(date(1970, 1, 1)), MaxValueValidator(date(2999, 12, 31))
        widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
        super().__init__(required=False, input_formats=["%Y-%m-%d"], validators=span, widget=widget, **options)


class HoursForm(forms.Form):
    since = DayField(label=_("From"))
    until = DayField(label=_("To"))

    def clean(self) -> None:
        since, until = self.cleaned_data.get("since"), self.cleaned_data.get("until")
        if since and until and until < since:
            self.add_error("until", _("This day is before the first one."))


def build_language_choices() -> list[tuple[str, Label]]:
    """The browser's language, then each language under its own name."""
    named = [(code, get_language_info(code)["name_local"]) for code, _name in settings.LANGUAGES]
    return [("", _("as the browser says")), *named]


def build_zone_choices() -> list[tuple[str, Label | list[tuple[str, str]]]]:
    """The server's time zone, then the time zones by area."""
    places = [(name, name.partition("/")[2].replace("_", " ") or name) for name in people.get_time_zones()]
    areas = [(area, list(names)) for area, names in groupby(places, key=lambda place: place[0].partition("/")[0])]
    server = _("the server's (%(zone)s)") % {"zone": settings.TIME_ZONE}
    return [("", server), *areas]


class LanguageForm(forms.Form):
    language = forms.ChoiceField(choices=settings.LANGUAGES)


class ProfileForm(forms.Form):
    language = forms.ChoiceField(label=_("Language"), required=False, choices=build_language_choices)
    time_zone = forms.ChoiceField(label=_("Time zone"), required=False, choices=build_zone_choices)

    def save(self, person: User) -> None:
        people.choose_preferences(person, **self.cleaned_data)


class PlainHelpMixin:
    """Shows the password rules as sentences instead of a list."""

    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["new_password1"].help_text = " ".join(password_validators_help_texts())


class NewPasswordForm(PlainHelpMixin, SetPasswordForm):
    pass


class ChangePasswordForm(PlainHelpMixin, PasswordChangeForm):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["old_password"].widget.attrs["autofocus"]  # the page has two forms
