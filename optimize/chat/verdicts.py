"""With which answer a chat goes on after a verdict."""

from datasets.models import Judgment, Response


def choose_answer(judgment: Judgment) -> int | None:
    """The id of the answer with which a chat goes on; None after "both bad", which leaves it to the person.

    The one that was preferred to another and to which none was preferred; an improved answer before the others. Where
    nothing decides, as after a tie, the left one.
    """
    choices = judgment.choices.filter(criterion="", strength__gt=0).values_list("chosen", "rejected", "chosen__source")
    rejected = {loser for _, loser, _ in choices}
    best = [(source == Response.REPAIR, pk) for pk, _, source in choices if pk not in rejected]
    if best:
        return max(best)[1]
    return None if judgment.verdict == "both_bad" else judgment.order[0]


def is_decided(judgment: Judgment) -> bool:
    """Whether a judgment says which answer is better."""
    return judgment.choices.filter(criterion="", strength__gt=0).exists()
