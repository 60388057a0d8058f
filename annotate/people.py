"""User management by admins, and people's own settings. Each act is idempotent.

Writes single fields with UPDATE: saving a whole user would overwrite concurrent changes.
"""

import functools
import zoneinfo
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, make_password
from django.contrib.auth.models import UserManager
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.db.models import Count, F, Max, Q, QuerySet
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import base36_to_int, urlsafe_base64_decode, urlsafe_base64_encode
from django.utils.translation import gettext_lazy as _

from annotate.models import User
from annotate.names import fold_name
from annotate.queue.lease import change_slots, change_state, lock_membership
from datasets.audit.log import Kind, list_annotator_names, log, log_members
from datasets.db.write_lock import write_turn
from datasets.models import Change, Dataset, Judgment


class NameTaken(Exception):
    """The name is taken, or one that differs only in case or width."""


class LastAdmin(Exception):
    """The act would leave no admin who can sign in."""


class LastAnnotator(Exception):
    """The act would empty the list of annotators of these datasets, which would open them to everybody."""

    def __init__(self, datasets: list[Dataset]) -> None:
        super().__init__(", ".join(map(str, datasets)))
        self.datasets = datasets


# Joining and leaving


def invite(name: str, role: str, by: User | None = None, datasets: Iterable[Dataset] = ()) -> User:
    """Creates a user without a password, who then chooses one through the link of `issue_link`.

    by: the admin, for the audit log; None for a command. datasets: see `change_assignments`.

    Raises NameTaken.
    """
    if is_taken(name):
        raise NameTaken
    try:
        with transaction.atomic():
            person = User.objects.create_user(name, role=role)
            log(Kind.PERSON, name, None, role, by=by)
            change_assignments(person, add=datasets, by=by)
            return person
    except IntegrityError:
        raise NameTaken from None


def is_taken(name: str) -> bool:
    """Whether the name is taken, or one that differs only in case or width.

    Compares in Python, because SQLite folds the case of ASCII only.
    """
    names = User.objects.values_list("username", flat=True).iterator()
    return fold_name(name) in map(fold_name, names)


@transaction.atomic
def change_role(person: User, role: str, by: User | None = None) -> None:
    """Changes a person's role; a demotion also ends their sessions and tokens.

    by: see `invite`.

    Raises LastAdmin.
    """
    if role != User.Role.ADMIN:
        refuse_last_admin(person)
    was = User.objects.select_for_update().values_list("role", flat=True).get(pk=person.pk)
    if was != role:
        User.objects.filter(pk=person.pk).update(role=role)
        log(Kind.PERSON, person.username, was, role, by=by)
        end_access(person, is_demotion(was, role), by)


def deactivate(person: User, by: User | None = None) -> None:
    """Locks a person out from their next request on, and returns their leases immediately. Their judgments stay.

    A request in progress may still lease one comparison; that lease expires like any other.

    by: see `invite`.

    Raises LastAdmin.
    """
    with transaction.atomic():
        refuse_last_admin(person)
        if User.objects.filter(pk=person.pk, is_active=True).update(is_active=False):
            log(Kind.PERSON, person.username, "active", "inactive", by=by)
            end_access(person, by=by)
    release_leases(person)


@transaction.atomic
def reactivate(person: User, by: User | None = None) -> None:
    """Lets a person sign in again with their old password. Old sessions and tokens stay invalid. by: see `invite`."""
    if User.objects.filter(pk=person.pk, is_active=False).update(is_active=True):
        log(Kind.PERSON, person.username, "inactive", "active", by=by)
        end_access(person, by=by)


@transaction.atomic
def change_assignments(
    person: User, add: Iterable[Dataset] = (), remove: Iterable[Dataset] = (), by: User | None = None
) -> None:
    """Adds a person to the annotators of some datasets, and removes them from those of others.

    A dataset that lists no annotators is open to all of them and stays so: nobody is added there.

    by: see `invite`.

    Raises LastAnnotator, and changes nothing, if a list would become empty.
    """
    added, removed = {dataset.pk for dataset in add}, {dataset.pk for dataset in remove}
    locked = Dataset.objects.select_for_update(no_key=True).filter(pk__in=added | removed).order_by("pk")
    me, last = {person.username}, []
    for dataset in locked:
        names = list_annotator_names(dataset)
        if dataset.pk in added:
            if names and not names & me:
                dataset.annotators.add(person)
                log_members(dataset, names, names | me, by)
        elif names == me:
            last.append(dataset)
        elif names & me:
            dataset.annotators.remove(person)
            log_members(dataset, names, names - me, by)
    if last:
        raise LastAnnotator(last)


def is_demotion(was: str, role: str) -> bool:
    """Whether the new role has fewer permissions than the old one."""
    return User.Role.values.index(role) < User.Role.values.index(was)


def end_access(person: User, sessions: bool = True, by: User | None = None) -> None:
    """Ends a person's tokens and, if `sessions`, their sessions permanently. Call it in the act's transaction."""
    if sessions:
        User.objects.filter(pk=person.pk).update(sessions_ended=F("sessions_ended") + 1)
    if person.tokens.all().delete()[0]:
        log(Kind.PERSON, person.username, "tokens", None, by=by)


def release_leases(person: User, **where: Any) -> int:
    """Returns a person's leases to the queue, one transaction each. The number of leases returned.

    where: lookups that restrict them.
    """
    mine = Judgment.objects.filter(annotator=person.pk, state=Judgment.State.LEASED, **where)
    returned = 0
    for pk, dataset in mine.order_by("pk").values_list("pk", "dataset"):
        with write_turn(), transaction.atomic():
            lock_membership(person.pk, dataset)
            judgment = mine.select_for_update().filter(pk=pk).first()
            if judgment and change_state(judgment, Judgment.State.EXPIRED):
                change_slots(judgment, +1)
                returned += 1
    return returned


# The last admin


def list_admins() -> QuerySet[User]:
    """The admins who can sign in: active, with a password. Someone invited has no password yet."""
    active = User.objects.filter(role=User.Role.ADMIN, is_active=True)
    return active.exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX)


def is_last_admin(person: User) -> bool:
    """Whether this person is the only admin who can sign in."""
    return list(list_admins().values_list("pk", flat=True)[:2]) == [person.pk]


def refuse_last_admin(person: User) -> None:
    """Locks the admins until the transaction ends. Raises LastAdmin if this person is the only one."""
    left = list_admins().select_for_update().order_by("pk").values_list("pk", flat=True)
    if list(left) == [person.pk]:
        raise LastAdmin


# Passwords


class Link(NamedTuple):
    """The path of a page where its person chooses a password, and when it expires."""

    path: str
    ends: datetime


def build_link(person: User, at: datetime | None = None) -> str:
    """The path of the page where this person chooses a password; the same one for the same moment (by default now).

    Works until they choose one, sign in with the old one, a later link is issued, or it expires. Nothing is stored.
    """
    uid = urlsafe_base64_encode(force_bytes(person.pk))
    seconds = count_token_seconds(at or timezone.now())
    token = default_token_generator._make_token_with_timestamp(person, seconds, default_token_generator.secret)
    return reverse("invite", args=[uid, token])


def count_token_seconds(moment: datetime) -> int:
    """The moment as tokens hold it."""
    seconds: int = default_token_generator._num_seconds(moment.astimezone().replace(tzinfo=None))
    return seconds


def issue_link(person: User, by: User | None = None) -> str:
    """The path of a new link for this person; older ones end.

    Recorded in the audit log, because the link lets its holder sign in as this person. Only the line of the log is
    kept: the same link can be made again from its time.
    """
    log(Kind.PERSON, person.username, None, "link", by=by)
    line = find_latest_issue(person)
    return build_link(person, line.at if line else None)


def find_latest_issue(person: User) -> Change | None:
    """The line of the audit log of the latest link that was issued for this person."""
    lines = Change.objects.filter(kind=Kind.PERSON, what=person.username, after="link")
    return lines.order_by("-pk").first()


def find_current_link(person: User, by: User) -> Link | None:
    """The latest link of this person, while it works, for the admin who issued it.

    None for another admin: a link lets its reader sign in, so the audit log must name every admin who saw one.
    """
    line = find_latest_issue(person)
    if line is None or line.by_id != by.pk:
        return None
    ends = line.at + timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)
    has_signed_in = person.last_login is not None and person.last_login >= line.at
    if has_signed_in or ends <= timezone.now():
        return None
    return Link(build_link(person, line.at), ends)


def find_invited(uid: str, token: str, people: "UserManager[User] | QuerySet[User]" = User.objects) -> User | None:
    """The active person that a link belongs to; None if it was used, has expired or is invalid.

    uid, token: the parts of the link. people: the users to search, for instance under lock.
    """
    try:
        person = people.get(pk=urlsafe_base64_decode(uid).decode(), is_active=True)
    except (ValueError, OverflowError, ValidationError, User.DoesNotExist):
        return None
    return person if default_token_generator.check_token(person, token) and is_latest(person, token) else None


def is_latest(person: User, token: str) -> bool:
    """Whether no later link was issued than the one of this valid token."""
    line = find_latest_issue(person)
    return line is None or base36_to_int(token.partition("-")[0]) >= count_token_seconds(line.at)


def choose_password(uid: str, token: str, password: str) -> User | None:
    """Sets the password of the person that the link belongs to; None if the link was used in the meantime."""
    encoded = make_password(password)  # slow by design, so before taking locks
    with transaction.atomic():
        person = find_invited(uid, token, User.objects.select_for_update())
        if person:
            person.password = encoded
            person.save(update_fields=["password"])
    return person


def change_password(person: User, password: str) -> None:
    """Sets a password. Signs out this person's other browsers at their next request."""
    person.password = make_password(password)
    person.save(update_fields=["password"])


def reset_password(person: User, by: User | None = None) -> None:
    """Prepares for a new link.

    A deactivated person's password stops working immediately, and with it every older link. An active person's works
    until they choose a new one, so that nobody is locked out while working.
    """
    User.objects.filter(pk=person.pk, is_active=False).update(password=make_password(None))


# What people choose for themselves


def choose_language(person: User, language: str) -> None:
    """Saves the language of a person's pages; blank for the browser's."""
    User.objects.filter(pk=person.pk).update(language=language)


def choose_preferences(person: User, language: str, time_zone: str) -> None:
    """Saves language and time zone of a person's pages; blank for the browser's and the server's."""
    User.objects.filter(pk=person.pk).update(language=language, time_zone=time_zone)


@functools.cache
def get_time_zones() -> list[str]:
    """The names of the time zones on offer, sorted: Area/Place, and UTC."""
    return sorted(name for name in zoneinfo.available_timezones() if "/" in name or name == "UTC")


def find_zone(person: User) -> zoneinfo.ZoneInfo | None:
    """A person's time zone; None if they chose none, or one that this machine does not know."""
    name = person.time_zone
    return zoneinfo.ZoneInfo(name) if name and name in get_time_zones() else None


# Overview


class Status(models.TextChoices):
    """Whether a person can sign in. invited: no password has been chosen yet."""

    ACTIVE = "active", _("active")
    INVITED = "invited", _("invited")
    DEACTIVATED = "deactivated", _("deactivated")


def filter_by_status(people: "QuerySet[User]", status: str) -> "QuerySet[User]":
    """The people of this status; all of them for a blank one."""
    has_none = Q(password__startswith=UNUSABLE_PASSWORD_PREFIX)
    return people.filter(
        {
            "": Q(),
            Status.ACTIVE: Q(is_active=True) & ~has_none,
            Status.INVITED: Q(is_active=True) & has_none,
            Status.DEACTIVATED: Q(is_active=False),
        }[status]
    )


def get_status(person: User) -> Status:
    """The status of a person, see Status."""
    if not person.is_active:
        return Status.DEACTIVATED
    return Status.ACTIVE if person.has_usable_password() else Status.INVITED


class Work(NamedTuple):
    """A person with their standing judgments, and the datasets that list them as an annotator.

    last_active: their latest judgment or sign-in.
    """

    person: User
    judgments: int
    last_active: datetime | None
    datasets: list[Dataset]
    status: Status


def list_work(people: Iterable[User]) -> list[Work]:
    """The work of these people, in two queries whatever their number."""
    people = list(people)
    standing = Judgment.objects.filter(annotator__in=people, state__in=Judgment.STANDING).order_by()
    work: dict[int, tuple[int, datetime | None]] = {
        pk: (judgments, last_judged)
        for pk, judgments, last_judged in standing.values_list("annotator").annotate(Count("pk"), Max("decided_at"))
    }
    named: dict[int, list[Dataset]] = defaultdict(list)
    through = Dataset.annotators.through.objects.filter(user__in=people).select_related("dataset")
    for row in through.defer("dataset__guideline").order_by("dataset__slug"):
        named[row.user_id].append(row.dataset)
    rows = []
    for person in people:
        judgments, last_judged = work.get(person.pk, (0, None))
        last_active = max(filter(None, [last_judged, person.last_login]), default=None)
        rows.append(Work(person, judgments, last_active, named[person.pk], get_status(person)))
    return rows
