"""Datasets: prompts with their responses, and how they are judged."""

from typing import TYPE_CHECKING, Any, Self

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from annotate.models import User

RESERVED_SLUGS = ("upload", "new")


class DatasetQuerySet(models.QuerySet["Dataset"]):
    def current(self) -> Self:
        """Datasets that are not archived."""
        return self.exclude(state=Dataset.State.ARCHIVED)

    def open_to(self, user: "User") -> Self:
        """Datasets that a user may see and judge: all for an admin.

        For others, those that are no draft and list no annotators, or the user among them.
        """
        if user.is_admin:
            return self
        current = self.exclude(state=Dataset.State.DRAFT)
        named = Dataset.annotators.through.objects.filter(dataset=OuterRef("pk"))
        return current.filter(~Exists(named) | Exists(named.filter(user=user.pk)))

    def find_open_to(self, user: "User", slug: str) -> "Dataset":
        """The dataset with this slug, if it is open to the user.

        Raw SQL: every act of judging runs this query, and Django would take longer to compile it than the database
        takes to run it.

        Raises DoesNotExist.
        """
        matches = self.raw(OPEN_TO_SQL, {"slug": slug, "user": user.pk, "is_admin": user.is_admin})
        for dataset in matches:
            return dataset
        raise self.model.DoesNotExist(slug)


OPEN_TO_SQL = """
    SELECT d.* FROM datasets_dataset d
    WHERE d.slug = %(slug)s AND (%(is_admin)s OR d.state <> 'draft' AND (
      NOT EXISTS (SELECT 1 FROM datasets_dataset_annotators a WHERE a.dataset_id = d.id)
      OR EXISTS (SELECT 1 FROM datasets_dataset_annotators a WHERE a.dataset_id = d.id AND a.user_id = %(user)s)))
"""


class Dataset(models.Model):
    """Prompts with their responses, and the settings under which they are judged."""

    class Pairs(models.TextChoices):
        ALL = "all", _("All pairs")
        FIRST = "first", _("Baseline: each against the first")

    class Asked(models.TextChoices):
        OFF = "off", _("Off")
        OPTIONAL = "optional", _("Optional")
        REQUIRED = "required", _("Required")

    class Order(models.TextChoices):
        RANDOM = "random", _("Random")
        INFORMATIVE = "informative", _("Most informative first (active learning)")

    class Review(models.TextChoices):
        OFF = "off", _("Off")
        SPLIT = "split", _("Flagged and split votes")
        DIFFER = "differ", _("Flagged and any disagreement")

    class Reasoning(models.TextChoices):
        SHOW = "show", _("Show")
        FOLD = "fold", _("Fold")
        HIDE = "hide", _("Hide")

    class Answers(models.TextChoices):
        RENDERED = "rendered", _("Rendered")
        RAW = "raw", _("Raw text")

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        OPEN = "open", _("Open")
        PAUSED = "paused", _("Paused")
        CLOSED = "closed", _("Closed")
        ARCHIVED = "archived", _("Archived")

    slug = models.SlugField(_("short name"), max_length=80, unique=True)
    name = models.CharField(_("name"), max_length=200, blank=True)
    state = models.CharField(_("status"), max_length=10, choices=State, default=State.OPEN)
    guideline = models.TextField(_("guidelines"), blank=True)
    pairs = models.CharField(_("pairing"), max_length=10, choices=Pairs, default=Pairs.ALL)
    pairs_limit = models.PositiveSmallIntegerField(
        _("max. comparisons per prompt"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    ask_demonstrations = models.BooleanField(_("also compare single-response (SFT) rows"), default=False)
    overlap = models.PositiveSmallIntegerField(
        _("annotators per comparison (overlap)"),
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
    )
    question = models.CharField(_("question type"), max_length=40, default="pair")
    fewest_shown = models.PositiveSmallIntegerField(default=2)
    most_shown = models.PositiveSmallIntegerField(
        _("answers per screen (max.)"), default=2, validators=[MinValueValidator(1), MaxValueValidator(6)]
    )
    with_stars = models.BooleanField(_("also rate each answer (1–5)"), default=False)
    allow_tie = models.BooleanField(_("allow ties"), default=True)
    allow_both_bad = models.BooleanField(_("allow “Both bad”"), default=True)
    allow_skip = models.BooleanField(_("allow skip"), default=True)
    allow_flag = models.BooleanField(_("allow flagging"), default=False)
    criteria: "models.JSONField[Any, list[dict[str, str]]]" = models.JSONField(
        _("criteria"), default=list, blank=True, help_text='[{"name", "guideline"}]'
    )
    reasons = models.CharField(_("rationale"), max_length=10, choices=Asked, default=Asked.OFF)
    chips: "models.JSONField[Any, list[str]]" = models.JSONField(_("preset reasons"), default=list, blank=True)
    spans = models.BooleanField(_("let annotators highlight parts of an answer"), default=False)
    span_labels: "models.JSONField[Any, list[str]]" = models.JSONField(_("highlight labels"), default=list, blank=True)
    allow_repair = models.BooleanField(_("let annotators edit an answer"), default=False)
    repair_round = models.BooleanField(_("send “both bad” items for rewriting"), default=False)
    ask_repairs = models.BooleanField(_("add rewrites to the comparisons"), default=False)
    show_reasoning = models.CharField(_("reasoning"), max_length=10, choices=Reasoning, default=Reasoning.FOLD)
    show_answers = models.CharField(_("show answers as"), max_length=10, choices=Answers, default=Answers.RENDERED)
    kept_ready = models.PositiveSmallIntegerField(
        _("prefetched items per annotator"), default=4, validators=[MaxValueValidator(19)]
    )
    lease_minutes = models.PositiveSmallIntegerField(
        _("task lock (minutes)"),
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(7 * 24 * 60)],
    )
    annotators = models.ManyToManyField(
        settings.AUTH_USER_MODEL, verbose_name=_("assigned annotators"), blank=True, related_name="datasets"
    )
    gold_share = models.PositiveSmallIntegerField(
        _("gold questions (% of tasks)"), default=0, validators=[MaxValueValidator(50)]
    )
    repeat_share = models.PositiveSmallIntegerField(
        _("repeated items (% of tasks)"), default=0, validators=[MaxValueValidator(50)]
    )
    practice = models.PositiveSmallIntegerField(_("qualification items"), default=0, validators=[MaxValueValidator(50)])
    practice_pass = models.PositiveSmallIntegerField(
        _("passing score (%)"), default=0, validators=[MaxValueValidator(100)]
    )
    practice_retakes = models.PositiveSmallIntegerField(
        _("qualification retakes (max.)"), null=True, blank=True, default=2, validators=[MaxValueValidator(100)]
    )
    review = models.CharField(_("review"), max_length=10, choices=Review, default=Review.OFF)
    order = models.CharField(_("task order"), max_length=12, choices=Order, default=Order.RANDOM)
    stop_when_sure = models.BooleanField(_("stop early once the result is certain (95 %)"), default=False)
    hourly_rate = models.FloatField(_("hourly rate"), null=True, blank=True, validators=[MinValueValidator(0)])
    has_chat = models.BooleanField(default=False, help_text="Whether models answer in a chat, see optimize")
    guideline_number = models.PositiveIntegerField(default=0, help_text="Of the guideline as it stands; 0: none yet")
    setup_done: "models.JSONField[Any, list[str]]" = models.JSONField(
        default=list, blank=True, help_text="Steps of a draft's checklist that an admin has saved"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = DatasetQuerySet.as_manager()

    class Meta:
        ordering = ["slug"]
        constraints = [models.CheckConstraint(condition=Q(overlap__gte=1), name="overlap_at_least_one")]

    def __str__(self) -> str:
        return self.name or self.slug

    @property
    def mixes(self) -> bool:
        """Whether the queue mixes in gold questions or repeats of an annotator's own judgments."""
        return bool(self.gold_share or self.repeat_share)

    @property
    def is_steered(self) -> bool:
        """Whether past judgments decide which comparisons come next."""
        return self.order == self.Order.INFORMATIVE or self.stop_when_sure
