"""Work in the background: a row for each task, which any worker on any machine takes up.

A worker that is killed leaves its task with a heartbeat that stops; the next one takes it up again. Each kind of task
is a function (job, progress) -> {what came of it}; it calls progress(done, total) often, and may be begun anew.

Not django-tasks-db (0.13.0, tried on SQLite and PostgreSQL; Django 5.2 needs django-tasks 0.12.0 with it): a task whose
worker is killed stays RUNNING there for ever, there is no progress, no cancel and no limit of attempts, and arguments
stay readable in the database after the end. Its worker exits where the database goes away, and where a write lock on
SQLite is held longer than the timeout; what is done at once leaves no row. Job would have to stay beside its table,
with the heartbeat and the take-up on top: a port that passes all but one of the tests is 30 lines longer than this, and
tasks queued by an older version would not run. Look again when it takes up what a killed worker left.
"""

import contextlib
import logging
import os
import subprocess
import sys
import threading
import time
from datetime import timedelta

from django.conf import settings
from django.db import Error, InterfaceError, OperationalError, close_old_connections, connection, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import get_language, override

from datasets.db.write_lock import write_turn
from datasets.disk import is_disk_full
from datasets.models import Job

log = logging.getLogger(__name__)

STALE = timedelta(seconds=30)
GRACE = timedelta(minutes=15)  # what is done at once has no heartbeat: so long it is taken for alive
UNTOUCHED = timedelta(seconds=10)
HEARTBEAT = 0.5  # seconds between two looks at the row: to tell progress, and to hear that somebody asked to stop
MOST_ATTEMPTS = 3
IDLE = 3  # seconds that a worker which was started for a task waits for the next one
PATIENCE = 60  # seconds that it waits for a database that has gone away; one that is to work for ever waits for ever
LONGEST_PAUSE = 15
KINDS = {}
GAVE_UP, UNEXPECTED, DISK_FULL = "gave_up", "unexpected", "disk_full"  # reasons.JOB has them in words


class JobCancellation(Exception):
    """Somebody asked for it."""


class JobFailure(Exception):
    """A task that cannot be done; the text says why, to the person who asked for it. result: the same for a script."""

    def __init__(self, words, **result):
        super().__init__(words)
        self.result = result


def kind(name):
    """Register a function as what does tasks of this kind."""

    def register(function):
        KINDS[name] = function
        return function

    return register


def start(name, by=None, dataset=None, at_once=False, here=False, secret="", **arguments):
    """A new task: done before this returns where it takes a moment only (at_once), or where a command waits for it
    (here); else as soon as a worker is free.

    secret: what is not to be read in the database, sealed (secrets.py); it is erased when the task ends.
    """
    about = {"created_by": by, "dataset": dataset, "secret": secret, "arguments": arguments}
    job = Job(kind=name, language=get_language() or "", **about)
    if at_once or here:
        now = timezone.now()
        job.state, job.started_at, job.attempts = Job.State.RUNNING, now, 1
        job.beat_at = now + GRACE if at_once else now
    job.save()
    if at_once:
        perform(job, Progress(job))
    elif here:
        run_claimed(job)
    else:
        transaction.on_commit(wake)
    job.refresh_from_db()
    return job


def wake():
    """See to it that somebody works: a process of its own, so that nobody who judges waits for it."""
    if not settings.START_WORKERS:
        return
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", "config.settings")}
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "work", "--until-idle"]
    process = subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR, stdin=subprocess.DEVNULL)
    threading.Thread(target=process.wait, daemon=True).start()  # none is left as a zombie


def is_abandoned(job):
    """Whether no worker is at an open task, as far as can be seen from here."""
    last_sign = job.beat_at or job.created_at
    return job.is_open and last_sign < timezone.now() - (STALE if job.state == Job.State.RUNNING else UNTOUCHED)


def claim():
    """The next task to do, now ours, or None: one that waits, or one whose worker is gone. The oldest first."""
    now = timezone.now()
    waits = Q(state=Job.State.WAITING) | Q(state=Job.State.RUNNING, beat_at__lt=now - STALE)
    with write_turn(), transaction.atomic():
        jobs = Job.objects.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
        job = jobs.filter(waits).order_by("pk").first()
        if job is None:
            return None
        job.attempts += 1
        job.state, job.beat_at, job.started_at = Job.State.RUNNING, now, job.started_at or now
        if job.attempts > MOST_ATTEMPTS:
            job.state, job.finished_at, job.error, job.secret = Job.State.FAILED, now, GAVE_UP, ""
        job.save()
    return job


def work(until_idle=False):
    """Do one task after the other; for ever, or until none has come for a while. How many."""
    done, idle_since, job = 0, time.monotonic(), None
    while True:
        try:
            close_old_connections()
            requeue(job)
            job = claim()
            if job is not None:
                done += run_claimed(job)
                job, idle_since = None, time.monotonic()
            elif until_idle and time.monotonic() - idle_since >= IDLE and not has_silent_worker():
                return done
            else:
                time.sleep(0.5)
        except (InterfaceError, OperationalError) as why:
            if not wait_for_database(why, PATIENCE if until_idle else float("inf")):
                return done
            idle_since = time.monotonic()


def run_claimed(job):
    """Do a task that was claimed; False where it was given up instead."""
    if job.state != Job.State.RUNNING:
        return False
    progress = Progress(job)
    with progress.heartbeat():
        perform(job, progress)
    return True


def requeue(job):
    """Let a task wait that we were at when the database went away: whoever is free begins it anew at once."""
    if job is not None:
        with write_turn():
            mine = Job.objects.filter(pk=job.pk, attempts=job.attempts, state=Job.State.RUNNING)
            mine.update(state=Job.State.WAITING)


def wait_for_database(why, patience):
    """Wait for a database that has gone away; whether it came back within so many seconds. Two lines in the log."""
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


def has_silent_worker():
    """Whether a worker has fallen silent: its task may soon be taken up."""
    long_ago = timezone.now() - 10 * timedelta(seconds=HEARTBEAT)
    return Job.objects.filter(state=Job.State.RUNNING, beat_at__lt=long_ago).exists()


def perform(job, progress):
    """Do a task and note what came of it. Not noted is what stops the process, and that the database went away."""
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
            raise  # the database is away: the task stays as it is, to be taken up
        log.exception("task %s (%s) failed", job.pk, job.kind)
        finish(job, attempt, state=Job.State.FAILED, error=DISK_FULL if is_disk_full(why) else UNEXPECTED)
    else:
        finish(job, attempt, state=Job.State.DONE, result=result or {}, done=F("total"))


def finish(job, attempt, **values):
    with write_turn():
        mine = Job.objects.filter(pk=job.pk, attempts=attempt, state=Job.State.RUNNING)
        mine.update(finished_at=timezone.now(), secret="", **values)


class Progress:
    """Called as progress(done, total) by what does the task; raises JobCancellation where somebody asked for it, or
    where another worker has taken the task up. The row is written from a thread with a connection of its own: the task
    may be in a transaction, or in a long step that tells nothing."""

    def __init__(self, job):
        self.pk, self.attempt = job.pk, job.attempts
        self.done, self.total = 0, 0
        self.stopped, self.over = threading.Event(), threading.Event()

    def __call__(self, done, total):
        self.done, self.total = done, total
        if self.stopped.is_set():
            raise JobCancellation

    @contextlib.contextmanager
    def heartbeat(self):
        thread = threading.Thread(target=self.send_heartbeats, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.over.set()
            thread.join()

    def send_heartbeats(self):
        try:
            while not self.over.wait(HEARTBEAT):
                try:
                    self.write()
                except Error:  # a database that is away may come back; this connection to it does not
                    connection.close()
        finally:
            connection.close()

    def write(self):
        mine = Job.objects.filter(pk=self.pk, attempts=self.attempt, cancel=False, state=Job.State.RUNNING)
        with write_turn():
            if not mine.update(done=self.done, total=self.total, beat_at=timezone.now()):
                self.stopped.set()


def cancel(job):
    """Ask a task to stop; one that waits never begins."""
    now = timezone.now()
    with write_turn():
        waits = Job.objects.filter(pk=job.pk, state=Job.State.WAITING)
        if not waits.update(state=Job.State.CANCELLED, finished_at=now, secret=""):
            Job.objects.filter(pk=job.pk, state=Job.State.RUNNING).update(cancel=True)
