"""Who may enter: the first line of each view. `view.access` tells which of these it is."""

from functools import wraps

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import get_object_or_404

from datasets.models import Dataset


def anyone(view):
    """Open to strangers. Said aloud, so that no view is open by oversight."""
    view.access = anyone
    return view


def signed_in(view):
    """Whoever has signed in."""
    guarded = login_required(view)
    guarded.access = signed_in
    return guarded


def admin_required(view):
    """Admins only: an annotator gets 403, a stranger is sent to sign in."""

    @wraps(view)
    def guarded(request, *args, **kwargs):
        if not request.user.is_admin:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    guarded.access = admin_required
    return login_required(guarded)


def annotator_required(view):
    """Those who may judge the dataset of the URL; the view gets the dataset. To others there is no such dataset."""

    @wraps(view)
    def guarded(request, slug, *args, **kwargs):
        try:
            dataset = Dataset.objects.find_open_to(request.user, slug)
        except Dataset.DoesNotExist:
            raise Http404 from None
        return view(request, dataset, *args, **kwargs)

    guarded.access = annotator_required
    return login_required(guarded)


def reviewer_required(view):
    """Reviewers and admins to whom the dataset of the URL is open; the view gets the dataset. An annotator gets 403."""

    @wraps(view)
    def guarded(request, dataset, *args, **kwargs):
        if not request.user.may_review:
            raise PermissionDenied
        return view(request, dataset, *args, **kwargs)

    guarded = annotator_required(guarded)
    guarded.access = reviewer_required
    return guarded


def dataset_admin_required(view):
    """Admins only; the view gets the dataset of the URL."""

    @admin_required
    @wraps(view)
    def guarded(request, slug, *args, **kwargs):
        return view(request, get_object_or_404(Dataset, slug=slug), *args, **kwargs)

    guarded.access = dataset_admin_required
    return guarded
