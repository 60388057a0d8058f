"""Prompts and comparisons that come one at a time: from a chat, or from a product's feedback."""

from collections.abc import Sequence

from datasets.formats import rows
from datasets.models import Comparison, Dataset, Import, Prompt, Response
from datasets.text.fingerprints import fingerprint_prompt, hash_text
from datasets.text.near_duplicates import assign_batch
from datasets.text.reading_time import count_prompt_words, count_words

KEPT = (Import.State.ASKING, Import.State.DONE)  # what such an import has stored stays
IMPORTING = "importing"  # the reason of a refusal that passes


def ensure_prompt(dataset: Dataset, parts: rows.Prompt, group: str = "") -> tuple[Prompt, bool]:
    """(the prompt with these texts, whether it is new)

    group: of a new prompt, so that it gets into the same part of a split as others; "" to derive it from its text.
    """
    prompt, is_new = Prompt.objects.get_or_create(
        dataset=dataset,
        fingerprint=fingerprint_prompt(parts),
        defaults={
            "system": parts.system,
            "turns": [list(turn) for turn in parts.turns],
            "instruction": parts.instruction,
            "input": parts.input,
            "words": count_prompt_words(parts),
            "group": group,
        },
    )
    if not prompt.group:
        assign_batch(dataset, [prompt])
    return prompt, is_new


def check_imports(*stored: Prompt | Response) -> None:
    """Locks the imports that these rows come from. Raises Refusal (IMPORTING) if one may yet take them away.

    Call it after the lock of the comparison or the response: imports take theirs in the same order.
    """
    ids = {row.imported_id for row in stored if row.imported_id}
    kept = Import.objects.select_for_update(no_key=True).filter(pk__in=ids, state__in=KEPT).order_by("pk")
    if ids and len(kept) < len(ids):
        raise rows.Refusal(IMPORTING)


def ensure_response(prompt: Prompt, text: str, source: str = "") -> Response:
    """The response with this text and source, stored if missing; the queue does not compare it with others."""
    response, _is_new = Response.objects.get_or_create(
        prompt=prompt,
        source=source,
        text_hash=hash_text(text),
        defaults={"text": text, "words": count_words(text)},
    )
    return response


def ensure_comparison(prompt: Prompt, responses: Sequence[Response]) -> Comparison:
    """The comparison of these responses, locked; a new one is out of the queue and wants no judgment yet."""
    words = prompt.words + sum(response.words for response in responses)
    defaults = {"dataset_id": prompt.dataset_id, "prompt": prompt, "held": Comparison.CHAT, "words": words}
    comparison, _is_new = Comparison.objects.get_or_create(
        key=Comparison.build_key([response.pk for response in responses]),
        defaults={**defaults, "wanted": 0, "open_slots": 0},
    )
    return Comparison.objects.select_for_update().get(pk=comparison.pk)
