"""What a person does in a chat: say something, judge the answers, go on. Each act is safe to repeat.

A form carries the chat's key and the number of its turn, a verdict the revision of its judgment: what was sent twice,
or from an old page, changes nothing.
"""

import random
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from annotate.judging.record import record, undo
from annotate.models import User
from annotate.queue.lease import is_excluded, lock_membership
from datasets.db.turns import out_of_turn
from datasets.db.write_lock import write_turn
from datasets.formats import parsers, rows
from datasets.formats.rows import Refusal
from datasets.jobs import worker
from datasets.models import Comparison, Dataset, Job, Judgment
from optimize.chat.verdicts import choose_answer
from optimize.models import Chat, ChatSettings, ModelVersion, Turn
from optimize.prompt_answers import create_missing
from optimize.prompts import check_imports, ensure_prompt
from optimize.versions import find_version

if TYPE_CHECKING:
    from annotate.judging.forms import Submission

KIND = "chat"
EVEN_SHARE = 0.2  # of the pairs that are drawn evenly, where the leading models are drawn more often
MOST_ASKED = 3  # messages of a person that wait for an answer, over all chats
MOST_TURNS = 100
LONGEST_TEXT = 20_000  # characters of one message
LONGEST_CHAT = 200_000  # characters of a chat before one more message
DECIDED = (Judgment.State.SAVED, Judgment.State.SKIPPED)
MOST_ROUNDS = 8  # of answers that a person may ask for after "both bad"


class CannotChat(Exception):
    """An act that is not possible; nothing was changed. reason: a code of optimize.reasons.CHAT."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def find_settings(dataset: Dataset) -> ChatSettings | None:
    """The settings of a dataset's chat; None if it has none."""
    return ChatSettings.objects.filter(dataset=dataset).exclude(names=[]).first()


def find_chat(user: User, dataset: Dataset, key: str = "") -> Chat | None:
    """The person's chat with this key; without a key the newest one that is not over."""
    mine = Chat.objects.filter(user=user, dataset=dataset).order_by("-pk")
    return mine.filter(key=key).first() if key else mine.filter(is_over=False).first()


def find_last_turn(chat: Chat) -> Turn | None:
    """The last turn of a chat, with what its page needs; in short queries: PostgreSQL plans a long join for 10 ms."""
    turn = chat.turns.select_related("prompt", "job").order_by("-number").first()
    if turn is not None:
        turn.chat = chat
        if turn.judgment_id:
            turn.judgment = Judgment.objects.select_related("comparison").get(pk=turn.judgment_id)
            turn.judgment.dataset = chat.dataset
    return turn


def is_waiting(user: User, dataset: Dataset, key: str) -> bool:
    """Whether the last message of a chat waits for its answers; False if its task has ended without them."""
    turns = Turn.objects.filter(chat__user=user, chat__dataset=dataset, chat__key=key).order_by("-number")
    last = turns.values_list("state", "job__state", "job__beat_at", "job__created_at").first()
    if last is None or last[0] != Turn.State.ASKED or last[1] not in Job.OPEN:
        return False
    job = Job(state=last[1], beat_at=last[2], created_at=last[3])
    if worker.is_abandoned(job):
        worker.wake()
    return True


def needs_better(turn: Turn) -> bool:
    """Whether both answers were bad: the person writes a better one, or asks again."""
    return turn.state == Turn.State.OVER and turn.chosen_id is None


def say(user: User, settings: ChatSettings, key: str, number: int, text: str) -> Turn:
    """The turn with these words; the models are asked to answer it.

    key: of the chat, which is begun if there is none.
    number: of the turn, from 1. If there is one already, it is returned as it is.

    Raises CannotChat.
    """
    dataset = settings.dataset
    with out_of_turn():  # strengths may have to be fitted
        versions = draw_versions(settings)
    with write_turn(), transaction.atomic():
        check_admitted(user, dataset)
        chat, _is_new = Chat.objects.get_or_create(user=user, key=key, defaults={"dataset": dataset})
        if chat.dataset_id != dataset.pk:
            raise CannotChat("not_its_turn")
        chat.user, chat.dataset = user, dataset
        there = chat.turns.filter(number=number).select_related("prompt").first()
        if there is not None:
            if there.prompt.instruction == text:
                return there
            raise CannotChat("said_before")
        check_text(text)
        check_free(user)
        last = settle_last(chat)
        if chat.is_over or number != (last.number + 1 if last else 1):
            raise CannotChat("not_its_turn")
        if last and (last.state != Turn.State.OVER or not last.chosen):
            raise CannotChat("not_its_turn")
        group = chat.turns.filter(number=1).values_list("prompt__group", flat=True).first() or ""
        prompt, is_new = ensure_prompt(dataset, build_prompt(text, last), group)
        try:
            check_imports(prompt)
        except Refusal:
            raise CannotChat("importing") from None
        turn = Turn.objects.create(chat=chat, number=number, prompt=prompt, made_prompt=is_new, versions=versions)
        create_missing(prompt, list_places(versions, turn.round))  # spares the worker a transaction
        Chat.objects.filter(pk=chat.pk).update(changed_at=timezone.now())
        ask(turn)
    return turn


def settle_last(chat: Chat) -> Turn | None:
    """The last turn of a chat; if its verdict was changed elsewhere since, the chat goes on from the new one."""
    last = chat.turns.select_related("prompt", "chosen", "judgment").order_by("-number").first()
    judgment = last.judgment if last else None
    if last and judgment and last.state == Turn.State.OVER and is_decided_elsewhere(last, judgment):
        go_on(last, judgment)
        last.refresh_from_db()
    return last


def check_free(user: User) -> None:
    """Raises CannotChat if the models are answering several messages of the person already."""
    if Turn.objects.filter(chat__user=user, state=Turn.State.ASKED).count() >= MOST_ASKED:
        raise CannotChat("busy")


def check_admitted(user: User, dataset: Dataset) -> None:
    """Locks the person's membership. Raises CannotChat if they may not judge in the dataset now."""
    membership = lock_membership(user.pk, dataset.pk)
    if dataset.state != Dataset.State.OPEN:
        raise CannotChat("closed")
    if is_excluded(user, dataset, membership):
        raise CannotChat("paused" if membership.paused_at else "practice")


def check_text(text: str) -> None:
    """Raises CannotChat if a message is empty, too long or cannot be stored."""
    try:
        parsers.parse_text(text, "text")
    except Refusal as refusal:
        raise CannotChat(refusal.reason) from None
    if not text.strip():
        raise CannotChat("nothing_said")
    if len(text) > LONGEST_TEXT:
        raise CannotChat("too_long")


def build_prompt(text: str, last: Turn | None) -> rows.Prompt:
    """The prompt of a message after a turn. Raises CannotChat if the chat is full."""
    if last is None or last.chosen is None:
        return rows.Prompt(text)
    before = [(role, words) for role, words in last.prompt.turns]
    turns = (*before, ("user", last.prompt.instruction), ("assistant", last.chosen.text))
    if last.number >= MOST_TURNS or sum(len(words) for _, words in turns) > LONGEST_CHAT:
        raise CannotChat("full")
    return rows.Prompt(text, turns=turns)


def draw_versions(settings: ChatSettings) -> list[int]:
    """Ids of the versions that answer a turn: two drawn of several models, else twice the same.

    Raises CannotChat if there is no such model any more.
    """
    try:
        versions = [find_version(name) for name in settings.names]
    except ModelVersion.DoesNotExist:
        raise CannotChat("no_model") from None
    count = min(settings.answers, len(versions))
    if settings.leaders and len(versions) > count and random.random() >= EVEN_SHARE:
        from optimize.policy.arms import draw_leaders  # with the numerical libraries

        drawn = draw_leaders(settings.dataset, [version.source for version in versions], count)
    else:
        drawn = random.sample(range(len(versions)), count)
    ids = [versions[place].pk for place in drawn]
    return (ids * settings.answers)[: settings.answers]


def list_places(versions: Sequence[int], round_: int) -> list[tuple[int, int]]:
    """(version, place) of each answer of a round, in the order of a turn's versions (ids)."""
    counts = Counter(versions)
    return [(version, round_ * count + n) for version, count in counts.items() for n in range(1, count + 1)]


def ask(turn: Turn) -> None:
    """Starts the task that gets the answers of a turn."""
    job = worker.start(KIND, turn.chat.user, turn.chat.dataset, turn=turn.pk)
    Turn.objects.filter(pk=turn.pk).update(state=Turn.State.ASKED, error="", job=job)


def judge(turn: Turn, settings: ChatSettings, revision: int, submission: "Submission") -> bool:
    """Saves the verdict on a turn's answers, with which the chat goes on. Returns whether it changed anything."""
    judgment = turn.judgment
    if judgment is None:
        return False
    with write_turn(), transaction.atomic():
        lock_membership(turn.chat.user_id, turn.chat.dataset_id)
        changed = record(judgment, revision, submission.verdict, submission.said, submission.seconds, submission.flag)
        if changed:
            go_on(turn, judgment)
            if settings.to_queue and judgment.state in Judgment.STANDING:
                open_to_queue(judgment)
    return changed


def go_on(turn: Turn, judgment: Judgment) -> None:
    """Notes with which answer the chat goes on after a verdict."""
    judgment.refresh_from_db()
    Turn.objects.filter(pk=turn.pk).update(
        state=Turn.State.OVER, judgment=judgment, chosen=choose_answer(judgment), answered_at=timezone.now()
    )
    Chat.objects.filter(pk=turn.chat_id).update(changed_at=timezone.now())


def open_to_queue(judgment: Judgment) -> None:
    """Lets others judge the answers of a chat too, as often as the dataset's overlap says."""
    comparison = Comparison.objects.select_for_update().get(pk=judgment.comparison_id)
    if comparison.held != Comparison.CHAT:
        return
    votes = comparison.judgments.filter(purpose=Judgment.Purpose.VOTE)
    taken = votes.filter(state__in=[Judgment.State.LEASED, *Judgment.STANDING]).count()
    wanted = max(judgment.dataset.overlap, taken)
    Comparison.objects.filter(pk=comparison.pk).update(held="", wanted=wanted, open_slots=wanted - taken)


def write_better(turn: Turn, revision: int, text: str) -> bool:
    """Stores a person's own answer after "both bad": it is preferred to both, and the chat goes on with it.

    Returns whether it changed anything. Raises CannotChat.
    """
    judgment = turn.judgment
    if judgment is None or not needs_better(turn):
        raise CannotChat("not_its_turn")
    check_text(text)
    with write_turn(), transaction.atomic():
        check_admitted(turn.chat.user, turn.chat.dataset)
        seconds = judgment.seconds
        if not undo(judgment, revision):
            return False
        judgment.refresh_from_db()
        said = judgment.said | {"repairs": {"new": text}}
        changed = record(judgment, judgment.revision, judgment.verdict, said)
        Judgment.objects.filter(pk=judgment.pk).update(seconds=seconds)  # those of the verdict
        go_on(turn, judgment)
    return changed


def ask_again(turn: Turn) -> None:
    """Asks for two other answers after "both bad", or again after a failure. Raises CannotChat."""
    with write_turn(), transaction.atomic():
        check_admitted(turn.chat.user, turn.chat.dataset)
        locked = Turn.objects.select_for_update(of=("self",)).select_related("chat__user", "chat__dataset")
        turn = locked.get(pk=turn.pk)
        if needs_better(turn):
            check_free(turn.chat.user)
            if turn.round + 1 >= MOST_ROUNDS:
                raise CannotChat("asked_enough")
            Turn.objects.filter(pk=turn.pk).update(round=F("round") + 1, comparison=None, judgment=None)
        elif turn.state != Turn.State.FAILED:
            return
        ask(turn)


def undo_verdict(turn: Turn, revision: int) -> bool:
    """Reopens the verdict on the last turn of a chat. Returns whether it did."""
    judgment = turn.judgment
    if judgment is None or turn.state != Turn.State.OVER or turn.chat.is_over:
        return False
    with write_turn(), transaction.atomic():
        lock_membership(turn.chat.user_id, turn.chat.dataset_id)
        if Turn.objects.filter(chat=turn.chat_id, number__gt=turn.number).exists() or not undo(judgment, revision):
            return False
        Turn.objects.filter(pk=turn.pk).update(state=Turn.State.ANSWERED, chosen=None)
    return True


def end_chat(chat: Chat) -> None:
    """Ends a chat: nothing more is said in it."""
    with write_turn():
        Chat.objects.filter(pk=chat.pk).update(is_over=True, changed_at=timezone.now())


def is_decided_elsewhere(turn: Turn, judgment: Judgment) -> bool:
    """Whether a turn does not know the verdict on its answers: it was given or changed in another chat or the queue."""
    if turn.state == Turn.State.ANSWERED:
        return judgment.state in DECIDED
    is_over = turn.state == Turn.State.OVER and judgment.state in Judgment.STANDING
    return is_over and turn.chosen_id != choose_answer(judgment)


def update_turn(turn: Turn) -> Turn:
    """The turn as it stands: failed if its task ended without an answer, over if its answers were judged elsewhere."""
    job, judgment = turn.job, turn.judgment
    if turn.state == Turn.State.ASKED and (job is None or not job.is_open):
        with write_turn():
            still = Turn.objects.filter(pk=turn.pk, state=Turn.State.ASKED).filter(Q(job=None) | Q(job=job))
            still.update(state=Turn.State.FAILED, error="interrupted_task")
    elif turn.state == Turn.State.ASKED and job is not None and worker.is_abandoned(job):
        worker.wake()
        return turn
    elif turn.state == Turn.State.ANSWERED and judgment is None:
        with write_turn():
            Turn.objects.filter(pk=turn.pk, judgment=None).update(state=Turn.State.FAILED, error="interrupted_task")
    elif judgment and is_decided_elsewhere(turn, judgment):
        with write_turn(), transaction.atomic():
            go_on(turn, judgment)
    else:
        return turn
    return find_last_turn(turn.chat) or turn
