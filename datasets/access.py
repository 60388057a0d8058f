"""Who may enter: the first line of each view."""

from functools import wraps

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404

from datasets.models import Dataset


def anyone(view):
    """Open to strangers. Said aloud, so that no view is open by oversight."""
    return view


signed_in = login_required


def admin_required(view):
    """Admins only: an annotator gets 403, a stranger is sent to sign in."""

    @wraps(view)
    def guarded(request, *args, **kwargs):
        if not request.user.is_admin:
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return login_required(guarded)


def annotator_required(view):
    """Those who may judge the dataset of the URL; the view gets the dataset. To others there is no such dataset."""

    @wraps(view)
    def guarded(request, slug, *args, **kwargs):
        dataset = get_object_or_404(Dataset.objects.open_to(request.user), slug=slug)
        return view(request, dataset, *args, **kwargs)

    return login_required(guarded)


def dataset_admin_required(view):
    """Admins only; the view gets the dataset of the URL."""

    @admin_required
    @wraps(view)
    def guarded(request, slug, *args, **kwargs):
        return view(request, get_object_or_404(Dataset, slug=slug), *args, **kwargs)

    return guarded
