"""Judgments to look at: who said what and when; filtered, newest first, a page at a time by key."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from django import forms
from django.contrib.auth import get_user_model
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import BooleanField, Exists, ExpressionWrapper, F, OuterRef, Q
from django.db.models.functions import Left
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from datasets.judgments import wording
from datasets.models import Judgment
from datasets.text.reading_time import WORDS_A_SECOND

PAGE_SIZE = 50
NAMES_OFFERED = 500
EXCERPT_LENGTH = 200  # characters of a text in a list
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

ACCOUNT, IMPORTED, NOBODY = "account", "imported", "nobody"
SKIPPED, REOPENED = Judgment.State.SKIPPED, Judgment.State.REOPENED

# Judged in less time than it takes to read; whoever corrects a verdict, or decides, has read it before. Imported:
# nobody knows.
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
    "late": (gettext_lazy("late"), Q(surplus=True)),
    "reopened": (gettext_lazy("reopened"), Q(state=REOPENED)),
    "fast": (gettext_lazy("too fast"), TOO_FAST),
}
# A file tells who won, not where the answers stood: an imported judgment has no side.
SIDES = {
    "left": (gettext_lazy("left"), Q(verdict__startswith="left", annotator__isnull=False)),
    "right": (gettext_lazy("right"), Q(verdict__startswith="right", annotator__isnull=False)),
}


@dataclass(frozen=True)
class Person:
    """Who judged: an account, an imported name (never an account of ours), or nobody in particular: rows of a file
    without a name."""

    kind: str
    name: str = ""
    pk: int | None = None

    @classmethod
    def build(cls, account, username, imported_by):
        if account:
            return cls(ACCOUNT, username, account)
        return cls(IMPORTED, imported_by) if imported_by else cls(NOBODY)

    def __str__(self):
        return self.name or _("nobody in particular")

    @property
    def token(self):
        """What stands for the person in an address."""
        return f"{self.kind}:{self.name}"

    @property
    def key(self):
        """What a person's judgments are grouped by."""
        return self.pk, self.name if self.kind == IMPORTED else ""

    @property
    def is_imported(self):
        return self.kind != ACCOUNT


def find_person(token):
    """The person of a token; None where there can be none."""
    kind, _colon, name = token.partition(":")
    if "\0" in name:
        return None
    if kind == ACCOUNT:
        pk = get_user_model().objects.filter(username=name).values_list("pk", flat=True).first()
        return Person(ACCOUNT, name, pk) if pk else None
    return Person(kind, name) if (kind == IMPORTED and name) or token == f"{NOBODY}:" else None


def build_people_condition(*people):
    """The judgments of these people, as a condition."""
    names = [person.name for person in people if person.kind == IMPORTED]
    names += [""] * any(person.kind == NOBODY for person in people)
    accounts = [person.pk for person in people if person.kind == ACCOUNT]
    if len(people) == 1:  # equality lets the database choose between its indexes
        return Q(annotator=accounts[0]) if accounts else Q(annotator__isnull=True, imported_by=names[0])
    return Q(annotator__in=accounts) | Q(annotator__isnull=True, imported_by__in=names)


def list_votes_and_skips(dataset):
    """What people did: the votes that count, and skips. Nothing of an unfinished import."""
    decided = Judgment.objects.visible().filter(dataset=dataset, purpose=Judgment.Purpose.VOTE)
    return decided.filter(state__in=[*Judgment.STANDING, SKIPPED], decided_at__isnull=False)


def list_people(dataset, after=None, limit=NAMES_OFFERED):
    """Who judged here, at most `limit` of them after this person: accounts by name, then imported names, then
    nobody in particular."""
    people = []
    kinds = [ACCOUNT, IMPORTED, NOBODY]
    for kind in kinds[kinds.index(after.kind) if after else 0 :]:
        if len(people) < limit:
            past = after.name if after and after.kind == kind else None
            people += list_people_of_kind(dataset, kind, past, limit - len(people))
    return people


def list_people_of_kind(dataset, kind, past, limit):
    """At most so many people of one kind, by name, after the name `past`."""
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
    """A date that has a day before it and one after it, in every time zone."""

    default_validators = [MinValueValidator(date(1970, 1, 1)), MaxValueValidator(date(2999, 12, 31))]

    def __init__(self, **options):
        widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
        super().__init__(required=False, input_formats=["%Y-%m-%d"], widget=widget, **options)


class JudgmentFilter(forms.Form):
    """The filters of a list of judgments. Days are those of the current time zone, `until` among them."""

    person = forms.CharField(label=gettext_lazy("Annotator"), required=False)
    verdict = forms.ChoiceField(label=gettext_lazy("Verdict"), required=False)
    side = forms.ChoiceField(label=gettext_lazy("Side chosen"), required=False)
    since = DayField(label=gettext_lazy("Judged since"))
    until = DayField(label=gettext_lazy("Judged until"))

    def __init__(self, dataset, *args):
        super().__init__(*args)
        for name, offered in (("verdict", VERDICTS), ("side", SIDES)):
            self.fields[name].choices = [("", _("any")), *((key, words) for key, (words, _q) in offered.items())]
        self.fields["person"].widget = forms.Select(choices=self.build_person_choices(dataset))

    def build_person_choices(self, dataset):
        """The people to choose from, with the one who is chosen."""
        people = list_people(dataset)
        chosen = find_person(self.data.get("person", ""))
        people += [chosen] if chosen and chosen not in people else []
        kinds = [
            (_("accounts"), [person for person in people if not person.is_imported]),
            (_("imported"), [person for person in people if person.is_imported]),
        ]
        return [("", _("everybody"))] + [(words, [(p.token, str(p)) for p in group]) for words, group in kinds if group]

    def clean_person(self):
        token = self.cleaned_data["person"]
        person = find_person(token) if token else None
        if token and person is None:
            raise forms.ValidationError(_("There is nobody of this name."))
        return person

    def apply(self, judgments):
        """Those that a valid form lets through."""
        filters = self.cleaned_data
        condition = Q()
        if filters["person"]:
            condition &= build_people_condition(filters["person"])
        if filters["verdict"]:
            condition &= VERDICTS[filters["verdict"]][1]
        if filters["side"]:
            condition &= SIDES[filters["side"]][1]
        if filters["since"]:
            condition &= Q(decided_at__gte=get_day_start(filters["since"]))
        if filters["until"]:
            condition &= Q(decided_at__lt=get_day_start(filters["until"] + timedelta(days=1)))
        return judgments.filter(condition)


def get_day_start(day):
    """The first moment of a day in the current time zone."""
    return timezone.make_aware(datetime.combine(day, time()))


def list_page(judgments, before=None, size=PAGE_SIZE):
    """(a page of judgments, newest first; the key before which the next page goes on, or None).

    Each has `instruction`, the start of its prompt. The index (dataset, decided_at, id) makes it one indexed walk.
    """
    if before:
        at, pk = before
        judgments = judgments.filter(decided_at__lte=at).filter(Q(decided_at__lt=at) | Q(pk__lt=pk))
    query = annotate_speed(judgments).annotate(instruction=Left("comparison__prompt__instruction", EXCERPT_LENGTH))
    page = list(query.select_related("annotator").order_by("-decided_at", "-pk")[: size + 1])
    return page[:size], format_page_key(page[size - 1]) if len(page) > size else None


def annotate_speed(judgments):
    """The judgments, each with whether it was `too_fast`."""
    return judgments.annotate(too_fast=ExpressionWrapper(TOO_FAST, output_field=BooleanField()))


def format_page_key(judgment):
    """A judgment's place in time: microseconds and id."""
    return f"{(judgment.decided_at - EPOCH) // timedelta(microseconds=1)}-{judgment.pk}"


def parse_page_key(key):
    """(moment, id) of a key. ValueError or OverflowError where it is none."""
    microseconds, pk = key.split("-")
    if not (microseconds.isdecimal() and pk.isdecimal() and len(pk) < 19):
        raise ValueError(key)
    return EPOCH + timedelta(microseconds=int(microseconds)), int(pk)


def describe_judgments(judgments, order=None):
    """The judgments, each with what the pages say of it: person, words, detail (an order, stars, why it was flagged),
    note, late, reopened, side, taken, whether it decides. order: of the answers on the page; else each as that person
    saw them."""
    for judgment in judgments:
        account, letters = judgment.annotator, assign_letters(order or judgment.order)
        judgment.person = Person.build(account and account.pk, account and account.username, judgment.imported_by)
        judgment.words = format_verdict(judgment, letters)
        judgment.detail = format_detail(judgment, letters)
        judgment.note = judgment.said.get("note", "")
        judgment.reopened = judgment.state == REOPENED
        judgment.decides = judgment.purpose == Judgment.Purpose.DECISION and judgment.state in Judgment.STANDING
        judgment.side = format_side(judgment)
        judgment.taken = format_duration(None if judgment.state == SKIPPED else judgment.seconds)
    return judgments


def assign_letters(order):
    """{response id: its letter} in an order."""
    return dict(zip(order, wording.LETTERS, strict=False))


def format_verdict(judgment, letters):
    """The verdict; where none stands, the state."""
    if judgment.state == SKIPPED:
        return VERDICTS["flag" if judgment.flag else "skip"][0]
    if not judgment.verdict:
        return judgment.get_state_display()
    if wording.parse_strength(judgment.verdict):
        return wording.format_pair_verdict(judgment.verdict, judgment.order, letters)
    return VERDICTS.get(judgment.verdict, VERDICTS["choice"])[0]


def format_detail(judgment, letters):
    """What the verdict alone does not tell: the order or the stars in all, or why it was flagged."""
    if judgment.flag:
        return wording.FLAGS.get(judgment.flag, judgment.flag)
    return wording.format_statement(
        {kind: judgment.said.get(kind) for kind in ("rank", "stars")}, judgment.order, letters
    )


def format_side(judgment):
    """The side chosen, in words; "" where there is none, or none is known."""
    side = next((side for side in SIDES if judgment.verdict.startswith(side)), None)
    return SIDES[side][0] if side and judgment.annotator_id else ""


def format_duration(seconds):
    """A time taken, in words; "" where it is not known."""
    if seconds is None:
        return ""
    minutes, seconds = divmod(round(seconds), 60)
    if minutes >= 60:
        return _("%(h)s h %(m)s min") % {"h": minutes // 60, "m": minutes % 60}
    if minutes:
        return _("%(m)s min %(s)s s") % {"m": minutes, "s": seconds}
    return _("%(s)s s") % {"s": seconds}
