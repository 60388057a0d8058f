"""What goes in and comes out, typed: the document at /api/v1/openapi.json is made of it."""

from datetime import datetime
from typing import Annotated, Any, Literal

from django import forms
from django.utils.translation import override
from ninja import Path, Query, Schema
from pydantic import AfterValidator, ConfigDict, Field, create_model

from annotate.question_forms import CriteriaField, LinesField
from annotate.settings_forms import FIELDS
from datasets import formats, reasons
from datasets.forms import PeopleField
from datasets.imports import warnings

SLUG = r"^[-a-zA-Z0-9_]{1,80}$"
MAX_ID = 2**63 - 1

Slug = Annotated[str, Path(pattern=SLUG, description="The dataset's short name")]
Number = Annotated[int, Path(ge=1, le=MAX_ID)]
After = Annotated[str, Query(pattern=r"^[-a-zA-Z0-9_]{0,80}$", description="Only datasets after this short name")]
Format = Annotated[
    Literal[("auto", *formats.get_readable_formats())],
    Query(description="The shape of the rows; `auto`: told by the content"),
]
Background = Annotated[
    bool | None,
    Query(description="`true`: as a task, answered with 202; `false`: wait for it. Unsaid: a task where it takes long"),
]
DOUBT = f"({'|'.join([*warnings.ALL, 'all'])})"
LeaveOut = Annotated[
    str,
    Query(
        pattern=rf"^({DOUBT}(,{DOUBT})*)?$",
        description="Doubts, with commas between them, whose rows are left out, or `all`",
    ),
]
FileName = Annotated[
    str,
    Query(pattern=r"^[^\x00-\x1f\x7f]{1,200}$", description="How the import is listed, and named in later refusals"),
]


def check_storable(text):
    """The text, if every database can hold it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(str(reasons.REFUSED["bad_unicode"])) from None
    return text


Text = Annotated[str, AfterValidator(check_storable)]


class Strict(Schema):
    """As JSON says it: no text for a number, no field that there is not."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Criterion(Strict):
    name: Text = Field(pattern=r"^[^:：\r\n]{1,80}$")
    guideline: Text = ""


def choose_type(field):
    """The type in JSON of a form's field."""
    if isinstance(field, forms.BooleanField):
        return bool
    if isinstance(field, forms.IntegerField):
        return int
    if isinstance(field, CriteriaField):
        return list[Criterion]
    if isinstance(field, PeopleField | LinesField):
        return list[Text]
    if isinstance(field, forms.ChoiceField):
        return Literal[tuple(value for value, _label in field.choices)]
    return Text


def build_settings_fields():
    """Each setting of a dataset as a field, by the forms of the pages."""
    with override("en"):
        return {
            name: (choose_type(field) | None, Field(default=None, description=str(field.label)))
            for name, field in FIELDS.items()
        }


NewDataset = create_model(
    "NewDataset",
    __base__=Strict,
    __doc__="A new dataset. What is not named stands as for a dataset made by an upload.",
    slug=(str, Field(pattern=SLUG, description="Short name: letters, digits, - and _")),
    **build_settings_fields(),
)


class Progress(Schema):
    """Comparisons: done (all wanted judgments are there), in hand (somebody has it now), open (the rest)."""

    total: int
    done: int
    in_hand: int
    open: int


class DatasetLine(Schema):
    slug: str
    name: str
    state: str
    progress: Progress


class DatasetList(Schema):
    datasets: list[DatasetLine]
    next: str | None = Field(description="Send it as `after` for the rest")


class Source(Schema):
    source: str
    responses: int
    chosen: int
    rejected: int


class DatasetOut(DatasetLine):
    prompts: int
    verdicts: dict[str, int] = Field(description="By kind: choice, tie, both_bad, skip, …")
    flagged: int = Field(description="Comparisons that wait for an admin's decision")
    sources: list[Source]
    settings: dict[str, Any] = Field(description="As in the body that makes a dataset")


class Error(Schema):
    field: str = Field(description="Empty: all of it")
    reason: str = Field(description="A code, as in docs/formats.md for rows")
    words: str
    line: int | None


class ProblemOut(Schema):
    detail: str
    errors: list[Error]


class Summary(Schema):
    """As the command import_dataset says it: rows = stored + duplicates + refused."""

    dataset: str
    format: str
    rows: int
    prompts: int
    responses: int
    choices: int
    duplicates: int
    refused: int
    seconds: float


class RowsRefused(ProblemOut):
    summary: Summary | None = Field(description="None where the body could not be read at all")


class ImportOut(Schema):
    """An import as it stands; errors: the first hundred refused rows."""

    number: int
    dataset: str
    state: str
    files: list[str]
    created_at: datetime
    format: str
    rows: int
    prompts: int
    responses: int
    choices: int
    duplicates: int
    refused: int
    errors: list[Error]


class RowsStored(Summary):
    """The summary, the number of the import, the first hundred refused rows, and how many rows are doubtful."""

    number: int
    errors: list[Error]
    doubts: dict[str, int] = Field(description="By doubt: rows, left out or not")


class BundleLine(Schema):
    number: int
    made_at: datetime
    made_by: str
    size: int
    sha256: str


class BundleOut(BundleLine):
    manifest: dict[str, Any] = Field(description="As manifest.json in the archive: docs/bundles.md")


class BundleList(Schema):
    bundles: list[BundleLine] = Field(description="The latest fifty, the latest first")


class TaskOut(Schema):
    """Something that goes on in the background, or did."""

    number: int
    address: str = Field(description="Ask here how far it is; cancel/ under it stops it")
    kind: str = Field(description="rows, bundle; and what the pages begin: check, store, push")
    state: str = Field(description="waiting, running, done, failed or cancelled")
    dataset: str | None
    done: int
    total: int = Field(description="In whatever it counts; 0: not known yet")
    seconds_left: float | None = Field(description="As fast as so far")
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    result: dict[str, Any] = Field(
        description="What came of it. Of rows: as the answer would have been; of a bundle: `dataset` and its number"
    )
    error: str = Field(description="In words, where it failed")
