"""What concerns every answer: cookies over https, and htmx's view of redirects and messages."""

from django.utils.cache import patch_vary_headers
from django_htmx.http import HttpResponseClientRedirect


def secure_cookies(get_response):
    """Cookies are marked Secure where the page itself came by https."""

    def middleware(request):
        response = get_response(request)
        if request.is_secure():
            for cookie in response.cookies.values():
                cookie["secure"] = True
        return response

    return middleware


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
