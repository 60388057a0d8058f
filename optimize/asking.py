"""Asks endpoints for the wanted answers: threads send the requests, the calling thread decides and stores.

A failed attempt is repeated later, so that it occupies no thread meanwhile. What was in flight when the process died is
still waiting in the database.
"""

import contextlib
import heapq
import itertools
import queue
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from datasets.formats.rows import Prompt
from datasets.models import Prompt as StoredPrompt
from optimize.models import Endpoint, Generation, ModelVersion
from optimize.versions import build_request, build_target, get_networks
from optimize.wanted import Wanted
from optimize.wire.client import Client, Completion, RequestFailed, Target

CHUNK = 200  # generations that are read from the database at a time
MOST_ATTEMPTS = 6
LONGEST_PAUSE_S = 30.0
MOST_FAILURES = 20  # in a row, of one endpoint; then it counts as down
GATHER_S = 0.02  # until answers are handed out, so that some are stored together
HAND_OUT_S = 0.25  # between two times that answers are handed out, while people judge or none comes
GRACE_S = 10.0  # that requests in flight are awaited once nothing more is sent


@dataclass(slots=True)
class Ask:
    """One wanted answer: what is asked, and how often it was."""

    pk: int
    prompt_id: int
    version: ModelVersion
    prompt: Prompt
    seed: int
    attempts: int = 0


@dataclass(slots=True)
class Answer:
    """What came of an Ask: a completion, or a failure."""

    ask: Ask
    completion: Completion | None = None
    failure: RequestFailed | None = None


class Pace:
    """How fast to ask: as fast as the limits allow. A subclass may slow it down."""

    is_slow = False

    def is_due(self, begun: int) -> bool:
        """Whether a further answer may be asked for now.

        begun: the number of answers that were asked for so far.
        """
        return True


@dataclass(slots=True)
class Lane:
    """The requests to one endpoint.

    waiting: asks that were never sent.
    to_send: asks for the threads.
    in_flight: asks that were sent and whose answer is not stored yet.
    delayed: (when, number, ask) to be repeated, a heap.
    rests_until: when the next request may be sent. Times are of the clock `time.monotonic`.
    failures: failed attempts in a row; limited: replies in a row that asked to wait.
    """

    endpoint: Endpoint
    target: Target
    at_once: int
    waiting: Iterator[Ask]
    to_send: "queue.SimpleQueue[Ask | None]" = field(default_factory=queue.SimpleQueue)
    threads: int = 0
    delayed: list[tuple[float, int, Ask]] = field(default_factory=list)
    in_flight: int = 0
    is_over: bool = False
    rests_until: float = 0.0
    failures: int = 0
    limited: int = 0

    def take_next(self, may_begin: bool) -> Ask | None:
        """The ask to send now, if there is one.

        may_begin: whether it may be one that was never sent.
        """
        now = time.monotonic()
        if self.in_flight >= self.at_once or now < self.rests_until:
            return None
        if self.delayed and self.delayed[0][0] <= now:
            return heapq.heappop(self.delayed)[2]
        if self.is_over or not may_begin:
            return None
        ask = next(self.waiting, None)
        self.is_over = ask is None
        return ask

    def find_next_start(self) -> float:
        """When the next attempt may begin, if one is delayed."""
        return max(self.rests_until, self.delayed[0][0]) if self.delayed else float("inf")


class Asker:
    """Sends requests to the endpoints of some versions and hands out what comes.

    begun: asks that were handed to a thread at least once; asked: requests sent.
    down: (endpoint, failure) where an endpoint failed MOST_FAILURES times in a row; then nothing more is sent.
    """

    def __init__(self, wanted: Wanted, at_once: int | None = None) -> None:
        """at_once: most requests at a time to each endpoint; None for the endpoint's own limit.

        Raises KeyProblem.
        """
        self.lanes = [build_lane(wanted, versions, at_once) for versions in group_by_endpoint(wanted.versions)]
        self.client = Client(get_networks(), sum(lane.at_once for lane in self.lanes))
        self.received: queue.SimpleQueue[tuple[Lane, Answer]] = queue.SimpleQueue()
        self.asked = self.begun = 0
        self.numbers = itertools.count()
        self.stops_at: float | None = None
        self.down: tuple[Endpoint, RequestFailed] | None = None

    def stop(self) -> None:
        """Sends nothing more; what is in flight is awaited for a while."""
        self.stops_at = self.stops_at or time.monotonic() + GRACE_S

    def close(self) -> None:
        """Ends the threads that are idle. Those that wait for a server end with the process."""
        for lane in self.lanes:
            for _ in range(lane.threads):
                lane.to_send.put(None)
        if not self.count_in_flight():
            self.client.close()

    def count_in_flight(self) -> int:
        """The number of asks that were sent and whose answer is not stored yet."""
        return sum(lane.in_flight for lane in self.lanes)

    def iter_answers(self, may_begin: Callable[[], bool], pace: Pace) -> Iterator[list[Answer]]:
        """The answers as they come, some at a time; an empty list now and then while none comes.

        The caller stores them before it asks for more: what a killed process loses is what is in flight, at most
        `at_once` asks of each endpoint.

        may_begin: whether asks that were never sent may be sent at all; once not, nothing waits for them.
        """
        came: list[tuple[Lane, Answer]] = []
        handed_out = time.monotonic()
        while True:
            self.send_waiting(lambda: may_begin() and pace.is_due(self.begun))
            now = time.monotonic()
            if not self.count_in_flight() and (self.stops_at or not self.has_more(may_begin())):
                return
            if self.stops_at and now > self.stops_at:
                yield [answer for _, answer in came]
                return
            start = min(lane.find_next_start() for lane in self.lanes)
            came += self.receive(max(0.001, min(GATHER_S if came else HAND_OUT_S, start - now)))
            since = time.monotonic() - handed_out
            is_gathered = came and not pace.is_slow and (len(came) == self.count_in_flight() or since >= GATHER_S)
            if is_gathered or since >= HAND_OUT_S:
                yield [answer for _, answer in came]
                for lane, _ in came:
                    lane.in_flight -= 1
                came, handed_out = [], time.monotonic()

    def receive(self, timeout: float) -> list[tuple[Lane, Answer]]:
        """The final answers that are there; waits for the first reply at most `timeout` seconds."""
        came = []
        with contextlib.suppress(queue.Empty):
            lane, answer = self.received.get(timeout=timeout)
            while True:
                if self.is_final(lane, answer):
                    came.append((lane, answer))
                lane, answer = self.received.get_nowait()
        return came

    def has_more(self, may_begin: bool) -> bool:
        """Whether a request is still to be sent."""
        return any(lane.delayed or (may_begin and not lane.is_over) for lane in self.lanes)

    def send_waiting(self, may_begin: Callable[[], bool]) -> None:
        """Hands to threads what may be sent now."""
        for lane in self.lanes:
            while not self.stops_at and (ask := lane.take_next(may_begin())) is not None:
                self.begun += not ask.attempts
                ask.attempts += 1
                lane.in_flight += 1
                self.asked += 1
                lane.to_send.put(ask)
                if lane.threads < min(lane.at_once, lane.in_flight):
                    lane.threads += 1
                    threading.Thread(target=self.send_requests, args=[lane], daemon=True).start()

    def send_requests(self, lane: Lane) -> None:
        """The loop of a thread."""
        while (ask := lane.to_send.get()) is not None:
            answer = Answer(ask)
            try:
                request = build_request(ask.version, ask.prompt, ask.seed)
                answer.completion = self.client.complete(lane.target, request)
            except RequestFailed as failure:
                answer.failure = failure
            except Exception as why:  # whatever a hostile server makes a library raise
                answer.failure = RequestFailed("not_openai", type(why).__name__)
            self.received.put((lane, answer))

    def is_final(self, lane: Lane, answer: Answer) -> bool:
        """Whether nothing better will come; otherwise the attempt is to be repeated later."""
        failure = answer.failure
        if failure is None:
            lane.failures = lane.limited = 0
            return True
        pause = choose_pause(answer.ask.attempts, failure)
        if failure.code == "rate_limited" and failure.may_retry:
            lane.limited += 1
            if lane.limited >= lane.at_once:
                lane.rests_until = time.monotonic() + pause
        else:
            lane.failures += 1
            if lane.failures >= MOST_FAILURES and not self.down:
                self.down = lane.endpoint, failure
                self.stop()
        if not failure.may_retry or answer.ask.attempts >= MOST_ATTEMPTS:
            return True
        lane.in_flight -= 1
        heapq.heappush(lane.delayed, (time.monotonic() + pause, next(self.numbers), answer.ask))
        return False


def choose_pause(attempts: int, failure: RequestFailed) -> float:
    """Seconds until an attempt is repeated: as the server says, else twice as long each time, with a random part.

    attempts: so far, from 1.
    """
    if failure.retry_after is not None:
        return failure.retry_after + random.uniform(0, 0.1)
    return min(LONGEST_PAUSE_S, 2.0 ** (attempts - 1)) * random.uniform(0.75, 1.25)


def group_by_endpoint(versions: Iterable[ModelVersion]) -> list[list[ModelVersion]]:
    """The versions, those of one endpoint together."""
    groups: dict[int, list[ModelVersion]] = {}
    for version in versions:
        groups.setdefault(version.endpoint_id, []).append(version)
    return list(groups.values())


def build_lane(wanted: Wanted, versions: Sequence[ModelVersion], at_once: int | None) -> Lane:
    """The lane of one endpoint's versions. Raises KeyProblem."""
    endpoint = versions[0].endpoint
    asks = iter_asks(wanted._replace(versions=versions))
    return Lane(endpoint, build_target(endpoint), at_once or endpoint.at_once, asks)


def iter_asks(wanted: Wanted) -> Iterator[Ask]:
    """What waits for an answer, prompt by prompt, so that comparisons can begin early."""
    versions = {version.pk: version for version in wanted.versions}
    waiting = wanted.get_generations().filter(state=Generation.State.WAITING)
    last = 0
    while prompts := list(waiting.filter(prompt__gt=last).order_by("prompt").values_list("prompt", flat=True)[:CHUNK]):
        stored = StoredPrompt.objects.in_bulk(set(prompts))
        last = prompts[-1]
        rows = waiting.filter(prompt__in=stored).order_by("prompt", "place", "version")
        for pk, prompt, version, seed in list(rows.values_list("pk", "prompt", "version", "seed")):
            yield Ask(pk, prompt, versions[version], convert_prompt(stored[prompt]), seed)


def convert_prompt(prompt: StoredPrompt) -> Prompt:
    """A stored prompt in the parts that formats speak of."""
    turns = tuple((role, text) for role, text in prompt.turns)
    return Prompt(prompt.instruction, prompt.input, prompt.system, turns)
