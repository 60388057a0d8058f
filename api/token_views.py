"""The page on which an admin creates and revokes API tokens."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from api.token_forms import TokenForm
from api.tokens import create_token
from datasets.views.access import UserRequest, admin_required
from datasets.views.moved import posted_from


@admin_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def token_list(request: UserRequest) -> HttpResponse:
    """The user's own tokens; POST creates one and shows its secret, once and never again."""
    form, secret = TokenForm(request.POST if request.method == "POST" else None), None
    if form.is_valid():
        _token, secret = create_token(request.user, **form.cleaned_data)
        form = TokenForm()
    context = {"form": form, "secret": secret, "tokens": request.user.tokens.all()}
    return render(request, "api/tokens.html", context, status=422 if form.is_bound else 200)


@admin_required
@posted_from("tokens")
def token_revoke(request: UserRequest, pk: int) -> HttpResponse:
    """Deletes a token, which stops working immediately."""
    token = get_object_or_404(request.user.tokens, pk=pk)
    token.delete()
    messages.success(request, _("%(name)s was revoked.") % {"name": token})
    return redirect("tokens")
