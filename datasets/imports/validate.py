"""Checks one file into the spool: reads each row by the file's format and refuses contradictory votes."""

import dataclasses
import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, TypeAlias, TypeVar

from datasets import formats
from datasets.files.detect import read_items
from datasets.files.item import FileProblem, Item
from datasets.files.streams import Readable
from datasets.formats import long, mapping
from datasets.formats.guessing import find_ambiguity
from datasets.formats.rows import Refusal, Row
from datasets.imports.columns import Unsure, find_roles, write_draft
from datasets.imports.known_prompts import hash_prompt
from datasets.imports.personal_data import mask_row
from datasets.imports.reading import SAMPLE, Facts, Options, Reading, choose_reading, find_doubt
from datasets.imports.spool import Spool
from datasets.imports.warnings import KNOWN
from datasets.models import Dataset, Judgment, Response
from datasets.text.fingerprints import fingerprint_prompt, fingerprint_response, hash_text

BATCH = 200

T = TypeVar("T")
StandingVotes: TypeAlias = Mapping[str, tuple[str, str]]  # {vote key: (outcome, `file:line`)}


class ReadAgain(Exception):
    """The whole file is to be read otherwise than its first rows let expect. `reading`: how."""

    def __init__(self, reading: Reading) -> None:
        super().__init__(reading.name)
        self.reading = reading


def check_file(
    spool: Spool,
    dataset: Dataset | None,
    name: str,
    stream: Readable,
    options: Options,
    folder: Path | None = None,
    decided: Reading | None = None,
) -> Reading:
    """Checks one file into the spool. Returns how it was read, with the columns that were not read.

    folder: where to write a draft mapping; without it, an ambiguous file is refused.
    decided: how to read it, if it was read once before.

    Raises ReadAgain if all rows together ask for another reading than the first ones, FileProblem if the file cannot
    be read, Unsure if an admin has to map its columns and there is a folder.

    >>> import io
    >>> check_file(spool, None, "rows.jsonl", io.BytesIO(b'{"prompt": "2 + 2?", "completion": "4"}'), Options()).name
    'sft'
    """
    _, rest = read_items(stream)
    sample = list(itertools.islice(rest, SAMPLE))
    if not sample:
        raise FileProblem("empty_file")
    facts, before = Facts(), spool.count("rows")
    reading = decided or choose_safely(name, Facts.collect(sample), options, folder, is_whole=False)
    for batch in split_batches(itertools.chain(sample, rest), BATCH):
        for item in batch:
            facts.add(item)
        rows = reading.read_batch(batch)
        if options.mask or options.known:
            rows = [(item, row if isinstance(row, Refusal) else finish_row(row, options)) for item, row in rows]
        check_batch(spool, dataset, name, rows)
    if not decided:
        final = choose_safely(name, facts, options, folder, is_whole=True)
        if reading.name == "long" and is_provenance(facts, spool, before):
            final = choose_reading(facts, options, [name for name in formats.get_readable_formats() if name != "long"])
        if not final.is_same(reading):
            raise ReadAgain(final)
    if folder and reading.leftovers.get_blocking():
        ask(folder, name, facts, "unread", reading)
    if folder:
        write_draft(folder, name, facts.list_columns(), facts.rows, "said", reading.roles, get_shape(reading))
    return reading


def choose_safely(name: str, facts: Facts, options: Options, folder: Path | None, is_whole: bool) -> Reading:
    """How to read a file; one that could mean two things is refused, or asked about if there is a folder.

    is_whole: whether the facts are of all rows.
    """
    if options.roles is None and options.format_name == "auto":
        options = dataclasses.replace(options, roles=find_roles(facts.list_columns()))
    try:
        reading = choose_reading(facts, options)
    except FileProblem as problem:
        if not folder or problem.code not in ("unknown_shape", "no_such_column") or not facts.list_columns():
            raise
        ask(folder, name, facts, problem.code)
    if reading.roles and mapping.FORMAT not in reading.roles:
        return reading
    doubt = find_doubt(reading, facts)
    if folder:
        rows = [reading.rename(row) for row in facts.rows]
        doubt = doubt or ("" if is_whole else find_ambiguity(reading.name, rows))
    if doubt and folder:
        ask(folder, name, facts, doubt, reading)
    if doubt:
        raise FileProblem(doubt, ", ".join(sorted(facts.labels if doubt == "labels" else facts.verdicts))[:100])
    return reading


def ask(folder: Path, name: str, facts: Facts, why: str, reading: Reading | None = None) -> NoReturn:
    """Writes the draft mapping of a file, then raises Unsure.

    why: a code of reasons.UNSURE.
    reading: how the file would be read.

    >>> ask(folder, "a.csv", Facts.collect([Item(1, {"q": "2 + 2?"})]), "unknown_shape")
    Traceback (most recent call last):
    datasets.imports.columns.Unsure
    """
    unread = reading.leftovers.get_unread() if reading else {}
    shape = get_shape(reading) if reading else ""
    blocking = reading.leftovers.get_blocking() if reading else []
    columns = list(dict.fromkeys([*blocking, *facts.list_columns()])) if blocking else facts.list_columns()
    write_draft(folder, name, columns, facts.rows, why, shape=shape, unread=unread, blocking=blocking)
    raise Unsure


def get_shape(reading: Reading) -> str:
    """The format by which a file is read, "" if a mapping reads it."""
    return reading.name if reading.module else ""


def is_provenance(facts: Facts, spool: Spool, before: int) -> bool:
    """Whether `source` says where a row comes from, not which model wrote its answer: it varies and no prompt repeats.

    before: rows of the spool before this file.
    """
    may_be = len(facts.sources) > 1 and long.is_provenance({name.lower() for name in facts.columns})
    return may_be and not spool.has_repeated_prompt(before)


def split_batches(rows: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` rows; the last may be shorter.

    >>> list(split_batches("abc", 2))
    [['a', 'b'], ['c']]
    """
    rows = iter(rows)
    while batch := list(itertools.islice(rows, size)):
        yield batch


def check_batch(spool: Spool, dataset: Dataset | None, file: str, rows: Sequence[tuple[Item, Row | Refusal]]) -> None:
    """Adds rows to the spool; refuses those that contradict an earlier vote of the same annotator, or a label."""
    parsed = [row for _, row in rows if not isinstance(row, Refusal)]
    standing = find_standing_votes(dataset, parsed) if dataset else {}
    labels = find_standing_labels(dataset, parsed) if dataset else {}
    accepted: list[tuple[int, Row]] = []
    for item, row in rows:
        if not isinstance(row, Refusal):
            row = check_row(spool, row, standing, labels, f"{file}:{item.line}")
        if isinstance(row, Refusal):
            spool.refuse(file, item, row)
        else:
            accepted.append((item.line, row))
    spool.add(file, accepted)


def finish_row(row: Row, options: Options) -> Row | Refusal:
    """The row masked as the options say, with the warnings about what is masked and about a known prompt.

    >>> from datasets.formats import sft
    >>> row = sft.read({"prompt": "Mail?", "completion": "ann@example.com"})
    >>> finish_row(row, Options(mask=frozenset({"personal_data"}))).odd
    ('personal_data',)
    """
    odd = (KNOWN,) if options.known and hash_prompt(row.prompt) in options.known else ()
    try:
        for kind in sorted(options.mask):
            masked = mask_row(row, {kind})
            if masked is not row:
                row, odd = masked, (*odd, kind)
    except Refusal as refused:
        return refused
    return row._replace(odd=(*row.odd, *odd)) if odd else row


def check_row(spool: Spool, row: Row, standing: StandingVotes, labels: Mapping[str, bool], place: str) -> Row | Refusal:
    """The row with its anonymous votes numbered, or the refusal of one that contradicts an earlier vote or label.

    standing, labels: those in the dataset; those of this upload are in the spool.
    place: `file:line` of the row.

    >>> from datasets.formats import dpo_text
    >>> row = dpo_text.read({"prompt": "2 + 2?", "chosen": "4", "rejected": "5"})
    >>> [vote.ordinal for _ in range(2) for vote in check_row(spool, row, {}, {}, "rows.jsonl:1").votes]
    [1, 2]
    """
    checked: Row | Refusal = check_votes(spool, row, standing, place) if row.votes else row
    if not isinstance(checked, Refusal) and checked.label is not None:
        checked = check_label(spool, checked, labels, place)
    return checked


def check_votes(spool: Spool, row: Row, standing: StandingVotes, place: str) -> Row | Refusal:
    """The row with its anonymous votes numbered, or the refusal that names the contradictory earlier vote.

    standing: the votes in the dataset; those of this upload are in the spool.
    place: `file:line` of the row.
    """
    keyed_votes = list(zip(row.votes, compute_vote_keys(row), get_outcomes(row), strict=True))
    for vote, key, verdict in keyed_votes:
        earlier = vote.annotator and (standing.get(key) or spool.find_vote(key))
        if earlier and earlier[0] != verdict:
            return Refusal("other_verdict", "annotator", earlier[1])
    votes = []
    for vote, key, verdict in keyed_votes:
        if vote.annotator:
            spool.add_vote(key, verdict, place)
            votes.append(vote)
        else:
            votes.append(vote._replace(ordinal=spool.number_vote(f"{key} {verdict}")))
    return row._replace(votes=tuple(votes))


def check_label(spool: Spool, row: Row, standing: Mapping[str, bool], place: str) -> Row | Refusal:
    """The row, or the refusal that names the earlier row with the other label for the same answer.

    standing: the labels in the dataset, by the key of compute_label_key; those of this upload are in the spool.
    place: `file:line` of the row.
    """
    prompt, (response,) = fingerprint_prompt(row.prompt), row.responses
    key, label = compute_label_key(prompt, fingerprint_response(response)), str(row.label)
    earlier = spool.find_vote(key)
    if earlier and earlier[0] != label:
        return Refusal("other_verdict", "label", earlier[1])
    if standing.get(key, row.label) != row.label:
        return Refusal("other_verdict", "label")
    spool.add_vote(key, label, place)
    return row


def compute_label_key(prompt: str, response: str) -> str:
    """The key of an answer's label: a hash of the fingerprints of its prompt and of the answer.

    >>> len(compute_label_key("0f", "a1"))
    64
    """
    return hash_text(json.dumps([prompt, response]))


def find_standing_labels(dataset: Dataset, rows: Sequence[Row]) -> Mapping[str, bool]:
    """{key: label} of the labelled answers in the dataset to the prompts of those rows that have a label.

    >>> from datasets.formats import kto
    >>> row = kto.read({"prompt": "Prompt 0?", "completion": "4", "label": True})
    >>> find_standing_labels(dataset, [row])
    {}
    """
    prompts = {fingerprint_prompt(row.prompt) for row in rows if row.label is not None}
    if not prompts:
        return {}
    labelled = Response.objects.visible().filter(prompt__dataset=dataset, prompt__fingerprint__in=prompts)
    return {
        compute_label_key(response.prompt.fingerprint, fingerprint_response(response)): label
        for response in labelled.exclude(label=None)
        .select_related("prompt")
        .only("source", "text", "label", "prompt__fingerprint")
        if (label := response.label) is not None
    }


def compute_vote_keys(row: Row) -> list[str]:
    """The keys of a row's votes: hashes of prompt, pair and annotator, independent of the order of the pair.

    Each text is hashed once, however many votes name it.

    >>> from datasets.formats import dpo_text
    >>> row = dpo_text.read({"prompt": "2 + 2?", "chosen": "4", "rejected": "5"})
    >>> [len(key) for key in compute_vote_keys(row)]
    [64]
    """
    if not row.votes:
        return []
    prompt, identity_of = fingerprint_prompt(row.prompt), compute_identities(row)
    return [
        hash_text(json.dumps([prompt, sorted(identity_of[n] for n in vote.pair), vote.annotator])) for vote in row.votes
    ]


def get_outcomes(row: Row) -> list[str]:
    """The outcomes of a row's votes: the fingerprint of the better response, `tie` or `both_bad`.

    >>> from datasets.formats import dpo_text
    >>> row = dpo_text.read({"prompt": "2 + 2?", "chosen": "4", "rejected": "5"})
    >>> get_outcomes(row) == [fingerprint_response(row.responses[0])]
    True
    """
    identity_of = compute_identities(row)
    return [identity_of[vote.pair[0]] if vote.verdict == "left" else vote.verdict for vote in row.votes]


def compute_identities(row: Row) -> dict[int, str]:
    """{index: fingerprint} of the responses of a row that its votes name."""
    return {n: fingerprint_response(row.responses[n]) for n in {n for vote in row.votes for n in vote.pair}}


def find_standing_votes(dataset: Dataset, rows: Sequence[Row]) -> StandingVotes:
    """The imported votes on the prompts of these rows, by the annotators that the rows name.

    >>> from datasets.formats import dpo_text
    >>> row = dpo_text.read({"prompt": "Prompt 0?", "chosen": "4", "rejected": "5", "annotator": "alice"})
    >>> [place for _, place in find_standing_votes(dataset, [row]).values()]
    ['moons.jsonl:1']
    """
    names = {vote.annotator for row in rows for vote in row.votes if vote.annotator}
    if not names:
        return {}
    votes = list(
        Judgment.objects.visible()
        .filter(
            dataset=dataset,
            imported_by__in=names,
            comparison__prompt__fingerprint__in={fingerprint_prompt(row.prompt) for row in rows},
        )
        .values_list("comparison__prompt__fingerprint", "imported_by", "order", "verdict", "imported_from")
    )
    responses = Response.objects.in_bulk({pk for vote in votes for pk in vote[2]})
    identity_of = {pk: fingerprint_response(response) for pk, response in responses.items()}
    standing = {}
    for prompt, annotator, order, verdict, place in votes:
        pair = [identity_of[pk] for pk in order]
        key = hash_text(json.dumps([prompt, sorted(pair), annotator]))
        standing[key] = (pair[0] if verdict == "left" else verdict, place)
    return standing
