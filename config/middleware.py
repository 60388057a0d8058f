"""Middleware: secure cookies, the user's language and time zone, redirects for htmx, caching, and a full disk."""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, cast

from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.translation import gettext
from django_htmx.http import HttpResponseClientRedirect

from annotate.people import find_zone
from datasets.disk import is_disk_full
from datasets.views.access import UserRequest
from datasets.views.request_bodies import GetResponse

if TYPE_CHECKING:
    from annotate.models import User

log = logging.getLogger(__name__)


class ExceptionMiddleware(Protocol):
    """A middleware that handles exceptions of views."""

    process_exception: Callable[[HttpRequest, Exception], HttpResponse | None]

    def __call__(self, request: HttpRequest) -> HttpResponseBase: ...


def secure_cookies(get_response: GetResponse) -> GetResponse:
    """Marks cookies as Secure if the request came over https."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if request.is_secure():
            for cookie in response.cookies.values():
                cookie["secure"] = True
        return response

    return middleware


def preferences_applied(get_response: GetResponse) -> GetResponse:
    """Activates the language and the time zone of a signed-in user's profile."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        person = find_signed_in_person(request)
        if person and person.language:  # overrides that of the cookie or browser, which LocaleMiddleware has set
            translation.activate(person.language)
            request.LANGUAGE_CODE = translation.get_language()
        with timezone.override(find_zone(person) if person else None):
            return get_response(request)

    return middleware


def find_signed_in_person(request: HttpRequest) -> "User | None":
    """The signed-in user; None for a stranger, and while the database is down, which /healthz has to report."""
    try:
        return request.user if request.user.is_authenticated else None
    except Error:
        return None


def htmx_redirects_adapted(get_response: GetResponse) -> GetResponse:
    """Turns a redirect into a full page load for htmx, so that the sign-in page never lands in a fragment."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        patch_vary_headers(response, ["HX-Request"])
        if cast(UserRequest, request).htmx and response.status_code in (301, 302, 303):
            redirect = HttpResponseClientRedirect(response["Location"])
            redirect.cookies = response.cookies
            return redirect
        return response

    return middleware


def caching_forbidden(get_response: GetResponse) -> GetResponse:
    """Keeps browsers and proxies from caching pages: after signing out, the back button shows nobody's work.

    Static files are served by an earlier middleware and may be cached, and so may /healthz.
    """

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if request.path_info != "/healthz":
            patch_cache_control(response, private=True, no_store=True)
        return response

    return middleware


def full_disk_reported(get_response: GetResponse) -> ExceptionMiddleware:
    """Answers with a page or JSON that explains the failure when the disk is full."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        return get_response(request)

    def process_exception(request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not is_disk_full(exception):
            return None
        log.error("the disk is full: %s", str(exception).partition("\n")[0])
        if request.headers.get("Accept") == "application/json":
            return JsonResponse({"errors": [gettext("The server's disk is full")]}, status=507)
        return render(request, "507.html", status=507)

    handler = cast(ExceptionMiddleware, middleware)
    handler.process_exception = process_exception
    return handler
