"""Work in the background: a row for each task, which any worker on any machine takes up.

A worker that is killed leaves its task with a heartbeat that stops; the next one takes it up again. Each kind of task
is a function (job, progress) -> {what came of it}; it calls progress(done, total) often, and may be begun anew.
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
from django.db import Error, close_old_connections, connection, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import get_language, override

from datasets.models import Job
from datasets.writing import writing

log = logging.getLogger(__name__)

STALE = timedelta(seconds=30)
MOMENT = timedelta(minutes=15)  # what is done at once has no heartbeat: so long it is taken for alive
UNTOUCHED = timedelta(seconds=10)
BEAT = 0.5  # seconds between two looks at the row: to tell progress, and to hear that somebody asked to stop
MOST_ATTEMPTS = 3
IDLE = 3  # seconds that a worker which was started for a task waits for the next one
KINDS = {}
GAVE_UP, UNEXPECTED = "gave_up", "unexpected"  # reasons.JOB has them in words


class Cancelled(Exception):
    """Somebody asked for it."""


class Failed(Exception):
    """A task that cannot be done; the text says why, to the person who asked for it."""


def kind(name):
    """Register a function as what does tasks of this kind."""

    def register(function):
        KINDS[name] = function
        return function

    return register


def start(name, by=None, dataset=None, at_once=False, **arguments):
    """A new task: done before this returns where it takes a moment only (at_once), else as soon as a worker is free."""
    job = Job(kind=name, created_by=by, dataset=dataset, arguments=arguments, language=get_language() or "")
    if at_once:
        now = timezone.now()
        job.state, job.started_at, job.beat_at, job.attempts = Job.State.RUNNING, now, now + MOMENT, 1
    job.save()
    if at_once:
        perform(job, Progress(job))
        job.refresh_from_db()
    else:
        transaction.on_commit(wake)
    return job


def wake():
    """See to it that somebody works: a process of its own, so that nobody who judges waits for it."""
    if not settings.START_WORKERS:
        return
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": os.environ.get("DJANGO_SETTINGS_MODULE", "config.settings")}
    command = [sys.executable, str(settings.BASE_DIR / "manage.py"), "work", "--until-idle"]
    process = subprocess.Popen(command, env=environment, cwd=settings.BASE_DIR, stdin=subprocess.DEVNULL)
    threading.Thread(target=process.wait, daemon=True).start()  # none is left as a zombie


def is_left_alone(job):
    """Whether no worker is at an open task, as far as can be seen from here."""
    seen = job.beat_at or job.created_at
    return job.is_open and seen < timezone.now() - (STALE if job.state == Job.State.RUNNING else UNTOUCHED)


def claim():
    """The next task to do, now ours, or None: one that waits, or one whose worker is gone. The oldest first."""
    now = timezone.now()
    waits = Q(state=Job.State.WAITING) | Q(state=Job.State.RUNNING, beat_at__lt=now - STALE)
    with writing(), transaction.atomic():
        found = Job.objects.select_for_update(skip_locked=connection.features.has_select_for_update_skip_locked)
        job = found.filter(waits).order_by("pk").first()
        if job is None:
            return None
        job.attempts += 1
        job.state, job.beat_at, job.started_at = Job.State.RUNNING, now, job.started_at or now
        if job.attempts > MOST_ATTEMPTS:
            job.state, job.finished_at, job.error = Job.State.FAILED, now, GAVE_UP
        job.save()
    return job


def work(until_idle=False):
    """Do one task after the other; for ever, or until none has come for a while. How many."""
    done, idle_since = 0, time.monotonic()
    while True:
        close_old_connections()
        job = claim()
        if job is None:
            if until_idle and time.monotonic() - idle_since >= IDLE and not silent():
                return done
            time.sleep(0.5)
            continue
        if job.state == Job.State.RUNNING:
            progress = Progress(job)
            with progress.told():
                perform(job, progress)
            done += 1
        idle_since = time.monotonic()


def silent():
    """Whether a worker has fallen silent: its task may soon be taken up."""
    long_ago = timezone.now() - 10 * timedelta(seconds=BEAT)
    return Job.objects.filter(state=Job.State.RUNNING, beat_at__lt=long_ago).exists()


def perform(job, progress):
    """Do a task and note what came of it. Only what stops the process itself is not noted."""
    attempt = job.attempts
    try:
        with override(job.language or None):
            result = KINDS[job.kind](job, progress)
    except Cancelled:
        finish(job, attempt, state=Job.State.CANCELLED)
    except Failed as why:
        finish(job, attempt, state=Job.State.FAILED, error=str(why))
    except Exception:
        log.exception("task %s (%s) failed", job.pk, job.kind)
        finish(job, attempt, state=Job.State.FAILED, error=UNEXPECTED)
    else:
        finish(job, attempt, state=Job.State.DONE, result=result or {}, done=F("total"))


def finish(job, attempt, **values):
    with writing():
        mine = Job.objects.filter(pk=job.pk, attempts=attempt, state=Job.State.RUNNING)
        mine.update(finished_at=timezone.now(), **values)


class Progress:
    """Called as progress(done, total) by what does the task; raises Cancelled where somebody asked for it, or where
    another worker has taken the task up. The row is written from a thread with a connection of its own: the task may
    be in a transaction, or in a long step that tells nothing."""

    def __init__(self, job):
        self.pk, self.attempt = job.pk, job.attempts
        self.done, self.total = 0, 0
        self.stopped, self.over = threading.Event(), threading.Event()

    def __call__(self, done, total):
        self.done, self.total = done, total
        if self.stopped.is_set():
            raise Cancelled

    @contextlib.contextmanager
    def told(self):
        thread = threading.Thread(target=self.tell, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.over.set()
            thread.join()

    def tell(self):
        try:
            while not self.over.wait(BEAT):
                with contextlib.suppress(Error), writing():  # a database that is away may come back
                    mine = Job.objects.filter(pk=self.pk, attempts=self.attempt, cancel=False)
                    if not mine.update(done=self.done, total=self.total, beat_at=timezone.now()):
                        self.stopped.set()
        finally:
            connection.close()


def cancel(job):
    """Ask a task to stop; one that waits never begins."""
    now = timezone.now()
    with writing():
        waits = Job.objects.filter(pk=job.pk, state=Job.State.WAITING)
        if not waits.update(state=Job.State.CANCELLED, finished_at=now):
            Job.objects.filter(pk=job.pk, state=Job.State.RUNNING).update(cancel=True)
