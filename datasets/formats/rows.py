"""The rows that formats read and write: a prompt, its responses and their votes. No request, no database.

They are NamedTuples because a row of a large file is built three times, and building a dataclass takes three times as
long. msgspec decodes spooled rows by the annotations of Row and its parts, so a narrower type there is a check at run
time.
"""

from typing import Any, NamedTuple, TypeAlias

RawRow: TypeAlias = dict[str, Any]  # a row as a file holds it: {field: JSON value}
Turn: TypeAlias = tuple[str, str]  # (role, text); the role is `system`, `user` or `assistant`


class Refusal(ValueError):
    """A row that cannot be imported.

    reason: a code of docs/formats.md.
    field: the path of the offending value, such as `messages[2].role`.
    detail: what the message about it quotes.
    """

    def __init__(self, reason: str, field: str = "", detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.field, self.detail = reason, field, detail


class Omission(ValueError):
    """A row that a dialect cannot represent. `reason` is a code of docs/formats.md."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TableRow(dict[str, Any]):
    """A row of a table; an empty cell in it may be a missing value."""


class Prompt(NamedTuple):
    """A prompt in its parts. `turns`: the earlier ones, (role, text) with role `user` or `assistant`."""

    instruction: str
    input: str = ""
    system: str = ""
    turns: tuple[Turn, ...] = ()


class Response(NamedTuple):
    """A candidate answer.

    source: the model or person that wrote it, "" if unknown.
    turns: of an answer of several turns, the first and the last of them the assistant's; its text is their transcript.
    """

    text: str
    source: str = ""
    turns: tuple[Turn, ...] = ()


class Vote(NamedTuple):
    """A verdict that a file states on two of a row's responses.

    pair: the indices of the two responses.
    verdict: `left` (the first of the pair is better), `tie` or `both_bad`.
    ordinal: number of this vote, from 1, among the equal anonymous votes of an upload; set while the upload is checked.
    strength: 1 to 3, of `left`.
    gap: in a ranking, the number of places between the two.
    also: (criterion, `left` or `right`) verdicts on the same pair.
    margin: how much better the winner is on the file's own scale, such as the difference of two scores; at least 0.
    """

    pair: tuple[int, int]
    verdict: str
    annotator: str = ""
    ordinal: int = 1
    strength: int = 1
    gap: int | None = None
    also: tuple[tuple[str, str], ...] = ()
    margin: float | None = None


CANDIDATES, JUDGED, DEMONSTRATION, PROMPT = "candidates", "judged", "demonstration", "prompt"


class Row(NamedTuple):
    """A row of a file, parsed.

    kind: decides which comparisons the row creates. CANDIDATES: those of the dataset's policy; JUDGED: its own pairs;
        DEMONSTRATION, and PROMPT without answers: none.
    known: the reason why its verdict is known to be right ("" without a reason); None if it is an ordinary judgment.
    label: of a row with one response, whether that response is good; None if the file does not say.
    id: the file's own id of the row, "" without one.
    meta: {column: JSON value} of the columns that are kept as metadata.
    odd: warnings that were found while the row was read, codes of reasons.WARNINGS.
    """

    prompt: Prompt
    responses: tuple[Response, ...]
    kind: str
    votes: tuple[Vote, ...] = ()
    tags: tuple[str, ...] = ()
    known: str | None = None
    label: bool | None = None
    id: str = ""
    meta: dict[str, Any] | None = None
    odd: tuple[str, ...] = ()


class Demonstration(NamedTuple):
    """A row to write for SFT: a prompt and the answer to learn. `turns`: as in Response."""

    prompt: Prompt
    answer: str
    turns: tuple[Turn, ...] = ()

    @property
    def answers(self) -> tuple[str]:
        return (self.answer,)

    @property
    def trajectories(self) -> tuple[tuple[Turn, ...]]:
        return (self.turns,)


class Preference(NamedTuple):
    """A row to write for preference training: a prompt, the better answer and the worse one.

    strength: how much better the chosen answer is, 0 to 3: the mean of the votes, those for the other one negative.
    margin: the same on the scale of the file that the votes come from; None where not all of them have a margin.
    chosen_turns, rejected_turns: as in Response.
    """

    prompt: Prompt
    chosen: str
    rejected: str
    strength: float = 1.0
    margin: float | None = None
    chosen_turns: tuple[Turn, ...] = ()
    rejected_turns: tuple[Turn, ...] = ()

    @property
    def answers(self) -> tuple[str, str]:
        return self.chosen, self.rejected

    @property
    def trajectories(self) -> tuple[tuple[Turn, ...], tuple[Turn, ...]]:
        return self.chosen_turns, self.rejected_turns


class Label(NamedTuple):
    """A row to write for KTO: a prompt, one answer, and whether it is wanted. `turns`: as in Response."""

    prompt: Prompt
    answer: str
    wanted: bool
    turns: tuple[Turn, ...] = ()

    @property
    def answers(self) -> tuple[str]:
        return (self.answer,)

    @property
    def trajectories(self) -> tuple[tuple[Turn, ...]]:
        return (self.turns,)


class JudgmentRow(NamedTuple):
    """A complete judgment to write as a row of a table: {column: text or number}."""

    columns: RawRow
