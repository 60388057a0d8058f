"""Forms for bundles: what they hold, and where they are pushed to."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

from datasets.bundles.archive import DIALECTS, SHARES, Settings, get_dialects
from datasets.exports.forms import build_extras_field
from datasets.exports.selection import Filters


class PushForm(forms.Form):
    """Target of a push: repository, access token, visibility."""

    repo = forms.CharField(
        label=_("Repository"),
        max_length=96,
        validators=[RegexValidator(r"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*\Z", _("Use the form organisation/name."))],
        help_text=_("organisation/name or username/name; created if it does not exist."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "organisation/support-replies"}),
    )
    token = forms.CharField(
        label=_("Access token"),
        required=False,
        max_length=500,
        validators=[RegexValidator(r"^[!-~]+\Z", _("A token contains no spaces."))],
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    public = forms.BooleanField(
        label=_("public: anyone can read it"),
        required=False,
        help_text=_("Otherwise a new repository is private, and an existing public one is refused."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        token = self.fields["token"]
        token.required = not settings.HF_TOKEN
        token.help_text = _("Needs write access. For this push only: stored encrypted until the push ends.")
        if settings.HF_TOKEN:
            token.help_text = _(
                "Blank = the server's own token (HF_TOKEN). Otherwise stored encrypted until the push ends."
            )


class SharesField(forms.CharField):
    """Three whole percentages, comma-separated: train, validation, test."""

    def clean(self, value: Any) -> tuple[int, ...]:
        parts = [part.strip() for part in super().clean(value).split(",") if part.strip()]
        shares = tuple(int(part) for part in parts if part.isdecimal() and len(part) < 4)
        if parts and (len(parts) != 3 or len(shares) != 3 or sum(shares) != 100):
            raise forms.ValidationError(
                _("Enter three whole numbers that add up to 100, such as 80,10,10; 100,0,0 means no split.")
            )
        return shares or SHARES


class BundleForm(forms.Form):
    """What a bundle holds, except for the filters: dialects, shares, and further columns of dialects that take them."""

    dialects = forms.MultipleChoiceField(
        label=_("Formats"), required=False, choices=lambda: [(name, name) for name in get_dialects()]
    )
    split = SharesField(label=_("Split: train / validation / test (%)"), required=False)

    def build_settings(self, filters: Filters) -> Settings:
        """Settings of a valid form."""
        cleaned = self.cleaned_data
        dialects = sorted(cleaned["dialects"], key=lambda name: (*DIALECTS, name).index(name))
        return Settings(filters, tuple(dialects) or DIALECTS, cleaned["split"], tuple(cleaned["with"]))


BundleForm.base_fields["with"] = build_extras_field()  # outside of the class: `with` is a keyword
