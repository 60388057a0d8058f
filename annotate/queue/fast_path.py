"""Save a verdict and lease the next comparison: the act that must be fast, as short SQL, one text for each database.

Only the plain case goes this way: the person holds the judgment, a verdict, no repair. Whatever else there is changes
nothing here and takes the long way of judging/record.py and lease.py. tests/test_queue.py holds both texts, and the
long way, against the same table of scenarios.
"""

import json
import random
from dataclasses import dataclass
from datetime import timedelta

import psycopg
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from datasets.db.write_lock import writing
from datasets.models import Comparison, Judgment
from datasets.text.rendered import TEXT_TO_RENDER

SKIP_HIDES = timedelta(days=1)
MOST = 2**63 - 1
PASSES_OVER = connection.vendor == "postgresql"
LOCK = "FOR UPDATE OF c SKIP LOCKED" if PASSES_OVER else ""

# One text for both databases but for the row lock. A comparison that this person has in hand, has judged, has skipped
# within a day, or is barred from, is passed over. The partial index `next_comparison` makes it one indexed walk.
WANTED = """
    FROM datasets_comparison c
    WHERE c.dataset_id = %(dataset)s AND c.open_slots > 0 AND c.held = ''
      AND (c.priority, c.id) > ({priority}, {position})
      AND NOT EXISTS (
        SELECT 1 FROM datasets_judgment j
        WHERE j.comparison_id = c.id AND j.annotator_id = %(user)s
          AND (j.state IN ('leased', 'saved', 'reopened') OR (j.state = 'skipped' AND j.decided_at > %(hidden_since)s)))
      AND NOT EXISTS (
        SELECT 1 FROM datasets_comparison_barred b WHERE b.comparison_id = c.id AND b.user_id = %(user)s)
"""
FIRST = " ORDER BY c.priority, c.id LIMIT 1 "
NEXT = "SELECT c.id" + WANTED.format(priority="%(priority)s", position="%(position)s") + FIRST
FOUND = NEXT.replace("SELECT c.id", "SELECT c.id, c.priority, c.key, c.prompt_id, c.task")

# PostgreSQL: one statement. Its parts see the database as it was when it began: where that has changed since (two
# requests of one person at once), a constraint refuses the whole, and the long way is taken.
WORK = ", ".join(f"'{purpose}'" for purpose in Judgment.WORK)
MINE = f"annotator_id = %(user)s AND dataset_id = %(dataset)s AND purpose IN ({WORK})"
POSTGRESQL = f"""
    WITH me AS MATERIALIZED (
      SELECT id, priority, position, paused_at FROM annotate_membership
      WHERE user_id = %(user)s AND dataset_id = %(dataset)s FOR UPDATE
    ), saved AS (
      UPDATE datasets_judgment SET state = 'saved', verdict = %(verdict)s, said = %(said)s::jsonb,
        seconds = GREATEST(0, LEAST(%(seconds)s, EXTRACT(EPOCH FROM %(now)s - leased_at))), decided_at = %(now)s,
        guideline = %(guideline)s, revision = datasets_judgment.revision + 1
      FROM me WHERE datasets_judgment.id = %(judgment)s AND {MINE} AND revision = %(revision)s AND state = 'leased'
      RETURNING datasets_judgment.id
    ), stated AS (
      INSERT INTO datasets_choice (judgment_id, criterion, chosen_id, rejected_id, strength, rank_gap)
      SELECT saved.id, x.criterion, x.chosen, x.rejected, x.strength, x.rank_gap
      FROM saved, jsonb_to_recordset(%(choices)s::jsonb)
        AS x (criterion text, chosen bigint, rejected bigint, strength smallint, rank_gap smallint)
    ), rated AS (
      INSERT INTO datasets_rating (judgment_id, criterion, response_id, stars)
      SELECT saved.id, x.criterion, x.response, x.stars
      FROM saved, jsonb_to_recordset(%(ratings)s::jsonb) AS x (criterion text, response bigint, stars smallint)
    ), renewed AS (
      UPDATE datasets_judgment SET lease_until = %(lease_until)s FROM saved
      WHERE {MINE} AND state = 'leased' AND lease_until < %(renew_before)s AND datasets_judgment.id <> saved.id
    ), hand AS MATERIALIZED (
      SELECT count(*) <= %(kept_ready)s AND (SELECT paused_at IS NULL FROM me) AS is_free FROM datasets_judgment
      WHERE {MINE} AND state = 'leased' AND id <> %(judgment)s
    ), found AS MATERIALIZED (
      SELECT c.id, c.priority, c.key, c.prompt_id, c.task
      {WANTED.format(priority="(SELECT priority FROM me)", position="(SELECT position FROM me)")}
        AND EXISTS (SELECT 1 FROM saved) AND (SELECT is_free FROM hand)
      {FIRST} {LOCK}
    ), taken AS (
      UPDATE datasets_comparison SET open_slots = open_slots - 1 FROM found WHERE datasets_comparison.id = found.id
    ), moved AS (
      UPDATE annotate_membership SET judged = judged + 1,
        priority = COALESCE((SELECT priority FROM found), annotate_membership.priority),
        position = COALESCE((SELECT id FROM found), annotate_membership.position)
      FROM saved WHERE user_id = %(user)s AND dataset_id = %(dataset)s
      RETURNING judged
    ), leased AS (
      INSERT INTO datasets_judgment (comparison_id, dataset_id, annotator_id, purpose, state, revision, "order",
        verdict, said, flag, surplus, guideline, leased_at, lease_until, imported_by, imported_from)
      SELECT found.id, %(dataset)s, %(user)s, 'vote', 'leased', 0,
        (SELECT jsonb_agg(pk ORDER BY random())
          FROM unnest(string_to_array(rtrim(found.key, 'r'), '-')::bigint[]) AS pk),
        '', '{{}}', '', false, 0, %(now)s, %(lease_until)s, '', ''
      FROM found RETURNING id, "order"
    )
    SELECT moved.judged, hand.is_free, leased.id, leased."order"::text, found.id, found.prompt_id, found.task,
      (SELECT html::text FROM datasets_prompt WHERE id = found.prompt_id),
      (SELECT jsonb_object_agg(id, jsonb_build_array(html, {TEXT_TO_RENDER}))::text FROM datasets_response
        WHERE id = ANY (string_to_array(rtrim(found.key, 'r'), '-')::bigint[]))
    FROM moved CROSS JOIN hand LEFT JOIN found ON true LEFT JOIN leased ON true
"""

SAVE = f"""
    UPDATE datasets_judgment SET state = 'saved', verdict = %(verdict)s, said = %(said)s, seconds = %(seconds)s,
      decided_at = %(now)s, guideline = %(guideline)s, revision = revision + 1
    WHERE id = %(judgment)s AND {MINE} AND revision = %(revision)s AND state = 'leased'
"""
STATE = """
    INSERT INTO datasets_choice (judgment_id, criterion, chosen_id, rejected_id, strength, rank_gap)
    VALUES (%s, %s, %s, %s, %s, %s)
"""
RATE = "INSERT INTO datasets_rating (judgment_id, criterion, response_id, stars) VALUES (%s, %s, %s, %s)"
HAND = f"SELECT lease_until < %(renew_before)s FROM datasets_judgment WHERE {MINE} AND state = 'leased'"
RENEW = f"UPDATE datasets_judgment SET lease_until = %(lease_until)s WHERE {MINE} AND state = 'leased'"
STANDING = """
    SELECT id, priority, position, judged, paused_at IS NULL FROM annotate_membership
    WHERE user_id = %s AND dataset_id = %s
"""
TAKE = "UPDATE datasets_comparison SET open_slots = open_slots - 1 WHERE id = %s"
MOVE = "UPDATE annotate_membership SET judged = judged + 1, priority = %s, position = %s WHERE id = %s"
LEASE = """
    INSERT INTO datasets_judgment (comparison_id, dataset_id, annotator_id, purpose, state, revision, "order",
      verdict, said, flag, surplus, guideline, leased_at, lease_until, imported_by, imported_from)
    VALUES (%s, %s, %s, 'vote', 'leased', 0, %s, '', '{}', '', false, 0, %s, %s, '', '')
"""


@dataclass(frozen=True)
class Saved:
    """What came of the short way. judged: how many verdicts of the person stand; next: the judgment that was leased to
    them, None where nothing was; is_free: whether they might have had one."""

    judged: int
    next: Judgment | None
    is_free: bool


def save_and_lease(judgment, act, choices, ratings):
    """Save a verdict on a judgment in hand and lease the next comparison to the same person. Saved, or None where this
    is not the plain case: then nothing has changed. In a dataset that mixes in what it knows already it is saved only:
    whatever comes next is then leased in one and the same way.

    act: a forms.Act. choices, ratings: as Asked states them.
    """
    now, dataset = timezone.now(), judgment.dataset
    minutes = timedelta(minutes=dataset.lease_minutes)
    elapsed = max(0.0, (now - judgment.leased_at).total_seconds())  # a clock may be set back
    parameters = {
        "judgment": judgment.pk,
        "revision": judgment.revision,
        "user": judgment.annotator_id,
        "dataset": dataset.pk,
        "verdict": act.verdict,
        "said": json.dumps(act.said),
        "seconds": elapsed if act.seconds is None else min(act.seconds, elapsed),
        "now": moment(now),
        "lease_until": moment(now + minutes),
        "renew_before": moment(now + minutes / 2),
        "hidden_since": moment(now - SKIP_HIDES),
        "kept_ready": -1 if dataset.mixes else dataset.kept_ready,
        "guideline": dataset.guideline_number,
    }
    try:
        found = (in_one_statement if PASSES_OVER else in_one_transaction)(parameters, choices, ratings)
    except IntegrityError:
        return None
    if found is None:
        return None
    judged, is_free, *lease = found
    return Saved(judged, lease_of(judgment, now + minutes, *lease) if lease[0] else None, bool(is_free))


def lease_of(judgment, until, pk, order, comparison, prompt, task, parts=None, htmls=None):
    """The judgment that was leased beside this one, as it stands in the database; `kept`: the HTML that was read with
    it, as of rendering.kept."""
    person = {"annotator": judgment.annotator, "dataset": judgment.dataset}
    comparison = Comparison(pk=comparison, prompt_id=prompt, task=task)
    leased = Judgment(pk=pk, order=json.loads(order), comparison=comparison, lease_until=until, **person)
    if htmls:
        leased.kept = parts and json.loads(parts), {int(pk): html for pk, html in json.loads(htmls).items()}
    return leased


THE_ONE = """
    SELECT j.id, j.annotator_id, j.dataset_id, j.comparison_id, j.purpose, j.state, j.revision, j."order", j.verdict,
      j.said, j.flag, j.leased_at, j.lease_until, c.prompt_id AS of_prompt, c.task AS of_task
    FROM datasets_judgment j JOIN datasets_comparison c ON c.id = j.comparison_id
    WHERE j.id = %s AND j.annotator_id = %s AND j.dataset_id = %s
"""


def judgment_of(user, dataset, pk):
    """The person's judgment of this id, as much of it as showing and answering takes; None where it is not theirs."""
    if pk > MOST:
        return None
    for judgment in Judgment.objects.raw(THE_ONE, [pk, user.pk, dataset.pk]):
        judgment.annotator, judgment.dataset = user, dataset
        judgment.comparison = Comparison(pk=judgment.comparison_id, prompt_id=judgment.of_prompt, task=judgment.of_task)
        return judgment
    return None


def in_one_statement(parameters, choices, ratings):
    names = ("criterion", "chosen", "rejected", "strength", "rank_gap")
    parameters["choices"] = json.dumps([dict(zip(names, choice, strict=True)) for choice in choices])
    names = ("criterion", "response", "stars")
    parameters["ratings"] = json.dumps([dict(zip(names, rating, strict=True)) for rating in ratings])
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(POSTGRESQL, parameters, prepare=True)  # to read and to plan it takes as long as to run it
        return cursor.fetchone()


def in_one_transaction(parameters, choices, ratings):
    judgment, user, dataset = parameters["judgment"], parameters["user"], parameters["dataset"]
    with writing(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(SAVE, parameters)
        if cursor.rowcount != 1:
            return None
        cursor.executemany(STATE, [(judgment, *choice) for choice in choices])
        if ratings:
            cursor.executemany(RATE, [(judgment, *rating) for rating in ratings])
        cursor.execute(HAND, parameters)
        hand = cursor.fetchall()
        if any(ends_soon for (ends_soon,) in hand):
            cursor.execute(RENEW, parameters)
        cursor.execute(STANDING, [user, dataset])
        membership, priority, position, judged, is_at_work = cursor.fetchone()
        is_free = is_at_work and len(hand) <= parameters["kept_ready"]
        found = lease = None
        if is_free:
            cursor.execute(FOUND, parameters | {"priority": priority, "position": position})
            found = cursor.fetchone()
        if found:
            position, priority, key, prompt, task = found
            cursor.execute(TAKE, [position])
            ids = [int(pk) for pk in key.removesuffix("r").split("-")]
            order = json.dumps(random.sample(ids, len(ids)))
            until = parameters["lease_until"]
            cursor.execute(LEASE, [position, dataset, user, order, parameters["now"], until])
            lease = cursor.lastrowid, order, position, prompt, task
        cursor.execute(MOVE, [priority, position, membership])
    return judged + 1, is_free, *(lease or [None] * 5)


def moment(at):
    """A time as the database takes it in a statement of our own."""
    return connection.ops.adapt_datetimefield_value(at)
