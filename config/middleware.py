"""What concerns every answer: cookies over https, a person's language and time zone, and htmx's view of redirects."""

import collections
import threading

from django.db import Error, connection
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers
from django_htmx.http import HttpResponseClientRedirect

from annotate.people import zone_of

JUDGING = "/annotate/"
AT_ONCE = {"sqlite": 1, "postgresql": 2}  # as measured by `make bench ONLY=judging`


def few_at_once(get_response):
    """Of the requests that judge, only a few run in this process at the same time, the others wait their turn: Python
    runs one thread at a time, and a writer that waits for it keeps all others waiting for the database."""
    turns = Turns(AT_ONCE[connection.vendor])

    def middleware(request):
        if not request.path_info.startswith(JUDGING):
            return get_response(request)
        with turns:
            return get_response(request)

    return middleware


class Turns:
    """Lets n in at once, the others in the order in which they came; a semaphore of the library lets who comes at the
    right moment pass those who wait."""

    def __init__(self, n):
        self.free, self.waiting, self.guard = n, collections.deque(), threading.Lock()

    def __enter__(self):
        with self.guard:
            if self.free:
                self.free -= 1
                return
            turn = threading.Lock()
            turn.acquire()
            self.waiting.append(turn)
        turn.acquire()

    def __exit__(self, *error):
        with self.guard:
            if self.waiting:
                self.waiting.popleft().release()
            else:
                self.free += 1


def secure_cookies(get_response):
    """Cookies are marked Secure where the page itself came by https."""

    def middleware(request):
        response = get_response(request)
        if request.is_secure():
            for cookie in response.cookies.values():
                cookie["secure"] = True
        return response

    return middleware


def preferences(get_response):
    """Whoever has signed in reads each page in the language and the time zone of their profile."""

    def middleware(request):
        person = signed_in_person(request)
        if person and person.language:  # before the cookie's and the browser's, which LocaleMiddleware has found
            translation.activate(person.language)
            request.LANGUAGE_CODE = translation.get_language()
        with timezone.override(person and zone_of(person)):
            return get_response(request)

    return middleware


def signed_in_person(request):
    """None for a stranger, and while the database does not answer: /healthz has to tell that, not we."""
    try:
        return request.user if request.user.is_authenticated else None
    except Error:
        return None


def htmx_answers(get_response):
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
