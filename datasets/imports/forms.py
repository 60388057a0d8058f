"""Forms of an upload: its files, and how a new dataset pairs their answers."""

import re
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.core.validators import RegexValidator, slug_re
from django.db.models import Value
from django.db.models.functions import Coalesce, Lower, NullIf
from django.utils.text import slugify
from django.utils.translation import gettext_lazy as _

from datasets.models import RESERVED_SLUGS, Dataset, Import
from datasets.text.one_line import is_plain

SLUG_STEM = 60  # characters of a short name that is made from a title, before its number


class FilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """One or more files."""

    widget = FilesInput

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        if not data:
            raise forms.ValidationError(self.error_messages["required"], code="required")
        return [super(FilesField, self).clean(file, initial) for file in data]


class DatasetField(forms.ModelChoiceField):
    """One of the datasets that are not archived, or none for a new one."""

    def __init__(self, **kwargs: Any) -> None:
        by_name = Lower(Coalesce(NullIf("name", Value("")), "slug"))
        datasets = Dataset.objects.current().order_by(by_name, "slug")
        super().__init__(datasets, to_field_name="slug", empty_label=_("New dataset"), **kwargs)

    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.name} ({obj.slug})" if obj.name else str(obj.slug)


class UploadForm(forms.Form):
    """Files for a dataset: one of the list, or a new one with a title, a short name or both.

    A script may send `slug`, of an existing dataset or a new one, with `files` and `overlap` alone. `overlap` or
    `complete` is the last field: a form that is cut off in a file lacks it and is invalid.
    """

    dataset = DatasetField(label=_("Dataset"), required=False)
    title = forms.CharField(
        label=_("Title"),
        max_length=200,
        required=False,
        help_text=_("Shown to annotators. Blank = the file name."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    slug = forms.CharField(
        label=_("Short name"),
        max_length=80,
        required=False,
        validators=[RegexValidator(slug_re, _("Use letters, digits, - and _ only."))],
        help_text=_("Used in URLs. Blank = made from the title."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": "support-replies"}),
    )
    files = FilesField(  # type: ignore[assignment]  # the metaclass moves it to `fields`; `files` stays the uploads
        label=_("Files"),
        allow_empty_file=True,
        help_text=_(
            "JSON Lines, a JSON array, CSV, TSV, Parquet or .xlsx, also as .gz. The format is detected automatically."
        ),
    )
    overlap = forms.IntegerField(min_value=1, max_value=100, required=False)
    complete = forms.CharField(initial="1", required=False, widget=forms.HiddenInput)

    def clean_title(self) -> str:
        title: str = self.cleaned_data["title"]
        if not is_plain(title):
            raise forms.ValidationError(_("A name is plain text on one line, without control characters."))
        return title

    def clean_slug(self) -> str:
        slug: str = self.cleaned_data["slug"]
        if slug in RESERVED_SLUGS:
            raise forms.ValidationError(_("This short name is reserved."))
        return slug

    def clean(self) -> dict[str, Any]:
        """The data with the short name of the dataset in `slug`."""
        super().clean()
        data = self.cleaned_data
        if not data.get("complete") and not data.get("overlap") and "overlap" not in self.errors:
            self.add_error(None, _("The upload was cut off. Nothing was stored; send it again."))
        if dataset := data.get("dataset"):
            for name in ("title", "slug"):  # not shown
                self.errors.pop(name, None)
            return data | {"slug": dataset.slug, "title": ""}
        if not {"dataset", "title", "slug"} & set(self.errors):
            self.clean_new(data)
        return data

    def clean_new(self, data: dict[str, Any]) -> None:
        """Fills in the short name of a new dataset, or adds the error that it has none or that it is taken."""
        is_script = "dataset" not in self.data and "title" not in self.data
        slug, title = data["slug"], data["title"]
        if slug and not is_script and Dataset.objects.filter(slug=slug).exists():
            self.add_error("slug", _("This dataset exists. Choose it from the list."))
        elif not slug and not title and is_script:
            self.add_error("slug", self.fields["files"].error_messages["required"])
        else:
            data["title"] = title if slug or title else read_title(data.get("files", []))
            data["slug"] = slug or choose_slug(data["title"])

    def build_dataset_settings(self) -> dict[str, Any]:
        """{field: value} of the dataset, should the import create it."""
        data = self.cleaned_data
        overlap = {"overlap": data["overlap"]} if data["overlap"] else {}
        return {"name": data["title"], "state": Dataset.State.DRAFT, **overlap}


def read_title(files: Sequence[UploadedFile]) -> str:
    """The title of a new dataset that was given none: the name of its first file, without suffixes."""
    name = (files[0].name or "") if files else ""
    title = re.sub(r"(\.\w{1,7}){1,2}$", "", name).replace("_", " ").strip()
    return title if is_plain(title) else ""


def choose_slug(title: str) -> str:
    """A short name for a new dataset of this title; "dataset" where no letter or digit of it is ASCII.

    A number is appended if that name is taken.
    """
    stem = slugify(title)[:SLUG_STEM].strip("-_") or "dataset"
    taken = {*RESERVED_SLUGS, *Dataset.objects.filter(slug__startswith=stem).values_list("slug", flat=True)}
    return next(slug for n in count(1) if (slug := f"{stem}-{n}" if n > 1 else stem) not in taken)


class PairingForm(forms.ModelForm):
    """Which comparisons a new dataset gets, and how many judgments of each; see Import.dataset_settings."""

    pairs = forms.ChoiceField(
        label=_("Pairing"),
        choices=[
            (Dataset.Pairs.ALL, _("All pairs")),
            (Dataset.Pairs.FIRST, _("Baseline: each against the first")),
        ],
    )

    class Meta:
        model = Dataset
        fields = ["overlap", "pairs", "pairs_limit"]
        labels = {
            "overlap": _("Annotators per comparison"),
            "pairs_limit": _("Max. comparisons per prompt"),
        }
        help_texts = {
            "pairs_limit": _("Blank = all. Prompts with more than 6 answers are always sampled."),
        }

    def __init__(self, run: Import, data: Mapping[str, Any] | None = None) -> None:
        """Of an import that is not stored yet. A field that `data` lacks keeps its value."""
        self.run, present = run, Dataset(**run.dataset_settings)
        if data is not None:
            data = {name: data.get(name, getattr(present, name)) for name in self.Meta.fields}
        super().__init__(data, instance=present)

    def save(self) -> None:  # type: ignore[override]  # of the import; there is no dataset yet
        """Keeps the settings for the time when the import creates its dataset."""
        self.run.dataset_settings |= {name: self.cleaned_data[name] for name in self.Meta.fields}
        checked = Import.objects.filter(pk=self.run.pk, state=Import.State.CHECKED)
        checked.update(dataset_settings=self.run.dataset_settings)
