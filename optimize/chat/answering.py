"""Asks the models for the answers of a turn, and puts two different answers before the person.

Answers come in rounds: a round is one answer of each of the turn's versions, or two of the same one. If the person has
judged the two already, or they are the same, another round follows, at most ROUNDS of them.
"""

import random
from collections.abc import Callable, Sequence

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from annotate.queue.lease import lease_comparison, lock_membership
from datasets.db.write_lock import write_turn
from datasets.models import Comparison, Judgment, Response
from optimize.chat.talks import list_places
from optimize.chat.verdicts import choose_answer
from optimize.models import Turn
from optimize.prompt_answers import ensure_generations, fetch_missing, store_missing
from optimize.prompts import ensure_comparison

ROUNDS = 3

Done = Callable[[], object]  # called now and then; raises to stop


def answer_turn(turn: Turn, is_wanted: Done) -> None:
    """Gets the answers of a turn that was asked, and leaves it answered, over or failed."""
    judged: Judgment | None = None
    responses: list[Response] = []
    for round_ in range(turn.round, turn.round + ROUNDS):
        is_wanted()
        rows = ensure_generations(turn.prompt, list_places(turn.versions, round_))
        answers = fetch_missing(rows)
        with write_turn(), transaction.atomic():  # one for all: each transaction makes those who judge wait
            lock_membership(turn.chat.user_id, turn.chat.dataset_id)
            failure = store_missing(rows, answers)
            if failure:
                finish_turn(turn, Turn.State.FAILED, error=failure)
                return
            responses = [row.response for row in rows if row.response is not None]
            if is_same(responses):
                continue
            offered = show_answers(turn, round_, responses)
        if offered is None:
            return
        judged = offered
    if judged:
        finish_turn(
            turn, Turn.State.OVER, comparison=judged.comparison, judgment=judged, chosen_id=choose_answer(judged)
        )
    else:
        finish_turn(turn, Turn.State.OVER, chosen=responses[0])


def is_same(responses: Sequence[Response]) -> bool:
    """Whether there is nothing to choose: two answers with the same text."""
    return len(responses) > 1 and len({response.text_hash for response in responses}) == 1


def show_answers(turn: Turn, round_: int, responses: Sequence[Response]) -> Judgment | None:
    """Puts the answers before the person. Returns their standing judgment instead, if they have judged them already.

    Runs in the caller's transaction, which has locked the person's membership.
    """
    if not Turn.objects.filter(pk=turn.pk, state=Turn.State.ASKED).exists():  # deleted, or asked again
        return None
    comparison = ensure_comparison(turn.prompt, responses)
    judgment = Judgment.objects.filter(
        comparison=comparison, annotator=turn.chat.user_id, purpose=Judgment.Purpose.VOTE
    )
    mine = judgment.exclude(state=Judgment.State.SKIPPED).select_related("comparison", "dataset").first()
    if mine and mine.state in Judgment.STANDING:
        return mine
    if mine is None:
        mine = create_judgment(turn, comparison)
    elif comparison.held != Comparison.CHAT and mine.state == Judgment.State.EXPIRED and comparison.open_slots <= 0:
        add_slot(comparison)
    finish_turn(turn, Turn.State.ANSWERED, round=round_, comparison=comparison, judgment=mine)
    return None


def create_judgment(turn: Turn, comparison: Comparison) -> Judgment:
    """The person's judgment of two answers of a chat.

    It starts in the state of an expired lease, which takes no place among what the queue holds ready for them. Each
    person who chats wants one judgment more of the comparison, so that none is surplus.
    """
    if comparison.held != Comparison.CHAT:  # the queue may give it to others meanwhile
        if comparison.open_slots <= 0:
            add_slot(comparison)
        return lease_comparison(turn.chat.user_id, comparison)
    add_slot(comparison)
    return Judgment.objects.create(
        comparison=comparison,
        dataset_id=comparison.dataset_id,
        annotator_id=turn.chat.user_id,
        state=Judgment.State.EXPIRED,
        order=random.sample(comparison.response_ids, len(comparison.response_ids)),
        leased_at=timezone.now(),
    )


def add_slot(comparison: Comparison) -> None:
    """One judgment more is wanted of a comparison, so that this person's is no surplus."""
    slots = Comparison.objects.filter(pk=comparison.pk)
    slots.update(wanted=F("wanted") + 1, open_slots=F("open_slots") + 1)


def finish_turn(turn: Turn, state: Turn.State, **values: object) -> None:
    """Moves a turn on from ASKED; one that was changed meanwhile stays."""
    with write_turn():
        asked = Turn.objects.filter(pk=turn.pk, state=Turn.State.ASKED)
        asked.update(state=state, answered_at=timezone.now(), **values)
