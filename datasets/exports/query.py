"""Database -> prompts with their answers and the pairs that filters select, a few hundred at a time."""

import json
from collections import defaultdict
from typing import NamedTuple

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
)
from django.db.models.functions import Cast, Coalesce

from datasets.db.bulk import match_values
from datasets.exports.selection import VOTES, LengthBalance, Vote, VoteSelector, compute_length_signs
from datasets.formats import rows
from datasets.judgments.pauses import build_paused_condition
from datasets.models import Comparison, Judgment, Prompt, Response

FIRST_PROMPTS, PROMPTS_AT_ONCE, CHARACTERS_AT_ONCE = 200, 1000, 4 << 20  # fewer prompts where answers are long
PROMPT_FIELDS = ("pk", "fingerprint", "system", "turns_json", "instruction", "input", "tags_json", "group")
# Whether it is one, as the database says it: 1 and 0, or true and false. To convert each would take its time.
IS_DEMONSTRATION = ExpressionWrapper(F("demonstration"), CharField())
RESPONSE_FIELDS = ("prompt", "pk", "text", IS_DEMONSTRATION)


class ExportPrompt(NamedTuple):
    """One prompt (a row with PROMPT_FIELDS) with the texts of its responses {id: text}, which of these are
    demonstrations, and the pairs that go in; part: which part of the data it is in."""

    prompt: tuple
    texts: dict
    demonstrations: list
    pairs: list
    part: str = ""

    @property
    def row(self):
        _, _, system, turns_json, instruction, given, *_ = self.prompt
        return rows.Prompt(instruction, given, system, tuple(map(tuple, parse_list(turns_json))))


def iter_export_prompts(dataset, chooser, part_of=lambda prompt: "", most=None):
    """ExportPrompt of every prompt (of the first so many), with the pairs that a VoteSelector picks. part_of(prompt)
    tells which part of the data a prompt is in; each is balanced by itself."""
    export_prompts = iter_prompts_with_pairs(dataset, chooser, part_of, most)
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


def iter_length_signs(export_prompts):
    for export_prompt in export_prompts:
        for length_sign in compute_length_signs(export_prompt.prompt.fingerprint, get_pair_texts(export_prompt)):
            yield export_prompt.part, *length_sign


def get_pair_texts(export_prompt):
    return [(export_prompt.texts[pair.chosen], export_prompt.texts[pair.rejected]) for pair in export_prompt.pairs]


def iter_prompts_with_pairs(dataset, chooser, part_of, most):
    """ExportPrompt of every prompt (of the first so many), before the balance."""
    last, left, batch_size = 0, most, FIRST_PROMPTS
    lists = {f"{name}_json": Cast(name, TextField()) for name in ("turns", "tags")}  # most are empty
    prompts = Prompt.objects.visible_in(dataset).filter(dataset=dataset).annotate(**lists).order_by("pk")
    prompts = prompts.values_list(*PROMPT_FIELDS, named=True)
    all_responses = Response.objects.visible().order_by("pk").values_list(*RESPONSE_FIELDS)
    find_votes = build_vote_finder(chooser.filters)
    while batch := list(prompts.filter(pk__gt=last)[: batch_size if left is None else min(batch_size, left)]):
        last, left = batch[-1].pk, None if left is None else left - len(batch)
        ids = [prompt.pk for prompt in batch]
        texts, demonstrations, votes, size = defaultdict(dict), defaultdict(list), find_votes(ids), 1
        for prompt, pk, text, is_demonstration in all_responses.filter(match_values(Response, "prompt", ids)):
            texts[prompt][pk] = text
            size += len(text)
            if is_demonstration:
                demonstrations[prompt].append(pk)
        for prompt in batch:
            pk, tags = prompt.pk, parse_list(prompt.tags_json) if chooser.filters.tags else ()
            pairs = chooser.pick_pairs(tags, votes[pk]) if pk in votes else []
            yield ExportPrompt(prompt, texts.get(pk, {}), demonstrations.get(pk, []), pairs, part_of(prompt))
        batch_size = max(1, min(PROMPTS_AT_ONCE, len(batch) * CHARACTERS_AT_ONCE // size))


def parse_list(text):
    return json.loads(text) if text != "[]" else []


def build_vote_finder(filters):
    """A function that gives the votes which filters look at: of prompts with these ids {prompt id: [Vote]} of those
    that have any, by comparison and judgment.

    It asks for the comparisons first: were they joined, PostgreSQL would read all judgments for a thousand of them.
    """
    criterion, optional_fields = filters.criterion, build_optional_fields(filters)
    stated = FilteredRelation("choices", condition=Q(choices__criterion=criterion))
    votes = Judgment.objects.votes()
    if filters.decisions != VOTES:
        votes = votes | Judgment.objects.decisions()
    votes = votes.annotate(stated=stated).order_by("comparison", "pk", "stated__pk")
    votes = votes.values_list(
        "pk",
        "said" if criterion else "verdict",
        "stated__chosen",
        "stated__rejected",
        "stated__strength",
        "stated__rank_gap",
        "comparison",
        *optional_fields.values(),
    )

    def find_votes(prompts):
        comparisons = Comparison.objects.filter(match_values(Comparison, "prompt", prompts)).order_by()
        prompt_of = dict(comparisons.values_list("pk", "prompt"))
        votes_by_prompt = defaultdict(list)
        for values in votes.filter(match_values(Judgment, "comparison", prompt_of)):
            vote = (
                Vote(*values[:7], **dict(zip(optional_fields, values[7:], strict=True)))
                if optional_fields
                else Vote(*values)
            )
            if criterion:
                vote = vote._replace(verdict=get_verdict(criterion, vote.verdict))
            votes_by_prompt[prompt_of[vote.comparison]].append(vote)
        return votes_by_prompt

    return find_votes


def build_optional_fields(filters):
    """{what of a Vote the filters look at: where it stands}"""
    flagged = Exists(Judgment.objects.filter(comparison=OuterRef("comparison")).exclude(flag=""))
    decides = ExpressionWrapper(Q(purpose=Judgment.Purpose.DECISION), BooleanField())
    fields = {
        "decides": (filters.decisions != VOTES, decides),
        "annotator": (filters.annotators, Coalesce("annotator__username", "imported_by")),
        "at": (filters.since or filters.until, F("decided_at")),
        "flagged": (filters.flags, flagged),
        "paused": (filters.paused, build_paused_condition()),
    }
    return {name: where for name, (is_asked, where) in fields.items() if is_asked}


def get_verdict(criterion, said):
    """The verdict that a judgment gives by a criterion; "" where it gives none."""
    return said.get("criteria", {}).get(criterion, {}).get("verdict", [""])[0]
