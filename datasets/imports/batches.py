"""Rows of the spool, and all that can be said of them before the database is asked: what is prepared in a thread while
an earlier batch is being stored."""

from dataclasses import dataclass, field
from typing import NamedTuple

from datasets.db.bulk import lines_of
from datasets.formats import rows
from datasets.formats.rows import CANDIDATES, DEMONSTRATION
from datasets.models import Import, Prompt, Response
from datasets.text.fingerprints import sha256
from datasets.text.reading_time import words, words_of_prompt

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


class Ready(NamedTuple):
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
    BatchAnswer}. Of new_responses and new_roles (ids) goes out what was counted. asks: (prompt id, whether the row is
    judged) of the rows that ask for comparisons."""

    run: Import
    rows: list = field(default_factory=list)
    prompts: dict = field(default_factory=dict)
    answers: dict = field(default_factory=dict)
    new_responses: set = field(default_factory=set)
    new_roles: set = field(default_factory=set)  # of responses that were there
    asks: list = field(default_factory=list)


PROMPT_COLUMNS = ("dataset", "fingerprint", "system", "turns", "instruction", "input", "words", "tags", "imported")
RESPONSE_COLUMNS = ("source", "text_hash", "text", "words", "candidate", "demonstration", "imported")


def batches(run, spool, most):
    """The Batches of what an import has yet to store, of so many rows at most."""
    prompt_line = lines_of(Prompt, ("id",), PROMPT_COLUMNS)
    response_line = lines_of(Response, ("id", "prompt"), RESPONSE_COLUMNS)
    for found in spool.batches(run.stored_upto, most):
        batch = Batch(run)
        for n, file, line, mark, row in found:
            prompts, responses = len(batch.prompts), len(batch.answers)
            prompt, answers = prompt_of(batch, mark, row), answers_of(batch, mark, row)
            firsts = len(batch.prompts) - prompts, len(batch.answers) - responses
            batch.rows.append(Ready(n, file, line, row, prompt, answers, firsts))
        for mark, one in batch.prompts.items():
            instruction, given, system, turns = one.prompt
            parts = system, turns, instruction, given
            one.line = prompt_line((run.dataset_id, mark, *parts, one.words, list(one.tags or ()), run.pk))
        for (_, source, text_hash), one in batch.answers.items():
            roles = "candidate" in one.roles, "demonstration" in one.roles
            one.line = response_line((source, text_hash, one.text, one.words, *roles, run.pk))
        yield batch


def prompt_of(batch, mark, row):
    """The prompt of a row, with its tags."""
    found = batch.prompts.get(mark)
    if found is None:
        found = batch.prompts[mark] = BatchPrompt(row.prompt, words_of_prompt(row.prompt))
    if row.tags:
        found.tags = {**(found.tags or {}), **dict.fromkeys(row.tags)}
    return found


def answers_of(batch, mark, row):
    """The answers of a row, with the role that it gives them."""
    found, role, there = [], ROLE_OF.get(row.kind), batch.answers
    for text, source in row.responses:
        key = mark, source, sha256(text)
        answer = there.get(key)
        if answer is None:
            answer = there[key] = BatchAnswer(text, words(text), {role} if role else set())
        elif role:
            answer.roles.add(role)
        found.append(answer)
    return found
