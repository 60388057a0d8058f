"""API tokens: created once, looked up by their SHA-256, required by every endpoint."""

import hashlib
import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar, cast

from django.db.models import Q
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja.errors import AuthorizationError
from ninja.security import HttpBearer

from annotate.models import User
from api.models import Token
from datasets.db.write_lock import write_turn
from datasets.views.access import UserRequest, set_access

TOKEN_PREFIX = "chosen_"  # lets secret scanners, and people, recognise a token
NOTE_USE_EVERY = timedelta(minutes=1)
SCOPES = {"reads": "read", "writes": "write", "chats": "chat", "feeds": "feedback"}  # {field of Token: its name}

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


class TokenRequest(UserRequest):
    """A request with a token: what an endpoint gets. A name for types only; no instance is made of it."""

    auth: Token


def token_required(view: View) -> View:
    """Scripts with a token only: 401 without one, 403 without the scope. Session cookies grant no access."""
    return set_access(view, token_required)


def create_token(user: User, name: str, days: int | None = None, **scopes: bool) -> tuple[Token, str]:
    """A new token and its secret, which is stored nowhere.

    days: its lifetime; None for no limit.
    scopes: by their fields, see SCOPES; those left out are off.
    """
    secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
    expires_at = timezone.now() + timedelta(days=days) if days else None
    about = {**dict.fromkeys(SCOPES, False), **scopes, "name": name, "expires_at": expires_at}
    return Token.objects.create(user=user, digest=compute_digest(secret), **about), secret


def compute_digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def find_token(secret: str) -> Token | None:
    """The valid token with this secret, if there is one. Records its use."""
    token = Token.objects.working().filter(digest=compute_digest(secret)).select_related("user").first()
    if token:
        note_use(token)
    return token


def note_use(token: Token) -> None:
    """Records the time of the last use, to the minute, so that few requests have to write."""
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at < now - NOTE_USE_EVERY:
        seldom = Q(last_used_at=None) | Q(last_used_at__lt=now - NOTE_USE_EVERY)
        with write_turn():
            Token.objects.filter(seldom, pk=token.pk).update(last_used_at=now)


class Bearer(HttpBearer):
    """Authenticates by `Authorization: Bearer …`.

    scope: the field of Token that has to be true, a key of SCOPES.
    """

    openapi_description = f"A token that an admin makes under Profile, Tokens. Scopes: {', '.join(SCOPES.values())}."

    def __init__(self, scope: str) -> None:
        super().__init__()
        self.scope = scope

    def authenticate(self, request: HttpRequest, token: str) -> Token | None:
        """The token with this secret. Sets the user of the request. Raises AuthorizationError if it lacks the scope."""
        known = find_token(token)
        if known and not getattr(known, self.scope):
            words = _("This token lacks the scope “%(scope)s”.") % {"scope": SCOPES[self.scope]}
            raise AuthorizationError(message=words)
        if known:
            authenticated = cast(UserRequest, request)
            authenticated.user = authenticated._cached_user = known.user  # the log reads the latter
        return known


READS, WRITES, CHATS, FEEDS = map(Bearer, SCOPES)
