"""Signing in, throttled: five wrong passwords close a name for an address, many over any names close the address.

By name and address together, so that one person's typos do not lock out an office, and a stranger elsewhere cannot lock
out a person. Nothing here runs on any other page.
"""

import math

from axes.handlers.database import AxesDatabaseHandler
from django.conf import settings
from django.contrib.auth.views import LoginView
from django.db.models import Sum
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from datasets.access import anyone


class Throttle(AxesDatabaseHandler):
    """Axes, with a limit of its own for an address that tries many names.

    The two numbers come in the order of AXES_LOCKOUT_PARAMETERS: of this name from this address, and of the address.
    """

    def get_failures(self, request, credentials=None):
        attempts = self.get_user_attempts(request, credentials)
        of_name, of_address = (found.aggregate(n=Sum("failures_since_start"))["n"] or 0 for found in attempts)
        return max(of_name, settings.AXES_FAILURE_LIMIT * (of_address >= settings.FAILURES_OF_AN_ADDRESS))

    def reset_user_attempts(self, request, credentials=None):
        """A success forgives the name. Not the address: one account of its own would open all others to it."""
        return self.filter_user_attempts(request, credentials)[0].delete()[0]


def name_tried(request, credentials=None):
    """The name that is counted; no name of ours is longer, and the table holds no longer one."""
    return (credentials or request.POST).get("username", "")[:150]


def address_alone(username, ip_address, user_agent, path_info, request):
    """What the log says of a failure. Not the name: now and then somebody types a password there."""
    return ip_address or "an unknown address"


@anyone
@never_cache
def sign_in(request):
    response = LoginView.as_view(redirect_authenticated_user=True)(request)
    return locked(request) if getattr(request, "axes_locked_out", False) else response


def locked(request):
    """The page that says so: 429, also for the right password."""
    wait = settings.AXES_COOLOFF_TIME.total_seconds()
    response = render(request, "registration/locked.html", {"minutes": math.ceil(wait / 60)}, status=429)
    response["Retry-After"] = int(wait)
    return response
