"""Prompts and answers by hand. What people have judged, or have in hand, is never changed under them."""

from dataclasses import dataclass

from django.db import IntegrityError, transaction

from datasets.comparisons.generate import generate_for_prompts
from datasets.models import Choice, Comparison, Judgment, Prompt, Response
from datasets.text.fingerprints import fingerprint_prompt, hash_text
from datasets.text.reading_time import count_prompt_words, count_words


class CannotSave(Exception):
    """Why nothing was saved: `prompt_exists`, `prompt_judged`, `answer_judged`, `answer_twice` or
    `answer_gone`."""

    def __init__(self, reason):
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class EditedAnswer:
    """One answer as a form has it: `pk` of the response that it was, or None; an empty text takes it away."""

    text: str
    source: str = ""
    demonstration: bool = False
    pk: int | None = None


def list_judged_ids(prompt):
    """Ids of the prompt's responses that somebody has judged, has in hand, or has written as a better one."""
    judgments = Judgment.objects.filter(comparison__prompt=prompt).exclude(state=Judgment.State.EXPIRED)
    compared_ids = {
        pk for comparison in Comparison.objects.filter(judgments__in=judgments) for pk in comparison.response_ids
    }
    return compared_ids | set(Choice.objects.filter(chosen__prompt=prompt).values_list("chosen", flat=True))


@transaction.atomic
def save_prompt(dataset, parts, answers, prompt=None):
    """The prompt, stored with its answers, and its comparisons asked. Raises CannotSave, and then nothing has changed.

    parts: rows.Prompt. answers: [EditedAnswer]; those with an empty text and no pk are passed over.
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
    generate_for_prompts(dataset, [prompt.pk], anew=True)
    return prompt


def save_parts(dataset, parts, prompt, locked):
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


def save_answer(prompt, answer, judged):
    """Add, change or take away one answer. One that was judged may only become, or cease to be, a demonstration."""
    response = Response(prompt=prompt, candidate=not answer.demonstration)
    if answer.pk:
        response = prompt.responses.filter(pk=answer.pk).first()
        if response is None:
            raise CannotSave("answer_gone")
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
    response.text, response.source, response.demonstration = answer.text, answer.source, answer.demonstration
    response.text_hash, response.html, response.plain = hash_text(answer.text), None, None
    response.words = count_words(answer.text)
    response.save()
