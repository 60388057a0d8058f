"""Repairs: better responses that annotators write while judging, of source `repair`, chosen over those they replace."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from annotate.judging.question_spec import NEW
from annotate.models import get_annotator_id
from annotate.questions import get_sides
from datasets.comparisons.generate import generate_for_prompts
from datasets.judgments.said import Said
from datasets.models import Choice, Comparison, Judgment, Response
from datasets.text.fingerprints import hash_text
from datasets.text.reading_time import count_words
from datasets.text.shown import HIDE, hide_reasoning_in_text

if TYPE_CHECKING:
    from annotate.judging.question_spec import ChoiceRow


def filter_repairs(judgment: Judgment, details: Said) -> Said:
    """The details without unchanged or empty repairs: the page posts the text of every response, edited or not."""
    if "repairs" not in details:
        return details
    texts = dict(Response.objects.filter(pk__in=judgment.order).values_list("pk", "text"))
    if judgment.dataset.show_reasoning == HIDE:  # what the page posts lacks it
        texts = {pk: hide_reasoning_in_text(text) for pk, text in texts.items()}
    repairs = {
        side: text
        for side, text in details["repairs"].items()
        if text.strip() and all(text != normalize_newlines(texts[pk]) for pk in get_replaced_ids(judgment, side))
    }
    filtered = details.copy()
    del filtered["repairs"]
    if repairs:
        filtered["repairs"] = repairs
    return filtered


def get_replaced_ids(judgment: Judgment, side: str) -> list[int]:
    """The ids of the responses that a repair replaces: the one on its side, or all of them for NEW."""
    return judgment.order if side == NEW else [judgment.order[get_sides(len(judgment.order)).index(side)]]


def store_repairs(judgment: Judgment, repairs: Mapping[str, str]) -> list["ChoiceRow"]:
    """Stores the texts as responses. Returns the choices of each over the responses it replaces.

    repairs: {side or NEW: text}.
    """
    choices: list[ChoiceRow] = []
    for side, text in repairs.items():
        written = create_repair(judgment, text)
        choices += [("", written, pk, 1, None) for pk in get_replaced_ids(judgment, side)]
    return list(dict.fromkeys(choice for choice in choices if choice[1] not in judgment.order))


def normalize_newlines(text: str) -> str:
    """The text as a browser's text area returns it."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def create_repair(judgment: Judgment, text: str) -> int:
    """The id of the response with this text, created if missing, with the annotator among its writers."""
    prompt, dataset = judgment.comparison.prompt_id, judgment.dataset
    response, _made = Response.objects.get_or_create(
        prompt_id=prompt,
        source=Response.REPAIR,
        text_hash=hash_text(text),
        defaults={"text": text, "words": count_words(text), "demonstration": True, "candidate": dataset.ask_repairs},
    )
    response.writers.add(get_annotator_id(judgment))
    if dataset.ask_repairs:
        generate_for_prompts(dataset, [prompt])
    return response.pk


def list_repair_ids(judgment: Judgment) -> set[int]:
    """The ids of the repairs that a judgment prefers to the responses it was shown."""
    chosen = judgment.choices.filter(chosen__source=Response.REPAIR).exclude(chosen__in=judgment.order)
    return set(chosen.values_list("chosen", flat=True))


def withdraw_repairs(judgment: Judgment, ids: Iterable[int]) -> None:
    """Deletes those repairs that no judgment refers to any more.

    The others lose the annotator as a writer, unless another judgment of the same annotator chose them.
    """
    for response in Response.objects.filter(pk__in=ids):
        if not Choice.objects.filter(chosen=response, judgment__annotator=judgment.annotator_id).exists():
            response.writers.remove(get_annotator_id(judgment))
        comparisons = [c for c in judgment.comparison.prompt.comparisons.all() if response.pk in c.response_ids]
        spoken_of = Choice.objects.filter(chosen=response).exists() or Choice.objects.filter(rejected=response).exists()
        if not spoken_of and not Judgment.objects.filter(comparison__in=comparisons).exists():
            Comparison.objects.filter(pk__in=[c.pk for c in comparisons]).delete()
            response.delete()


def open_repair_round(judgment: Judgment) -> None:
    """Asks other people for a better response, after a verdict of both bad."""
    shown = judgment.comparison
    round_, _made = Comparison.objects.get_or_create(
        key=Comparison.build_key(shown.response_ids, Comparison.Task.REPAIR),
        defaults={
            "dataset_id": shown.dataset_id,
            "prompt_id": shown.prompt_id,
            "task": Comparison.Task.REPAIR,
            "words": shown.words,
        },
    )
    round_.barred.add(get_annotator_id(judgment))


def close_repair_round(judgment: Judgment) -> None:
    """Withdraws the annotator's verdict of both bad; deletes the round if it was the last one and nobody has begun."""
    key = Comparison.build_key(judgment.comparison.response_ids, Comparison.Task.REPAIR)
    for round_ in Comparison.objects.select_for_update().filter(key=key):
        round_.barred.remove(get_annotator_id(judgment))
        if not round_.barred.exists() and not round_.judgments.exists():
            round_.delete()
