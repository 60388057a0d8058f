"""What concerns every answer: cookies over https, a person's language and time zone, and htmx's view of redirects."""

from django.db import Error
from django.utils import timezone, translation
from django.utils.cache import patch_vary_headers
from django_htmx.http import HttpResponseClientRedirect

from annotate.people import zone_of


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
