"""Rows of the spool, and all that can be said of them before the database is asked: what is prepared in a thread while
an earlier batch is being stored."""

from dataclasses import dataclass, field
from typing import NamedTuple

from datasets.db.bulk import build_row_encoder
from datasets.formats import rows
from datasets.formats.rows import CANDIDATES, DEMONSTRATION
from datasets.models import Import, Prompt, Response
from datasets.text.fingerprints import hash_text
from datasets.text.reading_time import count_prompt_words, count_words

ROLE_OF = {CANDIDATES: "candidate", DEMONSTRATION: "demonstration"}


@dataclass(slots=True)
class BatchPrompt:
    """A prompt of a batch; its id once that is known, and whether it is new. line: as it is inserted, less the id."""

    prompt: rows.Prompt
    words: int
    tags: dict | None = None
    line: object = None
    pk: int = 0
    is_new: bool = False


@dataclass(slots=True)
class BatchAnswer:
    """A response of a batch; its id once that is known. roles: what the rows say that it is. line: as it is inserted,
    but for its id and that of its prompt."""

    text: str
    words: int
    roles: set
    line: object = None
    pk: int = 0


class BatchRow(NamedTuple):
    """A row with its prompt and its answers, each the same object wherever the batch names it again. firsts: how many
    (prompts, answers) the batch has not named before."""

    n: int
    file: str
    line: int
    row: rows.Row
    prompt: BatchPrompt
    answers: list
    firsts: tuple[int, int]


@dataclass
class Batch:
    """The rows of one transaction. prompts: {fingerprint: BatchPrompt}; answers: {(fingerprint, source, text hash):
    BatchAnswer}. Of new_responses and new_roles (ids) goes out what was counted. pending: (prompt id, whether the row
    is judged) of the rows that ask for comparisons."""

    run: Import
    rows: list = field(default_factory=list)
    prompts: dict = field(default_factory=dict)
    answers: dict = field(default_factory=dict)
    new_responses: set = field(default_factory=set)
    new_roles: set = field(default_factory=set)  # of responses that were there
    pending: list = field(default_factory=list)


PROMPT_COLUMNS = ("dataset", "fingerprint", "system", "turns", "instruction", "input", "words", "tags", "imported")
RESPONSE_COLUMNS = ("source", "text_hash", "text", "words", "candidate", "demonstration", "imported")


def iter_batches(run, spool, most):
    """The Batches of what an import has yet to store, of so many rows at most."""
    prompt_line = build_row_encoder(Prompt, ("id",), PROMPT_COLUMNS)
    response_line = build_row_encoder(Response, ("id", "prompt"), RESPONSE_COLUMNS)
    for spool_rows in spool.iter_batches(run.stored_upto, most):
        batch = Batch(run)
        for n, file, line, fingerprint, row in spool_rows:
            prompts, responses = len(batch.prompts), len(batch.answers)
            prompt, answers = add_prompt(batch, fingerprint, row), add_answers(batch, fingerprint, row)
            firsts = len(batch.prompts) - prompts, len(batch.answers) - responses
            batch.rows.append(BatchRow(n, file, line, row, prompt, answers, firsts))
        for fingerprint, entry in batch.prompts.items():
            instruction, given, system, turns = entry.prompt
            parts = system, turns, instruction, given
            entry.line = prompt_line((run.dataset_id, fingerprint, *parts, entry.words, list(entry.tags or ()), run.pk))
        for (_, source, text_hash), entry in batch.answers.items():
            roles = "candidate" in entry.roles, "demonstration" in entry.roles
            entry.line = response_line((source, text_hash, entry.text, entry.words, *roles, run.pk))
        yield batch


def add_prompt(batch, fingerprint, row):
    """The prompt of a row, with its tags."""
    prompt = batch.prompts.get(fingerprint)
    if prompt is None:
        prompt = batch.prompts[fingerprint] = BatchPrompt(row.prompt, count_prompt_words(row.prompt))
    if row.tags:
        prompt.tags = {**(prompt.tags or {}), **dict.fromkeys(row.tags)}
    return prompt


def add_answers(batch, fingerprint, row):
    """The answers of a row, with the role that it gives them."""
    answers, role, batch_answers = [], ROLE_OF.get(row.kind), batch.answers
    for text, source in row.responses:
        key = fingerprint, source, hash_text(text)
        answer = batch_answers.get(key)
        if answer is None:
            answer = batch_answers[key] = BatchAnswer(text, count_words(text), {role} if role else set())
        elif role:
            answer.roles.add(role)
        answers.append(answer)
    return answers
