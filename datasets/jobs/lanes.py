"""The lanes of a resident worker: tasks of each lane run in threads of their own, and chores now and then."""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import InterfaceError, OperationalError, close_old_connections, connection

from datasets.jobs.worker import BULK, LANES, LOOK_S, PAUSE_S, claim, requeue, run_claimed, wait_for_database
from datasets.models import Job

log = logging.getLogger(__name__)
ChoreT = TypeVar("ChoreT", bound=Callable[[], object])
CHORES: dict[Callable[[], object], float] = {}  # {function: seconds between two calls by an idle worker}


def repeat_every(every_s: float) -> Callable[[ChoreT], ChoreT]:
    """Registers the decorated function: a resident worker calls it at its start and again after that time."""

    def register(function: ChoreT) -> ChoreT:
        CHORES[function] = every_s
        return function

    return register


def work(lanes: Sequence[str] = tuple(LANES)) -> None:
    """Runs tasks forever, each lane in threads of its own."""
    threads = [threading.Thread(target=serve_lane, args=[lane], daemon=True) for lane in lanes]
    if BULK in lanes:
        threads.append(threading.Thread(target=run_chores, daemon=True))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def serve_lane(lane: str) -> None:
    """Runs tasks of one lane forever, at most as many at a time as LANES says.

    An error that is not one of a task ends the process: the server or a supervisor starts another.
    """
    try:
        free = threading.Semaphore(LANES[lane])
        with ThreadPoolExecutor(LANES[lane]) as pool:
            while True:
                free.acquire()
                pool.submit(run_in_thread, wait_for_task(lane), free)
    except BaseException:
        log.exception("the lane %s has failed; the worker ends", lane)
        os._exit(1)


def wait_for_task(lane: str) -> Job:
    """The next task of a lane, claimed."""
    while True:
        try:
            close_old_connections()
            job = claim([lane])
        except (InterfaceError, OperationalError) as why:
            wait_for_database(why, float("inf"))
            continue
        if job is not None:
            return job
        time.sleep(LOOK_S.get(lane, PAUSE_S))


def run_in_thread(job: Job, free: threading.Semaphore) -> None:
    """Runs a claimed task in a thread of a lane; if the database goes away meanwhile, returns it to the queue."""
    try:
        close_old_connections()
        run_claimed(job)
    except (InterfaceError, OperationalError) as why:
        wait_for_database(why, float("inf"))
        requeue(job)
    except Exception:
        log.exception("task %s (%s) was not finished", job.pk, job.kind)
    finally:
        close_old_connections()  # keeps a young one for the next task
        free.release()


def run_chores() -> None:
    """Calls each chore at the start and whenever it is due."""
    due = dict.fromkeys(CHORES, 0.0)
    while True:
        for function, at in due.items():
            if time.monotonic() >= at:
                due[function] = time.monotonic() + CHORES[function]
                try:
                    function()
                except Exception:
                    log.exception("%s failed", function.__name__)
                finally:
                    connection.close()
        time.sleep(PAUSE_S)
