"""Throttled sign-in: five wrong passwords lock a name for an address; many, for any names, lock the address.

Locks are per name and address, so that one person's typos do not lock out an office, and a stranger elsewhere cannot
lock out a person. Nor can a stranger in the office lock out its people: a browser on which somebody has signed in keeps
a signed cookie, and a locked address does not apply to that person there; five wrong passwords do. Nothing here runs on
any other page.
"""

import contextlib
import math
import threading
from datetime import timedelta
from typing import Any, cast

from axes.handlers.database import AxesDatabaseHandler
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.views import LoginView
from django.db.models import Sum
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache

from datasets.views.access import UserRequest, anyone

# A password takes a fifth of a second and 100 MB to check: one at a time in each process, so that a flood of wrong ones
# leaves the CPU to annotators. A waiting request holds one of the few slots for strangers (config/asgi.py).
PASSWORD_CHECK_LOCK = threading.Lock()


class Throttle(AxesDatabaseHandler):
    """Axes with a separate limit for an address that tries many names."""

    def get_failures(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """The number of failures that axes compares with its limit.

        The attempts come in the order of AXES_LOCKOUT_PARAMETERS: of this name from this address, and of the address.
        """
        attempts = self.get_user_attempts(request, credentials)
        of_name, of_address = (rows.aggregate(n=Sum("failures_since_start"))["n"] or 0 for rows in attempts)
        is_closed = of_address >= settings.FAILURES_OF_AN_ADDRESS and not is_known(request, credentials)
        return max(of_name, settings.AXES_FAILURE_LIMIT * is_closed)

    def reset_user_attempts(self, request: HttpRequest, credentials: dict[str, Any] | None = None) -> int:
        """Deletes the failures of a name after a success, and returns their number.

        Keeps those of the address: else an attacker with one account could try all others from it.
        """
        return self.filter_user_attempts(request, credentials)[0].delete()[0]


KNOWN_COOKIE, KNOWN_FOR, KNOWN_AT_MOST = "known", timedelta(days=365), 20


def read_known_ids(request: HttpRequest) -> list[int]:
    """The ids of the users who have signed in on this browser, latest first."""
    cookie = request.get_signed_cookie(KNOWN_COOKIE, "", salt=KNOWN_COOKIE, max_age=KNOWN_FOR)
    return [int(pk) for pk in (cookie or "").split("-") if pk]


def is_known(request: HttpRequest, credentials: dict[str, Any] | None = None) -> bool:
    """Whether the user with the name that is being tried has signed in on this browser before."""
    people = get_user_model().objects.filter(username=get_tried_name(request, credentials))
    return people.filter(pk__in=read_known_ids(request)).exists()


def remember(request: UserRequest, response: HttpResponseBase) -> None:
    """Adds the user to the cookie of known users. It grants no access, and the browser sends it to this page only."""
    others = [pk for pk in read_known_ids(request) if pk != request.user.pk]
    cookie = "-".join(map(str, [request.user.pk, *others][:KNOWN_AT_MOST]))
    response.set_signed_cookie(
        KNOWN_COOKIE,
        cookie,
        salt=KNOWN_COOKIE,
        path=reverse("login"),
        httponly=True,
        samesite="Lax",
        max_age=KNOWN_FOR,
    )


def get_tried_name(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str:
    """The name that failures are counted for: at most 150 characters, the limit of user names and of axes' table."""
    name: str = (credentials or request.POST).get("username", "")
    return name[:150]


def format_client(
    username: str | None,
    ip_address: str | None,
    user_agent: str | None,
    path_info: str | None,
    request: HttpRequest | None,
) -> str:
    """The client as axes logs it. Without the name: people sometimes type a password there."""
    return ip_address or "an unknown address"


def has_users() -> bool:
    """Whether there is anybody who could sign in."""
    return get_user_model().objects.exists()


@anyone
@never_cache
def sign_in(request: HttpRequest) -> HttpResponseBase:
    """The sign-in page."""
    with PASSWORD_CHECK_LOCK if request.method == "POST" else contextlib.nullcontext():
        view = LoginView.as_view(redirect_authenticated_user=True, extra_context={"has_users": has_users})
        response = view(request)
    if request.method == "POST" and request.user.is_authenticated:
        remember(cast(UserRequest, request), response)
    return render_locked(request) if getattr(request, "axes_locked_out", False) else response


def render_locked(request: HttpRequest) -> HttpResponse:
    """The page of a locked name or address: 429, even for the right password."""
    wait = settings.AXES_COOLOFF_TIME.total_seconds()
    response = render(request, "registration/locked.html", {"minutes": math.ceil(wait / 60)}, status=429)
    response["Retry-After"] = int(wait)
    return response
