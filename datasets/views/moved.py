"""Addresses that are no pages: old ones of pages that moved, and those that only take a form."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.http import HttpRequest, HttpResponseNotAllowed, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from datasets.views.access import UserRequest, signed_in

P = ParamSpec("P")
View = Callable[Concatenate[UserRequest, P], HttpResponseBase]


def moved(name: str) -> Callable[..., HttpResponseBase]:
    """A view that redirects to the URL of this name, with the same arguments and query string.

    A POST, from a page that was loaded before the move, saves nothing: it ends on the page that has the form now.
    """

    @signed_in
    @require_http_methods(["GET", "HEAD", "POST"])
    def redirect_to_new_address(request: UserRequest, **arguments: Any) -> HttpResponseRedirect:
        return HttpResponseRedirect(build_address(request, name, arguments))

    return redirect_to_new_address


def build_address(request: HttpRequest, name: str, arguments: dict[str, Any]) -> str:
    """The URL of this name, with the query string of the request."""
    query = request.META.get("QUERY_STRING", "")
    return reverse(name, kwargs=arguments) + (f"?{query}" if query else "")


def posted_from(page: str, *names: str) -> Callable[[View[P]], View[P]]:
    """A decorator for a view that only takes POST: a GET, as by a reload, goes to the page that has the form.

    page: name of its URL. names: the arguments that it takes of those of this URL.
    """

    def wrap(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: UserRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if request.method == "POST":
                return view(request, *args, **kwargs)
            if request.method not in ("GET", "HEAD") or request.resolver_match is None:
                return HttpResponseNotAllowed(["POST"])
            arguments = request.resolver_match.kwargs
            return HttpResponseRedirect(reverse(page, kwargs={name: arguments[name] for name in names}))

        return guarded

    return wrap
