"""The people, and how far each has come in a dataset."""

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _

from annotate.names import check_name
from datasets.models import Dataset


class User(AbstractUser):
    class Role(models.TextChoices):
        ANNOTATOR = "annotator", _("annotator")
        REVIEWER = "reviewer", _("reviewer")
        ADMIN = "admin", _("admin")

    role = models.CharField(_("role"), max_length=10, choices=Role, default=Role.ANNOTATOR)

    language = models.CharField(_("language"), max_length=10, blank=True, choices=settings.LANGUAGES)
    time_zone = models.CharField(_("time zone"), max_length=60, blank=True)
    sessions_ended = models.PositiveIntegerField(default=0)  # how often all of them were

    def _get_session_auth_hash(self, secret=None):
        """What a session must know to go on. A deactivation or a demotion changes it for good, as a new password does:
        what ended then does not come back with the person."""
        return f"{super()._get_session_auth_hash(secret)}{self.sessions_ended or ''}"

    def clean(self):
        super().clean()
        if self._state.adding:  # whoever is there keeps their name
            check_name(self.username)

    @property
    def is_admin(self):
        return self.role == self.Role.ADMIN

    @property
    def may_review(self):
        return self.role in (self.Role.REVIEWER, self.Role.ADMIN)


class Membership(models.Model):
    """One person in one dataset. The position is the (priority, id) of the last comparison handed out: "next" starts
    there, so that it costs the same for somebody who has judged 100,000.

    judged: how many verdicts of theirs stand. nothing_until: a search found nothing, and was dear: until then there is
    no other. paused_at: since when they get nothing here; what they judged is kept. practised_at: when they passed the
    practice round; practice_round: the how-manieth they are in, from 1."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="memberships")
    priority = models.BigIntegerField(default=-1)
    position = models.BigIntegerField(default=-1)
    judged = models.PositiveIntegerField(default=0)
    nothing_until = models.DateTimeField(null=True)
    paused_at = models.DateTimeField(null=True)
    practised_at = models.DateTimeField(null=True)
    practice_round = models.PositiveSmallIntegerField(default=1)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "dataset"], name="one_membership")]

    def __str__(self):
        return f"{self.user_id} in {self.dataset_id}"
