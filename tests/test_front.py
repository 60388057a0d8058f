"""The layer between the server and Django: thread allocation and streaming."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

from django.http import StreamingHttpResponse

from config.asgi import PIECE, Exchange, Slots, stream

STRANGERS = {"flood", "flood 2"}


def run(work):
    """The result of a coroutine, run in a thread: browser tests leave an event loop running in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


async def wait_in(slots, clients):
    """(the order of admission, the tasks) of clients that arrive in this order."""
    order = []

    async def come(client):
        await slots.take(client, client not in STRANGERS)
        order.append(client)
        await asyncio.sleep(0)
        slots.give_back(client not in STRANGERS)

    tasks = []
    for client in clients:
        tasks.append(asyncio.create_task(come(client)))
        await asyncio.sleep(0)
    return order, tasks


async def serve(clients, n=1):
    slots = Slots(n, strangers=1)
    for _ in range(n):
        await slots.take("first", True)
    order, tasks = await wait_in(slots, clients)
    for _ in range(n):
        slots.give_back(True)
    await asyncio.gather(*tasks)
    return order, slots


def test_who_sends_a_thousand_waits_behind_who_sends_one():
    order, slots = run(serve(["flood"] * 1000 + ["alice", "bob"]))
    assert order[:3] == ["flood", "alice", "bob"]
    assert (len(order), slots.free, len(slots.waiting)) == (1002, 1, 0)


def test_who_leaves_while_waiting_takes_no_slot():
    async def leave():
        slots = Slots(1, 1)
        await slots.take("first", True)
        _order, tasks = await wait_in(slots, ["a", "b", "c"])
        tasks[0].cancel()
        await asyncio.sleep(0)
        slots.give_back(True)
        tasks[1].cancel()  # it already has the slot
        await asyncio.gather(*tasks, return_exceptions=True)
        return slots

    slots = run(leave())
    assert (slots.free, len(slots.waiting)) == (1, 0)


def test_strangers_leave_places_to_those_who_are_known():
    async def run_crowd():
        slots = Slots(3, strangers=1)
        flood = [asyncio.create_task(slots.take(client, False)) for client in ("flood", "flood 2", "flood")]
        await asyncio.sleep(0)
        await asyncio.wait_for(slots.take("alice", True), 1)
        await asyncio.wait_for(slots.take("bob", True), 1)
        return slots, [task.done() for task in flood]

    slots, flood = run(run_crowd())
    assert (slots.free, slots.free_for_strangers, flood) == (0, 0, [True, False, False])


async def download(receive, parts):
    """Streams parts to a client; returns the messages sent."""
    sent = []

    async def send(message):
        sent.append(message)

    class Place:
        transfers = threading.BoundedSemaphore(1)
        slots = None

    exchange = Exchange(Place, receive, send)
    response = StreamingHttpResponse(parts)
    await asyncio.get_running_loop().run_in_executor(None, stream, response, exchange)
    return sent


def test_a_download_ends_when_its_client_leaves():
    made, left = [], threading.Event()

    def iter_parts():
        for n in range(1000):
            made.append(n)
            if n == 3:
                left.wait(5)
            yield b"x"

    async def leave():
        messages = iter([{"type": "http.request", "more_body": False}, {"type": "http.disconnect"}])

        async def receive():
            while not made:
                await asyncio.sleep(0.01)
            message = next(messages)
            if message["type"] == "http.disconnect":
                asyncio.get_running_loop().call_later(0.05, left.set)
            return message

        return await download(receive, iter_parts())

    run(leave())
    assert 4 <= len(made) < 10


def test_a_download_whose_client_stays_is_whole():
    async def stay():
        await asyncio.sleep(60)

    sent = run(download(stay, [b"a" * (PIECE + 1), b"b"]))
    assert [len(message["body"]) for message in sent[1:]] == [PIECE, 1, 1, 0]
    assert [message["more_body"] for message in sent[1:]] == [True, True, True, False]
