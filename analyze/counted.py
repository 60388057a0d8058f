"""Counts of large datasets, stored: a page shows the last ones, and a thread counts again those that are old.

A dataset with at most FEW judgments is counted whenever it is shown. In a larger one each count takes at most a
fiftieth of the time (RECOUNT_FACTOR), however often it is looked at; only the very first one lets a page wait.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
from django.db import Error, connection
from django.utils import timezone

from analyze.models import Statistic
from datasets.db.write_lock import write_turn
from datasets.judgments.listing import Person
from datasets.judgments.progress import RECOUNT_FACTOR
from datasets.judgments.statistics import DailyCounts, PersonNumbers, compute_numbers, count_by_day
from datasets.models import Dataset, Judgment

FEW = 5_000  # judgments
FRESH_S = 10.0  # seconds that a count is shown at least
STUCK = timedelta(minutes=10)  # after which a count that has not ended is begun again
UNUSED = timedelta(days=30)  # after which a count is removed

T = TypeVar("T")
log = logging.getLogger(__name__)
_threads = ThreadPoolExecutor(1, "counting")  # one at a time, so that people who judge do not wait


class Counted:
    """The counts of a dataset, for one page.

    made_at: when the oldest of those shown was made; None if all are of now.
    """

    def __init__(self, dataset: Dataset, keys: Sequence[str] | None = None) -> None:
        """keys: those that will be asked for; None for any."""
        self.dataset = dataset
        self.is_large = is_large(dataset)
        stored = Statistic.objects.filter(dataset=dataset) if self.is_large else Statistic.objects.none()
        stored = stored if keys is None else stored.filter(key__in=keys)
        self.rows = {row.key: row for row in stored}
        self.made_at: datetime | None = None

    def get(self, key: str, count: Callable[[], T], kind: Any) -> T:
        """What `count` returns, as last counted.

        key: names all that the result depends on, apart from the rows of the dataset. kind: the type of the result.
        """
        if not self.is_large:
            return count()
        row = self.rows.get(key)
        if row is None:
            return count_and_store(self.dataset, key, count)
        self.made_at = min(row.made_at, self.made_at or row.made_at)
        if is_old(row):
            start_recount(row, count)
        value: T = msgspec.json.decode(row.value, type=kind)
        return value


def is_large(dataset: Dataset) -> bool:
    """Whether a dataset has more than FEW judgments."""
    return Judgment.objects.filter(dataset=dataset).order_by()[FEW : FEW + 1].exists()


def is_old(row: Statistic) -> bool:
    """Whether a count should be made again, and nobody is about to."""
    now, keep = timezone.now(), timedelta(seconds=max(FRESH_S, RECOUNT_FACTOR * row.seconds))
    is_being_made = row.began_at > row.made_at and row.began_at > now - STUCK
    return row.made_at < now - keep and not is_being_made


def count_and_store(dataset: Dataset, key: str, count: Callable[[], T]) -> T:
    """What `count` returns, which is stored."""
    began_at, started = timezone.now(), time.monotonic()
    value = count()
    seconds, now = time.monotonic() - started, timezone.now()
    made = {"value": msgspec.json.encode(value).decode(), "made_at": now, "seconds": seconds, "began_at": began_at}
    with write_turn():
        Statistic.objects.update_or_create(dataset=dataset, key=key, defaults=made)
        Statistic.objects.filter(dataset=dataset, made_at__lt=now - UNUSED).delete()
    return value


def start_recount(row: Statistic, count: Callable[[], Any]) -> None:
    """Counts again in a thread, unless another process has just begun to."""
    with write_turn():
        mine = Statistic.objects.filter(pk=row.pk, began_at=row.began_at)
        if not mine.update(began_at=timezone.now()):
            return
    _threads.submit(recount, row, count, timezone.get_current_timezone())


def recount(row: Statistic, count: Callable[[], Any], zone: Any) -> None:
    """Counts again, as in a request with this time zone; closes the thread's connection."""
    try:
        with timezone.override(zone):
            count_and_store(row.dataset, row.key, count)
    except Error:
        log.exception("%s could not be counted", row.key)
    finally:
        connection.close()


def count_days(counted: Counted) -> DailyCounts:
    """The daily counts of a dataset, in the current time zone."""
    key = f"days-{timezone.get_current_timezone_name()}"
    return counted.get(key, lambda: count_by_day(counted.dataset), DailyCounts)


def count_numbers(counted: Counted, people: Sequence[Person]) -> list[PersonNumbers]:
    """The statistics of these people, in their order."""
    if not people:
        return []
    names = hashlib.sha256("\n".join(f"{person.token} {person.pk}" for person in people).encode()).hexdigest()
    return counted.get(f"people-{names}", lambda: compute_numbers(counted.dataset, people), list[PersonNumbers])
