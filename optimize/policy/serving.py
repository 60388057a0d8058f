"""Answers a request from outside by a policy: n fresh answers at once, of which the picker returns one.

Nothing of it is stored, unless the policy sends a share of its requests to be judged.
"""

import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from datasets.db.write_lock import write_turn
from datasets.formats import parsers, rows
from datasets.models import Comparison, Dataset
from optimize.models import ModelVersion, Pick, PolicySettings
from optimize.policy.coverage import join_text
from optimize.policy.learning import Learnt, fetch_learnt_lately
from optimize.policy.picking import Decision, choose_answer, draw_seeds
from optimize.policy.settings import NoAnswer, list_versions
from optimize.prompt_answers import complete_patiently
from optimize.prompts import check_imports, ensure_comparison, ensure_prompt, ensure_response
from optimize.wire.client import Completion, RequestFailed


@dataclass(frozen=True)
class Served:
    """What a policy returned.

    answers: (version, completion) of the answers that came, the first one first.
    """

    answers: Sequence[tuple[ModelVersion, Completion]]
    decision: Decision

    @property
    def completion(self) -> Completion:
        """The pick."""
        return self.answers[self.decision.place][1]

    def sum_tokens(self) -> tuple[int, int] | None:
        """(tokens in, tokens out) of all answers; None if a server did not tell."""
        taken = [completion.tokens_in for _, completion in self.answers]
        given = [completion.tokens_out for _, completion in self.answers]
        if None in taken or None in given:
            return None
        return sum(n or 0 for n in taken), sum(n or 0 for n in given)


def serve_prompt(policy: PolicySettings, prompt: rows.Prompt, overrides: Mapping[str, Any] | None = None) -> Served:
    """What the policy answers to a prompt. An answer that fails does not compete. Raises NoAnswer if all fail.

    overrides: fields of the requests, such as `max_tokens`.
    """
    versions = list_versions(policy)
    asked = [versions[k % len(versions)] for k in range(policy.n)]
    with ThreadPoolExecutor(policy.n) as threads:
        got = list(
            threads.map(
                lambda version, seed: complete_patiently(version, prompt, seed, overrides)[0],
                asked,
                draw_seeds(policy.n),
            )
        )
    answers = [
        (version, completion)
        for version, completion in zip(asked, got, strict=True)
        if isinstance(completion, Completion) and is_answer(completion)
    ]
    if not answers:
        raise NoAnswer(next((why.code for why in got if isinstance(why, RequestFailed)), "empty_answer"))
    learnt = fetch_learnt_lately(policy.dataset, policy.picker)
    texts = [completion.text for _, completion in answers]
    decision = choose_answer(texts, join_text(prompt.instruction, prompt.input), learnt, float(policy.margin))
    served = Served(answers, decision)
    if policy.live_share and random.random() * 100 < policy.live_share:
        send_to_judges(policy, prompt, served, learnt)
    return served


def is_answer(completion: Completion) -> bool:
    """Whether a completion holds a text that can be stored and shown."""
    try:
        parsers.parse_answer(completion.text, "answer")
    except rows.Refusal:
        return False
    return True


def send_to_judges(policy: PolicySettings, prompt: rows.Prompt, served: Served, learnt: Learnt) -> None:
    """Lets people judge the pick against the first answer, blind, in the dataset's queue."""
    dataset, place = policy.dataset, served.decision.place
    if dataset.state != Dataset.State.OPEN or not place:
        return
    with write_turn(), transaction.atomic():
        stored, _is_new = ensure_prompt(dataset, prompt)
        try:
            check_imports(stored)
        except rows.Refusal:  # an import may yet take the prompt away
            return
        first, pick = (
            ensure_response(stored, completion.text, version.source)
            for version, completion in (served.answers[0], served.answers[place])
        )
        comparison = ensure_comparison(stored, [first, pick])
        if not comparison.wanted:
            overlap = dataset.overlap
            Comparison.objects.filter(pk=comparison.pk).update(wanted=overlap, open_slots=overlap, held="")
        Pick.objects.create(
            dataset=dataset,
            prompt=stored,
            n=policy.n,
            first=first,
            pick=pick,
            picker=served.decision.picker,
            chance=served.decision.chance,
            covered=served.decision.covered,
            choices=len(learnt.choices),
            comparison=comparison,
        )
