"""Every readable shape, every dialect and every reason for a refusal: tables of input and result."""

import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets import formats, reasons
from datasets.exports.export import Export
from datasets.exports.selection import Filters
from datasets.files import detect, item
from datasets.formats.rows import (
    CANDIDATES,
    DEMONSTRATION,
    JUDGED,
    PROMPT,
    Demonstration,
    JudgmentRow,
    Label,
    Omission,
    Preference,
    Prompt,
    Refusal,
    Response,
    Row,
    TableRow,
    Vote,
)
from datasets.imports import check as imports_check
from datasets.imports import reading
from datasets.imports import store as imports_store
from datasets.imports.spool import decode_row, encode_row
from datasets.models import Comparison, Dataset, Judgment
from datasets.models import Response as Stored

HALF = "\ud83d"  # half of a surrogate pair


def build_user(text):
    return {"role": "user", "content": text}


def build_assistant(text):
    return {"role": "assistant", "content": text}


def build_system(text):
    return {"role": "system", "content": text}


def build_judged(prompt, *texts, annotator="", votes=None):
    """The row in which the first of these texts is better."""
    prompt = prompt if isinstance(prompt, Prompt) else Prompt(prompt)
    return Row(prompt, tuple(map(Response, texts)), JUDGED, votes or (Vote((0, 1), "left", annotator),))


def build_demonstration(prompt, text, source=""):
    prompt = prompt if isinstance(prompt, Prompt) else Prompt(prompt)
    return Row(prompt, (Response(text, source),), DEMONSTRATION)


def build_candidates(prompt, *responses):
    prompt = prompt if isinstance(prompt, Prompt) else Prompt(prompt)
    return Row(prompt, tuple(Response(*r) if isinstance(r, tuple) else Response(r) for r in responses), CANDIDATES)


EARLIER = (("user", "What is a prime?"), ("assistant", "A number with two divisors."))
TWO_TURNS = [build_user("What is a prime?"), build_assistant("A number with two divisors."), build_user("Is 1 one?")]
DIALOGUE = "Human: What is a prime?\n\nAssistant: A number with two divisors.\n\nHuman: Is 1 one?"
IN_TWO_TURNS = Prompt("Is 1 one?", turns=EARLIER)

PAIR_OF_TEXTS = (Response("Hello!"), Response("What."))


def build_pair_row(verdict, *sources, **more):
    """The row of two answers to "Hi" of which the first (0) or second (1) is better, or another verdict."""
    pair, verdict = ((1, 0) if verdict == 1 else (0, 1)), verdict if isinstance(verdict, str) else "left"
    sources = sources or ("", "")
    responses = tuple(Response(text, source) for text, source in zip(("Hello!", "What."), sources, strict=True))
    return Row(Prompt("Hi"), responses, JUDGED, (Vote(pair, verdict, **more),))


def build_unasked(prompt, text, source=""):
    """The row of an answer that is labelled bad: it creates no comparison."""
    return build_demonstration(prompt, text, source)._replace(kind=JUDGED, label=False)


def build_labelled(prompt, text, source=""):
    """The row of an answer that is labelled good."""
    return build_demonstration(prompt, text, source)._replace(label=True)


HI = [build_user("Hi")]
ARENA = {"conversation_a": [*HI, build_assistant("Hello!")], "conversation_b": [*HI, build_assistant("What.")],
         "model_a": "gpt", "model_b": "llama"}  # fmt: skip
KAGGLE = {"prompt": '["Hi"]', "response_a": '["Hello!"]', "response_b": '["What."]'}
FLAGS = {"winner_model_a": 0, "winner_model_b": 0, "winner_tie": 0}
FARM = {"instruction": "Hi", "input": "", "output_1": "Hello!", "output_2": "What."}
STEER3 = {"domain": "general", "context": HI, "response1": "Hello!", "response2": "What."}
STEER2 = {"prompt": "Hi", "response_1": "Hello!", "response_2": "What."}
SAFE = {"prompt": "Hi", "response_0": "Hello!", "response_1": "What.", "is_response_0_safe": True}
SHP = {"history": "Hi", "human_ref_A": "Hello!", "human_ref_B": "What.", "score_A": 2, "score_B": 9}
RECORD = {"id": "7", "status": "completed", "metadata": {"model_1": "gpt"}, "suggestions": {}, "vectors": {},
          "fields": {"prompt": "Hi", "response_1": "Hello!", "response_2": "What."}}  # fmt: skip
DIALOGUE_OF_NECTAR = "\n\nHuman: Hi\n\nAssistant: "


def build_argilla_record(*values, question="preference", name="u"):
    return {**RECORD, "responses": {question: [{"value": v, "user_id": f"{name}{n}"} for n, v in enumerate(values)]}}


# (number in FORMATS.md section 7, where those from 28 on are missing, format name, the row in a file, its meaning)
SHAPES = [
    (1, "dpo-openai",
     {"input": {"messages": [build_system("Be brief."), *TWO_TURNS], "tools": [], "parallel_tool_calls": True},
      "preferred_output": [build_assistant("No.")], "non_preferred_output": [build_assistant("Yes.")],
      "annotator": "ann"},
     build_judged(Prompt("Is 1 one?", "", "Be brief.", EARLIER), "No.", "Yes.", annotator="ann")),
    (2, "arena", {**ARENA, "winner": "model_a", "judge": "ann", "turn": 1, "anony": True, "tstamp": 1.5},
     build_pair_row(0, "gpt", "llama", annotator="ann")),
    (2, "arena", {**ARENA, "winner": "model_b"}, build_pair_row(1, "gpt", "llama")),
    (2, "arena", {**ARENA, "winner": "tie"}, build_pair_row("tie", "gpt", "llama")),
    (2, "arena", {**ARENA, "winner": "tie (bothbad)"}, build_pair_row("both_bad", "gpt", "llama")),
    (2, "arena", {**ARENA, "winner": "both_bad"}, build_pair_row("both_bad", "gpt", "llama")),
    (2, "arena",  # only the first turn was judged
     {**ARENA, "winner": "model_b", "turn": 1,
      "conversation_a": [*ARENA["conversation_a"], *HI, build_assistant("Again!")],
      "conversation_b": [*ARENA["conversation_b"], build_user("Why?"), build_assistant("So.")]},
     build_pair_row(1, "gpt", "llama")),
    (2, "arena",
     {"conversation_a": [*TWO_TURNS, build_assistant("No.")],
      "conversation_b": [*TWO_TURNS, build_assistant("Yes.")], "turn": 2, "winner": "model_a"},
     build_judged(IN_TWO_TURNS, "No.", "Yes.")),
    (2, "arena",  # the release of 140,000: contents are lists of parts
     {"conversation_a": [{"role": "user", "content": [{"type": "text", "text": "Hi", "image": None}]},
                         {"role": "assistant", "content": [{"type": "text", "text": "Hel"}, {"text": "lo!"}]}],
      "conversation_b": [*HI, build_assistant("What.")], "model_a": "gpt", "model_b": "llama", "winner": "model_a"},
     build_pair_row(0, "gpt", "llama")),
    (3, "arena-kaggle", TableRow(**KAGGLE, **{**FLAGS, "winner_model_a": "1"}, model_a="gpt", model_b="llama"),
     build_pair_row(0, "gpt", "llama")),
    (3, "arena-kaggle", {**KAGGLE, **FLAGS, "winner_model_b": 1}, build_pair_row(1)),
    (3, "arena-kaggle", {**KAGGLE, **FLAGS, "winner_tie": 1}, build_pair_row("tie")),
    (3, "arena-kaggle",
     {"prompt": ["What is a prime?", "Is 1 one?"], "response_a": ["A number with two divisors.", "No."],
      "response_b": ["A number with two divisors.", "Yes."], **FLAGS, "winner_model_b": 1.0},
     build_judged(IN_TWO_TURNS, "No.", "Yes.", votes=(Vote((1, 0), "left"),))),
    (4, "ultrafeedback",
     {"source": "sharegpt", "instruction": "Hi", "models": ["gpt", "llama"], "correct_answers": ["None"],
      "completions": [{"model": "gpt", "response": "Hello!", "overall_score": 8.5, "custom_system_prompt": "Be kind.",
                       "annotations": {"honesty": {"Rating": "5", "Rationale": "…"}}, "fine-grained_score": 5.0},
                      {"model": "llama", "response": "What.", "overall_score": 2.0,
                       "annotations": {"honesty": {"Rating": "N/A"}}}]},
     build_candidates("Hi", ("Hello!", "gpt"), ("What.", "llama"))),
    (5, "nectar",
     {"prompt": DIALOGUE_OF_NECTAR, "num_responses": 3, "turns": 1, "good_natured": True, "source": ["lmsys"],
      "answers": [{"answer": "Hello!", "model": "gpt", "rank": 2.0}, {"answer": "What.", "model": "llama", "rank": 4.0},
                  {"answer": "Hey!", "model": "qwen", "rank": 1.0}]},
     Row(Prompt("Hi"), (Response("Hello!", "gpt"), Response("What.", "llama"), Response("Hey!", "qwen")), JUDGED,
         (Vote((2, 0), "left", gap=1), Vote((2, 1), "left", gap=2), Vote((0, 1), "left", gap=1)))),
    (5, "nectar",  # a tie; a repeated text is not compared with itself
     {"prompt": f"{DIALOGUE}\n\nAssistant:", "annotator": "gpt4",
      "answers": [{"answer": "No.", "rank": 3, "model": "gpt"}, {"answer": "Yes.", "rank": 1},
                  {"answer": "No.", "rank": 2}, {"answer": "No.", "rank": 1}]},
     Row(IN_TWO_TURNS, (Response("No.", "gpt"), Response("Yes."), Response("No."), Response("No.")), JUDGED,
         (Vote((1, 3), "tie", "gpt4"), Vote((1, 0), "left", "gpt4", gap=2)))),
    (5, "nectar", {"prompt": "Hi", "answers": [{"answer": "Hello!", "rank": 1}, {"answer": "What.", "rank": 2}]},
     build_pair_row(0, gap=1)),
    (5, "nectar",  # saved as CSV
     TableRow(prompt="Hi", answers='[{"answer": "Hello!", "rank": 1}, {"answer": "What.", "rank": 2}]'),
     build_pair_row(0, gap=1)),
    (19, "wide", TableRow(prompt="Hi", answers='["Hello!", "What."]'), build_candidates("Hi", "Hello!", "What.")),
    (12, "alpaca-farm", {**FARM, "preference": 1, "annotator_index": 3}, build_pair_row(0)),
    (12, "alpaca-farm", TableRow(**FARM, preference="2"), build_pair_row(1)),
    (12, "alpaca-farm",
     {**FARM, "preference": 1.94, "generator_1": "gpt", "generator_2": "llama", "annotator": "gpt4_turbo"},
     build_pair_row(1, "gpt", "llama", annotator="gpt4_turbo")),
    (12, "alpaca-farm", {**FARM, "preference": 1.2}, build_pair_row(0)),
    (12, "alpaca-farm", {**FARM, "preference": 1.5}, build_pair_row("tie")),
    (12, "alpaca-farm", {**FARM, "preference": 0}, build_pair_row("tie")),
    (19, "wide", {**FARM, "preference": "output_2"}, build_pair_row(1)),
    (19, "wide", {**FARM, "output_3": "Hey!", "preference": 2},
     build_judged("Hi", "Hello!", "What.", "Hey!", votes=(Vote((1, 0), "left"), Vote((1, 2), "left")))),
    (13, "helpsteer3", {**STEER3, "overall_preference": -3, "individual_preference": [{"score": -3}]},
     build_pair_row(0, strength=3)),
    (13, "helpsteer3", {**STEER3, "overall_preference": 1}, build_pair_row(1)),
    (13, "helpsteer3", {**STEER3, "overall_preference": 0}, build_pair_row("tie")),
    (13, "helpsteer3", {**STEER3, "context": TWO_TURNS, "overall_preference": 2.0, "annotator": "ann"},
     Row(IN_TWO_TURNS, PAIR_OF_TEXTS, JUDGED, (Vote((1, 0), "left", "ann", strength=2),))),
    (14, "helpsteer2", {**STEER2, "preference_strength": -2, "preference_statement": "…"},
     build_pair_row(0, strength=2)),
    (14, "helpsteer2", TableRow(**STEER2, preference_strength="3"), build_pair_row(1, strength=3)),
    (14, "helpsteer2", {**STEER2, "preference_strength": 0}, build_pair_row("tie")),
    (15, "helpsteer",
     {"prompt": "Hi", "response": "What.", "helpfulness": 0, "correctness": 1, "coherence": 4, "complexity": 0,
      "verbosity": 0}, build_candidates("Hi", "What.")),
    (15, "helpsteer", {"prompt": "Hi", "response": "Hello!", "helpfulness": 4, "verbosity": 1, "model": "gpt"},
     build_candidates("Hi", ("Hello!", "gpt"))),
    (16, "safe-rlhf",
     {**SAFE, "better_response_id": 0, "safer_response_id": 0, "response_0_source": "alpaca", "response_1_source": ""},
     build_pair_row(0, "alpaca", "", also=(("safe", "left"),))),
    (16, "safe-rlhf", {**SAFE, "better_response_id": 1, "safer_response_id": 0},
     build_pair_row(1, also=(("safe", "right"),))),
    (16, "safe-rlhf", TableRow(**SAFE, better_response_id="1", safer_response_id="1"),
     build_pair_row(1, also=(("safe", "left"),))),
    (16, "safe-rlhf", {**SAFE, "better_response_id": 1}, build_pair_row(1)),
    (17, "shp", {**SHP, "labels": 1}, build_pair_row(0)),
    (17, "shp", {**SHP, "labels": 0, "domain": "askphysics_test"}, build_pair_row(1)),
    (18, "argilla", build_argilla_record("response_2", "response_1"),
     Row(Prompt("Hi"), (Response("Hello!", "gpt"), Response("What.")), JUDGED,
         (Vote((1, 0), "left", "u0"), Vote((0, 1), "left", "u1")))),
    (18, "argilla", build_argilla_record("2", "tie", None, "both_bad", name="v"),
     Row(Prompt("Hi"), (Response("Hello!", "gpt"), Response("What.")), JUDGED,
         (Vote((1, 0), "left", "v0"), Vote((0, 1), "tie", "v1"), Vote((0, 1), "both_bad", "v3")))),
    (18, "argilla", build_argilla_record(["response_2", "response_1"], question="order", name="w"),
     Row(Prompt("Hi"), (Response("Hello!", "gpt"), Response("What.")), JUDGED, (Vote((1, 0), "left", "w0", gap=1),))),
    (18, "argilla",
     build_argilla_record([{"rank": 2, "value": "response_1"}, {"rank": 2, "value": "response_2"}],
                          question="order", name="x"),
     Row(Prompt("Hi"), (Response("Hello!", "gpt"), Response("What.")), JUDGED, (Vote((0, 1), "tie", "x0"),))),
    (18, "argilla", build_argilla_record(2, question="helpfulness"),  # stars are not a choice
     build_candidates("Hi", ("Hello!", "gpt"), "What.")),
    (18, "argilla", {**RECORD, "responses": {}}, build_candidates("Hi", ("Hello!", "gpt"), "What.")),
    (18, "argilla",
     {"fields": {"messages": TWO_TURNS, "short": "No.", "long": "No, it is not."}, "metadata": None,
      "responses": {"comment": [{"value": "good", "user_id": "u"}], "which": [{"value": "long", "user_id": "u"}]}},
     Row(IN_TWO_TURNS, (Response("No."), Response("No, it is not.")), JUDGED, (Vote((1, 0), "left", "u"),))),
    (20, "kto", {"prompt": "Hi", "completion": "Hello!", "label": True}, build_labelled("Hi", "Hello!")),
    (20, "kto", {"prompt": "Hi", "completion": "What.", "label": False, "model": "g"},
     build_unasked("Hi", "What.", "g")),
    (20, "kto", {"prompt": TWO_TURNS, "completion": [build_assistant("Yes.")], "label": 0},
     build_unasked(IN_TWO_TURNS, "Yes.")),
    (20, "kto", TableRow(prompt="Hi", completion="What.", label="False"), build_unasked("Hi", "What.")),
    (20, "kto-messages", {"messages": [*HI, build_assistant("What.")], "label": False}, build_unasked("Hi", "What.")),
    (20, "kto-messages", {"messages": [*HI, build_assistant("Hello!")], "kto_tag": True, "system": "Be kind."},
     build_labelled(Prompt("Hi", system="Be kind."), "Hello!")),
    (20, "kto", {"instruction": "Hi", "input": "", "output": "What.", "kto_tag": False}, build_unasked("Hi", "What.")),
    (20, "kto-messages", {"conversations": [*HI, build_assistant("Hello!")], "label": "thumbs_up", "model": "gpt"},
     build_labelled("Hi", "Hello!", "gpt")),
    (6, "dpo-swift",
     {"messages": [build_system("Be brief."), *TWO_TURNS, build_assistant("No.")], "rejected_response": "Yes."},
     build_judged(Prompt("Is 1 one?", "", "Be brief.", EARLIER), "No.", "Yes.")),
    (6, "dpo-swift",
     {"messages": [*HI, build_assistant("Hello!")], "rejected_response": [build_assistant("What.")], "margin": 2},
     build_judged("Hi", "Hello!", "What.", votes=(Vote((0, 1), "left", margin=2.0),))),
    (6, "dpo-swift",
     {"messages": [*HI, build_assistant("Hello!")], "rejected_response": None,
      "rejected_messages": [*HI, build_assistant("What.")]},
     build_judged("Hi", "Hello!", "What.")),
    (6, "dpo-swift", {"query": "Hi", "response": "Hello!", "rejected_response": ["What.", "Go."], "system": "Be kind."},
     build_judged(Prompt("Hi", system="Be kind."), "Hello!", "What.", "Go.",
                  votes=(Vote((0, 1), "left"), Vote((0, 2), "left")))),
    (6, "dpo-sharegpt",
     {"conversations": [{"from": "system", "value": "Be kind."}, {"from": "human", "value": "Hi"}],
      "chosen": {"from": "gpt", "value": "Hello!"}, "rejected": {"from": "gpt", "value": "What."}},
     build_judged(Prompt("Hi", system="Be kind."), "Hello!", "What.")),
    (6, "dpo-sharegpt",
     {"messages": TWO_TURNS, "chosen": build_assistant("No."), "rejected": build_assistant("Yes."), "annotator": "ann"},
     build_judged(IN_TWO_TURNS, "No.", "Yes.", annotator="ann")),
    (7, "dpo",
     {"prompt": [build_system("Be brief."), *TWO_TURNS], "chosen": [build_assistant("No.")],
      "rejected": [build_assistant("Yes.")]},
     build_judged(Prompt("Is 1 one?", "", "Be brief.", EARLIER), "No.", "Yes.")),
    (7, "dpo",
     {"chosen": [*TWO_TURNS, build_assistant("No.")], "rejected": [*TWO_TURNS, build_assistant("Yes.")]},
     build_judged(IN_TWO_TURNS, "No.", "Yes.")),
    (7, "dpo",  # UltraFeedback-binarized: the prompt repeats the first turn
     {"prompt": "Hi", "prompt_id": "7f", "chosen": [build_user("Hi"), build_assistant("Hello!")], "score_chosen": 8.5,
      "messages": [build_user("Hi"), build_assistant("Hello!")],
      "rejected": [build_user("Hi"), build_assistant("What.")]},
     build_judged("Hi", "Hello!", "What.")),
    (7, "dpo", {"prompt": "Hi", "chosen": [build_assistant("Hello!")], "rejected": [build_assistant("What.")]},
     build_judged("Hi", "Hello!", "What.")),
    (7, "dpo",  # the cells of a table hold JSON lists
     TableRow(prompt='[{"role": "user", "content": "Hi"}]', chosen=' [ {"role": "assistant", "content": "Hello!"}]',
           rejected='[{"role": "assistant", "content": "What."}]', annotator=""),
     build_judged("Hi", "Hello!", "What.")),
    (7, "dpo",
     TableRow(prompt="", chosen='[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello!"}]',
           rejected='[{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "What."}]'),
     build_judged("Hi", "Hello!", "What.")),
    (8, "hh", {"chosen": "\n\nHuman: Hi\n\nAssistant: Hello!", "rejected": "\n\nHuman: Hi\n\nAssistant: What."},
     build_judged("Hi", "Hello!", "What.")),
    (11, "dpo-text", {"prompt": "Who speaks first?", "chosen": "Human: first", "rejected": "Nobody."},
     build_judged("Who speaks first?", "Human: first", "Nobody.")),
    (8, "hh",
     {"chosen": f"{DIALOGUE}\n\nAssistant:  No.\n", "rejected": f"{DIALOGUE}\n\nAssistant:Yes."},
     build_judged(IN_TWO_TURNS, " No.\n", "Yes.")),
    (9, "dpo-orca", {"system": "", "question": "Hi", "chosen": "Hello!", "rejected": "What."},
     build_judged("Hi", "Hello!", "What.")),
    (9, "dpo-orca",
     {"system": "Be kind.", "input": "Hi", "chosen": "Hello!", "rejected": "What.", "generations": ["What.", "Hello!"],
      "order": ["rejected", "chosen"], "status": "", "rating": [2, 9]},
     build_judged(Prompt("Hi", system="Be kind."), "Hello!", "What.")),
    (9, "dpo-orca", {"system": None, "input": "Hi", "chosen": "Hello!", "rejected": "Hey!", "status": "tie"},
     build_judged("Hi", "Hello!", "Hey!", votes=(Vote((0, 1), "tie"),))),
    (10, "dpo-alpaca", {"instruction": "Translate.", "input": "Hund", "chosen": "dog", "rejected": "cat"},
     build_judged(Prompt("Translate.", "Hund"), "dog", "cat")),
    (10, "dpo-alpaca",
     {"instruction": "Is 1 one?", "input": "", "chosen": "No.", "rejected": "Yes.", "system": "Be brief.",
      "history": [["What is a prime?", "A number with two divisors."]]},
     build_judged(Prompt("Is 1 one?", "", "Be brief.", EARLIER), "No.", "Yes.")),
    (11, "dpo-text", {"annotator": "用户1", "prompt": "去哪儿？", "chosen": "夏威夷", "rejected": "马尔代夫"},
     build_judged("去哪儿？", "夏威夷", "马尔代夫", annotator="用户1")),
    (11, "dpo-text", {"question": "Hi", "chosen_response": "Hello!", "rejected_response": "What.", "annotator": 7},
     build_judged("Hi", "Hello!", "What.", annotator="7")),
    (11, "dpo-text", {"query": "Hi", "response_chosen": "Hello!", "response_rejected": "What."},
     build_judged("Hi", "Hello!", "What.")),
    (19, "wide", {"prompt": "Hi", "response_1": "Hello!", "response_2": "What.", "response_10": "Hey!"},
     build_candidates("Hi", "Hello!", "What.", "Hey!")),
    (19, "wide", {"instruction": "Translate.", "input": "Hund", "answer1": "dog", "answer2": "cat"},
     build_candidates(Prompt("Translate.", "Hund"), "dog", "cat")),
    (19, "wide", {"question": "Hi", "output_a": "Hello!", "output_b": "What.", "model_a": "gpt", "model_b": "llama"},
     build_candidates("Hi", ("Hello!", "gpt"), ("What.", "llama"))),
    (19, "wide", {"query": "Hi", "completion_0": "Hello!", "completion_1": "What.", "source_1": "llama"},
     build_candidates("Hi", "Hello!", ("What.", "llama"))),
    (19, "wide", {"prompt": "Hi", "candidate_1": "Hello!", "candidate_2": "What.", "candidate_3": None},
     build_candidates("Hi", "Hello!", "What.")),
    (19, "wide", {"prompt": "Hi", "responses": ["Hello!", "What."], "models": ["gpt", None]},
     build_candidates("Hi", ("Hello!", "gpt"), "What.")),
    (19, "wide",
     {"messages": TWO_TURNS, "responses": [{"model": "gpt", "text": "No."}, {"source": 7, "content": "Yes."}]},
     build_candidates(IN_TWO_TURNS, ("No.", "gpt"), ("Yes.", "7"))),
    (19, "wide", {"instruction": "Hi", "generations": ["Hello!", "What."], "generation_models": ["gpt", "llama"]},
     build_candidates("Hi", ("Hello!", "gpt"), ("What.", "llama"))),
    (19, "wide", TableRow(prompt="Hi", responses='["Hello!", "What."]', models='["gpt", "llama"]'),
     build_candidates("Hi", ("Hello!", "gpt"), ("What.", "llama"))),
    (19, "wide", TableRow(prompt="Hi", answer_1="Hello!", answer_2="What.", answer_3="", winner=""),
     build_candidates("Hi", "Hello!", "What.")),
    (19, "wide", {"prompt": "Hi", "response_a": "Hello!", "response_b": "What.", "winner": "b", "annotator": "ann"},
     build_judged("Hi", "Hello!", "What.", votes=(Vote((1, 0), "left", "ann"),))),
    (19, "wide", {"prompt": "Hi", "responses": ["a", "b", "c"], "preferred": 2},
     build_judged("Hi", "a", "b", "c", votes=(Vote((1, 0), "left"), Vote((1, 2), "left")))),
    (21, "messages", {"messages": [build_system("Be brief."), *TWO_TURNS, build_assistant("No.")]},
     build_demonstration(Prompt("Is 1 one?", "", "Be brief.", EARLIER), "No.")),
    (21, "messages", {"messages": [build_user("Hi"), build_assistant("Hello!")], "system": "Be kind.", "model": "gpt"},
     build_demonstration(Prompt("Hi", system="Be kind."), "Hello!", "gpt")),
    (22, "sharegpt",
     {"conversations": [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello!"}], "system": "Be kind."},
     build_demonstration(Prompt("Hi", system="Be kind."), "Hello!")),
    (22, "sharegpt", {"conversations": [build_user("Hi"), build_assistant("Hello!")]},
     build_demonstration("Hi", "Hello!")),
    (22, "sharegpt", {"conversation": [*TWO_TURNS, build_assistant("No.")]}, build_demonstration(IN_TWO_TURNS, "No.")),
    (22, "sharegpt", {"conversations": [{"from": "用户", "value": "你好"}, {"from": "助手", "value": "您好！"}]},
     build_demonstration("你好", "您好！")),
    (22, "sharegpt", {"conversations": [{"from": "Human", "value": "Hi"}, {"from": "ChatGPT", "value": "Hello!"}]},
     build_demonstration("Hi", "Hello!")),
    (22, "sharegpt",
     TableRow(id="7", conversations='[{"from": "human", "value": "Hi"}, {"from": "bing", "value": "Hello!"}]'),
     build_demonstration("Hi", "Hello!")),
    (23, "long", {"instruction": "Hi", "output": "Hello!", "generator": "gpt4", "dataset": "helpful_base"},
     build_candidates("Hi", ("Hello!", "gpt4"))),
    (24, "alpaca", {"instruction": "Translate.", "input": "Hund", "output": "dog"},
     build_demonstration(Prompt("Translate.", "Hund"), "dog")),
    (24, "alpaca",
     {"instruction": "Is 1 one?", "output": "No.", "system": "Be brief.",
      "history": [["What is a prime?", "A number with two divisors."]]},
     build_demonstration(Prompt("Is 1 one?", "", "Be brief.", EARLIER), "No.")),
    (25, "long", {"prompt": "Hi", "response": "Hello!", "model": "gpt"}, build_candidates("Hi", ("Hello!", "gpt"))),
    (25, "long", {"prompt": "Hi", "answer": "Hello!", "source": "", "model": "gpt"},
     build_candidates("Hi", ("Hello!", "gpt"))),
    (25, "long", {"question": "Hi", "text": "Hello!", "model": 7}, build_candidates("Hi", ("Hello!", "7"))),
    (25, "long", {"messages": TWO_TURNS, "completion": "No.", "source": "gpt"},
     build_candidates(IN_TWO_TURNS, ("No.", "gpt"))),
    (26, "sft", {"prompt": "Hi", "completion": "Hello!"}, build_demonstration("Hi", "Hello!")),
    (26, "sft", {"question": "Hi", "answer": "Hello!"}, build_demonstration("Hi", "Hello!")),
    (26, "sft", {"query": "Hi", "response": "Hello!"}, build_demonstration("Hi", "Hello!")),
    (26, "sft", {"prompt": TWO_TURNS, "completion": [build_assistant("No.")]},
     build_demonstration(IN_TWO_TURNS, "No.")),
    (26, "sft", {"input": "Hi", "output": "Hello!"}, build_demonstration("Hi", "Hello!")),
    (28, "argilla-flat",
     {"id": "1", "status": "completed", "prompt": "Hi", "response_1": "Hello!", "response_2": "What.", "model_1": "gpt",
      "preference.responses": ["response_1", "response_2", "response_2"],
      "preference.responses.users": ["ann", "bob", "cid"],
      "preference.responses.status": ["submitted", "submitted", "discarded"], "preference.suggestion": "response_2"},
     Row(Prompt("Hi"), (Response("Hello!", "gpt"), Response("What.")), JUDGED,
         (Vote((0, 1), "left", "ann"), Vote((1, 0), "left", "bob")), meta={"preference.suggestion": "response_2"})),
    (28, "argilla-flat",
     {"prompt": "Hi", "short": "Hello!", "long": "What.", "order.responses": [["long", "short"]],
      "order.responses.users": ["ann"], "order.responses.status": ["submitted"]},
     Row(Prompt("Hi"), (Response("What."), Response("Hello!")), JUDGED, (Vote((0, 1), "left", "ann", gap=1),))),
    (29, "label-studio",
     {"id": 1, "data": {"prompt": "Hi", "answer1": "Hello!", "answer2": "What.", "topic": "greeting"}, "project": 3,
      "annotations": [
          {"completed_by": {"id": 4, "email": "ann@example.org"}, "was_cancelled": False,
           "result": [{"from_name": "pw", "type": "pairwise", "value": {"selected": "right"}}]},
          {"completed_by": 5, "result": [{"from_name": "choice", "value": {"choices": ["Response 1"]}}]},
          {"completed_by": 6, "was_cancelled": True, "result": [{"from_name": "pw", "value": {"selected": "left"}}]}]},
     Row(Prompt("Hi"), PAIR_OF_TEXTS, JUDGED,
         (Vote((1, 0), "left", "ann@example.org"), Vote((0, 1), "left", "5")))),
    (29, "label-studio",
     {"id": 2, "data": {"prompt": "Hi", "answer1": "Hello!", "answer2": "What."}, "annotations": []},
     build_candidates("Hi", "Hello!", "What.")),
    (29, "label-studio",
     {"prompt": "Hi", "answer1": "Hello!", "answer2": "What.", "pw": [{"selected": "left"}], "annotator": 4,
      "annotation_id": 7, "lead_time": 3.5},
     build_pair_row(0, annotator="4")),
    (30, "open-webui",
     {"id": "1", "user_id": "u", "type": "rating", "data": {"rating": -1, "model_id": "gpt", "comment": "Rude."},
      "meta": {"message_id": "m4", "chat_id": "c"},
      "snapshot": {"chat": {"id": "c", "chat": {"params": {"system": "Be kind."}, "history": {"messages": {
          "m1": {"id": "m1", "parentId": None, **build_user("What is a prime?")},
          "m2": {"id": "m2", "parentId": "m1", **build_assistant("A number with two divisors.")},
          "m3": {"id": "m3", "parentId": "m2", **build_user("Is 1 one?")},
          "m4": {"id": "m4", "parentId": "m3", **build_assistant("Yes."), "model": "gpt"},
          "m5": {"id": "m5", "parentId": "m3", **build_assistant("No."), "model": "llama"}}}}}}},
     build_unasked(Prompt("Is 1 one?", "", "Be kind.", EARLIER), "Yes.", "gpt")._replace(meta={"comment": "Rude."})),
    (31, "langsmith", {"inputs": {"messages": TWO_TURNS}, "outputs": {"message": build_assistant("No.")}, "id": "1"},
     build_demonstration(IN_TWO_TURNS, "No.")),
    (31, "langsmith", {"inputs": {"question": "Hi"}, "outputs": {"answer": "Hello!"}},
     build_demonstration("Hi", "Hello!")),
    (31, "langsmith",
     {"inputs": {"messages": [[{"type": "human", "data": {"content": "Hi"}}]]},
      "outputs": {"generations": [{"text": "Hello!"}]}},
     build_demonstration("Hi", "Hello!")),
    (31, "langsmith", {"inputs": {"question": "Hi"}, "outputs": None}, Row(Prompt("Hi"), (), PROMPT)),
    (32, "langfuse", {"id": "1", "input": {"text": "Hi"}, "expectedOutput": "Hello!", "status": "ACTIVE"},
     build_demonstration("Hi", "Hello!")),
    (32, "langfuse",
     {"input": HI, "output": {"role": "assistant", "content": "Hello!"}}, build_demonstration("Hi", "Hello!")),
    (33, "judgments-csv",
     TableRow(judgment="7", comparison="1-2", annotator="ann", verdict="right", instruction="Is 1 one?", input="",
              system="", turns=json.dumps(EARLIER), responses='["Yes.", "No."]', sources='["", "gpt"]',
              choices='[["", 2, 1, 2, null], ["safe", 1, 2, 1, null]]', purpose="vote", id="row-17",
              meta='{"topic": "maths"}', margin=""),
     Row(IN_TWO_TURNS, (Response("Yes."), Response("No.", "gpt")), JUDGED,
         (Vote((1, 0), "left", "ann", strength=2, also=(("safe", "right"),)),), meta={"topic": "maths"})),
    (33, "judgments-csv",
     TableRow(judgment="8", comparison="1-2", annotator="ann", verdict="both_bad", instruction="Hi", turns="[]",
              responses='["Hello!", "What."]', choices="[]"),
     build_pair_row("both_bad", annotator="ann")),
    (33, "judgments-csv",
     TableRow(judgment="9", comparison="1-2", annotator="ann", verdict="skip", instruction="Hi", turns="[]",
              responses='["Hello!", "What."]', choices="[]"),
     Row(Prompt("Hi"), PAIR_OF_TEXTS, JUDGED)),
    (27, "prompts", {"id": 7, "instruction": "Translate.", "input": "Hund", "topic": "dogs"},
     Row(Prompt("Translate.", "Hund"), (), PROMPT)),
]  # fmt: skip


@pytest.mark.parametrize(("number", "name", "row", "said"), SHAPES)
def test_a_row_of_each_shape_is_told_and_read(number, name, row, said):
    found, rename = recognise(row)
    assert found == name
    assert formats.get_readable_formats()[name].read(rename(row)) == said


def recognise(*rows):
    items = [item.Item(line, row) for line, row in enumerate(rows, 1)]
    return reading.detect_format(reading.Facts.collect(items), "auto")


def test_every_readable_shape_is_in_the_table():
    assert {name for _, name, *_ in SHAPES} == set(formats.get_readable_formats())
    assert {number for number, *_ in SHAPES} == set(range(1, 34))


@pytest.mark.parametrize(("number", "name", "row", "said"), SHAPES)
def test_keys_in_other_letters_are_told_too(number, name, row, said):
    spelled = type(row)((key.title(), value) for key, value in row.items())
    found, rename = recognise(spelled)
    assert (found, formats.get_readable_formats()[found].read(rename(spelled))) == (name, said)


def test_a_format_that_is_named_reads_other_letters_too():
    name, rename = reading.detect_format(
        reading.Facts.collect([item.Item(1, {"Instruction": "Hi", "Output": "Hello!"})]), "sft"
    )
    assert rename({"Instruction": "Hi"}) == {"instruction": "Hi"}
    assert name == "sft"


def test_the_shape_is_told_by_what_the_first_rows_have_together():
    """The first row may lack a field, or have null where the others have lists."""
    full = {"prompt": [build_user("Hi")], "chosen": [build_assistant("Hello!")], "rejected": [build_assistant("What.")]}
    assert recognise({"prompt": "Hi", "chosen": None, "rejected": None}, full)[0] == "dpo"
    assert recognise({"id": 7}, full)[0] == "dpo"


AB = {"response_a": "Hello!", "response_b": "What."}


@pytest.mark.parametrize(
    ("chosen", "rejected"), [("A", "B"), ("a", "b"), (1, 2), ("1", "2"), ("response_a", "response_b"), ("gpt", "llama")]
)
@pytest.mark.parametrize(
    "prompt",
    [{"prompt": "Hi"}, {"instruction": "Hi"}, {"system": "", "question": "Hi"}],
    ids=lambda prompt: [*prompt][-1],
)
def test_chosen_may_name_an_answer_and_is_no_text_then(prompt, chosen, rejected):
    row = {**prompt, **AB, "model_a": "gpt", "model_b": "llama", "chosen": chosen, "rejected": rejected}
    name, _ = recognise(row)
    assert name == "wide"
    assert formats.get_readable_formats()[name].read(row).votes == (Vote((0, 1), "left"),)


def test_an_answer_in_json_is_a_text():
    row = {"prompt": "List them as JSON.", "chosen": '[{"name": "Phobos"}]', "rejected": "Phobos"}
    assert recognise(row)[0] == recognise(TableRow(row))[0] == "dpo-text"


def test_chosen_is_a_text_where_it_names_no_answer():
    row = {"prompt": "Hi", **AB, "chosen": "Hello!", "rejected": "What."}
    assert recognise(row)[0] == "dpo-text"


@pytest.mark.parametrize(
    "row",
    [
        {"question": "Hi", "label": False},
        {"prompt": "Hi", "completion": "What.", "helpfulness": 1, "correctness": 0},
        {"fields": {"prompt": "Hi"}, "responses_": {}},
        {"prompt": '["Hi"]', "response_a": '["a"]', "winner_model_a": 1, "winner_model_b": 0},
        {"text": "Hello!"},
        {"prompt": "Hi", "reponse": "Hello!"},
        {"output": "Hello!"},
    ],
)
def test_a_shape_that_is_not_read_is_not_taken_for_another(row):
    """An answer marked as bad must never become a demonstration."""
    with pytest.raises(item.FileProblem, match="unknown_shape"):
        recognise(row)


THREE = ("Hello!", "What.", "Hey!")
LETTERS = {f"response_{letter}": text for letter, text in zip("abc", THREE, strict=True)}
NUMBERS = {f"response_{number}": text for number, text in zip((1, 2, 3), THREE, strict=True)}
FROM_ZERO = {f"response_{number}": text for number, text in zip((0, 1, 2), THREE, strict=True)}
LIST = {"responses": list(THREE), "models": ["gpt", "llama", "qwen"]}
LETTERED_MODELS = {"model_a": "gpt", "model_b": "llama", "model_c": "qwen"}
NUMBERED_MODELS = {"model_1": "1", "model_2": "3", "model_3": "2"}

# (the answers, the winner's name, the winning one; a tie and both bad are verdicts)
WINNERS = [
    (LETTERS, "b", 1), (LETTERS, " B ", 1), (LETTERS, 2, 1), (LETTERS, "2", 1), (LETTERS, "response_b", 1),
    (LETTERS, "Response_B", 1), (LETTERS | LETTERED_MODELS, "model_b", 1), (LETTERS | LETTERED_MODELS, "llama", 1),
    (LETTERS | LETTERED_MODELS, "Llama", 1), (NUMBERS, 3, 2), (NUMBERS, "3", 2), (NUMBERS, "c", 2),
    (NUMBERS, "response_3", 2), (NUMBERS | NUMBERED_MODELS, "model_2", 1),
    (FROM_ZERO, 0, 0), (FROM_ZERO, "1", 1), (FROM_ZERO, 2, 2), (FROM_ZERO, "response_0", 0), (FROM_ZERO, "a", 0),
    (LIST, 1, 0), (LIST, "c", 2), (LIST, "qwen", 2), (LIST, "responses[1]", 1),
    (LETTERS, "tie", "tie"), (LETTERS, "Draw", "tie"), (LETTERS, "both_bad", "both_bad"),
    (LETTERS, "tie (bothbad)", "both_bad"), (LETTERS, "neither", "both_bad"),
    (NUMBERS, 2.0, 1), (NUMBERS, "2.0", 1), (LETTERS, "[[B]]", 1), (LIST, "model_b", 1), (LIST, "Response 3", 2),
    (LIST, "What.", 1), (LETTERS, "平局", "tie"), (LETTERS, "都不好", "both_bad"), (LETTERS, "一样好", "tie"),
]  # fmt: skip


@pytest.mark.parametrize("column", ["winner", "preference", "preferred", "better", "chosen"])
@pytest.mark.parametrize(("answers", "named", "wins"), WINNERS)
def test_a_winner_is_named_in_many_ways(answers, named, wins, column):
    votes = formats.get_readable_formats()["wide"].read({"prompt": "Hi", **answers, column: named}).votes
    if isinstance(wins, int):
        assert votes == tuple(Vote((wins, other), "left") for other in range(3) if other != wins)
    else:
        assert votes == tuple(Vote(pair, wins) for pair in [(0, 1), (0, 2), (1, 2)])


@pytest.mark.parametrize(
    ("answers", "named"),
    [(LETTERS, "d"), (LETTERS, 0), (LETTERS, 4), (FROM_ZERO, 3), (NUMBERS, True), (NUMBERS, 1.5), (NUMBERS, ["1"]),
     (NUMBERS, "Hello"), (LETTERS, "A>B"), (LETTERS, "left"), ({"responses": ["2", "3", "4"]}, "2"),
     ({"responses": ["Hello!", "Hello!"]}, "Hello!"), (LETTERS | {"model_a": "gpt", "model_b": "gpt"}, "gpt")],
)  # fmt: skip
def test_a_winner_that_names_no_answer_or_several_is_refused(answers, named):
    assert catch_refusal("wide", {"prompt": "Hi", **answers, "winner": named}) == ("unknown_winner", "winner")


def catch_refusal(name, row):
    with pytest.raises(Refusal) as caught:
        formats.get_readable_formats()[name].read(row)
    return caught.value.reason, caught.value.field


PAIR = {"chosen": "Hello!", "rejected": "What."}
SIDES = {"chosen": [build_assistant("Hello!")], "rejected": [build_assistant("What.")]}
LONG_NAME = "x" * 201

# (reason, field, format, row)
REFUSALS = [
    ("bad_json", "responses", "wide", TableRow(prompt="Hi", responses="['Hello!', 'What.']")),
    ("bad_json", "chosen", "dpo", TableRow(prompt="Hi", chosen="[{'role': 'assistant'}]", rejected="[]")),
    ("bad_json", "conversations", "sharegpt", TableRow(conversations='[{"from": "human"')),
    ("bad_unicode", "prompt", "dpo-text", {"prompt": f"Hi{HALF}", **PAIR}),
    ("bad_unicode", "chosen", "dpo-text", {"prompt": "Hi", "chosen": "Hello\x00", "rejected": "What."}),
    ("bad_unicode", "responses[1].text", "wide", {"prompt": "Hi", "responses": [{"text": "a"}, {"text": HALF}]}),
    ("bad_unicode", "conversation[1].content", "sharegpt",
     {"conversation": [build_user("Hi"), build_assistant("\udce9")]}),
    ("bad_unicode", "system", "alpaca", {"instruction": "Hi", "output": "Hello!", "system": "\x00"}),
    ("bad_unicode", "history[0]", "alpaca", {"instruction": "Hi", "output": "Hello!", "history": [["a", HALF]]}),
    ("bad_unicode", "annotator", "dpo-text", {"prompt": "Hi", **PAIR, "annotator": HALF}),
    ("bad_unicode", "model", "long", {"prompt": "Hi", "response": "Hello!", "model": HALF}),
    ("empty_answer", "output", "alpaca", {"instruction": "Hi", "output": " \n　"}),
    ("empty_answer", "response_b", "wide",
     TableRow(prompt="Hi", response_a="Hello!", response_b="", response_c="Hey!")),
    ("empty_answer", "rejected", "hh",
     {"chosen": "\n\nHuman: Hi\n\nAssistant: Yo", "rejected": "\n\nHuman: Hi\n\nAssistant:"}),
    ("empty_answer", "chosen", "dpo", {"prompt": "Hi", "chosen": [], "rejected": [build_assistant("What.")]}),
    ("empty_answer", "completion", "sft", {"prompt": "Hi", "completion": ""}),
    ("empty_prompt", "instruction", "alpaca", {"instruction": "", "output": "Hello!"}),
    ("empty_prompt", "question", "dpo-orca", {"system": "", "question": " ", **PAIR}),
    ("empty_prompt", "messages", "messages", {"messages": [build_user(""), build_assistant("Hello!")]}),
    ("empty_turn", "messages", "messages",
     {"messages": [build_user("Hi"), build_assistant(""), build_user("Hi?"), build_assistant("Hello!")]}),
    ("empty_turn", "history[1]", "alpaca", {"instruction": "Hi", "output": "Yo", "history": [["a", "b"], ["c", ""]]}),
    ("ends_with_assistant", "prompt", "dpo", {"prompt": [build_user("Hi"), build_assistant("Yes?")], **SIDES}),
    ("ends_with_user", "messages", "messages", {"messages": [build_user("Hi")]}),
    ("ends_with_user", "chosen", "hh", {"chosen": "Human: Hi", "rejected": "Human: Hi"}),
    ("lengths_differ", "models", "wide", {"prompt": "Hi", "responses": ["a", "b"], "models": ["gpt"]}),
    ("missing_field", "output", "alpaca", {"instruction": "Hi"}),
    ("missing_field", "prompt", "dpo-text", PAIR),
    ("missing_field", "rejected", "dpo-text", {"prompt": "Hi", "chosen": "Hello!"}),
    ("missing_field", "completion", "sft", {"prompt": "Hi"}),
    ("missing_field", "responses", "wide", {"prompt": "Hi"}),
    ("missing_field", "responses[0].text", "wide", {"prompt": "Hi", "responses": [{"model": "gpt"}, "b"]}),
    ("missing_field", "conversation", "sharegpt", {"id": 7}),
    ("name_too_long", "annotator", "dpo-text", {"prompt": "Hi", **PAIR, "annotator": LONG_NAME}),
    ("name_too_long", "generator", "long", {"prompt": "Hi", "output": "Hello!", "generator": LONG_NAME}),
    ("name_too_long", "model_b", "wide", {"prompt": "Hi", **AB, "model_b": LONG_NAME}),
    ("no_user_turn", "messages", "messages", {"messages": []}),
    ("no_user_turn", "conversations", "sharegpt", {"conversations": [{"from": "gpt", "value": "Hello!"}]}),
    ("no_user_turn", "messages", "messages", {"messages": [build_system("Be kind."), build_assistant("Hello!")]}),
    ("not_a_dialogue", "chosen", "hh", {"chosen": "Hello!", "rejected": "Human: Hi\n\nAssistant: What."}),
    ("not_a_dialogue", "rejected", "hh", {"chosen": "Human: Hi\n\nAssistant: Yo", "rejected": "Well\n\nHuman: Hi"}),
    ("not_a_list", "conversation", "sharegpt", {"conversation": "Hi"}),
    ("not_a_list", "responses", "wide", {"prompt": "Hi", "responses": {"a": "Hello!"}}),
    ("not_a_list", "history", "alpaca", {"instruction": "Hi", "output": "Hello!", "history": "earlier"}),
    ("not_a_message", "messages[0]", "messages", {"messages": ["Hi"]}),
    ("not_a_message", "chosen[0]", "dpo-sharegpt",
     {"messages": [build_user("Hi")], "chosen": "Yo", "rejected": build_assistant("a")}),
    ("not_a_pair", "history[0]", "alpaca", {"instruction": "Hi", "output": "Hello!", "history": [["a"]]}),
    ("lengths_differ", "models", "dpo-text", {"prompt": "Hi", **PAIR, "models": ["gpt"]}),
    ("missing_field", "rejected_response", "dpo-swift", {"messages": [*HI, build_assistant("a")]}),
    ("prompts_differ", "rejected_messages", "dpo-swift",
     {"messages": [*HI, build_assistant("a")], "rejected_messages": [build_user("Ho"), build_assistant("b")]}),
    ("same_answer", "rejected_response", "dpo-swift",
     {"messages": [*HI, build_assistant("a")], "rejected_response": "a"}),
    ("same_answer", "rejected", "dpo", {"prompt": "Hi", "chosen": "a", "rejected": ["b", "a"]}),
    ("not_one_answer", "chosen", "dpo", {"prompt": "Hi", "chosen": ["a", "b"], "rejected": ["c"]}),
    ("bad_json", "chosen", "dpo", {"prompt": "Hi", "chosen": "[{'role': 'assistant'}]", "rejected": "What."}),
    ("bad_json", "chosen", "dpo",
     {"prompt": "Hi", "chosen": "array([{'role': 'assistant', 'content': 'a'}], dtype=object)", "rejected": "What."}),
    ("off_scale", "margin", "dpo-text", {"prompt": "Hi", **PAIR, "margin": -1}),
    ("score_contradicts", "score_chosen", "dpo-text",
     {"prompt": "Hi", **PAIR, "score_chosen": 2, "score_rejected": 9.0}),
    ("steps", "completions", "wide", {"prompt": "2+2+2?", "completions": ["2+2=4", "4+2=7"], "labels": [True, False]}),
    ("tools", "messages[1].tool_calls", "messages",
     {"messages": [*HI, {**build_assistant(""), "tool_calls": [{"function": {"name": "look"}}]}]}),
    ("tools", "responses[0].tool_calls", "wide",
     {"prompt": "Hi", "responses": [{"content": "a", "tool_calls": [{}]}, {"content": "b"}]}),
    ("tools", "input.tools", "dpo-openai", {"input": {"messages": HI, "tools": [{"type": "function"}]}}),
    ("reasoning", "chosen[0].reasoning_content", "dpo",
     {"prompt": HI, "chosen": [{**build_assistant("a"), "reasoning_content": "Well."}], "rejected": []}),
    ("picture", "messages[0].content[1]", "messages",
     {"messages": [build_user([{"type": "text", "text": "Hi"}, {"type": "image_url", "image_url": {"url": "a.png"}}]),
                   build_assistant("a")]}),
    ("missing_field", "annotations[0]", "label-studio",
     {"data": {"prompt": "Hi", "answer1": "a", "answer2": "b"}, "annotations": ["left"]}),
    ("missing_field", "meta.message_id", "open-webui",
     {"data": {"rating": 1}, "meta": {"message_id": "m9"}, "snapshot": {"chat": {"messages": []}}}),
    ("missing_field", "inputs.prompt", "langsmith", {"inputs": {"a": "Hi", "b": "Ho"}, "outputs": {"output": "a"}}),
    ("not_one_answer", "rejected", "dpo",
     {"prompt": "Hi", "chosen": [build_assistant("Yo")], "rejected": [build_user("What.")]}),
    ("not_one_answer", "completion", "sft",
     {"prompt": "Hi", "completion": [build_assistant("Yo"), build_assistant("Yo!")]}),
    ("not_one_answer", "completion", "sft", {"prompt": "Hi", "completion": [build_user("Hello!")]}),
    ("not_text", "chosen", "dpo-text", {"prompt": "Hi", "chosen": 1, "rejected": "What."}),
    ("not_text", "input", "alpaca", {"instruction": "Hi", "input": {"a": 1}, "output": "Hello!"}),
    ("not_text", "messages[1].content", "messages",
     {"messages": [build_user("Hi"), build_assistant(7)]}),
    ("not_text", "messages[1].content[0]", "messages",
     {"messages": [build_user("Hi"), build_assistant([{"type": "text"}])]}),
    ("not_text", "annotator", "dpo-text", {"prompt": "Hi", **PAIR, "annotator": True}),
    ("null_text", "output", "alpaca", {"instruction": "Hi", "output": None}),
    ("null_text", "response_a", "wide", {"prompt": "Hi", "response_a": None, "response_b": "What."}),
    ("null_text", "conversations[0].value", "sharegpt", {"conversations": [{"from": "human"}]}),
    ("prompts_differ", "rejected", "dpo",
     {"chosen": [build_user("Hi"), build_assistant("a")], "rejected": [build_user("Hi!"), build_assistant("b")]}),
    ("prompts_differ", "prompt", "dpo",
     {"prompt": "Hey", "chosen": [build_user("Hi"), build_assistant("a")],
      "rejected": [build_user("Hi"), build_assistant("b")]}),
    ("prompts_differ", "prompt", "dpo",
     {"prompt": [build_user("Hey")], "chosen": [build_user("Hi"), build_assistant("a")],
      "rejected": [build_user("Hi"), build_assistant("b")]}),
    ("prompts_differ", "rejected", "hh",
     {"chosen": "Human: Hi\n\nAssistant: a", "rejected": "Human: Hey\n\nAssistant: b"}),
    ("same_answer", "rejected", "dpo-text", {"prompt": "Hi", "chosen": "Hello!", "rejected": "Hello!"}),
    ("same_answer", "winner", "wide", {"prompt": "Hi", "response_a": "Hello!", "response_b": "Hello!", "winner": "a"}),
    ("system_not_first", "messages", "messages",
     {"messages": [build_user("Hi"), build_system("Be kind."), build_assistant("Hello!")]}),
    ("too_few_answers", "response_1", "wide", {"prompt": "Hi", "response_1": "Hello!"}),
    ("too_few_answers", "responses[0]", "wide", {"prompt": "Hi", "responses": ["Hello!"]}),
    ("too_few_answers", "responses", "wide", {"prompt": "Hi", "responses": []}),
    ("two_systems", "messages", "messages",
     {"system": "Be kind.", "messages": [build_system("Be brief."), *TWO_TURNS, build_assistant("No.")]}),
    ("unknown_role", "conversations[0].from", "sharegpt", {"conversations": [{"from": "boss", "value": "Hi"}]}),
    ("unknown_role", "messages[0].role", "messages", {"messages": [{"content": "Hi"}]}),
    ("tools", "messages[0].role", "messages", {"messages": [{"role": "tool", "content": "{}"}]}),
    ("unknown_winner", "winner", "wide", {"prompt": "Hi", **AB, "winner": "c"}),
    ("missing_field", "input.messages", "dpo-openai", {"input": {}}),
    ("not_one_answer", "preferred_output", "dpo-openai",
     {"input": {"messages": HI}, "preferred_output": [*HI, build_assistant("a")],
      "non_preferred_output": [build_assistant("b")]}),
    ("same_answer", "non_preferred_output", "dpo-openai",
     {"input": {"messages": HI}, "preferred_output": [build_assistant("a")],
      "non_preferred_output": [build_assistant("a")]}),
    ("unknown_winner", "winner", "arena", {**ARENA, "winner": "gpt"}),
    ("unknown_winner", "winner", "arena", {**ARENA, "winner": None}),
    ("off_scale", "turn", "arena", {**ARENA, "winner": "tie", "turn": 0}),
    ("prompts_differ", "conversation_b", "arena",
     {**ARENA, "winner": "tie", "conversation_b": [build_user("Hey"), build_assistant("What.")]}),
    ("picture", "conversation_a[0].content[0]", "arena",
     {**ARENA, "winner": "tie", "conversation_a": [{"role": "user", "content": [{"type": "image", "text": None}]}]}),
    ("not_a_message", "conversation_a[0]", "arena", {**ARENA, "winner": "tie", "conversation_a": ["Hi"]}),
    ("same_answer", "winner", "arena", {**ARENA, "winner": "tie", "conversation_b": ARENA["conversation_a"]}),
    ("unknown_winner", "winner_model_a", "arena-kaggle", {**KAGGLE, **FLAGS}),
    ("unknown_winner", "winner_model_a", "arena-kaggle", {**KAGGLE, **FLAGS, "winner_model_a": 1, "winner_tie": 1}),
    ("off_scale", "winner_model_b", "arena-kaggle", {**KAGGLE, **FLAGS, "winner_model_b": 2}),
    ("off_scale", "winner_tie", "arena-kaggle", {**KAGGLE, **FLAGS, "winner_tie": None}),
    ("turns_differ", "response_b", "arena-kaggle", {**KAGGLE, **FLAGS, "response_b": '["a", "b"]'}),
    ("empty_answer", "response_a[0]", "arena-kaggle", {**KAGGLE, **FLAGS, "response_a": '[""]'}),
    ("null_text", "response_a[0]", "arena-kaggle", {**KAGGLE, **FLAGS, "response_a": "[null]"}),
    ("bad_unicode", "response_b[0]", "arena-kaggle", {**KAGGLE, **FLAGS, "response_b": '["\\ud83d"]'}),
    ("bad_json", "prompt", "arena-kaggle", {**KAGGLE, **FLAGS, "prompt": "['Hi']"}),
    ("prompts_differ", "response_b", "arena-kaggle",
     {"prompt": ["a", "b"], "response_a": ["c", "d"], "response_b": ["e", "f"], **FLAGS, "winner_tie": 1}),
    ("too_many_answers", "winner", "wide",
     {"prompt": "Hi", "responses": [str(n) for n in range(27)], "winner": 1}),
    ("too_many_answers", "answers", "nectar",
     {"prompt": "Hi", "answers": [{"answer": str(n), "rank": n} for n in range(27)]}),
    ("too_few_answers", "completions", "ultrafeedback", {"instruction": "Hi", "completions": [], "models": []}),
    ("missing_field", "completions[0].text", "ultrafeedback",
     {"instruction": "Hi", "completions": [{"overall_score": 1}, {"response": "a"}]}),
    ("off_scale", "answers[1].rank", "nectar",
     {"prompt": "Hi", "answers": [{"answer": "a", "rank": 1}, {"answer": "b", "rank": "best"}]}),
    ("off_scale", "answers[0].rank", "nectar",
     {"prompt": "Hi", "answers": [{"answer": "a", "rank": float("nan")}, {"answer": "b", "rank": 2}]}),
    ("missing_field", "answers[1].rank", "nectar",
     {"prompt": "Hi", "answers": [{"answer": "a", "rank": 1}, {"answer": "b"}]}),
    ("too_few_answers", "answers", "nectar", {"prompt": "Hi", "answers": [{"answer": "a", "rank": 1}]}),
    ("ends_with_assistant", "prompt", "nectar",
     {"prompt": "Human: Hi\n\nAssistant: Yes?", "answers": [{"answer": "a", "rank": 1}, {"answer": "b", "rank": 2}]}),
    ("off_scale", "preference", "alpaca-farm", {**FARM, "preference": 3}),
    ("off_scale", "preference", "alpaca-farm", {**FARM, "preference": -1}),
    ("off_scale", "preference", "alpaca-farm", {**FARM, "preference": None}),
    ("off_scale", "preference", "alpaca-farm", {**FARM, "preference": 10**400}),
    ("same_answer", "preference", "alpaca-farm", {**FARM, "output_2": "Hello!", "preference": 1}),
    ("off_scale", "overall_preference", "helpsteer3", {**STEER3, "overall_preference": 4}),
    ("off_scale", "overall_preference", "helpsteer3", {**STEER3, "overall_preference": 1.5}),
    ("ends_with_assistant", "context", "helpsteer3",
     {**STEER3, "context": [*HI, build_assistant("a")], "overall_preference": 1}),
    ("off_scale", "preference_strength", "helpsteer2", {**STEER2, "preference_strength": -4}),
    ("missing_field", "preference_strength", "helpsteer2", STEER2),
    ("empty_answer", "response", "helpsteer", {"prompt": "Hi", "response": " ", "helpfulness": 1, "verbosity": 0}),
    ("off_scale", "better_response_id", "safe-rlhf", {**SAFE, "better_response_id": 2}),
    ("off_scale", "safer_response_id", "safe-rlhf", {**SAFE, "better_response_id": 1, "safer_response_id": -1}),
    ("off_scale", "labels", "shp", {**SHP, "labels": 2}),
    ("empty_prompt", "history", "shp", {**SHP, "history": "", "labels": 1}),
    ("unknown_winner", "responses.preference", "argilla", build_argilla_record("response_3")),
    ("missing_field", "fields", "argilla", {"fields": [], "responses": {}}),
    ("missing_field", "responses.preference[0]", "argilla", {**RECORD, "responses": {"preference": ["response_1"]}}),
    ("too_few_answers", "fields", "argilla", {"fields": {"prompt": "Hi"}, "responses": {}}),
    ("off_scale", "responses.order.rank", "argilla", build_argilla_record([{"value": "response_1"}], question="order")),
    ("off_scale", "label", "kto", {"prompt": "Hi", "completion": "a", "label": None}),
    ("off_scale", "label", "kto", {"prompt": "Hi", "completion": "a", "label": "B"}),
    ("off_scale", "label", "kto", {"prompt": "Hi", "completion": "a", "label": ""}),
    ("off_scale", "kto_tag", "kto-messages", {"messages": [*HI, build_assistant("a")], "kto_tag": 2}),
    ("ends_with_user", "messages", "kto-messages", {"messages": HI, "label": True}),
]  # fmt: skip
BY_FILES = {"not_an_object", "ragged_row", "row_too_long", "second_header", "too_deep"}  # see test_files.py
BY_IMPORTS = {"left_out", "no_known_answer", "not_alternating", "other_verdict", "zero_weight"}  # see test_import.py


@pytest.mark.parametrize(("reason", "field", "name", "row"), REFUSALS)
def test_a_row_that_cannot_be_kept_is_refused_with_reason_and_field(reason, field, name, row):
    assert catch_refusal(name, row) == (reason, field)


def test_every_reason_for_a_refusal_is_in_the_table():
    assert {reason for reason, *_ in REFUSALS} == set(reasons.REFUSED) - BY_FILES - BY_IMPORTS


def test_every_reason_that_the_code_gives_has_words():
    modules = [path for path in Path(reasons.__file__).parent.rglob("*.py") if path.stem != "reasons"]
    code = "".join(path.read_text("utf-8") for path in modules)
    for raised, words in [("Refusal", reasons.REFUSED), ("FileProblem", reasons.FILE), ("Omission", reasons.LEFT_OUT)]:
        assert set(re.findall(rf'{raised}\(\s*"(\w+)"', code)) <= set(words)
        assert [reason for reason in words if f'"{reason}"' not in code] == []


PLAIN = Prompt("What is a prime?")
WITH_INPUT = Prompt("Translate.", "Hund")
FULL = Prompt("Is 1 one?", "Answer in a word.", "Be brief.", EARLIER)

# (dialect, row, the line, keys in this order)
WRITTEN = [
    ("alpaca", Demonstration(WITH_INPUT, "dog"), '{"instruction": "Translate.", "input": "Hund", "output": "dog"}'),
    ("alpaca", Demonstration(PLAIN, "质数"), '{"instruction": "What is a prime?", "input": "", "output": "质数"}'),
    ("sharegpt", Demonstration(FULL, "No."),
     '{"conversations": [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "What is a prime?"}, '
     '{"from": "gpt", "value": "A number with two divisors."}, '
     '{"from": "human", "value": "Is 1 one?\\nAnswer in a word."}, '
     '{"from": "gpt", "value": "No."}]}'),
    ("sharegpt-primer", Demonstration(Prompt("Is 1 one?", turns=EARLIER), "No."),
     '{"conversation": [{"role": "user", "content": "What is a prime?"}, '
     '{"role": "assistant", "content": "A number with two divisors."}, {"role": "user", "content": "Is 1 one?"}, '
     '{"role": "assistant", "content": "No."}]}'),
    ("messages", Demonstration(Prompt("Hi", system="Be kind."), "Hello!\u2028"),
     '{"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}, '
     '{"role": "assistant", "content": "Hello!\u2028"}]}'),
    ("dpo", Preference(FULL, "No.", "Yes."),
     '{"prompt": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is a prime?"}, '
     '{"role": "assistant", "content": "A number with two divisors."}, '
     '{"role": "user", "content": "Is 1 one?\\nAnswer in a word."}], '
     '"chosen": [{"role": "assistant", "content": "No."}], "rejected": [{"role": "assistant", "content": "Yes."}]}'),
    ("dpo-text", Preference(WITH_INPUT, "dog", "cat"),
     '{"prompt": "Translate.\\nHund", "chosen": "dog", "rejected": "cat"}'),
    ("dpo-implicit", Preference(Prompt("Hi", system="Be kind."), "Hello!", "What."),
     '{"chosen": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}, '
     '{"role": "assistant", "content": "Hello!"}], '
     '"rejected": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}, '
     '{"role": "assistant", "content": "What."}]}'),
    ("dpo-chatml", Preference(WITH_INPUT, "dog", "cat"),
     '{"messages": [{"role": "user", "content": "Translate.\\nHund"}], '
     '"chosen": {"role": "assistant", "content": "dog"}, "rejected": {"role": "assistant", "content": "cat"}}'),
    ("dpo-sharegpt", Preference(FULL, "No.", "Yes."),
     '{"conversations": [{"from": "system", "value": "Be brief."}, {"from": "human", "value": "What is a prime?"}, '
     '{"from": "gpt", "value": "A number with two divisors."}, '
     '{"from": "human", "value": "Is 1 one?\\nAnswer in a word."}], '
     '"chosen": {"from": "gpt", "value": "No."}, "rejected": {"from": "gpt", "value": "Yes."}}'),
    ("dpo-alpaca", Preference(FULL, "No.", "Yes."),
     '{"instruction": "Is 1 one?", "input": "Answer in a word.", "chosen": "No.", "rejected": "Yes.", '
     '"system": "Be brief.", "history": [["What is a prime?", "A number with two divisors."]]}'),
    ("dpo-alpaca", Preference(PLAIN, "质数", "数"),
     '{"instruction": "What is a prime?", "input": "", "chosen": "质数", "rejected": "数", "system": "", '
     '"history": []}'),
    ("dpo-swift", Preference(WITH_INPUT, "dog", "cat"),
     '{"messages": [{"role": "user", "content": "Translate.\\nHund"}, {"role": "assistant", "content": "dog"}], '
     '"rejected_response": "cat"}'),
    ("dpo-openai", Preference(Prompt("Hi", system="Be kind."), "Hello!", "What."),
     '{"input": {"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]}, '
     '"preferred_output": [{"role": "assistant", "content": "Hello!"}], '
     '"non_preferred_output": [{"role": "assistant", "content": "What."}]}'),
    ("reward", Preference(WITH_INPUT, "dog", "cat", 2),
     '{"prompt": [{"role": "user", "content": "Translate.\\nHund"}], '
     '"chosen": [{"role": "assistant", "content": "dog"}], "rejected": [{"role": "assistant", "content": "cat"}], '
     '"margin": 2.0}'),
    ("prompt-completion", Demonstration(Prompt("Is 1 one?", turns=EARLIER), "No."),
     '{"prompt": [{"role": "user", "content": "What is a prime?"}, '
     '{"role": "assistant", "content": "A number with two divisors."}, {"role": "user", "content": "Is 1 one?"}], '
     '"completion": [{"role": "assistant", "content": "No."}]}'),
    ("kto", Label(WITH_INPUT, "dog", wanted=True),
     '{"prompt": [{"role": "user", "content": "Translate.\\nHund"}], '
     '"completion": [{"role": "assistant", "content": "dog"}], "label": true}'),
    ("kto-messages", Label(Prompt("Hi", system="Be kind."), "What.", wanted=False),
     '{"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}, '
     '{"role": "assistant", "content": "What."}], "label": false}'),
    ("judgments-csv", JudgmentRow({"judgment": 7, "verdict": "left"}), '{"judgment": 7, "verdict": "left"}'),
    ("judgments-parquet", JudgmentRow({"judgment": 7, "verdict": "left"}), '{"judgment": 7, "verdict": "left"}'),
]  # fmt: skip


@pytest.mark.parametrize(("name", "row", "line"), WRITTEN)
def test_a_dialect_is_written_key_by_key(name, row, line):
    assert json.dumps(formats.get_writable_formats()[name].write(row), ensure_ascii=False) == line
    assert isinstance(row, formats.get_writable_formats()[name].WRITES)


def test_every_dialect_is_in_the_table():
    assert {name for name, *_ in WRITTEN} == set(formats.get_writable_formats())


@pytest.mark.parametrize(
    ("name", "prompt", "reason"),
    [
        ("alpaca", Prompt("Hi", turns=EARLIER), "needs_history"),
        ("alpaca", Prompt("Hi", system="Be kind."), "needs_system"),
        ("dpo-text", Prompt("Hi", turns=EARLIER), "needs_history"),
        ("dpo-text", Prompt("Hi", system="Be kind."), "needs_system"),
    ],
)
def test_what_a_dialect_has_no_place_for_is_left_out_never_flattened(name, prompt, reason):
    row = Demonstration(prompt, "Hello!") if name == "alpaca" else Preference(prompt, "Hello!", "What.")
    with pytest.raises(Omission) as caught:
        formats.get_writable_formats()[name].write(row)
    assert caught.value.reason == reason


def test_turns_that_do_not_alternate_are_left_out_where_readers_drop_them():
    prompt = Prompt("Hi?", turns=(("user", "Hi"),))
    rows = {Preference: Preference(prompt, "a", "b"), Demonstration: Demonstration(prompt, "a"),
            Label: Label(prompt, "a", wanted=True)}  # fmt: skip
    left_out = set()
    for name, module in formats.get_writable_formats().items():
        try:
            if module.WRITES in rows:
                module.write(rows[module.WRITES])
        except Omission as omission:
            left_out |= {name} if omission.reason == "not_alternating" else set()
    assert left_out == {"dpo-sharegpt", "dpo-chatml", "dpo-alpaca", "dpo-swift", "sharegpt", "sharegpt-primer",
                        "kto-messages"}  # fmt: skip


kept = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=40)
filled = kept.filter(str.strip)
turns = st.lists(st.tuples(filled, filled), max_size=2).map(
    lambda pairs: tuple(turn for asked, said in pairs for turn in (("user", asked), ("assistant", said)))
)
prompts = st.builds(Prompt, instruction=filled, input=st.just(""), system=st.just("") | kept, turns=turns)


def write_and_read(name, row):
    """The row after writing it in a dialect, encoding it, detecting its shape and reading it again."""
    data = (json.dumps(formats.get_writable_formats()[name].write(row), ensure_ascii=False) + "\n").encode()
    (item,) = detect.read_items(io.BytesIO(data))[1]
    found, rename = recognise(item.value)
    return formats.get_readable_formats()[found].read(rename(item.value))


@settings(max_examples=60, deadline=None)
@given(instruction=filled, given_input=st.just("") | kept, answer=filled)
def test_alpaca_comes_back_to_the_byte(instruction, given_input, answer):
    prompt = Prompt(instruction, given_input)
    assert write_and_read("alpaca", Demonstration(prompt, answer)) == build_demonstration(prompt, answer)


@pytest.mark.parametrize("name", ["sharegpt", "sharegpt-primer", "messages", "prompt-completion"])
@settings(max_examples=60, deadline=None)
@given(prompt=prompts, answer=filled)
def test_a_conversation_comes_back_to_the_byte(name, prompt, answer):
    assert write_and_read(name, Demonstration(prompt, answer)) == build_demonstration(prompt, answer)


@pytest.mark.parametrize(
    "name", ["dpo", "dpo-text", "dpo-implicit", "dpo-chatml", "dpo-sharegpt", "dpo-alpaca", "dpo-swift", "dpo-openai",
             "reward"]
)  # fmt: skip
@settings(max_examples=60, deadline=None)
@given(prompt=prompts, chosen=filled, rejected=filled)
def test_a_preference_comes_back_to_the_byte(name, prompt, chosen, rejected):
    if chosen == rejected:
        return
    prompt = Prompt(prompt.instruction) if name == "dpo-text" else prompt
    votes = (Vote((0, 1), "left", margin=1.0 if name == "reward" else None),)
    expected = build_judged(prompt, chosen, rejected, votes=votes)
    assert write_and_read(name, Preference(prompt, chosen, rejected)) == expected


def import_rows(*rows):
    """The judgments of an import of these rows into a dataset."""
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    run = imports_store.store(imports_check.check([("example", io.BytesIO(data))], "demo"))
    assert run.refused == 0
    return Judgment.objects.filter(imported=run)


@pytest.mark.django_db
def test_strength_and_places_apart_are_stored_with_the_choice():
    (strong,) = import_rows({**STEER3, "overall_preference": 3})
    assert (strong.choices.get().strength, strong.choices.get().chosen.text) == (3, "What.")
    (tie,) = import_rows({**STEER3, "overall_preference": 0})
    assert (tie.verdict, tie.choices.get().strength) == ("tie", 0)
    texts = [{"answer": text, "rank": rank} for rank, text in enumerate(["a", "b", "c"])]
    gaps = import_rows({"prompt": "Name one.", "answers": texts}).values_list(
        "choices__chosen__text", "choices__rank_gap"
    )
    assert sorted(gaps) == [("a", 1), ("a", 2), ("b", 1)]


@pytest.mark.django_db
@pytest.mark.parametrize(("safer", "text"), [(1, "What."), (0, "Hello!")])
def test_the_safer_answer_is_a_choice_by_its_criterion_and_is_exported_as_one(safer, text):
    (judgment,) = import_rows({**SAFE, "better_response_id": 1, "safer_response_id": safer})
    assert judgment.choices.get(criterion="").chosen.text == "What."
    assert judgment.choices.get(criterion="safe").chosen.text == text
    export = Export(Dataset.objects.get(), "dpo-text", Filters(criterion="safe"))
    assert [json.loads(line)["chosen"] for line in b"".join(export.iter_pieces()).splitlines()] == [text]


@pytest.mark.django_db
def test_the_same_file_again_brings_no_vote_twice():
    rows = [{**SAFE, "better_response_id": 1, "safer_response_id": 0}, {**SAFE, "better_response_id": 0}]
    assert import_rows(*rows).count() == 2
    assert import_rows(*rows).count() == 0


@pytest.mark.django_db
def test_a_bad_answer_is_nothing_to_learn_from_and_asks_for_nothing():
    rows = [{"prompt": "Hi", "completion": text, "label": label} for text, label in
            [("Hello!", True), ("What.", False), ("Go.", False)]]  # fmt: skip
    assert not import_rows(*rows)
    assert Comparison.objects.count() == 0
    assert Stored.objects.filter(demonstration=True).values_list("text", flat=True).get() == "Hello!"
    assert not Stored.objects.filter(candidate=True)


def test_a_vote_comes_back_from_the_spool_as_it_was():
    for _, name, row, said in SHAPES:
        assert decode_row(encode_row(said)) == said, (name, row)
    old = '[["Hi", "", "", []], [["a", ""], ["b", ""]], "judged", [[[1, 0], "left", "ann", 2]]]'
    assert decode_row(old).votes == (Vote((1, 0), "left", "ann", 2),)


@pytest.mark.parametrize(
    ("row", "prompt", "texts"),
    [
        ({"prompt": "\n\nHuman: Hi\n\nAssistant:", "chosen": " a", "rejected": " b"}, Prompt("Hi"), ["a", "b"]),
        ({"instruction": "Human:Hi\nAssistant:Yo\nHuman:And?\nAssistant:", "output": "a"},
         Prompt("And?", turns=(("user", "Hi"), ("assistant", "Yo"))), ["a"]),
        ({"prompt": "用户：你好\n助手：", "response": "您好"}, Prompt("你好"), ["您好"]),
        ({"prompt": "Human: who says this?", "completion": " a"}, Prompt("Human: who says this?"), [" a"]),
        ({"question": "When?", "context": "In 1901.", "answer": "1901"}, Prompt("When?", "In 1901."), ["1901"]),
        ({"instruction": "When?", "context": "A.", "input": "B.", "output": "a"}, Prompt("When?", "A.\n\nB."), ["a"]),
        ({"prompt": "Hi", "system_prompt": "Be kind.", "completion": "a"}, Prompt("Hi", system="Be kind."), ["a"]),
        ({"messages": [build_user([{"type": "text", "text": "H"}, {"text": "i"}]), build_assistant("a")]},
         Prompt("Hi"), ["a"]),
        ({"messages": json.dumps([build_user("Hi"), build_assistant("a")])}, Prompt("Hi"), ["a"]),
        ({"conversation": [{"system": "Be kind.", "input": "Hi", "output": "Yo"}, {"input": "And?", "output": "a"}]},
         Prompt("And?", system="Be kind.", turns=(("user", "Hi"), ("assistant", "Yo"))), ["a"]),
        ({"messages": [build_assistant("Welcome"), build_user("Hi"), build_assistant("a")]},
         Prompt("Hi", turns=(("assistant", "Welcome"),)), ["a"]),
        ({"prompt": "Hi", "chosen": json.dumps([build_assistant("a")]), "rejected": json.dumps([build_assistant("b")])},
         Prompt("Hi"), ["a", "b"]),
        ({"input": "Hi", "chosen": "a", "rejected": "b"}, Prompt("Hi"), ["a", "b"]),
    ],
)  # fmt: skip
def test_a_prompt_is_found_in_many_spellings(row, prompt, texts):
    name, rename = recognise(row)
    read = formats.get_readable_formats()[name].read(rename(row))
    assert (read.prompt, [response.text for response in read.responses]) == (prompt, texts)


@pytest.mark.parametrize(
    ("columns", "sources", "margin"),
    [
        ({"chosen_model": "x", "rejected_model": "y"}, ("x", "y"), None),
        ({"source_chosen": "x", "source_rejected": "y"}, ("x", "y"), None),
        ({"models": ["x", "y"]}, ("x", "y"), None),
        ({"margin": 3}, ("", ""), 3.0),
        ({"reward_margin": ""}, ("", ""), None),
        ({"score_chosen": 9, "score_rejected": 2.5}, ("", ""), 6.5),
        ({"chosen-rating": "5", "rejected-rating": "5", "chosen-model": "x"}, ("x", ""), 0.0),
        ({"reward_chosen": 1, "reward_rejected": None}, ("", ""), None),
        ({"margin": 0.5, "score_chosen": 9, "score_rejected": 2}, ("", ""), 0.5),
    ],
)
@pytest.mark.parametrize("pair", [PAIR, SIDES], ids=["texts", "messages"])
def test_both_sides_have_sources_and_a_margin(pair, columns, sources, margin):
    row = {"prompt": "Hi", **pair, **columns}
    name, _ = recognise(row)
    read = formats.get_readable_formats()[name].read(row)
    assert tuple(response.source for response in read.responses) == sources
    assert [(vote.margin, vote.strength) for vote in read.votes] == [(margin, 1)]


def test_the_chosen_answer_is_better_than_each_rejected_one():
    row = {"prompt": "Hi", "chosen": "a", "rejected": ["b", "c", "b"], "models": ["w", "x", "y", "x"], "margin": 2}
    read = formats.get_readable_formats()["dpo"].read(row)
    assert read.responses == (Response("a", "w"), Response("b", "x"), Response("c", "y"))
    assert [(vote.pair, vote.margin) for vote in read.votes] == [((0, 1), 2.0), ((0, 2), 2.0)]


@pytest.mark.parametrize(
    ("winner", "verdict", "strength"),
    [("A>B", 0, 1), ("A>>B", 0, 2), ("B>A", 1, 1), ("a < b", 1, 1), ("[[B>>A]]", 1, 2), ("A=B", "tie", 1),
     ("[[C]]", "tie", 1), ("left", 0, 1), ("右", 1, 1), ("第一个", 0, 1), ("What.", 1, 1)],
)  # fmt: skip
def test_verdicts_on_two_answers(winner, verdict, strength):
    read = formats.get_readable_formats()["wide"].read({"prompt": "Hi", **AB, "winner": winner})
    pair = (1, 0) if verdict == 1 else (0, 1)
    assert read.votes == (Vote(pair, verdict if verdict == "tie" else "left", strength=strength),)


@pytest.mark.parametrize("winner", [None, "", " ", float("nan")])
def test_an_empty_winner_is_no_verdict(winner):
    assert formats.get_readable_formats()["wide"].read({"prompt": "Hi", **AB, "winner": winner}).kind == CANDIDATES


@pytest.mark.parametrize(
    ("label", "good"),
    [(True, True), ("FALSE", False), (1.0, True), ("0.0", False), (-1, False), ("Desirable", True), ("rejected", False),
     ("thumbs down", False), ("赞", True), ("不满意", False), ("no", False)],
)  # fmt: skip
@pytest.mark.parametrize(
    "row",
    [{"prompt": "Hi", "response": "a"}, {"instruction": "Hi", "output": "a"}, {"query": "Hi", "answer": "a"},
     {"messages": [*HI, build_assistant("a")]}, {"conversations": [*HI, build_assistant("a")]}],
)  # fmt: skip
@pytest.mark.parametrize("key", ["label", "kto_tag"])
def test_a_label_says_whether_the_only_answer_is_good(row, key, label, good):
    name, _ = recognise({**row, key: label})
    module = formats.get_readable_formats()[name]
    read = module.read({**row, key: label})
    assert (read.label, read.kind) == (good, DEMONSTRATION if good else JUDGED)
    unlabelled = module.read(row)
    assert (unlabelled.label, unlabelled.kind) == (None, DEMONSTRATION)


@pytest.mark.parametrize("label", ["A", 2, "greeting", None])
def test_a_label_of_another_kind_is_no_judgment(label):
    assert recognise({"prompt": "Hi", "completion": "a", "label": label})[0] == "sft"
