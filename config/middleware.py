"""What concerns every answer: cookies over https, a person's language and time zone, and htmx's view of redirects."""

import logging

from django.db import Error
from django.http import JsonResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.cache import patch_cache_control, patch_vary_headers
from django.utils.translation import gettext
from django_htmx.http import HttpResponseClientRedirect

from annotate.people import find_zone
from datasets.disk import is_disk_full

log = logging.getLogger(__name__)


def secure_cookies(get_response):
    """Cookies are marked Secure where the page itself came by https."""

    def middleware(request):
        response = get_response(request)
        if request.is_secure():
            for cookie in response.cookies.values():
                cookie["secure"] = True
        return response

    return middleware


def preferences_applied(get_response):
    """Whoever has signed in reads each page in the language and the time zone of their profile."""

    def middleware(request):
        person = find_signed_in_person(request)
        if person and person.language:  # before the cookie's and the browser's, which LocaleMiddleware has found
            translation.activate(person.language)
            request.LANGUAGE_CODE = translation.get_language()
        with timezone.override(person and find_zone(person)):
            return get_response(request)

    return middleware


def find_signed_in_person(request):
    """None for a stranger, and while the database does not answer: /healthz has to tell that, not we."""
    try:
        return request.user if request.user.is_authenticated else None
    except Error:
        return None


def htmx_redirects_adapted(get_response):
    """A redirect becomes a full page change for htmx: the sign-in page never lands inside a fragment."""

    def middleware(request):
        response = get_response(request)
        patch_vary_headers(response, ["HX-Request"])
        if request.htmx and response.status_code in (301, 302, 303):
            redirect = HttpResponseClientRedirect(response["Location"])
            redirect.cookies = response.cookies
            return redirect
        return response

    return middleware


def caching_forbidden(get_response):
    """No browser and no proxy keeps what we answer: after signing out, "back" shows nobody's work. What the middleware
    before this one answers, as static files, may be kept; so may what tells nothing of anybody."""

    def middleware(request):
        response = get_response(request)
        if request.path_info != "/healthz":
            patch_cache_control(response, private=True, no_store=True)
        return response

    return middleware


def full_disk_reported(get_response):
    """A page that says so where the disk is full, in place of an error."""

    def middleware(request):
        return get_response(request)

    def process_exception(request, exception):
        if not is_disk_full(exception):
            return None
        log.error("the disk is full: %s", str(exception).partition("\n")[0])
        if request.headers.get("Accept") == "application/json":
            return JsonResponse({"errors": [gettext("The server's disk is full")]}, status=507)
        return render(request, "507.html", status=507)

    middleware.process_exception = process_exception
    return middleware
