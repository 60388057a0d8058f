"""Lists of judgments: filtered, newest first, paginated by key, and described for the pages."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Self

from django import forms
from django.contrib.auth import get_user_model
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import BooleanField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet
from django.db.models.functions import Left
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from datasets.files.writers import defuse_row
from datasets.judgments import wording
from datasets.judgments.said import Statement
from datasets.models import Dataset, Judgment
from datasets.text.reading_time import WORDS_A_SECOND

PAGE_SIZE = 50
NAMES_OFFERED = 500
EXCERPT_LENGTH = 200  # characters of a text in a list
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ACCOUNT, IMPORTED, NOBODY = "account", "imported", "nobody"
SKIPPED, REOPENED = Judgment.State.SKIPPED, Judgment.State.REOPENED

# Judged in less time than it takes to read the texts. Not counted: decisions and corrections, which follow an earlier
# reading, and imported judgments, whose time is unknown.
TOO_FAST = Q(
    ~Q(purpose=Judgment.Purpose.DECISION),
    state__in=Judgment.STANDING,
    annotator__isnull=False,
    revision__lte=1,
    comparison__words__gt=F("seconds") * WORDS_A_SECOND,
)
VERDICTS = {
    "choice": (wording.VERDICTS["choice"], Q(verdict__startswith="left") | Q(verdict__startswith="right")),
    "tie": (wording.VERDICTS["tie"], Q(verdict="tie")),
    "both_bad": (wording.VERDICTS["both_bad"], Q(verdict="both_bad")),
    "rank": (wording.VERDICTS["rank"], Q(verdict="rank")),
    "rate": (wording.VERDICTS["rate"], Q(verdict="rate")),
    "repair": (wording.VERDICTS["repair"], Q(verdict="repair")),
    "skip": (wording.VERDICTS["skip"], Q(state=SKIPPED, flag="")),
    "flag": (wording.VERDICTS["flag"], Q(state=SKIPPED) & ~Q(flag="")),
    "late": (gettext_lazy("surplus"), Q(surplus=True)),
    "reopened": (gettext_lazy("reopened"), Q(state=REOPENED)),
}
FAST, OUTLIER = "fast", "outlier"
MARKS = {FAST: gettext_lazy("Too fast"), OUTLIER: gettext_lazy("Outliers")}
COLUMNS = ("judgment", "annotator", "prompt", "verdict", "detail", "side", "seconds", "too_fast", "note", "decided_at")
# Only judgments made here have a side: a file says who won, but not where the answers were shown.
SIDES = {
    "left": (gettext_lazy("left"), Q(verdict__startswith="left", annotator__isnull=False)),
    "right": (gettext_lazy("right"), Q(verdict__startswith="right", annotator__isnull=False)),
}

CHOICES = {"verdict": VERDICTS, "side": SIDES}  # {filter: {value: (words, condition)}}


@dataclass(frozen=True)
class Person:
    """Who judged: an account, an imported name (never an account here), or nobody (rows of a file without a name)."""

    kind: str
    name: str = ""
    pk: int | None = None

    @classmethod
    def build(cls, account: int | None, username: str | None, imported_by: str) -> Self:
        """The person of a judgment.

        account, username: of its annotator; None where it is imported.
        """
        if account:
            return cls(ACCOUNT, username or "", account)
        return cls(IMPORTED, imported_by) if imported_by else cls(NOBODY)

    def __str__(self) -> str:
        return self.name or _("(anonymous)")

    @property
    def token(self) -> str:
        """The person's identifier in a URL; `find_person` parses it."""
        return f"{self.kind}:{self.name}"

    @property
    def key(self) -> tuple[int | None, str]:
        """Key that the person's judgments are grouped by: (account id, imported name)."""
        return self.pk, self.name if self.kind == IMPORTED else ""

    @property
    def is_imported(self) -> bool:
        return self.kind != ACCOUNT


def find_person(token: str) -> Person | None:
    """The person that a `Person.token` names; None where the token is malformed or names no account."""
    kind, _colon, name = token.partition(":")
    if "\0" in name:
        return None
    if kind == ACCOUNT:
        pk = get_user_model().objects.filter(username=name).values_list("pk", flat=True).first()
        return Person(ACCOUNT, name, pk) if pk else None
    return Person(kind, name) if (kind == IMPORTED and name) or token == f"{NOBODY}:" else None


def build_people_condition(*people: Person) -> Q:
    """Condition that selects the judgments of these people."""
    names = [person.name for person in people if person.kind == IMPORTED]
    names += [""] * any(person.kind == NOBODY for person in people)
    accounts = [person.pk for person in people if person.kind == ACCOUNT]
    if len(people) == 1:  # equality lets the database choose between its indexes
        return Q(annotator=accounts[0]) if accounts else Q(annotator__isnull=True, imported_by=names[0])
    return Q(annotator__in=accounts) | Q(annotator__isnull=True, imported_by__in=names)


def list_votes_and_skips(dataset: Dataset) -> QuerySet[Judgment]:
    """Standing votes and skips of a dataset, without those of unfinished imports."""
    decided = Judgment.objects.visible().filter(dataset=dataset, purpose=Judgment.Purpose.VOTE)
    return decided.filter(state__in=[*Judgment.STANDING, SKIPPED], decided_at__isnull=False)


def list_people(dataset: Dataset, after: Person | None = None, limit: int = NAMES_OFFERED) -> list[Person]:
    """People who judged in a dataset: accounts by name, then imported names, then NOBODY.

    after: starts after this person.
    limit: at most this number of people.
    """
    people: list[Person] = []
    kinds = [ACCOUNT, IMPORTED, NOBODY]
    for kind in kinds[kinds.index(after.kind) if after else 0 :]:
        if len(people) < limit:
            past = after.name if after and after.kind == kind else None
            people += list_people_of_kind(dataset, kind, past, limit - len(people))
    return people


def list_people_of_kind(dataset: Dataset, kind: str, past: str | None, limit: int) -> list[Person]:
    """At most `limit` people of one kind, sorted by name, after the name `past`."""
    if kind == ACCOUNT:
        theirs = list_votes_and_skips(dataset).filter(annotator=OuterRef("pk"))
        users = get_user_model().objects.filter(Exists(theirs), username__gt=past or "").order_by("username")
        return [Person(ACCOUNT, name, pk) for pk, name in users.values_list("pk", "username")[:limit]]
    votes = list_votes_and_skips(dataset).filter(annotator=None)
    if kind == IMPORTED:
        names = votes.filter(imported_by__gt=past or "").order_by("imported_by")
        return [Person(IMPORTED, name) for name in names.values_list("imported_by", flat=True).distinct()[:limit]]
    return [Person(NOBODY)] if past is None and votes.filter(imported_by="").exists() else []


class DayField(forms.DateField):
    """A date far enough from the calendar's ends to have neighbours in every time zone."""

    default_validators = [MinValueValidator(date(1970, 1, 1)), MaxValueValidator(date(2999, 12, 31))]

    def __init__(self, **options: Any) -> None:
        widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
        super().__init__(required=False, input_formats=["%Y-%m-%d"], widget=widget, **options)


class JudgmentFilter(forms.Form):
    """Filters of a list of judgments. Days are in the current time zone; `until` is included.

    outliers: ids of the judgments that count as outliers.
    """

    person = forms.CharField(label=gettext_lazy("Annotator"), required=False)
    verdict = forms.ChoiceField(label=gettext_lazy("Verdict"), required=False)
    side = forms.ChoiceField(label=gettext_lazy("Side picked"), required=False)
    mark = forms.ChoiceField(label=gettext_lazy("Quality"), required=False)
    since = DayField(label=gettext_lazy("From"))
    until = DayField(label=gettext_lazy("To"))

    def __init__(self, dataset: Dataset, *args: Any, outliers: Collection[int] = ()) -> None:
        super().__init__(*args)
        self.outliers = outliers
        offers = {name: {key: words for key, (words, _q) in offered.items()} for name, offered in CHOICES.items()}
        for name, offered in (offers | {"mark": MARKS}).items():
            field = self.fields[name]
            assert isinstance(field, forms.ChoiceField)
            field.choices = [("", _("All")), *offered.items()]
        self.fields["person"].widget = forms.Select(choices=self.build_person_choices(dataset))

    def build_person_choices(self, dataset: Dataset) -> list[Any]:
        """Choices for the field `person`, grouped by kind, including the current value."""
        people = list_people(dataset)
        chosen = find_person(self.data.get("person", ""))
        people += [chosen] if chosen and chosen not in people else []
        kinds = [
            (_("members"), [person for person in people if not person.is_imported]),
            (_("imported"), [person for person in people if person.is_imported]),
        ]
        groups = [(words, [(p.token, str(p)) for p in group]) for words, group in kinds if group]
        return [("", _("All annotators")), *groups]

    def clean_person(self) -> Person | None:
        token = self.cleaned_data["person"]
        person = find_person(token) if token else None
        if token and person is None:
            raise forms.ValidationError(_("No member with this name."))
        return person

    def apply(self, judgments: QuerySet[Judgment]) -> QuerySet[Judgment]:
        """The judgments that match a valid form."""
        filters = self.cleaned_data
        condition = Q()
        if filters["person"]:
            condition &= build_people_condition(filters["person"])
        if filters["verdict"]:
            condition &= VERDICTS[filters["verdict"]][1]
        if filters["side"]:
            condition &= SIDES[filters["side"]][1]
        if filters["mark"]:
            condition &= TOO_FAST if filters["mark"] == FAST else Q(pk__in=self.outliers)
        if filters["since"]:
            condition &= Q(decided_at__gte=get_day_start(filters["since"]))
        if filters["until"]:
            condition &= Q(decided_at__lt=get_day_start(filters["until"] + timedelta(days=1)))
        return judgments.filter(condition)


def get_day_start(day: date) -> datetime:
    """First moment of a day in the current time zone."""
    return timezone.make_aware(datetime.combine(day, time()))


def list_page(
    judgments: QuerySet[Judgment],
    before: tuple[datetime, int] | None = None,
    size: int = PAGE_SIZE,
    oldest_first: bool = False,
) -> tuple[list[Judgment], str | None]:
    """A page of judgments, newest first, and the key of the next page (None on the last one).

    Annotates each judgment with `too_fast` and with `instruction`, the start of its prompt. The index
    (dataset, decided_at, id) makes this a single index scan.

    before: key of the page, as `parse_page_key` returns it; None for the first one. If oldest_first, what comes after.
    """
    if before:
        (at, pk), past = before, "gt" if oldest_first else "lt"
        judgments = judgments.filter((f"decided_at__{past}e", at))
        judgments = judgments.filter(Q((f"decided_at__{past}", at)) | Q((f"pk__{past}", pk)))
    query = annotate_speed(judgments).annotate(instruction=Left("comparison__prompt__instruction", EXCERPT_LENGTH))
    order = ("decided_at", "pk") if oldest_first else ("-decided_at", "-pk")
    page: list[Judgment] = list(query.select_related("annotator").order_by(*order)[: size + 1])
    return page[:size], format_page_key(page[size - 1]) if len(page) > size else None


def iter_csv_rows(judgments: QuerySet[Judgment]) -> Iterator[dict[str, Any]]:
    """Rows {column: value} for a spreadsheet, newest first, in batches; formulas escaped, see `writers.defuse_row`."""
    started = {"instruction": Left("comparison__prompt__instruction", EXCERPT_LENGTH)}
    rows: QuerySet[Any] = annotate_speed(judgments).annotate(**started)
    for judgment in rows.select_related("annotator").order_by("-decided_at", "-pk").iterator(chunk_size=500):
        line = describe_judgment(judgment, assign_letters(judgment.order))
        at = judgment.decided_at.isoformat(timespec="seconds") if judgment.decided_at else ""
        seconds = "" if judgment.seconds is None else round(judgment.seconds, 1)
        words = (str(line.person), judgment.instruction, str(line.words), str(line.detail), str(line.side))
        values = (judgment.pk, *words, seconds, int(bool(judgment.too_fast)), line.note, at)
        yield defuse_row(dict(zip(COLUMNS, values, strict=True)))


def annotate_speed(judgments: QuerySet[Judgment]) -> QuerySet[Judgment]:
    """The judgments, each annotated with the boolean `too_fast`, see TOO_FAST."""
    return judgments.annotate(too_fast=ExpressionWrapper(TOO_FAST, output_field=BooleanField()))


def format_page_key(judgment: Judgment) -> str:
    """Page key of a judgment: microseconds since 1970, a hyphen, its id."""
    assert judgment.decided_at is not None
    return f"{(judgment.decided_at - EPOCH) // timedelta(microseconds=1)}-{judgment.pk}"


def parse_page_key(key: str) -> tuple[datetime, int]:
    """(moment, id) of a page key.

    Raises ValueError or OverflowError where the key is malformed.
    """
    microseconds, pk = key.split("-")
    if not (microseconds.isdecimal() and pk.isdecimal() and len(pk) < 19):
        raise ValueError(key)
    return EPOCH + timedelta(microseconds=int(microseconds)), int(pk)


@dataclass(frozen=True)
class DescribedJudgment:
    """A judgment with what the pages show about it.

    detail: the full ranking, the stars, or why it was flagged.
    side: the side chosen; "" where none was, or none is known.
    taken: the time taken; "" where unknown.
    decides: whether it is a standing decision of a reviewer.
    letter: letters of the answers that it chose, see `outcomes.attach_letters`.
    """

    judgment: Judgment
    person: Person
    words: str | Promise
    detail: str | Promise
    note: str
    side: str | Promise
    taken: str
    decides: bool
    letter: str = ""


def describe_judgments(judgments: Iterable[Judgment], order: Sequence[int] | None = None) -> list[DescribedJudgment]:
    """The judgments with what the pages show about them.

    order: response ids in the order of the page, which gives them their letters; None for the order that each
    annotator saw.
    """
    return [describe_judgment(judgment, assign_letters(order or judgment.order)) for judgment in judgments]


def describe_judgment(judgment: Judgment, letters: Mapping[int, str]) -> DescribedJudgment:
    """One judgment with what the pages show about it, its answers named by these letters."""
    account = judgment.annotator
    is_decision = judgment.purpose == Judgment.Purpose.DECISION
    return DescribedJudgment(
        judgment,
        person=Person.build(
            account.pk if account else None, account.username if account else None, judgment.imported_by
        ),
        words=format_verdict(judgment, letters),
        detail=format_detail(judgment, letters),
        note=judgment.said.get("note", ""),
        side=format_side(judgment),
        taken=format_duration(None if judgment.state == SKIPPED else judgment.seconds),
        decides=is_decision and judgment.state in Judgment.STANDING,
    )


def assign_letters(order: Iterable[int]) -> dict[int, str]:
    """{response id: its letter}, A for the first of an order."""
    return dict(zip(order, wording.LETTERS, strict=False))


def format_verdict(judgment: Judgment, letters: Mapping[int, str]) -> str | Promise:
    """The verdict in words, or the state where no verdict stands."""
    if judgment.state == SKIPPED:
        return VERDICTS["flag" if judgment.flag else "skip"][0]
    if not judgment.verdict:
        return judgment.get_state_display()
    if wording.parse_strength(judgment.verdict):
        return wording.format_pair_verdict(judgment.verdict, judgment.order, letters)
    return VERDICTS.get(judgment.verdict, VERDICTS["choice"])[0]


def format_detail(judgment: Judgment, letters: Mapping[int, str]) -> str | Promise:
    """What the verdict leaves out: the overall ranking and stars, or why it was flagged."""
    if judgment.flag:
        return wording.FLAGS.get(judgment.flag, judgment.flag)
    overall: Statement = {"rank": judgment.said.get("rank") or [], "stars": judgment.said.get("stars") or []}
    return wording.format_statement(overall, judgment.order, letters)


def format_side(judgment: Judgment) -> str | Promise:
    """The side chosen, in words; "" where none was, or none is known."""
    side = next((side for side in SIDES if judgment.verdict.startswith(side)), None)
    return SIDES[side][0] if side and judgment.annotator_id else ""


def format_duration(seconds: float | None) -> str:
    """A duration in words; "" for None."""
    if seconds is None:
        return ""
    minutes, seconds = divmod(round(seconds), 60)
    if minutes >= 60:
        return _("%(h)s h %(m)s min") % {"h": minutes // 60, "m": minutes % 60}
    if minutes:
        return _("%(m)s min %(s)s s") % {"m": minutes, "s": seconds}
    return _("%(s)s s") % {"s": seconds}
