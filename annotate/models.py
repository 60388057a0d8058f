"""Users, and their memberships: one person's progress in one dataset."""

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.translation import gettext_lazy as _

from annotate.names import check_name
from datasets.models import Dataset, Judgment


class User(AbstractUser):
    """A person who can sign in.

    language, time_zone: of their pages; blank means the browser's and the server's. sessions_ended: how often all their
    sessions were ended.
    """

    class Role(models.TextChoices):
        ANNOTATOR = "annotator", _("annotator")
        REVIEWER = "reviewer", _("reviewer")
        ADMIN = "admin", _("admin")

    role = models.CharField(_("role"), max_length=10, choices=Role, default=Role.ANNOTATOR)

    language = models.CharField(_("language"), max_length=10, blank=True, choices=settings.LANGUAGES)
    time_zone = models.CharField(_("time zone"), max_length=60, blank=True)
    sessions_ended = models.PositiveIntegerField(default=0)

    def _get_session_auth_hash(self, secret: str | bytes | None = None) -> str:
        """The hash that a session must carry to stay valid.

        A deactivation or demotion changes it permanently, as a new password does: reactivating the person does not
        revive old sessions.
        """
        django_hash = super()._get_session_auth_hash(secret)  # type: ignore[misc]  # missing in django-stubs
        return f"{django_hash}{self.sessions_ended or ''}"

    def clean(self) -> None:
        super().clean()
        if self._state.adding:  # existing users keep their names
            check_name(self.username)

    @property
    def is_admin(self) -> bool:
        return self.role == self.Role.ADMIN

    @property
    def may_review(self) -> bool:
        """Whether they are a reviewer or an admin."""
        return self.role in (self.Role.REVIEWER, self.Role.ADMIN)


class Membership(models.Model):
    """One person in one dataset.

    priority, position: priority and id of the last comparison handed out. The next search starts there, so that its
    cost does not grow with the number of judgments. -1: at a place of their own (annotate/queue/places.py).
    judged: the person's standing verdicts. day, judged_today, pace: their last day, its verdicts, seconds of one
    (annotate/day.py).
    nothing_until: end of the back-off after an expensive search without a result.
    paused_at: since when an admin has paused them; their judgments are kept.
    practised_at: when they passed the practice round.
    practice_round: number of their current practice round, from 1. practice_first: of the first one that counts towards
    the rounds allowed; more than 1 once an admin has asked them to qualify again.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE)
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="memberships")
    priority = models.BigIntegerField(default=-1)
    position = models.BigIntegerField(default=-1)
    judged = models.PositiveIntegerField(default=0)
    day = models.DateField(null=True)
    judged_today = models.PositiveIntegerField(default=0)
    pace = models.FloatField(null=True)
    nothing_until = models.DateTimeField(null=True)
    paused_at = models.DateTimeField(null=True)
    practised_at = models.DateTimeField(null=True)
    practice_round = models.PositiveSmallIntegerField(default=1)
    practice_first = models.PositiveSmallIntegerField(default=1)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "dataset"], name="one_membership")]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.dataset_id}"


class PracticeAttempt(models.Model):
    """A finished practice round: `right` of `total` answers as expected. number: of the round, from 1."""

    membership = models.ForeignKey(Membership, models.CASCADE, related_name="attempts")
    number = models.PositiveSmallIntegerField()
    right = models.PositiveSmallIntegerField()
    total = models.PositiveSmallIntegerField()
    passed = models.BooleanField()
    finished_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["membership", "number"], name="one_attempt_a_round")]

    def __str__(self) -> str:
        return f"{self.number}: {self.right} of {self.total}"


def get_annotator_id(judgment: Judgment) -> int:
    """The id of a judgment's annotator. Not for imported judgments, which have none."""
    assert judgment.annotator_id is not None
    return judgment.annotator_id
