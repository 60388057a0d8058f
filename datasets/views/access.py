"""Guards: decorators that decide who may open a view.

Each sets `view.access` to itself, which tests/test_access.py reads.
"""

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django_htmx.middleware import HtmxDetails

from datasets.models import Dataset

if TYPE_CHECKING:
    from annotate.models import User

P = ParamSpec("P")
R = TypeVar("R", bound=HttpResponseBase)
View = TypeVar("View", bound=Callable[..., HttpResponseBase])


class UserRequest(HttpRequest):
    """A request of a signed-in user: what a guarded view gets. A name for types only; no instance is made of it."""

    user: "User"
    htmx: HtmxDetails
    _cached_user: "User"  # what Django's `user` has loaded


class Guarded(Protocol):
    """A view that says who may open it."""

    access: Callable[..., Any]


def set_access(view: View, access: Callable[..., Any]) -> View:
    """The view, with its guard noted on it."""
    cast(Guarded, view).access = access
    return view


def anyone(view: View) -> View:
    """Open to strangers. Required on such views, so that none is open by oversight."""
    return set_access(view, anyone)


def signed_in(view: Callable[Concatenate[UserRequest, P], R]) -> Callable[Concatenate[HttpRequest, P], R]:
    """Signed-in users only."""
    guarded: Callable[..., R] = login_required(view)
    return set_access(guarded, signed_in)


def admin_required(view: Callable[Concatenate[UserRequest, P], R]) -> Callable[Concatenate[HttpRequest, P], R]:
    """Admins only. Other users get 403; strangers are redirected to the sign-in page."""

    @wraps(view)
    def guarded(request: UserRequest, *args: P.args, **kwargs: P.kwargs) -> R:
        if not request.user.is_admin:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    checked: Callable[..., R] = login_required(guarded)
    return set_access(checked, admin_required)


def annotator_required(
    view: Callable[Concatenate[UserRequest, Dataset, P], R],
) -> Callable[Concatenate[HttpRequest, str, P], R]:
    """Users to whom the dataset of the URL is open; others get 404. The view gets the dataset in place of the slug."""

    @wraps(view)
    def guarded(request: UserRequest, slug: str, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            dataset = Dataset.objects.find_open_to(request.user, slug)
        except Dataset.DoesNotExist:
            raise Http404 from None
        return view(request, dataset, *args, **kwargs)

    checked: Callable[..., R] = login_required(guarded)
    return set_access(checked, annotator_required)


def reviewer_required(
    view: Callable[Concatenate[UserRequest, Dataset, P], R],
) -> Callable[Concatenate[HttpRequest, str, P], R]:
    """Reviewers and admins to whom the dataset of the URL is open. The view gets the dataset; annotators get 403."""

    @wraps(view)
    def guarded(request: UserRequest, dataset: Dataset, *args: P.args, **kwargs: P.kwargs) -> R:
        if not request.user.may_review:
            raise PermissionDenied
        return view(request, dataset, *args, **kwargs)

    return set_access(annotator_required(guarded), reviewer_required)


def dataset_admin_required(
    view: Callable[Concatenate[UserRequest, Dataset, P], R],
) -> Callable[Concatenate[HttpRequest, str, P], R]:
    """Admins only. The view gets the dataset of the URL."""

    @wraps(view)
    def guarded(request: UserRequest, slug: str, *args: P.args, **kwargs: P.kwargs) -> R:
        return view(request, get_object_or_404(Dataset, slug=slug), *args, **kwargs)

    return set_access(admin_required(guarded), dataset_admin_required)
