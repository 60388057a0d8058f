"""The nouns. Their rules stand here as constraints; a question about rows is a QuerySet method."""

import secrets

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Count, Exists, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from datasets.db.bulk import match_values

RESERVED_SLUGS = ("upload", "new")


class DatasetQuerySet(models.QuerySet):
    def current(self):
        """Datasets that are not put away."""
        return self.exclude(state=Dataset.State.ARCHIVED)

    def open_to(self, user):
        """Datasets that this person may see and judge: all for an admin; else those that name them, or name nobody."""
        if user.is_admin:
            return self
        named = Dataset.annotators.through.objects.filter(dataset=OuterRef("pk"))
        return self.filter(~Exists(named) | Exists(named.filter(user=user.pk)))

    def find_open_to(self, user, slug):
        """The dataset of this short name, if it is open to this person; raises DoesNotExist. Said in SQL: each act of
        judging asks this, and to put the query together would take longer than to run it."""
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
    """Prompts with their answers, and how they are asked."""

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
    criteria = models.JSONField(_("criteria"), default=list, blank=True, help_text='[{"name", "guideline"}]')
    reasons = models.CharField(_("reasons"), max_length=10, choices=Asked, default=Asked.OFF)
    chips = models.JSONField(_("reasons offered"), default=list, blank=True)
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

    def __str__(self):
        return self.name or self.slug

    @property
    def mixes(self):
        """Whether known answers or a person's own judgments are mixed in among the others."""
        return bool(self.gold_share or self.repeat_share)

    @property
    def is_steered(self):
        """Whether what was judged so far decides what is asked next."""
        return self.order == self.Order.INFORMATIVE or self.stop_when_sure


class ImportQuerySet(models.QuerySet):
    def unfinished(self):
        return self.filter(state__in=Import.UNFINISHED)


class Import(models.Model):
    """One upload of files. Until it reaches `asking`, what it brought is invisible everywhere."""

    class State(models.TextChoices):
        UNSURE = "unsure", _("not checked: its columns are unknown")
        CHECKED = "checked", _("checked, not stored")
        STORING = "storing", _("being stored")
        ASKING = "asking", _("stored, comparisons being made")
        DONE = "done", _("stored")
        UNDOING = "undoing", _("being undone")
        UNDONE = "undone", _("undone")

    WAITING = (State.UNSURE, State.CHECKED)
    UNFINISHED = (State.STORING, State.ASKING, State.UNDOING)
    VISIBLE = (State.ASKING, State.DONE, State.UNDOING)

    slug = models.SlugField(max_length=80)
    dataset = models.ForeignKey(Dataset, models.CASCADE, null=True, related_name="imports")
    overlap = models.PositiveSmallIntegerField(null=True)
    state = models.CharField(max_length=10, choices=State, default=State.CHECKED)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    touched_at = models.DateTimeField(auto_now=True)
    files = models.JSONField(default=list)
    folder = models.CharField(max_length=80, blank=True, help_text="Of its files in DATA_DIR/uploads, while it has any")
    format = models.CharField(max_length=100)
    read_as = models.JSONField(default=list, help_text="[{what: column}] where somebody said which column is what")
    rows = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    stored_upto = models.PositiveIntegerField(default=0)
    prompts = models.PositiveIntegerField(default=0)
    responses = models.PositiveIntegerField(default=0)
    choices = models.PositiveIntegerField(default=0)
    duplicates = models.PositiveIntegerField(default=0)

    objects = ImportQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["dataset"], condition=Q(state__in=["storing", "asking", "undoing"]), name="one_import_at_a_time"
            )
        ]

    def __str__(self):
        return ", ".join(self.files)


class Mapping(models.Model):
    """What somebody said of the columns of a file: every file with the same columns is read so."""

    key = models.CharField(max_length=64, unique=True, help_text="Of the names of the columns, whatever their order")
    columns = models.JSONField()
    roles = models.JSONField(help_text="{what: column}, see datasets/formats/mapping.py")
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    changed_at = models.DateTimeField(auto_now=True)

    def __str__(self):
        return ", ".join(self.columns)


class ImportedQuerySet(models.QuerySet):
    """Rows that an import may have brought."""

    def visible(self):
        return self.filter(Q(imported=None) | Q(imported__state__in=Import.VISIBLE))

    def visible_in(self, dataset):
        """As `visible`, of one dataset and as it is now. Where all of it is read part by part, PostgreSQL should not
        join: it expects that little is left, and sorts all the rest for each part."""
        imports = Import.objects.filter(dataset=dataset, state__in=Import.VISIBLE).values_list("pk", flat=True)
        return self.filter(Q(imported=None) | Q(match_values(self.model, "imported", imports)))


class Prompt(models.Model):
    """What the answers answer. The four parts stay apart, so that each dialect comes back as it went in."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="prompts")
    fingerprint = models.CharField(max_length=64)
    system = models.TextField(blank=True)
    turns = models.JSONField(default=list, blank=True, help_text="Earlier turns: [[role, text], …]")
    instruction = models.TextField()
    input = models.TextField(blank=True)
    imported = models.ForeignKey(Import, models.CASCADE, null=True, related_name="+")
    words = models.PositiveIntegerField(default=0)
    html = models.JSONField(null=True, help_text="The parts as rendered at the first showing")
    plain = models.CharField(max_length=10, null=True, help_text="Why it is shown as plain text")  # noqa: DJ001
    tags = models.JSONField(default=list, blank=True, help_text="Words by which an export can choose: [tag, …]")
    group = models.CharField(max_length=64, blank=True, default="", help_text="Fingerprint of the first prompt like it")

    objects = ImportedQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dataset", "fingerprint"], name="prompt_once_in_a_dataset")]
        indexes = [
            models.Index(fields=["dataset", "id"], condition=Q(group=""), name="prompts_without_a_group"),
            models.Index(fields=["dataset"], condition=Q(plain__isnull=False), name="prompts_shown_plain"),
        ]

    def __str__(self):
        return self.instruction[:80]


class ResponseQuerySet(ImportedQuerySet):
    def with_counts(self):
        """Each response with `chosen`, `rejected` and `tied`: how often votes said so of it."""

        def count_times(side, **strength):
            choices = Choice.objects.of_votes().filter(**{side: OuterRef("pk")}, criterion="", **strength).order_by()
            return Coalesce(Subquery(choices.values(side).annotate(n=Count("pk")).values("n")), 0)

        return self.annotate(
            chosen=count_times("chosen", strength__gt=0),
            rejected=count_times("rejected", strength__gt=0),
            tied=count_times("chosen", strength=0) + count_times("rejected", strength=0),
        )


class Response(models.Model):
    """One candidate answer. `candidate`: compared by the dataset's policy; `demonstration`: a row of every SFT file.

    Source `repair`: a better answer that somebody wrote while judging; it is never shown to its writers.
    """

    REPAIR = "repair"

    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="responses")
    text = models.TextField()
    text_hash = models.CharField(max_length=64)
    source = models.CharField(max_length=200, blank=True)
    candidate = models.BooleanField(default=False)
    demonstration = models.BooleanField(default=False)
    imported = models.ForeignKey(Import, models.CASCADE, null=True, related_name="+")
    writers = models.ManyToManyField(settings.AUTH_USER_MODEL, related_name="+", help_text="Of a repair: who wrote it")
    words = models.PositiveIntegerField(default=0)
    html = models.TextField(null=True, help_text="The text as rendered at the first showing")  # noqa: DJ001
    plain = models.CharField(max_length=10, null=True, help_text="Why it is shown as plain text")  # noqa: DJ001

    objects = ResponseQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["prompt", "source", "text_hash"], name="response_once_of_a_source")
        ]
        indexes = [models.Index(fields=["prompt"], condition=Q(plain__isnull=False), name="responses_shown_plain")]

    def __str__(self):
        return self.text[:80]


class RoleGiven(models.Model):
    """An import gave a response that was there before a further role. Undoing the import takes it back."""

    imported = models.ForeignKey(Import, models.CASCADE, related_name="roles_given")
    response = models.ForeignKey(Response, models.CASCADE, related_name="+")
    role = models.CharField(max_length=20)

    def __str__(self):
        return f"{self.response_id}: {self.role}"


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


class Guideline(models.Model):
    """A guideline as it once stood. Judgments name its number."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="guidelines")
    number = models.PositiveIntegerField(help_text="From 1, within the dataset")
    text = models.TextField(blank=True)
    criteria = models.JSONField(default=list, blank=True, help_text="As they stood: each has a guideline of its own")
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    made_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["dataset", "number"], name="guideline_once_in_a_dataset")]

    def __str__(self):
        return f"{self.dataset_id}: {self.number}"


class Change(models.Model):
    """A line of the log: who changed what, when, from what to what. It outlives the people and the dataset."""

    class Kind(models.TextChoices):
        SETTING = "setting", _("setting")
        GUIDELINE = "guideline", _("guideline")
        MEMBER = "member", _("member")
        JUDGMENT = "judgment", _("judgment")
        GOLD = "gold", _("known answer")
        PERSON = "person", _("person")
        FLAG = "flag", _("flag")
        IMPORT = "import", _("import")
        DATASET = "dataset", _("dataset")

    at = models.DateTimeField(auto_now_add=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    by_name = models.CharField(max_length=150, blank=True, help_text="As it was then; empty: a command")
    dataset = models.ForeignKey(Dataset, models.SET_NULL, null=True, related_name="changes")
    slug = models.CharField(max_length=80, blank=True, help_text="Of the dataset, as it was then")
    kind = models.CharField(max_length=10, choices=Kind)
    what = models.CharField(max_length=200, help_text="Which setting, person, judgment")
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)

    class Meta:
        indexes = [models.Index(fields=["dataset", "id"], name="changes_of_a_dataset")]

    def __str__(self):
        return f"{self.kind} {self.what}"


class Likeness(models.Model):
    """One of the marks of a prompt that near-duplicates share, see datasets/splits.py."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="+")
    prompt = models.ForeignKey(Prompt, models.CASCADE, related_name="+")
    mark = models.BigIntegerField()

    class Meta:
        indexes = [models.Index(fields=["dataset", "mark"], name="prompts_alike")]

    def __str__(self):
        return f"{self.prompt_id}: {self.mark}"


class Snapshot(models.Model):
    """A bundle as it was made: an archive that stays the same, whatever becomes of judgments and people."""

    dataset = models.ForeignKey(Dataset, models.CASCADE, related_name="snapshots")
    number = models.PositiveIntegerField(help_text="From 1, within the dataset")
    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=150, blank=True, help_text="The name as it was then")
    manifest = models.JSONField()
    size = models.PositiveBigIntegerField(help_text="Bytes")
    sha256 = models.CharField(max_length=64)
    is_whole = models.BooleanField(default=False, help_text="All its parts are there")

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["dataset", "number"], name="snapshot_once_in_a_dataset")]

    def __str__(self):
        return f"{self.dataset.slug}-{self.number}"


class SnapshotPart(models.Model):
    """A piece of a snapshot's archive. In the database, so that each machine has it, and each backup."""

    snapshot = models.ForeignKey(Snapshot, models.CASCADE, related_name="parts")
    number = models.PositiveIntegerField()
    data = models.BinaryField()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["snapshot", "number"], name="part_once_in_a_snapshot")]

    def __str__(self):
        return f"{self.snapshot_id}: {self.number}"


class Job(models.Model):
    """A task in the background, see datasets/jobs/worker.py."""

    class State(models.TextChoices):
        WAITING = "waiting", _("waiting")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    OPEN = (State.WAITING, State.RUNNING)

    kind = models.CharField(max_length=20)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    dataset = models.ForeignKey(Dataset, models.CASCADE, null=True, related_name="jobs")
    arguments = models.JSONField(default=dict)
    secret = models.TextField(blank=True, default="", help_text="Sealed, see datasets/sealing.py; gone once it ends")
    language = models.CharField(max_length=10, blank=True, help_text="Of whoever asked, for what went wrong")
    result = models.JSONField(default=dict)
    error = models.TextField(blank=True)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0, help_text="0: not known")
    cancel = models.BooleanField(default=False, help_text="Somebody asked for it")
    attempts = models.PositiveSmallIntegerField(default=0)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    beat_at = models.DateTimeField(null=True, help_text="When its worker was last alive")
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["id"], condition=Q(state__in=["waiting", "running"]), name="open_jobs")]
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=["waiting", "running"]) | Q(secret=""), name="a_task_that_ended_keeps_no_secret"
            )
        ]

    def __str__(self):
        return f"{self.pk}: {self.kind}"

    @property
    def is_open(self):
        return self.state in self.OPEN

    @property
    def share(self):
        """How much of it is done, 0 to 1; None where that is not known."""
        return min(1.0, self.done / self.total) if self.total else None

    @property
    def seconds_left(self):
        """As fast as so far; None where that cannot be told yet."""
        if self.state != self.State.RUNNING or not self.share or not self.started_at:
            return None
        so_far = (timezone.now() - self.started_at).total_seconds()
        return so_far * (1 - self.share) / self.share if so_far > 2 else None
