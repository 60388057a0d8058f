"""Better answers that people write while they judge: responses of source `repair`, chosen over what they replace."""

from annotate.judging.question_spec import NEW
from annotate.questions import get_sides
from datasets.comparisons.generate import generate_for_prompts
from datasets.models import Choice, Comparison, Judgment, Response
from datasets.text.fingerprints import hash_text
from datasets.text.reading_time import count_words


def filter_repairs(judgment, details):
    """What was said, and of its repairs only those that are some: a page sends the text of every answer, and one that
    was not touched replaces nothing."""
    if "repairs" not in details:
        return details
    texts = dict(Response.objects.filter(pk__in=judgment.order).values_list("pk", "text"))
    repairs = {
        side: text
        for side, text in details["repairs"].items()
        if text.strip() and all(text != normalize_newlines(texts[pk]) for pk in get_replaced_ids(judgment, side))
    }
    others = {name: value for name, value in details.items() if name != "repairs"}
    return others | ({"repairs": repairs} if repairs else {})


def get_replaced_ids(judgment, side):
    """The ids of the answers that a repair replaces: the one shown on its side; all of them, where it is new."""
    return judgment.order if side == NEW else [judgment.order[get_sides(len(judgment.order)).index(side)]]


def store_repairs(judgment, repairs):
    """[(criterion, chosen, rejected, strength, rank gap)] of {side, or `new`: text}, the texts stored as responses and
    chosen over what they replace."""
    choices = []
    for side, text in repairs.items():
        written = create_repair(judgment, text)
        choices += [("", written, pk, 1, None) for pk in get_replaced_ids(judgment, side)]
    return list(dict.fromkeys(choice for choice in choices if choice[1] not in judgment.order))


def normalize_newlines(text):
    """A text as a browser's text area gives it back."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def create_repair(judgment, text):
    """The id of the response that holds this text, made if there is none yet; the judgment's annotator is a writer."""
    prompt, dataset = judgment.comparison.prompt_id, judgment.dataset
    response, _made = Response.objects.get_or_create(
        prompt_id=prompt,
        source=Response.REPAIR,
        text_hash=hash_text(text),
        defaults={"text": text, "words": count_words(text), "demonstration": True, "candidate": dataset.ask_repairs},
    )
    response.writers.add(judgment.annotator_id)
    if dataset.ask_repairs:
        generate_for_prompts(dataset, [prompt])
    return response.pk


def list_repair_ids(judgment):
    """Ids of the repairs that a judgment states to be better than what it was shown."""
    chosen = judgment.choices.filter(chosen__source=Response.REPAIR).exclude(chosen__in=judgment.order)
    return set(chosen.values_list("chosen", flat=True))


def withdraw_repairs(judgment, ids):
    """Remove these repairs where no judgment speaks of them any more; else they lose this writer only, unless another
    judgment of theirs states the same."""
    for response in Response.objects.filter(pk__in=ids):
        if not Choice.objects.filter(chosen=response, judgment__annotator=judgment.annotator_id).exists():
            response.writers.remove(judgment.annotator_id)
        comparisons = [c for c in judgment.comparison.prompt.comparisons.all() if response.pk in c.response_ids]
        spoken_of = Choice.objects.filter(chosen=response).exists() or Choice.objects.filter(rejected=response).exists()
        if not spoken_of and not Judgment.objects.filter(comparison__in=comparisons).exists():
            Comparison.objects.filter(pk__in=[c.pk for c in comparisons]).delete()
            response.delete()


def open_repair_round(judgment):
    """Ask other people for a better answer, where all are bad."""
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
    round_.barred.add(judgment.annotator_id)


def close_repair_round(judgment):
    """The person no longer says that all are bad: nothing more is asked, if nobody else does or has begun."""
    key = Comparison.build_key(judgment.comparison.response_ids, Comparison.Task.REPAIR)
    for round_ in Comparison.objects.select_for_update().filter(key=key):
        round_.barred.remove(judgment.annotator_id)
        if not round_.barred.exists() and not round_.judgments.exists():
            round_.delete()
