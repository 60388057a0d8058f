"""How many comparisons and judgments a checked import asks for, and how long these take.

The rows are read once and tallied: how many prompts have how many answers. The tally stays in the spool, so that the
estimate for another overlap or pairing takes no time.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import msgspec
from django.db.models import Q

from datasets.comparisons.generate import count_groups
from datasets.db.bulk import match_values
from datasets.formats.rows import CANDIDATES, DEMONSTRATION, JUDGED, Row
from datasets.imports.batch_writer import find_existing_prompts
from datasets.imports.spool import Spool, get_spool_path
from datasets.imports.validate import split_batches
from datasets.judgments.statistics import compute_median_seconds
from datasets.models import Dataset, Import, Response
from datasets.text.fingerprints import hash_text

USUAL_SECONDS = 40.0  # per judgment, where the dataset has too few

PROMPTS_AT_ONCE = 500
MOST_MODELS = 1000  # counted by name
MOST_VOTES = 100  # the largest overlap; a gold question counts as if it had as many

Answer: TypeAlias = tuple[str, str]  # (source, text hash)
Pair: TypeAlias = tuple[Answer, Answer]


class Marks(NamedTuple):
    """What a row has to do with the number of comparisons.

    is_candidate: whether its answers may be compared as the policy says.
    is_gold: whether its votes are known answers.
    votes: (indices of the two answers, annotator).
    """

    is_candidate: bool
    is_gold: bool
    answers: tuple[Answer, ...]
    votes: tuple[tuple[tuple[int, int], str], ...]


encode_marks = msgspec.msgpack.Encoder().encode
decode_marks = msgspec.msgpack.Decoder(Marks).decode


class Shape(NamedTuple):
    """The answers to a prompt as far as they decide how many comparisons it gets.

    copies: those that may be compared, the dataset's among them, as for count_groups.
    before: the same of the dataset alone.
    judged: pairs with votes.
    among: those of them whose two answers may both be compared.
    with_first: those of `among` that contain the first answer.
    """

    copies: tuple[int, ...]
    before: tuple[int, ...]
    judged: int
    among: int
    with_first: int


@dataclass
class Tally:
    """The prompts and judged pairs of an upload.

    shapes: {shape: prompts}.
    votes: {votes: pairs} of the pairs that have any.
    models: {source: answers}, of at most MOST_MODELS sources.
    """

    shapes: Counter[Shape] = field(default_factory=Counter)
    votes: Counter[int] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)


class StoredTally(NamedTuple):
    """A Tally as the spool keeps it."""

    shapes: tuple[tuple[Shape, int], ...]
    votes: tuple[tuple[int, int], ...]
    models: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Estimate:
    """Comparisons and judgments that an import asks for.

    overlap: judgments per comparison.
    answered: those that the files hold already.
    seconds: per judgment.
    has_pace: whether these are the median of the dataset's own votes.
    """

    comparisons: int
    overlap: int
    answered: int
    seconds: float
    has_pace: bool

    @property
    def judgments(self) -> int:
        return self.comparisons * self.overlap

    @property
    def remaining(self) -> int:
        return max(0, self.judgments - self.answered)

    @property
    def total_seconds(self) -> float:
        return self.remaining * self.seconds


def estimate(tally: Tally, policy: Dataset) -> Estimate:
    """What a tallied import asks for.

    policy: the dataset, with values that need not be saved. Of one that has prompts the result is an upper bound.

    >>> tally = Tally(Counter({Shape((1, 1, 1), (), 0, 0, 0): 5}))
    >>> estimate(tally, Dataset(overlap=2)).judgments
    30
    """
    comparisons = sum(count_new_groups(shape, policy) * prompts for shape, prompts in tally.shapes.items())
    answered = sum(min(votes, policy.overlap) * pairs for votes, pairs in tally.votes.items())
    seconds = compute_median_seconds(policy) if policy.pk else None
    return Estimate(comparisons, policy.overlap, answered, seconds or USUAL_SECONDS, seconds is not None)


def count_new_groups(shape: Shape, policy: Dataset) -> int:
    """The number of new comparisons of a prompt; an upper bound if the dataset has it."""
    if shape.before:
        return count_groups(shape.copies, policy) - count_groups(shape.before, policy) + shape.judged
    return count_groups(shape.copies, policy, shape.among, shape.with_first) + shape.judged - shape.among


def fetch_tally(run: Import, dataset: Dataset) -> Tally:
    """The tally of a checked import; the second call does not read the rows.

    dataset: the one into which it will be stored; need not be saved yet.

    >>> fetch_tally(run, Dataset()).shapes
    Counter({Shape(copies=(1, 1), before=(), judged=0, among=0, with_first=0): 1})
    """
    spool = Spool(get_spool_path(run))
    latest = dataset.imports.order_by("-pk").values_list("pk", flat=True).first() if dataset.pk else None
    key = f"{dataset.pk} {latest} {dataset.ask_demonstrations}"
    if stored := spool.get_tally(key):
        shapes, votes, models = msgspec.msgpack.decode(stored, type=StoredTally)
        tally = Tally(Counter(dict(shapes)), Counter(dict(votes)), Counter(dict(models)))
    else:
        tally = tally_rows(spool, dataset)
        lists = (tuple(tally.shapes.items()), tuple(tally.votes.items()), tuple(tally.models.items()))
        spool.save_tally(key, msgspec.msgpack.encode(StoredTally(*lists)))
    spool.close()
    return tally


def tally_rows(spool: Spool, dataset: Dataset) -> Tally:
    """The tally of all rows, read prompt by prompt."""
    tally = Tally()
    kinds = (CANDIDATES, JUDGED, DEMONSTRATION) if dataset.ask_demonstrations else (CANDIDATES, JUDGED)
    rows = spool.iter_prompts(kinds, build_marks)
    prompts = (
        (fingerprint, [marks for _, marks in group])
        for fingerprint, group in itertools.groupby(rows, key=lambda row: row[0])
    )
    for batch in split_batches(prompts, PROMPTS_AT_ONCE):
        before = find_stored_answers(dataset, [fingerprint for fingerprint, _ in batch]) if dataset.pk else {}
        for fingerprint, encoded in batch:
            add_prompt(tally, map(decode_marks, encoded), before.get(fingerprint, ()))
    return tally


def build_marks(kind: str, row: Row) -> bytes:
    """The encoded Marks of a row."""
    answers = tuple((response.source, hash_text(response.text)) for response in row.responses)
    votes = tuple((vote.pair, vote.annotator) for vote in row.votes)
    return encode_marks(Marks(kind != JUDGED, row.known is not None, answers, votes))


def find_stored_answers(dataset: Dataset, fingerprints: Sequence[str]) -> Mapping[str, list[Answer]]:
    """{fingerprint: the answers that the dataset may have compared} of the prompts that it has."""
    fingerprint_of = {pk: fingerprint for fingerprint, (pk, _) in find_existing_prompts(dataset, fingerprints).items()}
    role = Q(candidate=True) | Q(demonstration=True) if dataset.ask_demonstrations else Q(candidate=True)
    responses = Response.objects.visible().filter(role, match_values(Response, "prompt", fingerprint_of))
    answers: dict[str, list[Answer]] = {}
    for prompt, source, text_hash in responses.order_by("pk").values_list("prompt", "source", "text_hash"):
        answers.setdefault(fingerprint_of[prompt], []).append((source, text_hash))
    return answers


def add_prompt(tally: Tally, rows: Iterable[Marks], before: Sequence[Answer]) -> None:
    """Adds a prompt to the tally.

    rows: all of its rows.
    before: the dataset's answers to it.
    """
    is_candidate: dict[Answer, bool] = dict.fromkeys(before, True)
    voters: dict[Pair, set[str]] = {}
    votes: Counter[Pair] = Counter()
    for row in rows:
        for answer in row.answers:
            if answer not in is_candidate:
                count_model(tally, answer[0])
            is_candidate[answer] = is_candidate.get(answer, False) or row.is_candidate
        for pair, annotator in iter_pairs(row):
            known = voters.setdefault(pair, set())
            votes[pair] += MOST_VOTES if row.is_gold else annotator not in known
            known |= {annotator} if annotator else set()
    candidates = [answer for answer, may_be in is_candidate.items() if may_be]
    among = [pair for pair in voters if is_candidate[pair[0]] and is_candidate[pair[1]]]
    with_first = sum(candidates[0] in pair for pair in among)
    shape = Shape(count_copies(candidates), count_copies(before), len(voters), len(among), with_first)
    tally.shapes[shape] += 1
    tally.votes.update(min(n, MOST_VOTES) for n in votes.values())


def count_model(tally: Tally, source: str) -> None:
    """Counts one more answer of a model."""
    if source in tally.models or len(tally.models) < MOST_MODELS:
        tally.models[source] += 1


def iter_pairs(row: Marks) -> Iterator[tuple[Pair, str]]:
    """(the two answers, annotator) of each vote of a row; the same pair in the same order, however it is voted."""
    for (left, right), annotator in row.votes:
        first, second = sorted((row.answers[left], row.answers[right]))
        yield (first, second), annotator


def count_copies(answers: Iterable[Answer]) -> tuple[int, ...]:
    """The number of answers with each text: that of the first answer, then the others, ascending.

    >>> count_copies([("a", "x"), ("b", "y"), ("c", "x"), ("d", "z")])
    (2, 1, 1)
    """
    first, *rest = Counter(text for _, text in answers).values() or (0,)
    return (first, *sorted(rest)) if first else ()
