"""What admins do with people, and people with themselves. Each act is safe to repeat.

Rows are written by UPDATE, field by field: to save a person whole would write back what somebody else changed.
"""

import functools
import zoneinfo
from collections import defaultdict
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.hashers import UNUSABLE_PASSWORD_PREFIX, make_password
from django.contrib.auth.tokens import default_token_generator
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Count, F, Max
from django.urls import reverse
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode

from annotate.models import User
from annotate.names import fold_name
from annotate.queue.lease import change_slots, change_state, lock_membership
from datasets.audit.log import Kind, log
from datasets.db.write_lock import write_turn
from datasets.models import Dataset, Judgment


class NameTaken(Exception):
    """Somebody has this name, or one that differs in upper and lower case only."""


class LastAdmin(Exception):
    """Without this person nobody could manage the others."""


# Coming and going


def invite(name, role, by=None):
    """The new person, who has no password until they choose one by the link of `build_link`."""
    if is_taken(name):
        raise NameTaken
    try:
        with transaction.atomic():
            person = User.objects.create_user(name, role=role)
            log(Kind.PERSON, name, None, role, by=by)
            return person
    except IntegrityError:
        raise NameTaken from None


def is_taken(name):
    """Whether somebody has this name, or one that differs in case or width only. Compared here: to SQLite only ASCII
    has cases."""
    names = User.objects.values_list("username", flat=True).iterator()
    return fold_name(name) in map(fold_name, names)


@transaction.atomic
def change_role(person, role, by=None):
    """Make them an admin, or an annotator. Raises LastAdmin."""
    if role != User.Role.ADMIN:
        refuse_last_admin(person)
    was = User.objects.select_for_update().values_list("role", flat=True).get(pk=person.pk)
    if was != role:
        User.objects.filter(pk=person.pk).update(role=role)
        log(Kind.PERSON, person.username, was, role, by=by)
        end_access(person, is_demotion(was, role), by)


def deactivate(person, by=None):
    """Shut them out from their next request on. What they have in hand goes to others at once; what they judged
    stays. Raises LastAdmin.

    A request that was under way may still lease one comparison: that lease runs out like any other.
    """
    with transaction.atomic():
        refuse_last_admin(person)
        if User.objects.filter(pk=person.pk, is_active=True).update(is_active=False):
            log(Kind.PERSON, person.username, "active", "inactive", by=by)
            end_access(person, by=by)
    release_leases(person)


@transaction.atomic
def reactivate(person, by=None):
    """Let them in again, with the password that they have. What let them in before does not."""
    if User.objects.filter(pk=person.pk, is_active=False).update(is_active=True):
        log(Kind.PERSON, person.username, "inactive", "active", by=by)
        end_access(person, by=by)


def is_demotion(was, role):
    """Whether somebody with the new role may do less."""
    return User.Role.values.index(role) < User.Role.values.index(was)


def end_access(person, sessions=True, by=None):
    """End their sessions and tokens for good. Call it within the transaction of the act that does so."""
    if sessions:
        User.objects.filter(pk=person.pk).update(sessions_ended=F("sessions_ended") + 1)
    if person.tokens.all().delete()[0]:
        log(Kind.PERSON, person.username, "tokens", None, by=by)


def release_leases(person, **where):
    """Give back what the person has in hand, each comparison in a transaction of its own. How many these were."""
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


def list_admins():
    """Those who can manage people now: active admins with a password. Whoever was only invited cannot sign in yet."""
    active = User.objects.filter(role=User.Role.ADMIN, is_active=True)
    return active.exclude(password__startswith=UNUSABLE_PASSWORD_PREFIX)


def is_last_admin(person):
    """Whether nobody but this person can manage the others."""
    return list(list_admins().values_list("pk", flat=True)[:2]) == [person.pk]


def refuse_last_admin(person):
    """Lock the admins until the transaction ends; raise LastAdmin where this person is the only one left."""
    left = list_admins().select_for_update().order_by("pk").values_list("pk", flat=True)
    if list(left) == [person.pk]:
        raise LastAdmin


# Passwords


def build_link(person):
    """The path of the page on which this person chooses a password.

    It works once: choosing one ends it, as does signing in with the old one, or the time of `get_link_expiry`. Nothing
    is stored.
    """
    uid = urlsafe_base64_encode(force_bytes(person.pk))
    return reverse("invite", args=[uid, default_token_generator.make_token(person)])


def issue_link(person, by=None):
    """The same, told in the log: whoever has the link can become this person."""
    log(Kind.PERSON, person.username, None, "link", by=by)
    return build_link(person)


def get_link_expiry():
    """When a link made now stops working."""
    return timezone.now() + timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)


def find_invited(uid, token, people=User.objects):
    """The active person whose link this is; None where it was used, has expired or never was one."""
    try:
        person = people.get(pk=urlsafe_base64_decode(uid).decode(), is_active=True)
    except (ValueError, OverflowError, ValidationError, User.DoesNotExist):
        return None
    return person if default_token_generator.check_token(person, token) else None


def choose_password(uid, token, password):
    """The person whose link this is, with that password; None where the link was used in the meantime."""
    encoded = make_password(password)  # slow on purpose: before anything is locked
    with transaction.atomic():
        person = find_invited(uid, token, User.objects.select_for_update())
        if person:
            person.password = encoded
            person.save(update_fields=["password"])
    return person


def change_password(person, password):
    """Set it. Other browsers of this person are signed out at their next request."""
    person.password = make_password(password)
    person.save(update_fields=["password"])


def reset_password(person, by=None):
    """Prepare a new link. Of a deactivated person the old password, and with it each older link, stops working at
    once; of others it works until the new one is chosen, so that nobody at work is shut out."""
    User.objects.filter(pk=person.pk, is_active=False).update(password=make_password(None))


# What people choose for themselves


def choose_language(person, language):
    """Save the language of their pages; blank is the browser's."""
    User.objects.filter(pk=person.pk).update(language=language)


def choose_preferences(person, language, time_zone):
    """Save language and time zone of their pages; blank is the browser's and the server's."""
    User.objects.filter(pk=person.pk).update(language=language, time_zone=time_zone)


@functools.cache
def get_time_zones():
    """The names to choose from, sorted: Area/Place, and UTC."""
    return sorted(name for name in zoneinfo.available_timezones() if "/" in name or name == "UTC")


def find_zone(person):
    """Their time zone; None where they chose none, or one that this machine does not know."""
    name = person.time_zone
    return zoneinfo.ZoneInfo(name) if name and name in get_time_zones() else None


# Looking at them


def list_work(people):
    """[(person, judgments, last judged, datasets that name them)], in two queries however many people."""
    people = list(people)
    standing = Judgment.objects.filter(annotator__in=people, state__in=Judgment.STANDING).order_by()
    work = {pk: rest for pk, *rest in standing.values_list("annotator").annotate(Count("pk"), Max("decided_at"))}
    named = defaultdict(list)
    through = Dataset.annotators.through.objects.filter(user__in=people).select_related("dataset")
    for row in through.defer("dataset__guideline").order_by("dataset__slug"):
        named[row.user_id].append(row.dataset)
    return [(person, *work.get(person.pk, (0, None)), named[person.pk]) for person in people]
