"""The form for a new API token."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from api.models import Token
from api.tokens import SCOPES


class TokenForm(forms.ModelForm):
    """A new token. days: its lifetime, None for no limit."""

    days = forms.TypedChoiceField(
        label=_("Expires in"),
        choices=[("", _("never")), (30, _("30 days")), (90, _("90 days")), (365, _("1 year"))],
        coerce=int,
        empty_value=None,
        required=False,
        initial=90,
    )

    class Meta:
        model = Token
        fields = ["name", *SCOPES]
        help_texts = {"name": _("What the token is for; shown in the list of tokens.")}
        widgets = {"name": forms.TextInput(attrs={"autocomplete": "off"})}

    def clean(self) -> dict[str, Any]:
        super().clean()
        data = self.cleaned_data
        if not any(data.get(scope) for scope in SCOPES):
            raise forms.ValidationError(_("Tick at least one scope."))
        return data
