"""Which answers are wanted: one Generation row each, written before anything is asked."""

import random
from collections.abc import Collection, Iterator, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import Avg, Count, Exists, OuterRef, Q, QuerySet, Sum

from datasets.comparisons.generate import generate_for_prompts
from datasets.db.bulk import insert
from datasets.db.write_lock import batch_transaction, write_turn
from datasets.models import Dataset, Prompt, Response
from optimize.models import ChatSettings, Generation, ModelVersion, Turn

State = Generation.State
BATCH = 200  # prompts per transaction
MOST_ANSWERS = 64  # of one version to one prompt
GUESSED_TOKENS = 300  # of an answer, before the version has given any
TOKENS_OF_WORD = 1.4


class Wanted(NamedTuple):
    """What a task of generation wants: n answers of each version to each prompt.

    prompts: ids; None for all prompts of the dataset, except those of chats that others do not judge.
    """

    dataset: Dataset
    versions: Sequence[ModelVersion]
    n: int
    prompts: Sequence[int] | None = None

    def get_prompts(self) -> "QuerySet[Prompt]":
        """The prompts, by id."""
        prompts = Prompt.objects.visible().filter(dataset=self.dataset).order_by("pk")
        if self.prompts is not None:
            return prompts.filter(pk__in=self.prompts)
        of_chats = Turn.objects.filter(prompt=OuterRef("pk"), made_prompt=True)  # others would read what somebody said
        to_queue = ChatSettings.objects.filter(dataset=self.dataset, to_queue=True).exists()
        return prompts if to_queue else prompts.exclude(Exists(of_chats))

    def get_generations(self) -> "QuerySet[Generation]":
        """The rows of the wanted answers."""
        rows = Generation.objects.filter(version__in=self.versions, place__lte=self.n, prompt__dataset=self.dataset)
        return rows if self.prompts is None else rows.filter(prompt__in=self.prompts)


class Counts(NamedTuple):
    """How many answers are wanted, done, waiting, and failed by reason: wanted = done + waiting + all failed."""

    wanted: int
    done: int
    waiting: int
    failed: dict[str, int]


class Estimate(NamedTuple):
    """What the missing answers of one version will take.

    tokens_in, tokens_out: about; most_out: at most, None where the version sets no limit.
    cost: about, in the endpoint's currency; None where it has no prices.
    """

    version: ModelVersion
    answers: int
    tokens_in: int
    tokens_out: int
    most_out: int | None
    cost: Decimal | None


def create_generations(wanted: Wanted) -> None:
    """Writes the rows of wanted answers that are not there yet, and lets failed ones wait again."""
    for prompts in split_ids(wanted.get_prompts().values_list("pk", flat=True)):
        with write_turn(), batch_transaction():
            rows = wanted.get_generations().filter(prompt__in=prompts)
            there = set(rows.values_list("prompt", "version", "place"))
            new = [
                (prompt, version.pk, place, random.getrandbits(31))
                for prompt in prompts
                for version in wanted.versions
                for place in range(1, wanted.n + 1)
                if (prompt, version.pk, place) not in there
            ]
            insert(Generation, ("prompt", "version", "place", "seed"), new)
            rows.filter(state=State.FAILED).update(state=State.WAITING, error="", detail="", attempts=0)
            done = rows.filter(state=State.DONE).values("response")
            if Response.objects.filter(pk__in=done, candidate=False).update(candidate=True):
                complete = set(prompts) - list_prompts_waiting(wanted, prompts)
                generate_for_prompts(wanted.dataset, sorted(complete))


def split_ids(ids: "QuerySet[Any, int]") -> Iterator[list[int]]:
    """The ids in batches, read in one pass of keyset queries."""
    last = 0
    while batch := list(ids.filter(pk__gt=last)[:BATCH]):
        yield batch
        last = batch[-1]


def count_generations(wanted: Wanted) -> Counts:
    """How the wanted answers stand."""
    rows = wanted.get_generations().order_by().values("state", "error").annotate(count=Count("pk"))
    by_state = {(row["state"], row["error"]): row["count"] for row in rows}
    done = sum(count for (state, _), count in by_state.items() if state == State.DONE)
    failed = {error: count for (state, error), count in sorted(by_state.items()) if state == State.FAILED}
    total = wanted.get_prompts().count() * len(wanted.versions) * wanted.n
    return Counts(total, done, total - done - sum(failed.values()), failed)


def estimate(wanted: Wanted) -> list[Estimate]:
    """What the missing answers will take, by version."""
    prompts = wanted.get_prompts()
    count = prompts.count()
    words = (prompts.aggregate(words=Avg("words"))["words"] or 0) if count else 0
    return [estimate_version(wanted, version, count, words) for version in wanted.versions]


def estimate_version(wanted: Wanted, version: ModelVersion, prompts: int, words: float) -> Estimate:
    """What the missing answers of one version will take.

    prompts: their number; words: of a prompt on average.
    """
    done = wanted._replace(versions=[version]).get_generations().filter(state=State.DONE).count()
    known = version.generations.filter(state=State.DONE).aggregate(taken=Avg("tokens_in"), given=Avg("tokens_out"))
    answers = prompts * wanted.n - done
    most = version.parameters.get("max_tokens")
    taken = known["taken"] or TOKENS_OF_WORD * (words + len(version.system.split()))
    given = known["given"] or min(GUESSED_TOKENS, most or GUESSED_TOKENS)
    tokens_in, tokens_out = round(answers * taken), round(answers * given)
    endpoint = version.endpoint
    cost = endpoint.compute_cost(tokens_in, tokens_out) if endpoint.has_prices else None
    return Estimate(version, answers, tokens_in, tokens_out, answers * most if most else None, cost)


class Used(NamedTuple):
    """What answers have taken so far."""

    answers: int
    tokens_in: int
    tokens_out: int


def sum_used(generations: "QuerySet[Generation]") -> dict[int, Used]:
    """{version id: what its finished generations have taken}"""
    finished = generations.exclude(state=State.WAITING).order_by().values("version")
    sums = finished.annotate(
        answers=Count("pk", filter=Q(state=State.DONE)), taken=Sum("tokens_in"), given=Sum("tokens_out")
    )
    return {row["version"]: Used(row["answers"], row["taken"] or 0, row["given"] or 0) for row in sums}


def list_prompts_waiting(wanted: Wanted, prompts: Collection[int]) -> set[int]:
    """Those of these prompts that still wait for an answer.

    prompts: ids.
    """
    rows = wanted.get_generations().filter(prompt__in=prompts, state=State.WAITING)
    return set(rows.values_list("prompt", flat=True))
