"""Background tasks: one Job row per task, claimed by any worker on any machine.

A killed worker stops sending heartbeats, and the next worker claims its task again. Each kind of task is a function
(job, progress) -> result as JSON; it calls progress(done, total) often, and has to be safe to restart. A kind belongs
to a lane, so that a person who chats does not wait behind an import.

Why not django-tasks-db (0.13.0, tried on SQLite and PostgreSQL; Django 5.2 needs django-tasks 0.12.0 with it): a task
whose worker is killed stays RUNNING forever; there is no progress, no cancellation and no limit of attempts; arguments
stay readable in the database after the end. Its worker exits when the database goes away, and when a write lock on
SQLite is held longer than the timeout. A task that is run immediately leaves no row. Job would be needed next to its
table, with heartbeat and reclaiming on top: a port that passes all but one of the tests is 30 lines longer than this
module, and tasks queued by an older version would not run. To be reconsidered once it reclaims tasks of killed workers.
"""

import contextlib
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from django.conf import settings
from django.db import Error, InterfaceError, OperationalError, close_old_connections, connection, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import get_language, override

from datasets.db.write_lock import write_turn
from datasets.disk import is_disk_full
from datasets.models import Dataset, Job

if TYPE_CHECKING:
    from annotate.models import User

log = logging.getLogger(__name__)

STALE = timedelta(seconds=30)
GRACE = timedelta(minutes=15)  # a task that runs within a request sends no heartbeat: it counts as alive this long
UNTOUCHED = timedelta(seconds=10)
HEARTBEAT = 0.5  # seconds between heartbeats, which write the progress and read whether to cancel
LONG_HEARTBEAT = 5  # the same in lanes of short tasks, most of which need none
MOST_ATTEMPTS = 3
IDLE = 3  # seconds that a worker started with --until-idle waits for the next task
PATIENCE = 60  # seconds that such a worker waits for a database that has gone away; other workers wait forever
LONGEST_PAUSE = 15  # seconds between two attempts to reconnect
RESIDENT = "CHOSEN_RESIDENT"  # environment variable of a server that keeps a worker running (config/serve.py)
BULK = "bulk"
LANES = {"chat": 16, "generate": 1, BULK: 1}  # {lane: tasks that one worker runs at a time}; the first goes first
LOOK_S = {"chat": 0.1}  # seconds between two looks for a task of this lane
PAUSE_S = 0.5  # of other lanes

Task: TypeAlias = Callable[[Job, "Progress"], Mapping[str, Any] | None]
TaskT = TypeVar("TaskT", bound=Task)
KINDS: dict[str, Task] = {}
LANE_OF: dict[str, str] = {}  # {kind of task: its lane}
GAVE_UP, UNEXPECTED, DISK_FULL = "gave_up", "unexpected", "disk_full"  # codes of reasons.JOB


class JobCancellation(Exception):
    """The task was cancelled, or another worker has claimed it."""


class JobFailure(Exception):
    """A task that cannot be done.

    words: the reason, for the person who started it.
    result: the reason for a script, stored as the task's result.
    """

    def __init__(self, words: str | Promise, **result: Any) -> None:
        super().__init__(words)
        self.result = result


def kind(name: str, lane: str = BULK) -> Callable[[TaskT], TaskT]:
    """Registers the decorated function for tasks of this kind, which run in this lane."""

    def register(function: TaskT) -> TaskT:
        KINDS[name], LANE_OF[name] = function, lane
        return function

    return register


def start(
    name: str,
    by: "User | None" = None,
    dataset: Dataset | None = None,
    at_once: bool = False,
    here: bool = False,
    secret: str = "",
    **arguments: Any,
) -> Job:
    """A new task. By default a worker runs it after the commit.

    name: its kind.
    at_once: run it before returning, without heartbeats; for short tasks within a request.
    here: run it before returning, with heartbeats; for commands.
    secret: a sealed text (secrets.py), erased when the task ends.
    arguments: JSON, readable in the database.
    """
    job = create_job(name, by, dataset, at_once or here, secret, **arguments)
    if not (at_once or here):
        transaction.on_commit(wake)
        return job
    if at_once:
        Job.objects.filter(pk=job.pk).update(beat_at=timezone.now() + GRACE)
        perform(job, Progress(job))
    else:
        run_claimed(job)
    job.refresh_from_db()
    return job


def create_job(
    name: str, by: "User | None", dataset: Dataset | None, is_claimed: bool, secret: str = "", **arguments: Any
) -> Job:
    """A new task, that waits for a worker or, if is_claimed, for the caller's run_claimed; arguments as for start."""
    about: dict[str, Any] = {"created_by": by, "dataset": dataset, "secret": secret, "arguments": arguments}
    job = Job(kind=name, language=get_language() or "", **about)
    if is_claimed:
        now = timezone.now()
        job.state, job.started_at, job.beat_at, job.attempts = Job.State.RUNNING, now, now, 1
    job.save()
    return job


def wake() -> None:
    """Starts a worker process that ends when idle, if START_WORKERS is set and no worker runs beside the server."""
    if not settings.START_WORKERS or RESIDENT in os.environ:
        return
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", "config.settings")}
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "work", "--until-idle"]
    process = subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR, stdin=subprocess.DEVNULL)
    threading.Thread(target=process.wait, daemon=True).start()  # leaves no zombie


def is_abandoned(job: Job) -> bool:
    """Whether an open task seems to have no worker: its last sign of life is too long ago."""
    last_sign = job.beat_at or job.created_at
    return job.is_open and last_sign < timezone.now() - (STALE if job.state == Job.State.RUNNING else UNTOUCHED)


def claim(lanes: Sequence[str] = tuple(LANES)) -> Job | None:
    """Claims a task that is waiting or whose worker is gone: the oldest one of the first of these lanes that has one.

    A task with MOST_ATTEMPTS attempts is FAILED.
    """
    return next((job for lane in lanes if (job := claim_in_lane(lane)) is not None), None)


def claim_in_lane(lane: str) -> Job | None:
    """Claims the oldest task of one lane."""
    now = timezone.now()
    waits = Q(state=Job.State.WAITING) | Q(state=Job.State.RUNNING, beat_at__lt=now - STALE)
    elsewhere = [kind for kind, its_lane in LANE_OF.items() if its_lane != BULK]
    in_lane = [kind for kind, its_lane in LANE_OF.items() if its_lane == lane]
    of_lane = ~Q(kind__in=elsewhere) if lane == BULK else Q(kind__in=in_lane)
    if not Job.objects.filter(waits, of_lane).exists():  # spares an idle worker the writer's turn
        return None
    with write_turn(), transaction.atomic():
        jobs = Job.objects.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
        job = jobs.filter(waits, of_lane).order_by("pk").first()
        if job is None:
            return None
        job.attempts += 1
        job.state, job.beat_at, job.started_at = Job.State.RUNNING, now, job.started_at or now
        if job.attempts > MOST_ATTEMPTS:
            job.state, job.finished_at, job.error, job.secret = Job.State.FAILED, now, GAVE_UP, ""
        job.save()
    return job


def work_until_idle() -> int:
    """Runs tasks of all lanes one after the other until none has come for IDLE seconds. Returns their number."""
    done, idle_since = 0, time.monotonic()
    job: Job | None = None
    while True:
        try:
            close_old_connections()
            requeue(job)
            job = claim()
            if job is not None:
                done += run_claimed(job)
                job, idle_since = None, time.monotonic()
            elif time.monotonic() - idle_since >= IDLE and not has_silent_worker():
                return done
            else:
                time.sleep(PAUSE_S)
        except (InterfaceError, OperationalError) as why:
            if not wait_for_database(why, PATIENCE):
                return done
            idle_since = time.monotonic()


def run_claimed(job: Job) -> bool:
    """Runs a claimed task; False if it has FAILED because of too many attempts."""
    if job.state != Job.State.RUNNING:
        return False
    progress = Progress(job)
    with progress.heartbeat():
        perform(job, progress)
    return True


def requeue(job: Job | None) -> None:
    """Returns to the queue a task that was running when the database went away, so that any worker can restart it."""
    if job is not None:
        with write_turn():
            mine = Job.objects.filter(pk=job.pk, attempts=job.attempts, state=Job.State.RUNNING)
            mine.update(state=Job.State.WAITING)


def wait_for_database(why: Exception, patience: float) -> bool:
    """Whether a database that has gone away came back within `patience` seconds. Logs when it goes and comes back."""
    log.warning("the database is away; waiting for it: %s", str(why).strip().partition("\n")[0])
    begun, pause, is_back = time.monotonic(), 1, False
    while not is_back and time.monotonic() - begun < patience:
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
        connection.close()
        with contextlib.suppress(Error), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            is_back = True
    log.warning("the database is back" if is_back else "the database did not come back; the worker ends")
    return is_back


def has_silent_worker() -> bool:
    """Whether a worker has missed heartbeats, so that its task may soon have to be claimed."""
    long_ago = timezone.now() - 10 * timedelta(seconds=HEARTBEAT)
    return Job.objects.filter(state=Job.State.RUNNING, beat_at__lt=long_ago).exists()


def perform(job: Job, progress: "Progress") -> None:
    """Runs a task and stores its result or failure. If the database has gone away, the error is raised instead."""
    attempt = job.attempts
    try:
        with override(job.language or None):
            result = KINDS[job.kind](job, progress)
    except JobCancellation:
        finish(job, attempt, state=Job.State.CANCELLED)
    except JobFailure as why:
        finish(job, attempt, state=Job.State.FAILED, error=str(why), result=why.result)
    except Exception as why:
        if isinstance(why, InterfaceError | OperationalError) and not connection.is_usable():
            raise  # the task stays RUNNING, to be requeued
        log.exception("task %s (%s) failed", job.pk, job.kind)
        finish(job, attempt, state=Job.State.FAILED, error=DISK_FULL if is_disk_full(why) else UNEXPECTED)
    else:
        finish(job, attempt, state=Job.State.DONE, result=result or {}, done=F("total"))


def finish(job: Job, attempt: int, **values: Any) -> None:
    """Ends a task with these values of its fields, unless another worker has claimed it."""
    with write_turn():
        mine = Job.objects.filter(pk=job.pk, attempts=attempt, state=Job.State.RUNNING)
        mine.update(finished_at=timezone.now(), secret="", **values)


class Progress:
    """The progress of a task, which calls it as progress(done, total).

    Raises JobCancellation if the task was cancelled or another worker has claimed it. A thread with its own connection
    writes the row, because the task may be in a transaction or in a long step without progress.
    """

    def __init__(self, job: Job) -> None:
        self.pk, self.attempt = job.pk, job.attempts
        self.done, self.total = 0, 0
        self.stopped, self.over = threading.Event(), threading.Event()
        self.pause = LONG_HEARTBEAT if LANE_OF.get(job.kind) in LOOK_S else HEARTBEAT

    def __call__(self, done: int, total: int) -> None:
        self.done, self.total = done, total
        if self.stopped.is_set():
            raise JobCancellation

    @contextlib.contextmanager
    def heartbeat(self) -> Iterator[None]:
        """Sends heartbeats from a thread meanwhile."""
        thread = threading.Thread(target=self.send_heartbeats, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.over.set()
            thread.join()

    def send_heartbeats(self) -> None:
        try:
            while not self.over.wait(self.pause):
                try:
                    self.write()
                except Error:  # the database may come back, but not on this connection
                    connection.close()
        finally:
            connection.close()

    def write(self) -> None:
        mine = Job.objects.filter(pk=self.pk, attempts=self.attempt, cancel=False, state=Job.State.RUNNING)
        with write_turn():
            if not mine.update(done=self.done, total=self.total, beat_at=timezone.now()):
                self.stopped.set()


def cancel(job: Job) -> None:
    """Cancels a task: a waiting one immediately, a running one at its next progress."""
    now = timezone.now()
    with write_turn():
        waits = Job.objects.filter(pk=job.pk, state=Job.State.WAITING)
        if not waits.update(state=Job.State.CANCELLED, finished_at=now, secret=""):
            Job.objects.filter(pk=job.pk, state=Job.State.RUNNING).update(cancel=True)
