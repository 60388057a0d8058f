"""Schemas of requests and responses, from which /api/v1/openapi.json is generated."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from django import forms
from django.utils.translation import override
from ninja import Path, Query, Schema
from pydantic import AfterValidator, ConfigDict, Field, create_model

from annotate.question_forms import CriteriaField, LinesField
from annotate.settings_forms import FIELDS
from datasets import formats, reasons
from datasets.forms import PeopleField
from datasets.imports import personal_data, warnings

SLUG = r"^[-a-zA-Z0-9_]{1,80}$"
MAX_ID = 2**63 - 1

Slug = Annotated[str, Path(pattern=SLUG, description="The dataset's short name")]
Number = Annotated[int, Path(ge=1, le=MAX_ID)]
After = Annotated[str, Query(pattern=r"^[-a-zA-Z0-9_]{0,80}$", description="Only datasets after this short name")]
if TYPE_CHECKING:  # mypy does not take a Literal that is built at runtime
    FormatName = str
else:
    FormatName = Literal[("auto", *formats.get_readable_formats())]
Format = Annotated[
    FormatName,
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
MASKABLE = f"({'|'.join([*personal_data.MASKABLE, 'all'])})"
Mask = Annotated[
    str,
    Query(
        pattern=rf"^({MASKABLE}(,{MASKABLE})*)?$",
        description="What placeholders such as [EMAIL] replace in prompts and answers, comma-separated, or `all`",
    ),
]
Ignored = Annotated[
    list[str],
    Query(description="Columns that need not be read, although they may bear on learning; may repeat"),
]
Turns = Annotated[
    Literal["keep", "join", "refuse"],
    Query(description="Prompts whose turns do not alternate: kept, joined side by side, or the row is refused"),
]
FileName = Annotated[
    str,
    Query(pattern=r"^[^\x00-\x1f\x7f]{1,200}$", description="How the import is listed, and named in later refusals"),
]


def check_storable(text: str) -> str:
    """The text. Raises ValueError if a database cannot store it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(str(reasons.REFUSED["bad_unicode"])) from None
    return text


Text = Annotated[str, AfterValidator(check_storable)]


class Strict(Schema):
    """Rejects unknown fields, and values of another JSON type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Criterion(Strict):
    name: Text = Field(pattern=r"^[^:：\r\n]{1,80}$")
    guideline: Text = ""


def choose_type(field: forms.Field) -> Any:
    """The type of a form field in JSON."""
    if isinstance(field, forms.BooleanField):
        return bool
    if isinstance(field, forms.IntegerField):
        return int
    if isinstance(field, CriteriaField):
        return list[Criterion]
    if isinstance(field, PeopleField | LinesField):
        return list[Text]
    if isinstance(field, forms.ChoiceField):
        return Literal[tuple(value for value, _label in cast(Any, field).choices)]
    return Text


def build_settings_fields() -> dict[str, Any]:
    """The settings of a dataset as pydantic fields {name: (type, field)}, from the forms of the pages."""
    with override("en"):
        return {
            name: (choose_type(field) | None, Field(default=None, description=str(field.label)))
            for name, field in FIELDS.items()
        }


if TYPE_CHECKING:

    class NewDataset(Strict):
        slug: str
else:
    NewDataset = create_model(
        "NewDataset",
        __base__=Strict,
        __doc__="A new dataset. Settings that are left out have the defaults of a dataset made by an upload.",
        slug=(str, Field(pattern=SLUG, description="Short name: letters, digits, - and _")),
        **build_settings_fields(),
    )


class Progress(Schema):
    """Numbers of comparisons: done (has all its judgments), in_hand (leased to somebody), open (the rest)."""

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


class Agreement(Schema):
    """Agreement between annotators, as in `analyze --json`: of the last report, which may be older than the votes."""

    percent: float | None = Field(description="Raw agreement, 0 to 1")
    percent_interval: list[float] | None
    percent_reason: str | None = Field(description="Why there is none")
    alpha: float | None = Field(description="Krippendorff's alpha")
    alpha_interval: list[float] | None
    alpha_reason: str | None
    judged_twice: int = Field(description="Pairs of answers with votes of two annotators or more")
    made_at: datetime
    newer: int = Field(description="Judgments made since")


class DatasetOut(DatasetLine):
    prompts: int
    agreement: Agreement | None = Field(description="None until a first report is computed")
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
    """The counts of an import, as the command import_dataset prints them: rows = stored + duplicates + refused."""

    dataset: str
    format: str
    rows: int
    prompts: int
    responses: int
    choices: int
    duplicates: int
    refused: int
    unread: dict[str, int] = Field(description="By column that was not read: rows that have it")
    warnings: dict[str, int] = Field(description="By warning: rows, left out or not")
    seconds: float


class RowsRefused(ProblemOut):
    summary: Summary | None = Field(description="None where the body could not be read at all")
    unread: dict[str, int] | None = Field(None, description="Columns that were not read, where they stop the import")


class ImportOut(Schema):
    """The current state of an import; errors: the first hundred refused rows."""

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
    """The counts and the number of the import, its first hundred refused rows, and the number of doubtful rows."""

    number: int
    errors: list[Error]
    doubts: dict[str, int] = Field(description="By doubt: rows, left out or not")


class FeedbackOut(Schema):
    """What came of one feedback. status: 201 stored, 200 stored before, 409 the key was sent with another body, 422."""

    key: str
    status: int
    reason: str | None = Field(None, description="A code of docs/api.md, where it is refused")
    field: str | None = None


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
    """A background task, running or finished."""

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
