"""Prompts with their responses and the pairs that filters select, read in batches."""

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django.db.models import (
    BooleanField,
    CharField,
    Exists,
    ExpressionWrapper,
    F,
    FilteredRelation,
    OuterRef,
    Q,
    TextField,
    Value,
)
from django.db.models.functions import Cast, Coalesce

from datasets.db.bulk import match_values
from datasets.exports.selection import (
    VOTES,
    Filters,
    LengthBalance,
    Pair,
    Vote,
    VoteSelector,
    compute_length_signs,
)
from datasets.formats import rows
from datasets.judgments.pauses import build_paused_condition
from datasets.models import Comparison, Dataset, Import, Judgment, Prompt, Response
from datasets.prompts.origins import Origin

# Prompts in the first batch, in later batches, and characters in a batch: fewer prompts where responses are long
FIRST_PROMPTS, PROMPTS_AT_ONCE, CHARACTERS_AT_ONCE = 200, 1000, 4 << 20
# The database's own value, 1 and 0 or true and false: converting each one would take time.
IS_DEMONSTRATION, IS_GOOD, TURNS_JSON = (
    ExpressionWrapper(F(name), CharField()) for name in ("demonstration", "label", "turns")
)
RESPONSE_FIELDS = ("prompt", "pk", "text", IS_DEMONSTRATION, IS_GOOD, "source", TURNS_JSON)


NOTHING: Mapping[int, Any] = {}


class PromptRow(NamedTuple):
    """A prompt as the query returns it; Django builds its own named tuple with these fields.

    origins_json: "[]" unless ids or metadata are requested.
    """

    pk: int
    fingerprint: str
    system: str
    turns_json: str
    instruction: str
    input: str
    tags_json: str
    group: str
    origins_json: str


PROMPT_FIELDS = PromptRow._fields


class ExportPrompt(NamedTuple):
    """A prompt with its responses and the pairs that enter the export.

    texts: {response id: text}.
    demonstrations: ids of the responses that are demonstrations.
    part: of the data, such as train; "" where it is not split.
    labels: {response id: whether a file calls it good} of those that have a label.
    sources: {response id: source} of those that have one.
    origins: of the visible imports, see datasets/prompts/origins.py; empty unless they are requested.
    trajectories: {response id: its turns} of those that have several.
    """

    prompt: PromptRow
    texts: dict[int, str]
    demonstrations: list[int]
    pairs: list[Pair]
    part: str = ""
    labels: Mapping[int, bool] = NOTHING
    sources: Mapping[int, str] = NOTHING
    origins: Sequence[Origin] = ()
    trajectories: Mapping[int, tuple[rows.Turn, ...]] = NOTHING

    @property
    def row(self) -> rows.Prompt:
        """The prompt as the formats write it."""
        _, _, system, turns_json, instruction, given, *_ = self.prompt
        return rows.Prompt(instruction, given, system, parse_turns(turns_json))


def iter_export_prompts(
    dataset: Dataset,
    chooser: VoteSelector,
    part_of: Callable[[PromptRow], str] = lambda prompt: "",
    most: int | None = None,
    with_origins: bool = False,
) -> Iterator[ExportPrompt]:
    """All prompts of a dataset, by id, with the pairs that a VoteSelector picks, balanced where its filters say so.

    >>> [len(prompt.pairs) for prompt in iter_export_prompts(dataset, VoteSelector(Filters()))]
    [1, 0]

    part_of: returns the part of the data that a prompt is in; each part is balanced separately.
    most: at most this number of prompts; None for all.
    with_origins: whether to read the ids and metadata of the rows that the prompts come from.
    """
    export_prompts = iter_prompts_with_pairs(dataset, chooser, part_of, most, with_origins)
    if not chooser.filters.balanced:
        yield from export_prompts
        return
    balance = LengthBalance(
        iter_length_signs(iter_prompts_with_pairs(dataset, VoteSelector(chooser.filters), part_of, most))
    )
    for export_prompt in export_prompts:
        pairs = []
        for pair, length_sign in zip(
            export_prompt.pairs,
            compute_length_signs(export_prompt.prompt.fingerprint, get_pair_texts(export_prompt)),
            strict=True,
        ):
            if balance.is_kept(export_prompt.part, *length_sign):
                pairs.append(pair)
            else:
                chooser.left_out["balance"] += pair.times
        yield export_prompt._replace(pairs=pairs)


def iter_length_signs(export_prompts: Iterable[ExportPrompt]) -> Iterator[tuple[str, int, int]]:
    """(part, sign, number) of every pair, see `compute_length_signs`."""
    for export_prompt in export_prompts:
        for length_sign in compute_length_signs(export_prompt.prompt.fingerprint, get_pair_texts(export_prompt)):
            yield export_prompt.part, *length_sign


def get_pair_texts(export_prompt: ExportPrompt) -> list[tuple[str, str]]:
    """(chosen text, rejected text) of each pair."""
    return [(export_prompt.texts[pair.chosen], export_prompt.texts[pair.rejected]) for pair in export_prompt.pairs]


def iter_prompts_with_pairs(
    dataset: Dataset,
    chooser: VoteSelector,
    part_of: Callable[[PromptRow], str],
    most: int | None,
    with_origins: bool = False,
) -> Iterator[ExportPrompt]:
    """Same as `iter_export_prompts`, before balancing."""
    last, left, batch_size = 0, most, FIRST_PROMPTS
    lists: dict[str, Any] = {f"{name}_json": Cast(name, TextField()) for name in ("turns", "tags")}  # parsed later
    lists["origins_json"] = Cast("origins", TextField()) if with_origins else Value("[]")
    visible = Prompt.objects.visible_in(dataset).filter(dataset=dataset).annotate(**lists).order_by("pk")
    prompts: Any = visible.values_list(*PROMPT_FIELDS, named=True)
    batch: list[PromptRow]
    all_responses = Response.objects.visible().order_by("pk").values_list(*RESPONSE_FIELDS)
    find_votes = build_vote_finder(chooser.filters)
    hidden = list_hidden_imports(dataset) if with_origins else set()
    while batch := list(prompts.filter(pk__gt=last)[: batch_size if left is None else min(batch_size, left)]):
        last, left = batch[-1].pk, None if left is None else left - len(batch)
        ids = [prompt.pk for prompt in batch]
        votes, size = find_votes(ids), 1
        texts: dict[int, dict[int, str]] = defaultdict(dict)
        demonstrations: dict[int, list[int]] = defaultdict(list)
        labels: dict[int, dict[int, bool]] = defaultdict(dict)
        sources: dict[int, dict[int, str]] = defaultdict(dict)
        trajectories: dict[int, dict[int, tuple[rows.Turn, ...]]] = defaultdict(dict)
        for prompt_pk, pk, text, is_demonstration, is_good, source, turns_json in all_responses.filter(
            match_values(Response, "prompt", ids)
        ):
            texts[prompt_pk][pk] = text
            size += len(text)
            if is_demonstration:
                demonstrations[prompt_pk].append(pk)
            if is_good is not None:
                labels[prompt_pk][pk] = bool(is_good)
            if source:
                sources[prompt_pk][pk] = source
            if turns_json:
                trajectories[prompt_pk][pk] = parse_turns(turns_json)
                size += len(turns_json)
        for prompt in batch:
            pk, tags = prompt.pk, parse_list(prompt.tags_json) if chooser.filters.tags else ()
            pairs = chooser.pick_pairs(tags, votes[pk]) if pk in votes else []
            origins = drop_hidden(parse_list(prompt.origins_json), hidden)
            said = labels.get(pk, NOTHING), sources.get(pk, NOTHING), origins, trajectories.get(pk, NOTHING)
            yield ExportPrompt(prompt, texts.get(pk, {}), demonstrations.get(pk, []), pairs, part_of(prompt), *said)
        batch_size = max(1, min(PROMPTS_AT_ONCE, len(batch) * CHARACTERS_AT_ONCE // size))


def list_hidden_imports(dataset: Dataset) -> set[int]:
    """Ids of the imports into a dataset that are not visible yet.

    >>> list_hidden_imports(dataset)
    set()
    """
    return set(Import.objects.filter(dataset=dataset).exclude(state__in=Import.VISIBLE).values_list("pk", flat=True))


def drop_hidden(origins: Sequence[Origin], hidden: Collection[int]) -> Sequence[Origin]:
    """The origins without those of hidden imports (ids).

    >>> drop_hidden([[1, "a", None, []], [2, "b", None, []]], {2})
    [[1, 'a', None, []]]
    """
    return [origin for origin in origins if origin[0] not in hidden] if hidden else origins


def parse_list(text: str) -> list[Any]:
    """The list that a JSON text holds; does not call the parser for an empty one.

    >>> parse_list('["travel", "food"]')
    ['travel', 'food']
    """
    return json.loads(text) if text != "[]" else []


def parse_turns(text: str) -> tuple[rows.Turn, ...]:
    """The turns that a JSON text holds.

    >>> parse_turns('[["user", "And?"]]')
    (('user', 'And?'),)
    """
    return tuple((role, words) for role, words in parse_list(text))


def build_vote_finder(filters: Filters) -> Callable[[Sequence[int]], dict[int, list[Vote]]]:
    """A function from prompt ids to {prompt id: its votes, by comparison and judgment}, without prompts that have none.

    It queries the comparisons first: in a join, PostgreSQL would read all judgments for a thousand prompts.
    """
    criterion, optional_fields = filters.criterion, build_optional_fields(filters)
    stated = FilteredRelation("choices", condition=Q(choices__criterion=criterion))
    judgments = Judgment.objects.votes()
    if filters.decisions != VOTES:
        judgments = judgments | Judgment.objects.decisions()
    votes: Any = judgments.annotate(stated=stated).order_by("comparison", "pk", "stated__pk")
    votes = votes.values_list(
        "pk",
        "said" if criterion else "verdict",
        "stated__chosen",
        "stated__rejected",
        "stated__strength",
        "stated__rank_gap",
        "comparison",
        "stated__margin",
        *optional_fields.values(),
    )

    def find_votes(prompts: Sequence[int]) -> dict[int, list[Vote]]:
        comparisons = Comparison.objects.filter(match_values(Comparison, "prompt", prompts)).order_by()
        prompt_of = dict(comparisons.values_list("pk", "prompt"))
        votes_by_prompt: dict[int, list[Vote]] = defaultdict(list)
        for values in votes.filter(match_values(Judgment, "comparison", prompt_of)):
            vote = (
                Vote(*values[:8], **dict(zip(optional_fields, values[8:], strict=True)))
                if optional_fields
                else Vote(*values)
            )
            if criterion:
                vote = vote._replace(verdict=get_verdict(criterion, vote.verdict))
            votes_by_prompt[prompt_of[vote.comparison]].append(vote)
        return votes_by_prompt

    return find_votes


def build_optional_fields(filters: Filters) -> dict[str, Any]:
    """{field of Vote that the filters need: expression for it}"""
    flagged = Exists(Judgment.objects.filter(comparison=OuterRef("comparison")).exclude(flag=""))
    decides = ExpressionWrapper(Q(purpose=Judgment.Purpose.DECISION), BooleanField())
    fields: dict[str, tuple[Any, Any]] = {
        "decides": (filters.decisions != VOTES, decides),
        "annotator": (filters.annotators, Coalesce("annotator__username", "imported_by")),
        "at": (filters.since or filters.until, F("decided_at")),
        "flagged": (filters.flags, flagged),
        "paused": (filters.paused, build_paused_condition()),
    }
    return {name: expression for name, (is_needed, expression) in fields.items() if is_needed}


def get_verdict(criterion: str, said: Any) -> str:
    """The verdict of a judgment by a criterion; "" without one.

    said: the judgment's, see datasets/judgments/said.py.
    """
    return said.get("criteria", {}).get(criterion, {}).get("verdict", [""])[0]
