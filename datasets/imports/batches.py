"""Batches of an import, prepared as far as possible without the database: a thread can build the next one while the
previous one is being stored.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from datasets.db.bulk import EncodedRow, build_row_encoder
from datasets.formats import rows
from datasets.formats.rows import CANDIDATES, DEMONSTRATION
from datasets.imports.spool import Spool
from datasets.models import Dataset, Import, Prompt, Response
from datasets.prompts.origins import Origin, add_origins, build_origin
from datasets.text.fingerprints import hash_text
from datasets.text.reading_time import count_prompt_words, count_words

ROLE_OF = {CANDIDATES: "candidate", DEMONSTRATION: "demonstration"}
AnswerKey: TypeAlias = tuple[str, str, str]  # (fingerprint of the prompt, source, text hash)


@dataclass(slots=True)
class BatchPrompt:
    """A prompt of a batch.

    origins: the entries of its rows, see origins.py; None without any.
    line: encoded for insert_lines, without the id.
    pk: its id; 0 until it is stored or found.
    """

    prompt: rows.Prompt
    words: int
    tags: dict[str, None] | None = None
    origins: list[Origin] | None = None
    line: EncodedRow = b""
    pk: int = 0
    is_new: bool = False


@dataclass(slots=True)
class BatchAnswer:
    """A response of a batch.

    roles: the roles that the rows give it, values of ROLE_OF.
    label: whether a row calls it good; None if none says so.
    turns: as in rows.Response.
    line: encoded for insert_lines, without its id and the id of its prompt.
    pk: its id; 0 until it is stored or found.
    """

    text: str
    words: int
    roles: set[str]
    label: bool | None = None
    turns: tuple[rows.Turn, ...] = ()
    line: EncodedRow = b""
    pk: int = 0


class BatchRow(NamedTuple):
    """A row with its prompt and answers; rows of a batch that name the same prompt or answer share the object.

    firsts: number of (prompts, answers) that no earlier row of the batch names.
    """

    n: int
    file: str
    line: int
    row: rows.Row
    prompt: BatchPrompt
    answers: list[BatchAnswer]
    firsts: tuple[int, int]


@dataclass
class Batch:
    """The rows of one transaction.

    prompts: by fingerprint.
    new_responses, new_roles: ids that are new and not yet counted; new_roles are of responses that existed before.
    pending: (prompt id, whether the row is judged) of the rows that need comparisons.
    """

    run: Import
    rows: list[BatchRow] = field(default_factory=list)
    prompts: dict[str, BatchPrompt] = field(default_factory=dict)
    answers: dict[AnswerKey, BatchAnswer] = field(default_factory=dict)
    new_responses: set[int] = field(default_factory=set)
    new_roles: set[int] = field(default_factory=set)
    pending: list[tuple[int, bool]] = field(default_factory=list)


PROMPT_COLUMNS = (
    "dataset", "fingerprint", "system", "turns", "instruction", "input", "words", "tags", "origins", "imported",
)  # fmt: skip
RESPONSE_COLUMNS = ("source", "text_hash", "text", "words", "candidate", "demonstration", "imported")


def get_dataset(run: Import) -> Dataset:
    """The dataset of an import that is being stored; before that, an import may have none.

    >>> get_dataset(run) == dataset
    True
    """
    assert run.dataset is not None, f"import {run.pk} has no dataset yet"
    return run.dataset


def iter_batches(run: Import, spool: Spool, most: int) -> Iterator[Batch]:
    """Batches of the rows that an import has yet to store, those after its `stored_upto`.

    most: rows per batch, at most.

    >>> [[row.line for row in batch.rows] for batch in iter_batches(run, spool, 200)]
    [[1]]
    """
    prompt_line = build_row_encoder(Prompt, ("id",), PROMPT_COLUMNS)
    response_line = build_row_encoder(Response, ("id", "prompt"), RESPONSE_COLUMNS)
    # The same columns in the same order: `label` and `turns` are the first of those that get their default
    labelled_line = build_row_encoder(Response, ("id", "prompt"), (*RESPONSE_COLUMNS, "label"))
    spoken_line = build_row_encoder(Response, ("id", "prompt"), (*RESPONSE_COLUMNS, "label", "turns"))
    for spool_rows in spool.iter_batches(run.stored_upto, most):
        batch = Batch(run)
        for n, file, line, fingerprint, row in spool_rows:
            prompts, responses = len(batch.prompts), len(batch.answers)
            prompt, answers = add_prompt(batch, fingerprint, row), add_answers(batch, fingerprint, row)
            firsts = len(batch.prompts) - prompts, len(batch.answers) - responses
            if row.id or row.meta:
                prompt.origins = [*(prompt.origins or ()), build_origin(run, row)]
            if row.label is not None:
                for answer in answers:
                    answer.label = row.label
            batch.rows.append(BatchRow(n, file, line, row, prompt, answers, firsts))
        for fingerprint, entry in batch.prompts.items():
            instruction, given, system, turns = entry.prompt
            parts = system, turns, instruction, given
            lists = list(entry.tags or ()), add_origins((), entry.origins) if entry.origins else []
            entry.line = prompt_line((run.dataset_id, fingerprint, *parts, entry.words, *lists, run.pk))
        for (_, source, text_hash), answer in batch.answers.items():
            roles = "candidate" in answer.roles, "demonstration" in answer.roles
            values = source, text_hash, answer.text, answer.words, *roles, run.pk
            if answer.turns:
                answer.line = spoken_line((*values, answer.label, answer.turns))
            else:
                answer.line = response_line(values) if answer.label is None else labelled_line((*values, answer.label))
        yield batch


def add_prompt(batch: Batch, fingerprint: str, row: rows.Row) -> BatchPrompt:
    """The prompt of a row, added to the batch, with the row's tags."""
    prompt = batch.prompts.get(fingerprint)
    if prompt is None:
        prompt = batch.prompts[fingerprint] = BatchPrompt(row.prompt, count_prompt_words(row.prompt))
    if row.tags:
        prompt.tags = {**(prompt.tags or {}), **dict.fromkeys(row.tags)}
    return prompt


def add_answers(batch: Batch, fingerprint: str, row: rows.Row) -> list[BatchAnswer]:
    """The answers of a row, added to the batch, with the role that the row gives them."""
    answers, role, batch_answers = [], ROLE_OF.get(row.kind), batch.answers
    for text, source, turns in row.responses:
        key = fingerprint, source, hash_text(text)
        answer = batch_answers.get(key)
        if answer is None:
            answer = batch_answers[key] = BatchAnswer(text, count_words(text), {role} if role else set(), turns=turns)
        elif role:
            answer.roles.add(role)
        answers.append(answer)
    return answers
