"""Turns: limited concurrency, first come, first served."""

import threading
import time
from types import SimpleNamespace

import pytest
from django.db import connection

from datasets.db.turns import AT_ONCE, TURNS, FairSemaphore, in_turn, out_of_turn


def await_waiting(turns, n, within=5):
    """Waits until n threads wait."""
    end = time.monotonic() + within
    while len(turns.waiting) < n:
        assert time.monotonic() < end
        time.sleep(0.001)


def start_thread(turns, work):
    def run():
        with turns:
            work()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_who_came_first_is_first():
    turns, served = FairSemaphore(1), []
    with turns:
        threads = []
        for n in range(20):
            threads.append(start_thread(turns, lambda n=n: served.append(n)))
            await_waiting(turns, n + 1)
    for thread in threads:
        thread.join(5)
    assert served == list(range(20))
    assert (turns.free, len(turns.waiting)) == (1, 0)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_n_are_in_at_once_never_more(n):
    turns, guard, now, most = FairSemaphore(n), threading.Lock(), [0], [0]

    def work():
        with guard:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.005)
        with guard:
            now[0] -= 1

    threads = [start_thread(turns, work) for _ in range(30)]
    for thread in threads:
        thread.join(5)
    assert most[0] == n
    assert turns.free == n


def test_who_fails_lets_the_next_one_in():
    turns = FairSemaphore(1)
    for _ in range(3):
        with pytest.raises(RuntimeError), turns:
            raise RuntimeError
    with turns:
        following = start_thread(turns, lambda: None)
        await_waiting(turns, 1)
    following.join(5)
    assert not following.is_alive()


def test_who_comes_later_does_not_pass_who_waits():
    turns, served = FairSemaphore(1), []
    with turns:
        first = start_thread(turns, lambda: served.append("first"))
        await_waiting(turns, 1)
    with turns:
        served.append("second")
    first.join(5)
    assert served == ["first", "second"]


def test_views_in_turn_wait_and_who_leaves_the_turn_lets_the_next_one_in():
    request = SimpleNamespace(user=SimpleNamespace(is_authenticated=True))
    stranger = SimpleNamespace(user=SimpleNamespace(is_authenticated=False))
    gate, at_once, n = threading.Event(), threading.Semaphore(0), AT_ONCE[connection.vendor]

    @in_turn
    def wait_in_turn(request):
        at_once.release()
        gate.wait(5)

    @in_turn
    def wait_elsewhere(request):
        with out_of_turn():
            gate.wait(5)

    away = [threading.Thread(target=wait_elsewhere, args=(request,), daemon=True) for _ in range(3)]
    judging = [threading.Thread(target=wait_in_turn, args=(request,), daemon=True) for _ in range(n + 1)]
    for thread in [*away, *judging]:
        thread.start()
    for _ in range(n):
        assert at_once.acquire(timeout=5)
    assert not at_once.acquire(timeout=0.1), "one too many"
    passing = threading.Thread(target=wait_in_turn, args=(stranger,), daemon=True)
    passing.start()
    assert at_once.acquire(timeout=5), "a stranger waits for nobody"
    gate.set()
    for thread in [*away, *judging]:
        thread.join(5)
        assert not thread.is_alive()
    assert (TURNS.free, len(TURNS.waiting)) == (n, 0)
