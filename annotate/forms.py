from django import forms
from django.utils.translation import gettext_lazy as _

from annotate.judging import KEEP, SKIP, record
from annotate.questions import pair


class VerdictForm(forms.Form):
    """One verdict on one judgment, as its page posts it."""

    judgment = forms.IntegerField(min_value=1)
    revision = forms.IntegerField(min_value=0)
    verdict = forms.ChoiceField(error_messages={"invalid_choice": _("This verdict is not asked for any more.")})

    def __init__(self, dataset, *args):
        super().__init__(*args)
        self.fields["verdict"].choices = [(name, name) for name in [*pair.verdicts(dataset), SKIP, KEEP]]

    def save(self, judgment):
        """Whether it changed anything."""
        return record(judgment, self.cleaned_data["revision"], self.cleaned_data["verdict"])
