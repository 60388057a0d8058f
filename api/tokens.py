"""Tokens: made once, found by their SHA-256, asked for by each endpoint."""

import hashlib
import secrets
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja.errors import AuthorizationError
from ninja.security import HttpBearer

from api.models import Token
from datasets.db.write_lock import write_turn

TOKEN_PREFIX = "chosen_"  # so that scanners for secrets, and people, know one when they see it
NOTE_USE_EVERY = timedelta(minutes=1)


def token_required(view):
    """Scripts only, with a token: without one 401, without the scope 403. No cookie lets in."""
    view.access = token_required
    return view


def create_token(user, name, reads, writes, days=None):
    """(the Token, its secret, which is nowhere else)"""
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    expires_at = timezone.now() + timedelta(days=days) if days else None
    about = {"name": name, "reads": reads, "writes": writes, "expires_at": expires_at}
    return Token.objects.create(user=user, digest=compute_digest(secret), **about), secret


def compute_digest(secret):
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def find_token(secret):
    """The working token with this secret, its use noted; None where there is none."""
    token = Token.objects.working().filter(digest=compute_digest(secret)).select_related("user").first()
    if token:
        note_use(token)
    return token


def note_use(token):
    """Remember when it was used last, to the minute: not each request has to write."""
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at < now - NOTE_USE_EVERY:
        seldom = Q(last_used_at=None) | Q(last_used_at__lt=now - NOTE_USE_EVERY)
        with write_turn():
            Token.objects.filter(seldom, pk=token.pk).update(last_used_at=now)


class Bearer(HttpBearer):
    """`Authorization: Bearer …`, with a token of this scope: `reads` or `writes`."""

    openapi_description = "A token that an admin makes under Profile, Tokens. Scopes: read, write."

    def __init__(self, scope):
        super().__init__()
        self.scope = scope

    def authenticate(self, request, token):
        known = find_token(token)
        if known and not getattr(known, self.scope):
            raise AuthorizationError(message=_("This token lacks the scope “%(scope)s”.") % {"scope": self.scope[:-1]})
        if known:
            request.user = request._cached_user = known.user  # the log reads the latter
        return known


READS, WRITES = Bearer("reads"), Bearer("writes")
