"""Comparisons, their judgments, and the choices and ratings that each judgment states."""

import datetime
import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from datasets.models.dataset import Dataset
from datasets.models.imports import Import
from datasets.models.prompts import ImportedQuerySet, Prompt, Response

if TYPE_CHECKING:
    from annotate.models import User
    from datasets.judgments.said import Said


class ComparisonQuerySet(models.QuerySet["Comparison"]):
    def open(self) -> Self:
        """Comparisons that need more judgments and are not held."""
        return self.filter(open_slots__gt=0, held="")


def draw_priority() -> int:
    """A random place in the queue: 62 bits."""
    return secrets.randbits(62)


class Comparison(models.Model):
    """The unit of work: a prompt and the responses shown together.

    key: see `build_key`.
    wanted: the overlap, the number of judgments it needs.
    held: why it is out of the queue; empty while it is in it.
    task: `judge` needs a verdict; `repair` needs a better response, from an annotator who is not in `barred`.
    words: in the prompt and the responses, for estimates of the reading time.
    """

    class Task(models.TextChoices):
        JUDGE = "judge", _("annotate")
        REPAIR = "repair", _("rewrite")

    # Values of `held`.
    FLAGGED, WITHDRAWN = "flagged", "withdrawn"  # waits for an admin's decision; left out by an admin
    GOLD = "gold"  # a gold question: handed out outside the queue
    SURE = "sure"  # its judgments suffice, see analyze/queue_order.py
    CHAT = "chat"  # two answers of a chat, judged there

    class Review(models.TextChoices):
        NONE = "", _("not needed")
        WANTED = "wanted", _("awaiting review")
        ASKED = "asked", _("sent to review by an admin")
        DECIDED = "decided", _("decided by a reviewer")

    OPEN_REVIEWS = (Review.WANTED, Review.ASKED)  # wait for a reviewer
    # What is not empty is said too: without it, SQLite does not use the indexes of those that are held or reviewed.
    IS_FLAGGED = Q(held=FLAGGED) & ~Q(held="")
    WAITING = IS_FLAGGED | (Q(review__in=OPEN_REVIEWS) & ~Q(review=""))  # for a decision

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="comparisons")
    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="comparisons")
    key = models.CharField(max_length=200, unique=True)
    wanted = models.PositiveSmallIntegerField(default=1)
    open_slots = models.IntegerField(default=1)
    priority = models.BigIntegerField(default=draw_priority)
    held = models.CharField(max_length=20, blank=True, default="")
    task = models.CharField(max_length=10, choices=Task, default=Task.JUDGE)
    words = models.PositiveIntegerField(default=0)
    barred = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+")
    review = models.CharField(max_length=10, blank=True, choices=Review, default=Review.NONE)

    objects = ComparisonQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["dataset", "review", "id"], condition=~Q(review=""), name="reviewed_comparisons"),
            models.Index(fields=["dataset", "held", "id"], condition=~Q(held=""), name="held_comparisons"),
            models.Index(
                fields=["dataset", "priority", "id"], condition=Q(open_slots__gt=0, held=""), name="next_comparison"
            ),
            models.Index(fields=["dataset", "open_slots"], name="progress"),
        ]

    def __str__(self) -> str:
        return self.key

    @staticmethod
    def build_key(response_ids: Iterable[int], task: str = Task.JUDGE) -> str:
        """The response ids, ascending, joined by `-`; for a repair followed by `r`.

        The suffix keeps a repair distinct from the comparison of the same responses.
        """
        ids = "-".join(str(pk) for pk in sorted(response_ids))
        return ids if task == Comparison.Task.JUDGE else f"{ids}r"

    @staticmethod
    def parse_key(key: str) -> list[int]:
        """The response ids in a key, ascending."""
        return [int(pk) for pk in key.removesuffix("r").split("-")]

    @property
    def response_ids(self) -> list[int]:
        return self.parse_key(self.key)


class JudgmentQuerySet(ImportedQuerySet):
    def votes(self) -> Self:
        """Standing verdicts that count towards overlap and exports; a reopened one stands until it is replaced."""
        return self.visible().filter(purpose=Judgment.Purpose.VOTE, state__in=Judgment.STANDING)

    def decisions(self) -> Self:
        """Standing decisions of reviewers."""
        return self.filter(purpose=Judgment.Purpose.DECISION, state__in=Judgment.STANDING)

    def blocking(self, user: "User | int", hidden_since: datetime.datetime) -> Self:
        """A user's judgments that keep their comparisons from being handed to the user again.

        user: the user or its id.
        hidden_since: skips block only if they are later than this.
        """
        in_hand_or_saved = Q(state__in=[Judgment.State.LEASED, *Judgment.STANDING])
        skipped = Q(state=Judgment.State.SKIPPED, decided_at__gt=hidden_since)
        return self.filter(in_hand_or_saved | skipped, annotator=user)


class Judgment(models.Model):
    """One person's judgment of one comparison, from lease to verdict.

    revision: counts the acts. A form carries the revision that it was rendered for; a stale one changes nothing.
    """

    class State(models.TextChoices):
        LEASED = "leased", _("in progress")
        EXPIRED = "expired", _("expired")
        SAVED = "saved", _("saved")
        REOPENED = "reopened", _("reopened")
        SKIPPED = "skipped", _("skipped")

    class Purpose(models.TextChoices):
        VOTE = "vote", _("vote")
        GOLD = "gold", _("gold question")
        REPEAT = "repeat", _("repeated item")
        PRACTICE = "practice", _("qualification")
        REVIEW = "review", _("first impression of a reviewer")
        DECISION = "decision", _("decision of a reviewer")

    WORK = (Purpose.VOTE, Purpose.GOLD, Purpose.REPEAT)  # from the queue; annotators cannot distinguish them
    REVIEWS = (Purpose.REVIEW, Purpose.DECISION)  # made by reviewers

    # The state machine: the states that an act may reach from each state.
    MOVES: dict[str, set[State]] = {
        State.LEASED: {State.SAVED, State.SKIPPED, State.EXPIRED},
        State.EXPIRED: {State.LEASED, State.SAVED, State.SKIPPED},
        State.SAVED: {State.REOPENED},
        State.REOPENED: {State.SAVED, State.SKIPPED},
        State.SKIPPED: {State.LEASED},
    }
    STANDING = (State.SAVED, State.REOPENED)  # has a verdict that counts
    ANSWERABLE = (State.LEASED, State.EXPIRED, State.REOPENED)  # accepts a verdict

    comparison = models.ForeignKey(Comparison, models.CASCADE, related_name="judgments")
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="judgments")
    annotator = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="judgments")
    purpose = models.CharField(max_length=10, choices=Purpose, default=Purpose.VOTE)
    state = models.CharField(max_length=10, choices=State, default=State.LEASED)
    revision = models.PositiveIntegerField(default=0)
    order: "models.JSONField[Any, list[int]]" = models.JSONField(help_text="Response ids as shown, from left to right")
    verdict = models.CharField(max_length=20, blank=True)
    said: "models.JSONField[Any, Said]" = models.JSONField(
        default=dict,
        blank=True,
        help_text="What the form said besides: ranks, stars, criteria, reasons, reason, note, spans",
    )
    draft: "models.JSONField[Any, dict[str, Any] | None]" = models.JSONField(
        null=True, help_text="What is filled in and not sent yet: revision, at (ms), entries (values by field)"
    )
    flag = models.CharField(max_length=20, blank=True, help_text="Why it was flagged, a code of the questions")
    surplus = models.BooleanField(default=False)
    guideline = models.PositiveIntegerField(default=0, help_text="Number of the guideline that it was made under")
    leased_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(null=True)
    seconds = models.FloatField(null=True, help_text="At work on it, as the browser saw it; else since the hand-out")
    imported = models.ForeignKey(Import, models.CASCADE, null=True, related_name="+")
    imported_by = models.CharField(max_length=200, blank=True, help_text="An annotator's name from a file")
    imported_from = models.CharField(max_length=300, blank=True, help_text="file:line")

    objects = JudgmentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["comparison", "annotator", "purpose"],
                condition=~Q(state="skipped"),
                name="one_judgment_a_person",
            ),
            models.UniqueConstraint(
                fields=["comparison", "imported_by"], condition=~Q(imported_by=""), name="one_vote_an_imported_name"
            ),
            models.UniqueConstraint(
                fields=["comparison"],
                condition=Q(purpose__in=["review", "decision"], state="leased"),
                name="one_reviewer_at_a_time",
            ),
            models.UniqueConstraint(
                fields=["comparison"],
                condition=Q(purpose="decision", state__in=["saved", "reopened"]),
                name="one_decision",
            ),
        ]
        indexes = [
            models.Index(fields=["dataset", "lease_until"], condition=Q(state="leased"), name="leases"),
            models.Index(fields=["annotator", "dataset"], condition=Q(state="leased"), name="in_hand"),
            models.Index(fields=["annotator", "dataset", "state", "decided_at", "seconds"], name="work_of_a_person"),
            models.Index(fields=["dataset", "state", "verdict"], name="verdicts"),
            models.Index(fields=["dataset", "decided_at", "id"], name="acts_in_order"),
        ]

    def __str__(self) -> str:
        return f"{self.comparison_id}: {self.verdict or self.state}"


class ChoiceQuerySet(models.QuerySet["Choice"]):
    def of_votes(self) -> Self:
        """Choices of standing votes, without those of invisible imports."""
        return self.filter(
            Q(judgment__imported=None) | Q(judgment__imported__state__in=Import.VISIBLE),
            judgment__purpose=Judgment.Purpose.VOTE,
            judgment__state__in=Judgment.STANDING,
        )


class Choice(models.Model):
    """A pair of responses as one judgment orders them.

    criterion: empty for the overall choice.
    strength: 1 to 3; 0 is a tie, where the order of chosen and rejected means nothing.
    """

    judgment = models.ForeignKey(Judgment, models.CASCADE, related_name="choices")
    chosen = models.ForeignKey(Response, models.CASCADE, related_name="won")
    rejected = models.ForeignKey(Response, models.CASCADE, related_name="lost")
    strength = models.PositiveSmallIntegerField(default=1, validators=[MaxValueValidator(3)])
    criterion = models.CharField(max_length=80, blank=True, default="")
    rank_gap = models.PositiveSmallIntegerField(null=True, help_text="Of a ranking: how many places apart")
    margin = models.FloatField(null=True, help_text="How much better, on the scale of the file that states it")

    objects = ChoiceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(chosen=F("rejected")), name="a_choice_is_between_two"),
            models.CheckConstraint(condition=Q(strength__lte=3), name="strength_at_most_three"),
            models.UniqueConstraint(
                fields=["judgment", "criterion", "chosen", "rejected"], name="choice_once_in_a_judgment"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.chosen_id} > {self.rejected_id}"


class Rating(models.Model):
    """1 to 5 stars that a judgment gives one response, overall (criterion "") or by a criterion."""

    judgment = models.ForeignKey(Judgment, models.CASCADE, related_name="ratings")
    response = models.ForeignKey(Response, models.CASCADE, related_name="ratings")
    stars = models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(5)])
    criterion = models.CharField(max_length=80, blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(stars__gte=1, stars__lte=5), name="stars_from_one_to_five"),
            models.UniqueConstraint(fields=["judgment", "criterion", "response"], name="rating_once_in_a_judgment"),
        ]

    def __str__(self) -> str:
        return f"{self.response_id}: {self.stars}"


class Gold(models.Model):
    """A gold question: a comparison with a known answer, used in practice rounds or mixed into the queue unnoticed.

    choices: [[chosen, rejected], …] of response ids, for the verdict `choice`.
    order: response ids as they were seen when it was made, from left to right; empty if unknown.
    reason: why the answer is right; shown in practice only.
    """

    VERDICTS = [("choice", _("preference")), ("tie", _("tie")), ("both_bad", _("both bad"))]

    comparison = models.OneToOneField(Comparison, models.CASCADE, related_name="gold")
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="gold")
    verdict = models.CharField(max_length=10, choices=VERDICTS)
    choices: "models.JSONField[Any, list[list[int]]]" = models.JSONField(default=list, blank=True)
    order: "models.JSONField[Any, list[int]]" = models.JSONField(default=list, blank=True)
    reason = models.TextField(_("reason"), blank=True)
    for_practice = models.BooleanField(_("used for qualification"), default=False)
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)
    imported = models.ForeignKey(Import, models.CASCADE, null=True, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["dataset", "for_practice", "id"], name="gold_of_a_dataset")]

    def __str__(self) -> str:
        return f"{self.comparison_id}: {self.verdict}"

    @property
    def shown_order(self) -> list[int]:
        """The response ids in the order that gives them their letters on the pages."""
        return self.order or self.comparison.response_ids
