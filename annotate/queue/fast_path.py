"""The fast path: saves a verdict and leases the next comparison in short SQL, written once for each database.

Covers only the plain case: a verdict without repairs on a judgment that the person holds. Every other case changes
nothing here and takes the slow path of judging/record.py and lease.py. tests/test_fast_path.py runs both SQL versions
and the slow path against the same table of scenarios.
"""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
from django.db import IntegrityError, connection, transaction
from django.db.models import Model
from django.utils import timezone

from annotate.day import LATEST, Day, compute_pace
from annotate.queue.places import get_ring_size
from datasets.db.write_lock import write_turn
from datasets.models import Choice, Comparison, Dataset, Judgment, Rating
from datasets.text.rendered import HTML_SQL

if TYPE_CHECKING:
    from django.db.models.query import RawQuerySet

    from annotate.judging.forms import Submission
    from annotate.judging.question_spec import ChoiceRow, RatingRow
    from annotate.models import User
    from datasets.text.rendered import StoredHtml

SKIP_COOLDOWN = timedelta(days=1)
MAX_ID = 2**63 - 1
SKIPS_LOCKED = connection.vendor == "postgresql"
LOCK = "FOR UPDATE OF c SKIP LOCKED" if SKIPS_LOCKED else ""

CHOICE_FIELDS = ("criterion", "chosen", "rejected", "strength", "rank_gap")  # question_spec.ChoiceRow
RATING_FIELDS = ("criterion", "response", "stars")  # question_spec.RatingRow


def build_search(columns: str, priority: str, position: str, end: str, condition: str = "true") -> str:
    """SQL that finds the first comparison after a queue position, in its ring, that a person may be given.

    Skips comparisons that they hold, have judged, skipped within SKIP_COOLDOWN, or are barred from. Walks the partial
    index `next_comparison`. The same for both databases, except for the row lock, which the caller appends.

    columns, priority, position, condition: SQL expressions. end: of the ring (queue/places.py), likewise.
    """
    return f"""
      SELECT {columns} FROM datasets_comparison c
      WHERE c.dataset_id = %(dataset)s AND c.open_slots > 0 AND c.held = ''
        AND (c.priority, c.id) > ({priority}, {position}) AND c.priority < {end}
        AND NOT EXISTS (
          SELECT 1 FROM datasets_judgment j
          WHERE j.comparison_id = c.id AND j.annotator_id = %(user)s AND (j.state IN ('leased', 'saved', 'reopened')
            OR (j.state = 'skipped' AND j.decided_at > %(hidden_since)s)))
        AND NOT EXISTS (
          SELECT 1 FROM datasets_comparison_barred b WHERE b.comparison_id = c.id AND b.user_id = %(user)s)
        AND {condition}
      ORDER BY c.priority, c.id LIMIT 1
    """


def build_insert(model: type[Model], source: str, /, **values: str) -> str:
    """An INSERT … SELECT of whole rows that fills fields without a value with the model's default.

    source: FROM clause of the SELECT, "" for a single row. values: {field name: SQL expression}.

    Raises TypeError for a non-null field with neither value nor default, so that no new field is forgotten here.
    """
    columns, expressions = [], []
    for field in model._meta.concrete_fields:
        default = None if field.primary_key else field.get_default()
        expression = values.get(field.name) or (None if default is None else build_literal(default))
        if expression is None and not (field.null or field.primary_key):
            raise TypeError(f"{field} has no value and no default")
        if expression is not None:
            assert field.column is not None
            columns.append(connection.ops.quote_name(field.column))
            expressions.append(expression)
    return f"INSERT INTO {model._meta.db_table} ({', '.join(columns)}) SELECT {', '.join(expressions)} {source}"


def build_literal(value: Any) -> str:
    """A field's default as an SQL literal."""
    if isinstance(value, bool | int):
        return str(value).lower()
    return f"'{json.dumps(value) if isinstance(value, dict) else value}'"


NEXT_ID = build_search("c.id", "%(priority)s", "%(position)s", "%(end)s")
NEXT_PRIORITY = build_search("c.priority", "%(priority)s", "%(position)s", "%(end)s")
NEXT_ROW = build_search("c.id, c.priority, c.key, c.prompt_id, c.task", "%(priority)s", "%(position)s", "%(end)s")

# PostgreSQL: one statement. All its parts see the snapshot from its start: after a concurrent change (two simultaneous
# requests of one person) a constraint rejects the whole statement, and the act takes the slow path.
WORK = ", ".join(f"'{purpose}'" for purpose in Judgment.WORK)
MINE = f"annotator_id = %(user)s AND dataset_id = %(dataset)s AND purpose IN ({WORK})"
# Not paused, nor asked to qualify again (see needs_practice in queue/lease.py).
MAY_WORK = "(paused_at IS NULL AND (practice_first = 1 OR practised_at IS NOT NULL OR NOT %(practice)s))"
INSERT_CHOICES = build_insert(
    Choice,
    """FROM saved, jsonb_to_recordset(%(choices)s::jsonb)
        AS x (criterion text, chosen bigint, rejected bigint, strength smallint, rank_gap smallint)""",
    judgment="saved.id",
    **{name: f"x.{name}" for name in CHOICE_FIELDS},
)
INSERT_RATINGS = build_insert(
    Rating,
    "FROM saved, jsonb_to_recordset(%(ratings)s::jsonb) AS x (criterion text, response bigint, stars smallint)",
    judgment="saved.id",
    **{name: f"x.{name}" for name in RATING_FIELDS},
)
RESPONSE_IDS = "string_to_array(rtrim(found.key, 'r'), '-')::bigint[]"
INSERT_LEASE = build_insert(
    Judgment,
    "FROM found",
    comparison="found.id",
    dataset="%(dataset)s",
    annotator="%(user)s",
    order=f"(SELECT jsonb_agg(pk ORDER BY random()) FROM unnest({RESPONSE_IDS}) AS pk)",
    leased_at="%(now)s",
    lease_until="%(lease_until)s",
)
NEXT_FOUND = build_search(
    "c.id, c.priority, c.key, c.prompt_id, c.task",
    "(SELECT priority FROM me)",
    "(SELECT position FROM me)",
    "(SELECT ring_end FROM me)",
    "EXISTS (SELECT 1 FROM saved) AND (SELECT is_free AND priority >= 0 FROM hand, me)",
)
POSTGRESQL_SAVE = f"""
    WITH me AS MATERIALIZED (
      SELECT id, priority, position, (priority / %(ring)s + 1) * %(ring)s AS ring_end, {MAY_WORK} AS may_work
      FROM annotate_membership
      WHERE user_id = %(user)s AND dataset_id = %(dataset)s FOR UPDATE
    ), saved AS (
      UPDATE datasets_judgment SET state = 'saved', verdict = %(verdict)s, said = %(said)s::jsonb, draft = NULL,
        seconds = GREATEST(0, LEAST(%(seconds)s, EXTRACT(EPOCH FROM %(now)s - leased_at))), decided_at = %(now)s,
        guideline = %(guideline)s, revision = datasets_judgment.revision + 1
      FROM me WHERE datasets_judgment.id = %(judgment)s AND {MINE} AND revision = %(revision)s AND state = 'leased'
      RETURNING datasets_judgment.id
    ), stated AS (
      {INSERT_CHOICES}
    ), rated AS (
      {INSERT_RATINGS}
    ), renewed AS (
      UPDATE datasets_judgment SET lease_until = %(lease_until)s FROM saved
      WHERE {MINE} AND state = 'leased' AND lease_until < %(renew_before)s AND datasets_judgment.id <> saved.id
    ), hand AS MATERIALIZED (
      SELECT count(*) <= %(kept_ready)s AND (SELECT may_work FROM me) AS is_free FROM datasets_judgment
      WHERE {MINE} AND state = 'leased' AND id <> %(judgment)s
    ), found AS MATERIALIZED (
      {NEXT_FOUND} {LOCK}
    ), taken AS (
      UPDATE datasets_comparison SET open_slots = open_slots - 1 FROM found WHERE datasets_comparison.id = found.id
    ), moved AS (
      UPDATE annotate_membership SET judged = judged + 1, day = %(today)s,
        judged_today = CASE WHEN day = %(today)s THEN judged_today + 1 ELSE 1 END,
        pace = CASE WHEN day = %(today)s AND pace IS NOT NULL
          THEN pace + (%(counted_seconds)s - pace) / LEAST(judged_today + 1, {LATEST}) ELSE %(counted_seconds)s END,
        priority = COALESCE((SELECT priority FROM found), annotate_membership.priority),
        position = COALESCE((SELECT id FROM found), annotate_membership.position)
      FROM saved WHERE user_id = %(user)s AND dataset_id = %(dataset)s
      RETURNING judged, judged_today, pace
    ), leased AS (
      {INSERT_LEASE} RETURNING id, "order"
    )
    SELECT moved.judged, moved.judged_today, moved.pace, hand.is_free, leased.id, leased."order"::text, found.id,
      found.prompt_id, found.task,
      (SELECT ({HTML_SQL})::text FROM datasets_prompt WHERE id = found.prompt_id),
      (SELECT jsonb_object_agg(id, jsonb_build_array({HTML_SQL}, text, reasoning))::text FROM datasets_response
        WHERE id = ANY ({RESPONSE_IDS}))
    FROM moved CROSS JOIN hand LEFT JOIN found ON true LEFT JOIN leased ON true
"""

# SQLite: short statements in one transaction.
SAVE = f"""
    UPDATE datasets_judgment SET state = 'saved', verdict = %(verdict)s, said = %(said)s, seconds = %(seconds)s,
      draft = NULL, decided_at = %(now)s, guideline = %(guideline)s, revision = revision + 1
    WHERE id = %(judgment)s AND {MINE} AND revision = %(revision)s AND state = 'leased'
"""
SAVE_CHOICE = build_insert(Choice, "", **{name: f"%({name})s" for name in ("judgment", *CHOICE_FIELDS)})
SAVE_RATING = build_insert(Rating, "", **{name: f"%({name})s" for name in ("judgment", *RATING_FIELDS)})
HELD_LEASES = f"SELECT lease_until < %(renew_before)s FROM datasets_judgment WHERE {MINE} AND state = 'leased'"
RENEW = f"UPDATE datasets_judgment SET lease_until = %(lease_until)s WHERE {MINE} AND state = 'leased'"
MEMBERSHIP = f"""
    SELECT id, priority, position, {MAY_WORK}, judged, CASE WHEN day = %(today)s THEN judged_today ELSE 0 END, pace
    FROM annotate_membership WHERE user_id = %(user)s AND dataset_id = %(dataset)s
"""
TAKE_SLOT = "UPDATE datasets_comparison SET open_slots = open_slots - 1 WHERE id = %s"
ADVANCE = """
    UPDATE annotate_membership SET priority = %s, position = %s, judged = %s, judged_today = %s, pace = %s, day = %s
    WHERE id = %s
"""
LEASE = build_insert(
    Judgment,
    "",
    comparison="%(comparison)s",
    dataset="%(dataset)s",
    annotator="%(user)s",
    order="%(order)s",
    leased_at="%(now)s",
    lease_until="%(lease_until)s",
)


@dataclass(frozen=True)
class FastSave:
    """The outcome of the fast path.

    day: of the person in the dataset. next: the judgment leased to them, if any. is_free: whether they may hold another
    one. stored_html: of `next`, where it was read with it.
    """

    day: Day
    next: Judgment | None
    is_free: bool
    stored_html: "StoredHtml | None" = None


def save_and_lease(
    judgment: Judgment,
    submission: "Submission",
    choices: Sequence["ChoiceRow"],
    ratings: Sequence["RatingRow"],
) -> FastSave | None:
    """Saves a verdict on a leased judgment and leases the next comparison to the same person.

    Returns None if this is not the plain case; then nothing has changed. Leases nothing to a person who reached the end
    of a ring or has yet to begin one: queue/lease.py finds their next place. A dataset that mixes in gold questions or
    repeats only saves here: every next comparison is then leased by the same code, so that none can be distinguished.
    """
    now, dataset = timezone.now(), judgment.dataset
    minutes = timedelta(minutes=dataset.lease_minutes)
    assert judgment.leased_at is not None
    elapsed = max(0.0, (now - judgment.leased_at).total_seconds())  # the clock may have been set back
    seconds = elapsed if submission.seconds is None else min(submission.seconds, elapsed)
    parameters = {
        "judgment": judgment.pk,
        "revision": judgment.revision,
        "user": judgment.annotator_id,
        "dataset": dataset.pk,
        "verdict": submission.verdict,
        "said": json.dumps(submission.said),
        "seconds": seconds,
        "counted_seconds": compute_pace(None, 1, seconds),
        "today": connection.ops.adapt_datefield_value(timezone.localdate()),
        "now": adapt_time(now),
        "lease_until": adapt_time(now + minutes),
        "renew_before": adapt_time(now + minutes / 2),
        "hidden_since": adapt_time(now - SKIP_COOLDOWN),
        "kept_ready": -1 if dataset.mixes else dataset.kept_ready,
        "guideline": dataset.guideline_number,
        "ring": get_ring_size(dataset),
        "practice": dataset.practice > 0,
    }
    choice_rows = [dict(zip(CHOICE_FIELDS, choice, strict=True)) for choice in choices]
    rating_rows = [dict(zip(RATING_FIELDS, rating, strict=True)) for rating in ratings]
    try:
        row = (save_in_statement if SKIPS_LOCKED else save_in_transaction)(parameters, choice_rows, rating_rows)
    except IntegrityError:
        return None
    if row is None:
        return None
    judged, today, pace, is_free, pk, order, comparison, prompt, task, *stored_html = row
    day = Day(judged, today, pace)
    if not pk:
        return FastSave(day, None, bool(is_free))
    following = build_judgment(judgment, now + minutes, pk, order, comparison, prompt, task)
    return FastSave(day, following, bool(is_free), parse_stored_html(*stored_html))


def build_judgment(
    judgment: Judgment, until: datetime, pk: int, order: str, comparison: int, prompt: int, task: str
) -> Judgment:
    """The judgment leased after this one, without reading it again. order: JSON."""
    return Judgment(
        pk=pk,
        order=json.loads(order),
        comparison=Comparison(pk=comparison, prompt_id=prompt, task=task),
        lease_until=until,
        annotator=judgment.annotator,
        dataset=judgment.dataset,
    )


def parse_stored_html(parts: str | None = None, htmls: str | None = None) -> "StoredHtml | None":
    """What rendered.get_stored_html returns, from the JSON of POSTGRESQL_SAVE; None if the row has none."""
    if not htmls:
        return None
    return json.loads(parts) if parts else None, {int(pk): tuple(answer) for pk, answer in json.loads(htmls).items()}


OWN_JUDGMENT = """
    SELECT j.id, j.annotator_id, j.dataset_id, j.comparison_id, j.purpose, j.state, j.revision, j."order", j.verdict,
      j.said, j.draft, j.flag, j.leased_at, j.lease_until, c.prompt_id AS of_prompt, c.task AS of_task
    FROM datasets_judgment j JOIN datasets_comparison c ON c.id = j.comparison_id
    WHERE j.id = %s AND j.annotator_id = %s AND j.dataset_id = %s
"""


def find_judgment(user: "User", dataset: Dataset, pk: int) -> Judgment | None:
    """The person's judgment with this id, with only the fields that showing and answering need; None if not theirs."""
    if pk > MAX_ID:
        return None
    rows: RawQuerySet[Any] = Judgment.objects.raw(OWN_JUDGMENT, [pk, user.pk, dataset.pk])  # with of_prompt, of_task
    for judgment in rows:
        judgment.annotator, judgment.dataset = user, dataset
        judgment.comparison = Comparison(pk=judgment.comparison_id, prompt_id=judgment.of_prompt, task=judgment.of_task)
        return judgment
    return None


def save_in_statement(
    parameters: dict[str, Any], choices: Sequence[Mapping[str, Any]], ratings: Sequence[Mapping[str, Any]]
) -> tuple[Any, ...] | None:
    """Runs POSTGRESQL_SAVE. Returns its row, or None if the judgment is no longer leased."""
    parameters |= {"choices": json.dumps(choices), "ratings": json.dumps(ratings)}
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(POSTGRESQL_SAVE, parameters, prepare=True)  # parsing and planning take as long as running it
        return cursor.fetchone()


def save_in_transaction(
    parameters: dict[str, Any], choices: Sequence[dict[str, Any]], ratings: Sequence[dict[str, Any]]
) -> tuple[Any, ...] | None:
    """Does the same in short statements, for SQLite. Returns the same row, without the HTML."""
    judgment = parameters["judgment"]
    with write_turn(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(SAVE, parameters)
        if cursor.rowcount != 1:
            return None
        for statement, rows in ((SAVE_CHOICE, choices), (SAVE_RATING, ratings)):
            if rows:
                cursor.executemany(statement, [row | {"judgment": judgment} for row in rows])
        cursor.execute(HELD_LEASES, parameters)
        leases = cursor.fetchall()
        if any(ends_soon for (ends_soon,) in leases):
            cursor.execute(RENEW, parameters)
        cursor.execute(MEMBERSHIP, parameters)
        membership, priority, position, is_at_work, judged, judged_today, pace = cursor.fetchone()
        is_free = is_at_work and len(leases) <= parameters["kept_ready"]
        row = lease = None
        if is_free and priority >= 0:
            ring_end = (priority // parameters["ring"] + 1) * parameters["ring"]
            cursor.execute(NEXT_ROW, parameters | {"priority": priority, "position": position, "end": ring_end})
            row = cursor.fetchone()
        if row:
            position, priority, key, prompt, task = row
            cursor.execute(TAKE_SLOT, [position])
            ids = [int(pk) for pk in key.removesuffix("r").split("-")]
            order = json.dumps(random.sample(ids, len(ids)))
            cursor.execute(LEASE, parameters | {"comparison": position, "order": order})
            lease = cursor.lastrowid, order, position, prompt, task
        day = judged + 1, judged_today + 1, compute_pace(pace, judged_today + 1, parameters["seconds"])
        cursor.execute(ADVANCE, [priority, position, *day, parameters["today"], membership])
    return *day, is_free, *(lease or [None] * 5)


def adapt_time(at: datetime) -> Any:
    """The time in the form that raw SQL passes to this database."""
    return connection.ops.adapt_datetimefield_value(at)
