"""Forms of models and generation."""

import json
import os
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.humanize.templatetags.humanize import intcomma
from django.core.exceptions import ValidationError
from django.core.validators import validate_slug
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from datasets.audit.log import Kind, log
from datasets.db.write_lock import write_turn
from datasets.models import RESERVED_SLUGS, Dataset
from datasets.prompts.forms import TextField
from optimize import reasons
from optimize.models import ChatSettings, Endpoint, ModelVersion, PolicySettings
from optimize.reasons import PICKERS
from optimize.versions import DEFAULTS, WrongModel, find_version, list_newest, save_version
from optimize.wanted import MOST_ANSWERS
from optimize.wire.keys import list_key_names

if TYPE_CHECKING:
    from annotate.models import User

MOST_PROMPTS = 2000  # typed or pasted at once
SAMPLING = tuple(DEFAULTS)


class ModelForm(forms.Form):
    """A model and the values of its newest version."""

    name = forms.CharField(
        label=_("Name"),
        max_length=60,
        help_text=_("Answers get the source NAME@VERSION. Letters, digits, dots, hyphens and underscores."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "travel-bot"}),
    )
    url = forms.CharField(
        label=_("Server URL"),
        max_length=500,
        help_text=_(
            "An OpenAI-compatible server, such as vLLM, Ollama or llama.cpp; the part of the URL "
            "before /chat/completions."
        ),
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "http://127.0.0.1:8001/v1"}),
    )
    model = forms.CharField(label=_("Model"), max_length=200, help_text=_("Model ID on the server."))
    key = forms.ChoiceField(
        label=_("Key"), required=False, help_text=_("Keys come from the server's environment: CHOSEN_KEY_NAME.")
    )
    system = TextField(label=_("System text"), required=False, lines=3)
    temperature = forms.FloatField(label=_("Temperature"), min_value=0, max_value=5, required=False)
    top_p = forms.FloatField(label="top_p", min_value=0, max_value=1, required=False)
    max_tokens = forms.IntegerField(
        label=_("Max. answer length (tokens)"), min_value=1, max_value=1_000_000, required=False
    )
    extra = forms.CharField(
        label=_("Extra request fields"),
        required=False,
        help_text=_('A JSON object, such as {"top_k": 40, "seed": null}; null omits a field.'),
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, version: ModelVersion | None = None, **options: Any) -> None:
        """version: of the model that is changed; its name stays."""
        self.version = version
        options.setdefault("initial", describe_version(version) if version else dict(DEFAULTS))
        super().__init__(*args, **options)
        names = {*list_key_names(os.environ), version.endpoint.key_name if version else ""} - {""}
        key = self.fields["key"]
        assert isinstance(key, forms.ChoiceField)
        key.choices = [("", _("none")), *((name, name) for name in sorted(names))]
        self.fields["name"].disabled = version is not None

    def clean_extra(self) -> dict[str, Any]:
        text = self.cleaned_data["extra"].strip() or "{}"
        try:
            extra = json.loads(text)
        except (ValueError, RecursionError):
            extra = None
        if not isinstance(extra, dict):
            raise ValidationError(reasons.MODEL["not_json"])
        return extra

    def save(self, by: Any) -> ModelVersion | None:
        """The version with the values of the form; None, with the form's errors, if they are refused."""
        data = self.cleaned_data
        parameters = {**data["extra"], **{name: data[name] for name in SAMPLING}}
        try:
            return save_version(data["name"], data["url"], data["model"], data["system"], parameters, data["key"], by)
        except WrongModel as why:
            field = "extra" if why.field == "parameters" else why.field
            self.add_error(field, str(reasons.MODEL[why.reason]))
            return None


def describe_version(version: ModelVersion) -> dict[str, Any]:
    """The initial values of the form for a version."""
    extra = {name: value for name, value in version.parameters.items() if name not in SAMPLING}
    return {
        "name": version.name,
        "url": version.endpoint.base_url,
        "model": version.model_id,
        "key": version.endpoint.key_name,
        "system": version.system,
        **{name: version.parameters.get(name) for name in SAMPLING},
        "extra": json.dumps(extra, ensure_ascii=False) if extra else "",
    }


class EndpointForm(forms.ModelForm):
    """The limits and prices of an endpoint; its address belongs to the versions."""

    class Meta:
        model = Endpoint
        fields = ["at_once", "first_byte_s", "total_s", "max_bytes", "price_in", "price_out", "currency"]
        help_texts = {"currency": _("Such as USD; blank if nothing is paid.")}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for name in ("price_in", "price_out"):
            self.initial[name] = format(self.initial[name].normalize(), "f")


class TryForm(forms.Form):
    """One prompt for a trial."""

    prompt = TextField(label=_("Prompt"), lines=3)


class ModelsField(forms.MultipleChoiceField):
    """The newest versions of models, by name."""

    widget = forms.CheckboxSelectMultiple

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=lambda: [(version.name, version.source) for version in list_newest()], **options)

    def clean(self, value: Any) -> list[ModelVersion]:
        names = set(super().clean(value))
        return [version for version in list_newest() if version.name in names]


class GenerateForm(forms.Form):
    """Which models answer, how often, and the limits."""

    models = ModelsField(label=_("Models"), required=True)
    n = forms.IntegerField(label=_("Answers per model and prompt"), initial=2, min_value=1, max_value=MOST_ANSWERS)
    most_answers = forms.IntegerField(label=_("Answer limit"), min_value=1, required=False)
    most_tokens = forms.IntegerField(label=_("Token limit"), min_value=1, required=False)
    most_money = forms.DecimalField(label=_("Cost limit"), min_value=0, max_digits=12, decimal_places=4, required=False)


class NamesField(forms.MultipleChoiceField):
    """Names of models (the newest version of each answers) or `NAME@VERSION`."""

    widget = forms.CheckboxSelectMultiple

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=lambda: [(version.name, version.name) for version in list_newest()], **options)

    def clean(self, value: Any) -> list[str]:
        names: list[str] = list(dict.fromkeys(value or []))
        for name in names:
            try:
                find_version(name)
            except ModelVersion.DoesNotExist:
                raise ValidationError(_("There is no model %(name)s."), params={"name": name}) from None
        return names


class ChatSettingsForm(forms.ModelForm):
    """Who answers in a dataset's chat, and how; without a model there is no chat."""

    names = NamesField(label=_("Responders"), required=False)

    class Meta:
        model = ChatSettings
        fields = ["names", "answers", "leaders", "to_queue", "show_names", "keep_days"]
        help_texts = {
            "leaders": _(
                "With several models, those preferred so far are drawn more often; one pair in five is drawn "
                "uniformly. Intervals of rarely drawn models stay wide."
            ),
            "keep_days": _("After the last message. Blank = until deleted by hand."),
        }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        names = self.fields["names"]
        assert isinstance(names, NamesField)
        offered = [version.name for version in list_newest()]
        names.choices = [(name, name) for name in dict.fromkeys([*offered, *self.instance.names])]

    def save_by(self, by: "User | None" = None) -> None:
        """Saves the settings and logs what changed."""
        with write_turn(), transaction.atomic():
            log_changes(self, "chat", by)
            settings: ChatSettings = self.save()
            Dataset.objects.filter(pk=settings.dataset_id).update(has_chat=bool(settings.names))


def log_changes(form: forms.ModelForm, about: str, by: "User | None") -> None:
    """Writes the changed settings of a form to the audit log, as `ABOUT NAME`. Call it before the form is saved."""
    stored = type(form.instance).objects.filter(pk=form.instance.pk).first() or type(form.instance)()
    for name in form.fields:
        was, now = getattr(stored, name), form.cleaned_data[name]
        was, now = (str(value) if isinstance(value, Decimal) else value for value in (was, now))
        if was != now:
            log(Kind.SETTING, f"{about} {name}", was, now, by=by, dataset=form.instance.dataset)


class PolicyForm(forms.ModelForm):
    """How a dataset's bot answers by people's choices."""

    names = NamesField(label=_("Models"), required=False)
    picker = forms.ChoiceField(label=_("Picker"), required=False)

    class Meta:
        model = PolicySettings
        fields = ["names", "n", "picker", "margin", "live_share"]
        help_texts = {
            "margin": _(
                "The pick replaces the first answer only if its predicted win probability is at "
                "least this; 0.5 to 0.99."
            ),
            "live_share": _("Share of /v1 requests whose pick and first answer go to the queue for blind judging."),
        }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        names, picker = self.fields["names"], self.fields["picker"]
        assert isinstance(names, NamesField)
        assert isinstance(picker, forms.ChoiceField)
        offered = [version.name for version in list_newest()]
        names.choices = [(name, name) for name in dict.fromkeys([*offered, *self.instance.names])]
        picker.choices = [("", _("automatic: best on held-out preferences")), *PICKERS.items()]

    def save_by(self, by: "User | None" = None) -> None:
        """Saves the settings and logs what changed."""
        with write_turn(), transaction.atomic():
            log_changes(self, "policy", by)
            self.save()


class PicksForm(forms.Form):
    """How many prompts a policy is tried on."""

    prompts = forms.IntegerField(label=_("Prompts"), initial=20, min_value=1, max_value=1000)


class StartForm(GenerateForm):
    """A dataset without a file: its name, its prompts, and what GenerateForm has."""

    slug = forms.CharField(
        label=_("Dataset"),
        max_length=80,
        validators=[validate_slug],
        help_text=_("A new short name: letters, digits, - and _."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "first-steps"}),
    )
    prompts = TextField(label=_("Prompts, one per line"), lines=8)
    field_order = ["slug", "prompts", "models", "n", "most_answers", "most_tokens", "most_money"]

    def clean_slug(self) -> str:
        slug: str = self.cleaned_data["slug"]
        if slug in RESERVED_SLUGS or Dataset.objects.filter(slug=slug).exists():
            raise ValidationError(_("This short name is reserved."))
        return slug

    def clean_prompts(self) -> list[str]:
        lines = [line.strip() for line in self.cleaned_data["prompts"].splitlines()]
        prompts = list(dict.fromkeys(line for line in lines if line))
        if not prompts:
            raise ValidationError(_("The prompt is empty."))
        if len(prompts) > MOST_PROMPTS:
            raise ValidationError(
                _("%(n)s prompts; at most %(most)s can be pasted. Upload the rest as a file."),
                params={"n": intcomma(len(prompts)), "most": intcomma(MOST_PROMPTS)},
            )
        return prompts
