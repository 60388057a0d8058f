"""The form for a new API token."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from api.models import Token


class TokenForm(forms.ModelForm):
    """A new token. days: its lifetime, None for no limit."""

    days = forms.TypedChoiceField(
        label=_("Works for"),
        choices=[("", _("until it is revoked")), (30, _("30 days")), (90, _("90 days")), (365, _("a year"))],
        coerce=int,
        empty_value=None,
        required=False,
        initial=90,
    )

    class Meta:
        model = Token
        fields = ["name", "reads", "writes"]
        help_texts = {"name": _("What it is for, so that you know later which one to revoke.")}
        widgets = {"name": forms.TextInput(attrs={"autocomplete": "off"})}

    def clean(self) -> dict[str, Any]:
        super().clean()
        data = self.cleaned_data
        if not (data.get("reads") or data.get("writes")):
            raise forms.ValidationError(_("Tick at least one: a token that may do nothing is of no use."))
        return data
