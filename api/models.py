"""API tokens of scripts."""

from typing import Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from annotate.models import User


class TokenQuerySet(models.QuerySet["Token"]):
    def working(self) -> Self:
        """Unexpired tokens of users who are active admins now."""
        lasting = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
        return self.filter(lasting, user__is_active=True, user__role=User.Role.ADMIN)


class Token(models.Model):
    """A script's access to the API, on behalf of its owner. Stores only the SHA-256 of the secret."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="tokens")
    name = models.CharField(_("name"), max_length=80)
    digest = models.CharField(max_length=64, unique=True)
    reads = models.BooleanField(_("read: progress and exports"), default=True)
    writes = models.BooleanField(_("write: create datasets and releases, import rows"), default=False)
    chats = models.BooleanField(_("chat: ask models"), default=False)
    feeds = models.BooleanField(_("feedback: send choices from your product"), default=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    objects = TokenQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(reads=True) | Q(writes=True) | Q(chats=True) | Q(feeds=True),
                name="a_token_is_good_for_something",
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def has_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()
