"""What formats speak: plain rows of prompt, responses and what was said of them. No request, no database.

Named tuples: a row of a large file is made three times over, and a data class takes three times as long.
"""

from typing import NamedTuple


class Refusal(ValueError):
    """A row that cannot be kept as it is. `reason` is a code of docs/formats.md, `field` where it stands."""

    def __init__(self, reason, field="", detail=""):
        super().__init__(reason)
        self.reason, self.field, self.detail = reason, field, detail


class Omission(ValueError):
    """A row that a dialect's rules do not take. `reason` is a code of docs/formats.md."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


class TableRow(dict):
    """A row of CSV or TSV, where an empty cell may mean that there is nothing."""


class Prompt(NamedTuple):
    """A prompt in its parts. `turns`: the earlier ones, (role, text) with role `user` or `assistant`."""

    instruction: str
    input: str = ""
    system: str = ""
    turns: tuple[tuple[str, str], ...] = ()


class Response(NamedTuple):
    text: str
    source: str = ""


class Vote(NamedTuple):
    """A verdict that a file states of two of a row's responses (`pair`: their indices).

    verdict: `left` (the pair's first is better), `tie` or `both_bad`. ordinal: among equal votes of nobody in
    particular in one upload, the how-manieth (from 1); set while an upload is checked. strength: 1 to 3, of `left`.
    gap: in a ranking, how many places the two are apart. also: (criterion, `left` or `right`) of the same pair.
    """

    pair: tuple[int, int]
    verdict: str
    annotator: str = ""
    ordinal: int = 1
    strength: int = 1
    gap: int | None = None
    also: tuple[tuple[str, str], ...] = ()


CANDIDATES, JUDGED, DEMONSTRATION, PROMPT = "candidates", "judged", "demonstration", "prompt"


class Row(NamedTuple):
    """One row of a file, read. `kind` says what it asks for: candidates are compared by the dataset's policy, a
    judged row asks for its own pairs, a demonstration and a prompt without answers for nothing. `known`: where its
    verdict is known to be right, why; "" without a reason, None where it is one judgment among others."""

    prompt: Prompt
    responses: tuple[Response, ...]
    kind: str
    votes: tuple[Vote, ...] = ()
    tags: tuple[str, ...] = ()
    known: str | None = None


class Demonstration(NamedTuple):
    """One row to write for SFT: a prompt and the answer to learn."""

    prompt: Prompt
    answer: str

    @property
    def answers(self):
        return (self.answer,)


class Preference(NamedTuple):
    """One row to write for preference training: a prompt, the better answer and the worse one.

    strength: by how much the one is better, 0 to 3: the mean of the votes, those for the other below zero.
    """

    prompt: Prompt
    chosen: str
    rejected: str
    strength: float = 1.0

    @property
    def answers(self):
        return self.chosen, self.rejected


class Label(NamedTuple):
    """One row to write for KTO: a prompt, one answer, and whether it is wanted."""

    prompt: Prompt
    answer: str
    wanted: bool

    @property
    def answers(self):
        return (self.answer,)


class JudgmentRow(NamedTuple):
    """One judgment, whole, to write for a table: {column: text or number}."""

    columns: dict
