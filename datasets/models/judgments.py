"""The spine: comparisons, the judgments of them, and what each states."""

import secrets

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from datasets.models.dataset import Dataset
from datasets.models.imports import Import
from datasets.models.prompts import ImportedQuerySet, Prompt, Response


class ComparisonQuerySet(models.QuerySet):
    def open(self):
        """Comparisons that still want judgments and that nothing holds back."""
        return self.filter(open_slots__gt=0, held="")


def draw_priority():
    """A place in the queue, drawn at random."""
    return secrets.randbits(62)


class Comparison(models.Model):
    """The unit of work: one prompt and the responses shown together. `key` is made of their ids, ascending.

    task: what is wanted of it. `judge`: a verdict; `repair`: a better answer than those shown, by somebody who is not
    among `barred`. words: those of the prompt and of the responses, to tell how long it takes to read.
    """

    class Task(models.TextChoices):
        JUDGE = "judge", _("judge")
        REPAIR = "repair", _("repair")

    FLAGGED, WITHDRAWN = "flagged", "withdrawn"  # why it is held: an admin has to decide; an admin has decided
    GOLD = "gold"  # held: its answer is known, and it is mixed in among others
    SURE = "sure"  # held: what was judged of it is enough, see analyze/queue_order.py

    class Review(models.TextChoices):
        NONE = "", _("not asked for")
        WANTED = "wanted", _("waits for a reviewer")
        DECIDED = "decided", _("decided by a reviewer")

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

    def __str__(self):
        return self.key

    @staticmethod
    def build_key(response_ids, task=Task.JUDGE):
        """The ids, ascending; of a repair with an `r` behind them: it is another piece of work on the same answers."""
        ids = "-".join(str(pk) for pk in sorted(response_ids))
        return ids if task == Comparison.Task.JUDGE else f"{ids}r"

    @staticmethod
    def parse_key(key):
        """The response ids that a key is made of, ascending."""
        return [int(pk) for pk in key.removesuffix("r").split("-")]

    @property
    def response_ids(self):
        return self.parse_key(self.key)


class JudgmentQuerySet(ImportedQuerySet):
    def votes(self):
        """Saved verdicts that count for overlap and exports; a reopened one stands until it is replaced."""
        return self.visible().filter(purpose=Judgment.Purpose.VOTE, state__in=Judgment.STANDING)

    def decisions(self):
        """What reviewers decided, as it stands."""
        return self.filter(purpose=Judgment.Purpose.DECISION, state__in=Judgment.STANDING)

    def blocking(self, user, hidden_since):
        """This person's acts that keep a comparison from being given to them (skips only since `hidden_since`)."""
        in_hand_or_saved = Q(state__in=[Judgment.State.LEASED, *Judgment.STANDING])
        skipped = Q(state=Judgment.State.SKIPPED, decided_at__gt=hidden_since)
        return self.filter(in_hand_or_saved | skipped, annotator=user)


class Judgment(models.Model):
    """The record of an act: one person, one comparison, from lease to verdict.

    `revision` counts the acts: a form carries the one it was made for, and an older one changes nothing.
    """

    class State(models.TextChoices):
        LEASED = "leased", _("in hand")
        EXPIRED = "expired", _("lease ran out")
        SAVED = "saved", _("saved")
        REOPENED = "reopened", _("reopened")
        SKIPPED = "skipped", _("skipped")

    class Purpose(models.TextChoices):
        VOTE = "vote", _("vote")
        GOLD = "gold", _("known answer")
        REPEAT = "repeat", _("own judgment asked again")
        PRACTICE = "practice", _("practice")
        REVIEW = "review", _("reviewer's first impression")
        DECISION = "decision", _("reviewer's decision")

    WORK = (Purpose.VOTE, Purpose.GOLD, Purpose.REPEAT)  # what comes from the queue, and looks alike
    REVIEWS = (Purpose.REVIEW, Purpose.DECISION)  # what reviewers do

    # From each state, where an act may lead: the only table of moves.
    MOVES = {
        State.LEASED: {State.SAVED, State.SKIPPED, State.EXPIRED},
        State.EXPIRED: {State.LEASED, State.SAVED, State.SKIPPED},
        State.SAVED: {State.REOPENED},
        State.REOPENED: {State.SAVED, State.SKIPPED},
        State.SKIPPED: {State.LEASED},
    }
    STANDING = (State.SAVED, State.REOPENED)  # a verdict stands
    ANSWERABLE = (State.LEASED, State.EXPIRED, State.REOPENED)  # a verdict may be given

    comparison = models.ForeignKey(Comparison, models.CASCADE, related_name="judgments")
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="judgments")
    annotator = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="judgments")
    purpose = models.CharField(max_length=10, choices=Purpose, default=Purpose.VOTE)
    state = models.CharField(max_length=10, choices=State, default=State.LEASED)
    revision = models.PositiveIntegerField(default=0)
    order = models.JSONField(help_text="Response ids as shown, from left to right")
    verdict = models.CharField(max_length=20, blank=True)
    said = models.JSONField(
        default=dict, blank=True, help_text="What the form said besides: ranks, stars, criteria, reasons, reason, note"
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
            models.Index(fields=["annotator", "dataset", "state", "decided_at"], name="acts_of_a_person"),
            models.Index(fields=["dataset", "state", "verdict"], name="verdicts"),
            models.Index(fields=["dataset", "decided_at", "id"], name="acts_in_order"),
        ]

    def __str__(self):
        return f"{self.comparison_id}: {self.verdict or self.state}"


class ChoiceQuerySet(models.QuerySet):
    def of_votes(self):
        """What standing votes state; nothing that an unfinished import brought."""
        return self.filter(
            Q(judgment__imported=None) | Q(judgment__imported__state__in=Import.VISIBLE),
            judgment__purpose=Judgment.Purpose.VOTE,
            judgment__state__in=Judgment.STANDING,
        )


class Choice(models.Model):
    """What a judgment states of two responses, in all ("") or by a criterion. Strength 0 is a tie: then chosen and
    rejected are no order."""

    judgment = models.ForeignKey(Judgment, models.CASCADE, related_name="choices")
    chosen = models.ForeignKey(Response, models.CASCADE, related_name="won")
    rejected = models.ForeignKey(Response, models.CASCADE, related_name="lost")
    strength = models.PositiveSmallIntegerField(default=1, validators=[MaxValueValidator(3)])
    criterion = models.CharField(max_length=80, blank=True, default="")
    rank_gap = models.PositiveSmallIntegerField(null=True, help_text="Of a ranking: how many places apart")

    objects = ChoiceQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(chosen=F("rejected")), name="a_choice_is_between_two"),
            models.CheckConstraint(condition=Q(strength__lte=3), name="strength_at_most_three"),
            models.UniqueConstraint(
                fields=["judgment", "criterion", "chosen", "rejected"], name="choice_once_in_a_judgment"
            ),
        ]

    def __str__(self):
        return f"{self.chosen_id} > {self.rejected_id}"


class Rating(models.Model):
    """1 to 5 stars that a judgment gives to one response, in all ("") or by a criterion."""

    judgment = models.ForeignKey(Judgment, models.CASCADE, related_name="ratings")
    response = models.ForeignKey(Response, models.CASCADE, related_name="ratings")
    stars = models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(5)])
    criterion = models.CharField(max_length=80, blank=True, default="")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(stars__gte=1, stars__lte=5), name="stars_from_one_to_five"),
            models.UniqueConstraint(fields=["judgment", "criterion", "response"], name="rating_once_in_a_judgment"),
        ]

    def __str__(self):
        return f"{self.response_id}: {self.stars}"


class Gold(models.Model):
    """A comparison whose answer is known. `verdict` "choice": as `choices` say, [[chosen, rejected], …] of response
    ids; or `tie` or `both_bad`. It stands beside the queue: in practice rounds, or mixed in unseen.

    reason: why the answer is what it is; told in practice only.
    """

    VERDICTS = [("choice", _("choice")), ("tie", _("tie")), ("both_bad", _("both bad"))]

    comparison = models.OneToOneField(Comparison, models.CASCADE, related_name="gold")
    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="gold")
    verdict = models.CharField(max_length=10, choices=VERDICTS)
    choices = models.JSONField(default=list, blank=True)
    reason = models.TextField(_("why"), blank=True)
    for_practice = models.BooleanField(_("used in the practice round"), default=False)
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)
    imported = models.ForeignKey(Import, models.CASCADE, null=True, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["dataset", "for_practice", "id"], name="gold_of_a_dataset")]

    def __str__(self):
        return f"{self.comparison_id}: {self.verdict}"
