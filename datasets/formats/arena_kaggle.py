"""The arena's table at Kaggle: prompt, response_a, response_b, each a JSON list of turns, and three columns of 0 and 1:
winner_model_a, winner_model_b, winner_tie. Read shape 3.

Only the last answer was judged: where earlier ones differ, the two answer different prompts.
"""

from datasets.formats import reading
from datasets.formats.judged import pair_row
from datasets.formats.rows import Refused, Response

LABEL = "Chatbot Arena (Kaggle's table)"
SHAPE = 3
VERDICTS = {"winner_model_a": 0, "winner_model_b": 1, "winner_tie": "tie"}


def matches(keys, row):
    return {"prompt", "response_a", "response_b", "winner_model_a", "winner_model_b"} <= keys


def read(row):
    asked = reading.listed(reading.required(row, "prompt"), "prompt")
    one, two = (answers(row, key, len(asked)) for key in ("response_a", "response_b"))
    if one[:-1] != two[:-1]:
        raise Refused("prompts_differ", "response_b")
    said = []
    for number, (question, text) in enumerate(zip(asked, one, strict=True)):
        said += [("user", reading.text(question, f"prompt[{number}]")), ("assistant", text)]
    prompt, first = reading.answered(said, "prompt")
    responses = [
        Response(text, reading.name(row.get(key), key)) for text, key in ((first, "model_a"), (two[-1], "model_b"))
    ]
    return pair_row(prompt, responses, verdict(row), "winner_model_a", reading.name(row.get("annotator"), "annotator"))


def answers(row, key, turns):
    found = reading.listed(reading.required(row, key), key)
    if len(found) != turns:
        raise Refused("turns_differ", key, f"{len(found)} / {turns}")
    return [reading.answer(text, f"{key}[{number}]") for number, text in enumerate(found)]


def verdict(row):
    """The one column that holds 1."""
    given = [said for key, said in VERDICTS.items() if reading.one_of(row.get(key, 0), key, (0, 1))]
    if len(given) != 1:
        raise Refused("unknown_winner", "winner_model_a")
    return given[0]
