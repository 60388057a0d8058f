"""Deletes chats: at a person's wish, or when the dataset keeps them no longer."""

import logging
from collections.abc import Collection
from datetime import timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from annotate.judging.record import withdraw_choices
from annotate.judging.repairs import withdraw_repairs
from annotate.models import Membership
from annotate.queue.lease import lock_membership
from datasets.comparisons import review
from datasets.db.write_lock import write_turn
from datasets.models import Comparison, Job, Judgment, Prompt
from optimize.chat.talks import KIND
from optimize.models import Chat, ChatSettings, Turn

AT_ONCE = 200  # chats
KEEP_TASKS = timedelta(hours=1)
log = logging.getLogger(__name__)


def delete_chat(chat: Chat) -> None:
    """Deletes a chat with the person's judgments in it, and the prompts that were stored for it and serve nothing else.

    Stored releases and backups keep what they hold.
    """
    with write_turn(), transaction.atomic():
        lock_membership(chat.user_id, chat.dataset_id)
        turns = list(Turn.objects.filter(chat=chat))
        prompts = {turn.prompt_id for turn in turns}
        made = {turn.prompt_id for turn in turns if turn.made_prompt}
        others = Turn.objects.filter(prompt__in=prompts).exclude(chat=chat)
        shared = set(others.values_list("prompt", flat=True))
        for judgment in list_judgments(chat, prompts, made):
            delete_judgment(judgment)
        others.filter(prompt__in=made & shared).update(made_prompt=True)  # they take it over
        chat.delete()
        own = Prompt.objects.filter(pk__in=made - shared, imported=None, origins=[])
        own = own.exclude(responses__candidate=True).exclude(responses__feedback__isnull=False)
        used = Judgment.objects.filter(comparison__prompt__in=own).values("comparison__prompt")
        own.exclude(pk__in=used).delete()


def list_judgments(chat: Chat, prompts: Collection[int], made: Collection[int]) -> list[Judgment]:
    """The person's judgments of answers in a chat, unless another chat of theirs has the same turn.

    prompts: ids of the chat's prompts; made: of those that were stored for it.
    """
    elsewhere = Turn.objects.filter(chat__user=chat.user_id, prompt__in=prompts).exclude(chat=chat)
    in_chat = Q(comparison__held=Comparison.CHAT) | Q(chat_turns__chat=chat) | Q(comparison__prompt__in=made)
    mine = Judgment.objects.filter(in_chat, annotator=chat.user_id, comparison__prompt__in=prompts)
    mine = mine.exclude(comparison__prompt__in=elsewhere.values("prompt"))
    return list(mine.select_related("comparison__prompt", "dataset").distinct())


def delete_judgment(judgment: Judgment) -> None:
    """Deletes a judgment with what it states and what its person wrote; the comparison's slots stay right."""
    withdraw_repairs(judgment, withdraw_choices(judgment))
    if judgment.state in Judgment.STANDING:
        mine = Membership.objects.filter(user=judgment.annotator_id, dataset=judgment.dataset_id, judged__gt=0)
        mine.update(judged=F("judged") - 1)
    comparison = Comparison.objects.filter(pk=judgment.comparison_id)
    in_chat, in_queue = comparison.filter(held=Comparison.CHAT, wanted__gt=0), comparison.exclude(held=Comparison.CHAT)
    if judgment.purpose == Judgment.Purpose.VOTE:
        if judgment.state in (*Judgment.STANDING, Judgment.State.LEASED):
            in_queue.update(open_slots=F("open_slots") + 1)
            in_chat.update(wanted=F("wanted") - 1)
        else:  # it holds no slot, but one was wanted for it
            in_chat.update(wanted=F("wanted") - 1, open_slots=F("open_slots") - 1)
    judgment.delete()
    if review.has_review(judgment.dataset):
        review.refresh(judgment.dataset, [judgment.comparison_id])


def delete_expired() -> int:
    """Deletes chats that are older than their datasets keep them, and finished tasks. Returns the number of chats."""
    with write_turn():
        done = Job.objects.filter(kind=KIND, finished_at__lt=timezone.now() - KEEP_TASKS).exclude(state__in=Job.OPEN)
        done.delete()
    count = 0
    for settings in ChatSettings.objects.exclude(keep_days=None).select_related("dataset"):
        assert settings.keep_days is not None
        until = timezone.now() - timedelta(days=settings.keep_days)
        for chat in Chat.objects.filter(dataset=settings.dataset, changed_at__lt=until).order_by("pk")[:AT_ONCE]:
            try:
                delete_chat(chat)
                count += 1
            except Exception:
                log.exception("chat %s was not deleted", chat.pk)
    return count
