"""Signing in, throttled: five wrong passwords close a name for an address, many over any names close the address.

By name and address together, so that one person's typos do not lock out an office, and a stranger elsewhere cannot lock
out a person. Nor does a stranger in the office lock out who works there: a browser that has let somebody in keeps a
signed cookie that says so, and the address being closed does not hold for that person there; five wrong passwords do.
Nothing here runs on any other page.
"""

import contextlib
import math
import threading
from datetime import timedelta

from axes.handlers.database import AxesDatabaseHandler
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.views import LoginView
from django.db.models import Sum
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache

from datasets.views.access import anyone

# A password takes a fifth of a second and 100 MB to check: one at a time in a process, so that a flood of wrong ones
# leaves the processors to those who work. Who waits here holds one of the few places of strangers (config/asgi.py).
PASSWORD_CHECK_LOCK = threading.Lock()


class Throttle(AxesDatabaseHandler):
    """Axes, with a limit of its own for an address that tries many names.

    The two numbers come in the order of AXES_LOCKOUT_PARAMETERS: of this name from this address, and of the address.
    """

    def get_failures(self, request, credentials=None):
        attempts = self.get_user_attempts(request, credentials)
        of_name, of_address = (rows.aggregate(n=Sum("failures_since_start"))["n"] or 0 for rows in attempts)
        is_closed = of_address >= settings.FAILURES_OF_AN_ADDRESS and not is_known(request, credentials)
        return max(of_name, settings.AXES_FAILURE_LIMIT * is_closed)

    def reset_user_attempts(self, request, credentials=None):
        """A success forgives the name. Not the address: one account of its own would open all others to it."""
        return self.filter_user_attempts(request, credentials)[0].delete()[0]


KNOWN_COOKIE, KNOWN_FOR, KNOWN_AT_MOST = "known", timedelta(days=365), 20


def read_known_ids(request):
    """The ids of those whom this browser has let in before, the latest first."""
    cookie = request.get_signed_cookie(KNOWN_COOKIE, "", salt=KNOWN_COOKIE, max_age=KNOWN_FOR)
    return [int(pk) for pk in cookie.split("-") if pk]


def is_known(request, credentials=None):
    """Whether this browser has let in before whoever has the name that is tried."""
    people = get_user_model().objects.filter(username=get_tried_name(request, credentials))
    return people.filter(pk__in=read_known_ids(request)).exists()


def remember(request, response):
    """Let the browser know from now on whom it has let in. The cookie lets nobody in, and goes to this page only."""
    others = [pk for pk in read_known_ids(request) if pk != request.user.pk]
    cookie = "-".join(map(str, [request.user.pk, *others][:KNOWN_AT_MOST]))
    options = {"path": reverse("login"), "httponly": True, "samesite": "Lax", "max_age": KNOWN_FOR}
    response.set_signed_cookie(KNOWN_COOKIE, cookie, salt=KNOWN_COOKIE, **options)


def get_tried_name(request, credentials=None):
    """The name that is counted; no name of ours is longer, and the table holds no longer one."""
    return (credentials or request.POST).get("username", "")[:150]


def format_client(username, ip_address, user_agent, path_info, request):
    """What the log says of a failure. Not the name: now and then somebody types a password there."""
    return ip_address or "an unknown address"


@anyone
@never_cache
def sign_in(request):
    with PASSWORD_CHECK_LOCK if request.method == "POST" else contextlib.nullcontext():
        response = LoginView.as_view(redirect_authenticated_user=True)(request)
    if request.method == "POST" and request.user.is_authenticated:
        remember(request, response)
    return render_locked(request) if getattr(request, "axes_locked_out", False) else response


def render_locked(request):
    """The page that says so: 429, also for the right password."""
    wait = settings.AXES_COOLOFF_TIME.total_seconds()
    response = render(request, "registration/locked.html", {"minutes": math.ceil(wait / 60)}, status=429)
    response["Retry-After"] = int(wait)
    return response
