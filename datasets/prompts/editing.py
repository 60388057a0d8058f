"""Editing of prompts and responses by hand. Never changes texts that somebody has judged or leased."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from django.db import IntegrityError, transaction

from datasets.comparisons.generate import generate_for_prompts
from datasets.formats import rows
from datasets.models import Choice, Comparison, Dataset, Judgment, Prompt, Response
from datasets.prompts.origins import replace_hash
from datasets.text.fingerprints import fingerprint_prompt, hash_text
from datasets.text.reading_time import count_prompt_words, count_words


class CannotSave(Exception):
    """An edit was refused; nothing was saved.

    reason: `prompt_exists`, `prompt_judged`, `answer_judged`, `answer_twice` or `answer_gone`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class EditedAnswer:
    """One response as a form has it.

    text: "" to delete the response.
    pk: of the stored response; None for a new one.
    """

    text: str
    source: str = ""
    demonstration: bool = False
    pk: int | None = None


def list_judged_ids(prompt: Prompt) -> set[int]:
    """Ids of a prompt's responses that are judged or leased, or that an annotator has written."""
    judgments = Judgment.objects.filter(comparison__prompt=prompt).exclude(state=Judgment.State.EXPIRED)
    compared_ids = {
        pk for comparison in Comparison.objects.filter(judgments__in=judgments) for pk in comparison.response_ids
    }
    return compared_ids | set(Choice.objects.filter(chosen__prompt=prompt).values_list("chosen", flat=True))


@transaction.atomic
def save_prompt(
    dataset: Dataset, parts: rows.Prompt, answers: Iterable[EditedAnswer], prompt: Prompt | None = None
) -> Prompt:
    """Stores a prompt with its responses and generates its comparisons. Returns the prompt.

    answers: skips those with an empty text and no pk.
    prompt: the one to change; None for a new one.

    Raises CannotSave, and then nothing has changed.
    """
    if prompt:
        list(Comparison.objects.filter(prompt=prompt).select_for_update().order_by("pk"))
    judged = list_judged_ids(prompt) if prompt else set()
    try:
        with transaction.atomic():
            prompt = save_parts(dataset, parts, prompt, locked=bool(judged))
    except IntegrityError:
        raise CannotSave("prompt_exists") from None
    try:
        with transaction.atomic():
            for answer in answers:
                save_answer(prompt, answer, judged)
    except IntegrityError:
        raise CannotSave("answer_twice") from None
    generate_for_prompts(dataset, [prompt.pk], prune=True)
    return prompt


def save_parts(dataset: Dataset, parts: rows.Prompt, prompt: Prompt | None, locked: bool) -> Prompt:
    """Stores the texts of a prompt, if they have changed.

    locked: whether a change is forbidden.

    Raises CannotSave.
    """
    new_fingerprint = fingerprint_prompt(parts)
    if prompt and prompt.fingerprint == new_fingerprint:
        return prompt
    if prompt and locked:
        raise CannotSave("prompt_judged")
    prompt = prompt or Prompt(dataset=dataset)
    prompt.system, prompt.instruction, prompt.input = parts.system, parts.instruction, parts.input
    prompt.turns, prompt.fingerprint, prompt.html, prompt.plain = parts.turns, new_fingerprint, None, None
    prompt.words = count_prompt_words(parts)
    prompt.save()
    return prompt


def save_answer(prompt: Prompt, answer: EditedAnswer, judged: Collection[int]) -> None:
    """Adds, changes or deletes one response. Of a judged one, only `demonstration` may change.

    judged: ids, see `list_judged_ids`.

    Raises CannotSave.
    """
    response = Response(prompt=prompt, candidate=not answer.demonstration)
    if answer.pk:
        stored = prompt.responses.filter(pk=answer.pk).first()
        if stored is None:
            raise CannotSave("answer_gone")
        response = stored
    if response.turns and answer.text == response.text.replace("\r\n", "\n"):  # as a browser returns it
        answer = replace(answer, text=response.text)
    if (answer.text, answer.source) == (response.text, response.source):
        if answer.demonstration != response.demonstration:
            Response.objects.filter(pk=response.pk).update(demonstration=answer.demonstration)
        return
    if response.pk in judged:
        raise CannotSave("answer_judged")
    if response.pk:
        touching = [c.pk for c in Comparison.objects.filter(prompt=prompt) if response.pk in c.response_ids]
        Comparison.objects.filter(pk__in=touching).delete()
    if not answer.text:
        if response.pk:
            response.delete()
        return
    text_hash = hash_text(answer.text)
    if response.pk and text_hash != response.text_hash:
        replace_hash(prompt, response.text_hash, text_hash)
        response.label = response.turns = None  # they were those of the earlier text
    response.text, response.source, response.demonstration = answer.text, answer.source, answer.demonstration
    response.text_hash, response.html, response.plain = text_hash, None, None
    response.words = count_words(answer.text)
    response.save()
