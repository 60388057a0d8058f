"""Generation: asks for the wanted answers of a dataset in a background task that can be paused and resumed."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.utils import timezone

from datasets.db.write_lock import write_turn
from datasets.jobs import worker
from datasets.jobs.worker import JobCancellation, Progress
from datasets.models import Dataset, Job, Judgment
from optimize.asking import Answer, Asker, Pace
from optimize.models import ModelVersion
from optimize.storing import store_answers
from optimize.wanted import Wanted, count_generations, create_generations, sum_used

if TYPE_CHECKING:
    from annotate.models import User

KIND = "generate"
SILENT_S = 5  # a task whose worker has been silent so long is taken over by a command
LONGEST_WAIT_S = 24 * 60 * 60
PACE = 40  # answers a second that are asked for while people judge
CHECK_S, RECENT_S = 1.0, 10  # how often to look whether people judge, and how long ago counts


class AlreadyRunning(Exception):
    """The dataset has a task of generation that is alive."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"task {job.pk}")
        self.job = job


@dataclass(frozen=True, slots=True)
class Limits:
    """What one task may take; None without a limit.

    money: in the endpoints' currency.
    """

    answers: int | None = None
    tokens: int | None = None
    money: Decimal | None = None


def start_generation(
    wanted: Wanted,
    limits: Limits | None = None,
    at_once: int | None = None,
    by: "User | None" = None,
    here: bool = False,
    page: str = "",
) -> Job:
    """The task that asks for the wanted answers.

    at_once: most requests at a time to each endpoint; None for the endpoint's own limit.
    page: the address of the page that shows it.
    here: for commands: run it before returning, and take over the task of a worker that has died.

    Raises AlreadyRunning.
    """
    limits = limits or Limits()
    arguments: dict[str, Any] = {
        "page": page,
        "versions": [version.pk for version in wanted.versions],
        "n": wanted.n,
        "prompts": None if wanted.prompts is None else list(wanted.prompts),
        "answers": limits.answers,
        "tokens": limits.tokens,
        "money": None if limits.money is None else str(limits.money),
        "most_at_once": at_once,
    }
    with write_turn(), transaction.atomic():
        Dataset.objects.select_for_update().get(pk=wanted.dataset.pk)
        for job in Job.objects.filter(kind=KIND, dataset=wanted.dataset, state__in=Job.OPEN):
            if is_alive(job, here):
                raise AlreadyRunning(job)
            job.state, job.finished_at = Job.State.CANCELLED, timezone.now()
            job.save()
        if not here:
            return worker.start(KIND, by, wanted.dataset, **arguments)
        job = worker.create_job(KIND, by, wanted.dataset, is_claimed=True, **arguments)
    worker.run_claimed(job)
    job.refresh_from_db()
    return job


def restart_generation(job: Job, by: "User | None" = None, page: str = "") -> Job:
    """A task that goes on where one that was paused, or failed, has stopped; arguments and errors as above."""
    return start_generation(load_wanted(job), load_limits(job), job.arguments["most_at_once"], by, page=page)


def is_alive(job: Job, here: bool) -> bool:
    """Whether an open task has a worker; a command (`here`) takes over one that waits for a worker, too."""
    if job.state == Job.State.WAITING:
        return not here
    return (job.beat_at or job.created_at) > timezone.now() - timedelta(seconds=SILENT_S)


def generate_here(
    wanted: Wanted, at_once: int | None = None, limits: Limits | None = None, wait_s: float = LONGEST_WAIT_S
) -> dict[str, Any]:
    """The result of asking for the wanted answers now; waits for another task of the dataset. See `run_generation`.

    Raises TimeoutError after wait_s seconds.
    """
    until = time.monotonic() + wait_s
    while True:
        try:
            job = start_generation(wanted, limits, at_once, here=True)
        except AlreadyRunning:
            if time.monotonic() > until:
                raise TimeoutError from None
            time.sleep(0.5)
        else:
            return {**job.result, "state": job.state, "error": job.error}


class Spending:
    """What a task has taken so far, over all its attempts."""

    def __init__(self, job: Job, wanted: Wanted, limits: Limits) -> None:
        self.limits, self.money, self.tokens, self.answers = limits, Decimal(0), 0, 0
        self.versions = {version.pk: version for version in wanted.versions}
        earlier = wanted.get_generations().filter(finished_at__gte=job.created_at)
        for pk, used in sum_used(earlier).items():
            self.answers += used.answers
            self.add(pk, used.tokens_in, used.tokens_out)

    def add(self, version: int, tokens_in: int, tokens_out: int) -> None:
        """Adds tokens of a version, by its id."""
        self.tokens += tokens_in + tokens_out
        self.money += self.versions[version].endpoint.compute_cost(tokens_in, tokens_out)

    def add_completions(self, answers: Iterable[Answer]) -> None:
        """Adds what the endpoints say that answers took."""
        for answer in answers:
            if answer.completion:
                completion = answer.completion
                self.add(answer.ask.version.pk, completion.tokens_in or 0, completion.tokens_out or 0)

    def find_reached(self, begun: int) -> str:
        """The limit that is reached: `answers`, `tokens` or `money`; "" for none.

        begun: answers that this attempt has asked for.
        """
        taken = {"answers": self.answers + begun, "tokens": self.tokens, "money": self.money}
        for name, value in taken.items():
            limit = getattr(self.limits, name)
            if limit is not None and value >= limit:
                return name
        return ""


def load_wanted(job: Job) -> Wanted:
    """What a task of generation wants."""
    assert job.dataset is not None
    versions = ModelVersion.objects.select_related("endpoint").in_bulk(job.arguments["versions"])
    return Wanted(job.dataset, list(versions.values()), job.arguments["n"], job.arguments["prompts"])


def load_limits(job: Job) -> Limits:
    """The limits of a task of generation."""
    money = job.arguments.get("money")
    return Limits(job.arguments.get("answers"), job.arguments.get("tokens"), None if money is None else Decimal(money))


def run_generation(job: Job, progress: Progress) -> dict[str, Any]:
    """Asks for the wanted answers of a task and stores what comes.

    Result: {"dataset": slug, "asked": requests, "responses": texts newly stored, "done", "failed": in this task}, and
    where the task paused without being asked, "paused" (a code of reasons.PAUSED), "endpoint", "failure", "detail".

    Raises KeyProblem, JobCancellation.
    """
    wanted, limits = load_wanted(job), load_limits(job)
    create_generations(wanted)
    counts = count_generations(wanted)
    finished, total = counts.done, counts.wanted
    progress(finished, total)
    spent = Spending(job, wanted, limits)
    asker = Asker(wanted, job.arguments["most_at_once"])
    result: dict[str, Any] = {"dataset": wanted.dataset.slug, "asked": 0, "responses": 0, "done": 0, "failed": 0}
    is_cancelled = False
    try:
        for answers in asker.iter_answers(lambda: not spent.find_reached(asker.begun), ConsideratePace()):
            if answers:
                stored = store_answers(wanted, answers)
                spent.add_completions(answers)
                finished += stored.done + stored.failed
                for name in ("responses", "done", "failed"):
                    result[name] += getattr(stored, name)
            try:
                progress(min(finished, total), total)
            except JobCancellation:
                is_cancelled = True
                asker.stop()
    finally:
        asker.close()
    result["asked"] = asker.asked
    if is_cancelled:
        raise JobCancellation
    return {**result, **describe_pause(asker, spent, wanted)}


class ConsideratePace(Pace):
    """Asks for fewer answers a second while people judge, who would have to wait for the processor."""

    def __init__(self) -> None:
        self.checked_at = self.slow_since = 0.0
        self.begun_then = 0
        self.is_slow = False

    def is_due(self, begun: int) -> bool:
        now = time.monotonic()
        if now - self.checked_at > CHECK_S:
            self.checked_at = now
            was_slow, self.is_slow = self.is_slow, is_anybody_judging()
            if self.is_slow and not was_slow:
                self.slow_since, self.begun_then = now, begun
        return not self.is_slow or begun - self.begun_then < PACE * (now - self.slow_since) + 1


def is_anybody_judging() -> bool:
    """Whether a comparison was handed out a moment ago. The newest judgment tells, without a search."""
    newest = Judgment.objects.order_by("-pk").values_list("leased_at", flat=True).first()
    return newest is not None and newest > timezone.now() - timedelta(seconds=RECENT_S)


def describe_pause(asker: Asker, spent: Spending, wanted: Wanted) -> dict[str, str]:
    """Why a task ends before all answers are there: {"paused": a code of reasons.PAUSED, …}; empty if it does not."""
    if asker.down:
        endpoint, failure = asker.down
        about = {"endpoint": str(endpoint), "failure": failure.code, "detail": failure.detail}
        return {"paused": "failures", **about}
    limit = spent.find_reached(asker.begun)
    return {"paused": f"limit_{limit}"} if limit and count_generations(wanted).waiting else {}
