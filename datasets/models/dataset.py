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
        """Datasets that a user may see and judge: all for an admin, else those that list no annotators or the user."""
        if user.is_admin:
            return self
        named = Dataset.annotators.through.objects.filter(dataset=OuterRef("pk"))
        return self.filter(~Exists(named) | Exists(named.filter(user=user.pk)))

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
    WHERE d.slug = %(slug)s AND (%(is_admin)s
      OR NOT EXISTS (SELECT 1 FROM datasets_dataset_annotators a WHERE a.dataset_id = d.id)
      OR EXISTS (SELECT 1 FROM datasets_dataset_annotators a WHERE a.dataset_id = d.id AND a.user_id = %(user)s))
"""


class Dataset(models.Model):
    """Prompts with their responses, and the settings under which they are judged."""

    class Pairs(models.TextChoices):
        ALL = "all", _("every pair of answers")
        FIRST = "first", _("each answer against the first one")

    class Asked(models.TextChoices):
        OFF = "off", _("not asked")
        OPTIONAL = "optional", _("optional")
        REQUIRED = "required", _("required")

    class Order(models.TextChoices):
        RANDOM = "random", _("as drawn at random")
        INFORMATIVE = "informative", _("what tells the most first")

    class Review(models.TextChoices):
        OFF = "off", _("nothing")
        SPLIT = "split", _("flagged, and split: as many for one answer as for the other")
        DIFFER = "differ", _("flagged, and whatever people did not all judge alike")

    class State(models.TextChoices):
        OPEN = "open", _("open: people judge")
        PAUSED = "paused", _("paused: nothing is handed out")
        CLOSED = "closed", _("closed: judging is over")
        ARCHIVED = "archived", _("archived: closed, and out of sight")

    slug = models.SlugField(_("short name"), max_length=80, unique=True)
    name = models.CharField(_("name"), max_length=200, blank=True)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.OPEN)
    guideline = models.TextField(_("guideline"), blank=True)
    pairs = models.CharField(_("pairs asked"), max_length=10, choices=Pairs, default=Pairs.ALL)
    pairs_limit = models.PositiveSmallIntegerField(
        _("at most so many comparisons a prompt"), null=True, blank=True, validators=[MinValueValidator(1)]
    )
    ask_demonstrations = models.BooleanField(_("compare demonstrations too"), default=False)
    overlap = models.PositiveSmallIntegerField(
        _("judgments wanted per comparison"),
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
    )
    question = models.CharField(_("question"), max_length=40, default="pair")
    fewest_shown = models.PositiveSmallIntegerField(default=2)
    most_shown = models.PositiveSmallIntegerField(
        _("at most so many answers at once"), default=2, validators=[MinValueValidator(1), MaxValueValidator(6)]
    )
    with_stars = models.BooleanField(_("stars for each answer too"), default=False)
    allow_tie = models.BooleanField(_("ties allowed"), default=True)
    allow_both_bad = models.BooleanField(_("“Both bad” allowed"), default=True)
    allow_skip = models.BooleanField(_("“Skip” (cannot judge) allowed"), default=True)
    allow_flag = models.BooleanField(_("“Flag” allowed"), default=False)
    criteria: "models.JSONField[Any, list[dict[str, str]]]" = models.JSONField(
        _("criteria"), default=list, blank=True, help_text='[{"name", "guideline"}]'
    )
    reasons = models.CharField(_("reasons"), max_length=10, choices=Asked, default=Asked.OFF)
    chips: "models.JSONField[Any, list[str]]" = models.JSONField(_("reasons offered"), default=list, blank=True)
    allow_repair = models.BooleanField(_("annotators may improve an answer"), default=False)
    repair_round = models.BooleanField(_("both bad: others write a better answer"), default=False)
    ask_repairs = models.BooleanField(_("compare improved answers too"), default=False)
    kept_ready = models.PositiveSmallIntegerField(
        _("comparisons kept ready in the browser"), default=4, validators=[MaxValueValidator(19)]
    )
    lease_minutes = models.PositiveSmallIntegerField(
        _("minutes that a comparison is held for one person"),
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(7 * 24 * 60)],
    )
    annotators = models.ManyToManyField(
        settings.AUTH_USER_MODEL, verbose_name=_("who may judge"), blank=True, related_name="datasets"
    )
    gold_share = models.PositiveSmallIntegerField(
        _("known answers mixed in (percent)"), default=0, validators=[MaxValueValidator(50)]
    )
    repeat_share = models.PositiveSmallIntegerField(
        _("own judgments asked again (percent)"), default=0, validators=[MaxValueValidator(50)]
    )
    practice = models.PositiveSmallIntegerField(
        _("comparisons of the practice round"), default=0, validators=[MaxValueValidator(50)]
    )
    practice_pass = models.PositiveSmallIntegerField(
        _("pass mark of the practice round (percent)"), default=0, validators=[MaxValueValidator(100)]
    )
    review = models.CharField(_("what reviewers decide"), max_length=10, choices=Review, default=Review.OFF)
    order = models.CharField(_("order of the queue"), max_length=12, choices=Order, default=Order.RANDOM)
    stop_when_sure = models.BooleanField(_("ask no more where the answer is sure"), default=False)
    guideline_number = models.PositiveIntegerField(default=0, help_text="Of the guideline as it stands; 0: none yet")
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
