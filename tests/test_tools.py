"""Small files in the shapes that tools write, and the table of them in docs/formats.md.

Every row asks for moons. The texts of GOOD are better than all others wherever a file says so, so that each test also
shows that no shape is read the wrong way round.
"""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from datasets import formats
from datasets.models import Choice, Prompt, Response

PAGE = Path(__file__).parent.parent / "docs" / "formats.md"
TABLE_ROW = re.compile(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| `([\w-]+)`(?:; stops at (`[^|]+`))? \|$", re.MULTILINE)

LOOKED_AT = "2026-11-29"
VERSIONS = {
    "TRL": "1.16.0",
    "LLaMA-Factory": "0.9.5",
    "Axolotl": "0.19.0",
    "ms-swift": "4.6.0",
    "OpenRLHF": "0.11.0",
    "OpenAI fine-tuning": LOOKED_AT,
    "Unsloth": "2026.10.9",
    "XTuner": LOOKED_AT,
    "Argilla": "2.8.0",
    "Label Studio": LOOKED_AT,
    "Open WebUI": LOOKED_AT,
    "LangSmith": LOOKED_AT,
    "Langfuse": LOOKED_AT,
    "Hugging Face Hub": LOOKED_AT,
}

ASKED, SYSTEM = "Name a moon of Mars.", "Be exact."
EARLIER = ("Name a planet.", "Mars.")
QUESTIONS = {ASKED, "And one of its moons?", "火星有哪些卫星？"}
GOOD, BAD, OTHER = "Phobos.", "Luna.", "Deimos."
BETTER = {GOOD, "火卫一。"}


def build_messages(*texts: str, system: str = "") -> list[dict[str, str]]:
    """Messages of user and assistant in turn."""
    turns = [{"role": ("user", "assistant")[n % 2], "content": text} for n, text in enumerate(texts)]
    return [*([{"role": "system", "content": system}] if system else []), *turns]


def build_answer(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def build_sharegpt(*texts: str, system: str = "") -> list[dict[str, str]]:
    """The same in ShareGPT's spelling."""
    turns = [{"from": ("human", "gpt")[n % 2], "value": text} for n, text in enumerate(texts)]
    return [*([{"from": "system", "value": system}] if system else []), *turns]


class Shape(NamedTuple):
    """What one tool writes, and what becomes of it.

    stored: prompts, responses, choices.
    good: demonstrations among the responses.
    labels: of the labelled responses, sorted.
    stops_at: the columns that bear on learning, cannot be read, and stop the import.
    unread: {column: rows} of further columns that are named.
    """

    tool: str
    writes: str
    format: str
    rows: list[dict[str, Any]]
    stored: tuple[int, int, int]
    good: int = 0
    labels: list[bool] = []
    stops_at: tuple[str, ...] = ()
    unread: dict[str, int] = {}

    @property
    def name(self) -> str:
        return f"{self.tool}: {self.writes}"


PAIR = {"chosen": GOOD, "rejected": BAD}
PAIR_OF_MESSAGES = {"chosen": build_answer(GOOD), "rejected": build_answer(BAD)}
TRANSCRIPTS = {"chosen": build_messages(ASKED, GOOD), "rejected": build_messages(ASKED, BAD)}

TRAINERS = [
    Shape("TRL", "explicit preference, texts", "dpo-text", [{"prompt": ASKED, **PAIR}], (1, 2, 1)),
    Shape(
        "TRL",
        "explicit preference, messages",
        "dpo",
        [{"prompt": build_messages(*EARLIER, ASKED, system=SYSTEM), **PAIR_OF_MESSAGES}],
        (1, 2, 1),
    ),
    Shape("TRL", "implicit preference, messages", "dpo", [TRANSCRIPTS], (1, 2, 1)),
    Shape("TRL", "preference with margin", "dpo", [{**TRANSCRIPTS, "margin": 1.5}], (1, 2, 1)),
    Shape("TRL", "prompt and completion, texts", "sft", [{"prompt": ASKED, "completion": GOOD}], (1, 1, 0), good=1),
    Shape(
        "TRL",
        "prompt and completion, messages",
        "sft",
        [{"prompt": build_messages(ASKED), "completion": build_answer(GOOD)}],
        (1, 1, 0),
        good=1,
    ),
    Shape("TRL", "conversation", "messages", [{"messages": build_messages(ASKED, GOOD)}], (1, 1, 0), good=1),
    Shape("TRL", "prompt only", "prompts", [{"prompt": build_messages(ASKED)}], (1, 0, 0)),
    Shape(
        "TRL",
        "unpaired preference, texts",
        "kto",
        [{"prompt": ASKED, "completion": GOOD, "label": True}, {"prompt": ASKED, "completion": BAD, "label": False}],
        (1, 2, 0),
        good=1,
        labels=[False, True],
    ),
    Shape(
        "TRL",
        "unpaired preference, messages",
        "kto",
        [
            {"prompt": build_messages(ASKED), "completion": build_answer(GOOD), "label": True},
            {"prompt": build_messages(ASKED), "completion": build_answer(BAD), "label": False},
        ],
        (1, 2, 0),
        good=1,
        labels=[False, True],
    ),
    Shape(
        "LLaMA-Factory",
        "alpaca",
        "alpaca",
        [{"instruction": ASKED, "input": "", "output": GOOD, "system": SYSTEM, "history": [[*EARLIER]]}],
        (1, 1, 0),
        good=1,
    ),
    Shape(
        "LLaMA-Factory",
        "alpaca, ranking",
        "dpo-alpaca",
        [{"instruction": ASKED, "input": "", **PAIR}],
        (1, 2, 1),
    ),
    Shape(
        "LLaMA-Factory",
        "alpaca, kto_tag",
        "kto",
        [
            {"instruction": ASKED, "input": "", "output": GOOD, "kto_tag": True},
            {"instruction": ASKED, "input": "", "output": BAD, "kto_tag": False},
        ],
        (1, 2, 0),
        good=1,
        labels=[False, True],
    ),
    Shape(
        "LLaMA-Factory",
        "sharegpt",
        "sharegpt",
        [{"conversations": build_sharegpt(*EARLIER, ASKED, GOOD), "system": SYSTEM, "tools": ""}],
        (1, 1, 0),
        good=1,
    ),
    Shape(
        "LLaMA-Factory",
        "sharegpt, tools",
        "sharegpt",
        [{"conversations": build_sharegpt(ASKED, GOOD), "tools": '[{"name": "look_up", "parameters": {}}]'}],
        (0, 0, 0),
        stops_at=("tools",),
    ),
    Shape(
        "LLaMA-Factory",
        "sharegpt, ranking",
        "dpo-sharegpt",
        [
            {
                "conversations": build_sharegpt(*EARLIER, ASKED, system=SYSTEM),
                "chosen": {"from": "gpt", "value": GOOD},
                "rejected": {"from": "gpt", "value": BAD},
            }
        ],
        (1, 2, 1),
    ),
    Shape(
        "LLaMA-Factory",
        "sharegpt, kto_tag",
        "kto-messages",
        [
            {"conversations": build_sharegpt(ASKED, GOOD), "kto_tag": True},
            {"conversations": build_sharegpt(ASKED, BAD), "kto_tag": False},
        ],
        (1, 2, 0),
        good=1,
        labels=[False, True],
    ),
    Shape(
        "LLaMA-Factory",
        "openai",
        "messages",
        [{"messages": build_messages(*EARLIER, ASKED, GOOD, system=SYSTEM)}],
        (1, 1, 0),
        good=1,
    ),
    Shape(
        "Axolotl",
        "chat_template",
        "messages",
        [{"messages": build_messages(ASKED, GOOD, system=SYSTEM)}],
        (1, 1, 0),
        good=1,
    ),
    Shape(
        "Axolotl",
        "DPO, chat_template.default",
        "dpo-sharegpt",
        [{"messages": build_messages(ASKED), "chosen": build_answer(GOOD)[0], "rejected": build_answer(BAD)[0]}],
        (1, 2, 1),
    ),
    Shape("Axolotl", "DPO, chat_template.argilla_chat", "dpo", [TRANSCRIPTS], (1, 2, 1)),
    Shape(
        "Axolotl",
        "DPO, chatml.argilla",
        "dpo-text",
        [{"system": SYSTEM, "instruction": ASKED, "chosen_response": GOOD, "rejected_response": BAD}],
        (1, 2, 1),
    ),
    Shape("Axolotl", "DPO, chatml.intel", "dpo-orca", [{"system": SYSTEM, "question": ASKED, **PAIR}], (1, 2, 1)),
    Shape("Axolotl", "DPO, chatml.icr", "dpo-orca", [{"system": SYSTEM, "input": ASKED, **PAIR}], (1, 2, 1)),
    Shape("Axolotl", "DPO, chatml.prompt_pairs", "dpo-text", [{"system": SYSTEM, "prompt": ASKED, **PAIR}], (1, 2, 1)),
    Shape("Axolotl", "DPO, chatml.ultra", "dpo", [{"system": SYSTEM, "prompt": ASKED, **TRANSCRIPTS}], (1, 2, 1)),
    Shape(
        "Axolotl",
        "KTO, user_defined",
        "kto",
        [
            {"system": SYSTEM, "prompt": ASKED, "completion": GOOD, "label": "true"},
            {"system": SYSTEM, "prompt": ASKED, "completion": BAD, "label": "false"},
        ],
        (1, 2, 0),
        good=1,
        labels=[False, True],
    ),
    Shape(
        "ms-swift",
        "messages",
        "messages",
        [{"messages": build_messages(*EARLIER, ASKED, GOOD, system=SYSTEM)}],
        (1, 1, 0),
        good=1,
    ),
    Shape(
        "ms-swift",
        "query and response",
        "sft",
        [{"system": SYSTEM, "query": ASKED, "response": GOOD, "history": [[*EARLIER]]}],
        (1, 1, 0),
        good=1,
    ),
    Shape(
        "ms-swift",
        "messages and rejected_response",
        "dpo-swift",
        [{"messages": build_messages(*EARLIER, ASKED, GOOD, system=SYSTEM), "rejected_response": BAD}],
        (1, 2, 1),
    ),
    Shape(
        "ms-swift",
        "messages and rejected_messages",
        "dpo-swift",
        [{"messages": build_messages(ASKED, GOOD), "rejected_messages": build_messages(ASKED, BAD)}],
        (1, 2, 1),
    ),
    Shape(
        "ms-swift",
        "query, response and rejected_response",
        "dpo-swift",
        [{"query": ASKED, "response": GOOD, "rejected_response": BAD}],
        (1, 2, 1),
    ),
    Shape(
        "ms-swift",
        "messages and label",
        "kto-messages",
        [
            {"messages": build_messages(ASKED, GOOD), "label": True},
            {"messages": build_messages(ASKED, BAD), "label": False},
        ],
        (1, 2, 0),
        good=1,
        labels=[False, True],
    ),
    Shape(
        "ms-swift",
        "messages and images",
        "messages",
        [{"messages": build_messages(ASKED, GOOD), "images": ["mars.jpg"]}],
        (0, 0, 0),
        stops_at=("images",),
    ),
    Shape("OpenRLHF", "prompt, chosen, rejected", "dpo", [{"prompt": ASKED, **TRANSCRIPTS}], (1, 2, 1)),
    Shape("OpenRLHF", "input, chosen, rejected", "dpo-text", [{"input": ASKED, **PAIR}], (1, 2, 1)),
    Shape("OpenRLHF", "input and output", "sft", [{"input": ASKED, "output": GOOD}], (1, 1, 0), good=1),
    Shape(
        "OpenAI fine-tuning",
        "messages",
        "messages",
        [{"messages": build_messages(ASKED, GOOD, system=SYSTEM)}],
        (1, 1, 0),
        good=1,
    ),
    Shape(
        "OpenAI fine-tuning",
        "preference",
        "dpo-openai",
        [
            {
                "input": {"messages": build_messages(ASKED), "tools": [], "parallel_tool_calls": True},
                "preferred_output": build_answer(GOOD),
                "non_preferred_output": build_answer(BAD),
            }
        ],
        (1, 2, 1),
    ),
    Shape(
        "Unsloth",
        "conversations, from and value",
        "sharegpt",
        [{"conversations": build_sharegpt(ASKED, GOOD)}],
        (1, 1, 0),
        good=1,
    ),
    Shape(
        "Unsloth",
        "conversations, role and content",
        "sharegpt",
        [{"conversations": build_messages(ASKED, GOOD)}],
        (1, 1, 0),
        good=1,
    ),
    Shape(
        "XTuner",
        "conversation, single turn",
        "sharegpt",
        [{"conversation": [{"system": SYSTEM, "input": ASKED, "output": GOOD}]}],
        (1, 1, 0),
        good=1,
    ),
    Shape(
        "XTuner",
        "conversation, several turns",
        "sharegpt",
        [
            {
                "conversation": [
                    {"system": SYSTEM, "input": EARLIER[0], "output": EARLIER[1]},
                    {"input": ASKED, "output": GOOD},
                ]
            }
        ],
        (1, 1, 0),
        good=1,
    ),
    Shape("XTuner", "preference", "dpo", [{"prompt": build_messages(ASKED), **PAIR_OF_MESSAGES}], (1, 2, 1)),
]

ARGILLA = {"id": "r1", "status": "completed", "_server_id": "00000000-0000-0000-0000-000000000001"}
ARGILLA_FIELDS = {"prompt": ASKED, "response_1": BAD, "response_2": GOOD}
STUDIO_TIMES = {"created_at": "2026-11-01T10:00:00.000000Z", "updated_at": "2026-11-01T10:00:09.000000Z"}
STUDIO_TASK = {
    "id": 7,
    "drafts": [],
    "predictions": [],
    "file_upload": "moons.json",
    "meta": {},
    **STUDIO_TIMES,
    "inner_id": 1,
    "total_annotations": 1,
    "cancelled_annotations": 0,
    "total_predictions": 0,
    "comment_count": 0,
    "unresolved_comment_count": 0,
    "last_comment_updated_at": None,
    "project": 3,
    "updated_by": 1,
    "comment_authors": [],
}
STUDIO_DONE = {"annotator": 4, "annotation_id": 70, **STUDIO_TIMES, "lead_time": 3.25}


def build_annotation(**result: Any) -> dict[str, Any]:
    """An annotation of Label Studio with one result."""
    return {
        "id": 70,
        "completed_by": 4,
        "result": [{"id": "x1", "origin": "manual", **result}],
        "was_cancelled": False,
        "ground_truth": False,
        **STUDIO_TIMES,
        "lead_time": 3.25,
        "result_count": 1,
        "task": 7,
        "project": 3,
    }


def build_feedback(rating: int, text: str, siblings: list[str] | None = None) -> dict[str, Any]:
    """A record of Open WebUI about the answer `m2`; with siblings, another model answered beside it."""
    asked = {"id": "m1", "parentId": None, "childrenIds": ["m2"], "role": "user", "content": ASKED, "models": ["atlas"]}
    answers = {
        "m2": {"id": "m2", "parentId": "m1", "childrenIds": [], "role": "assistant", "content": text, "model": "atlas",
               "modelName": "Atlas", "modelIdx": 0, "timestamp": 1761991200, "done": True}
    }  # fmt: skip
    if siblings:
        answers["m3"] = {**answers["m2"], "id": "m3", "content": OTHER, "model": siblings[0], "modelIdx": 1}
        asked["childrenIds"] = ["m2", "m3"]
    history = {"messages": {"m1": asked, **answers}, "currentId": "m2"}
    return {
        "id": f"feedback-{text}",
        "user_id": "u1",
        "version": 0,
        "type": "rating",
        "data": {
            "rating": rating,
            "model_id": "atlas",
            "sibling_model_ids": siblings,
            "reason": "accurate_information",
            "comment": "",
            "tags": ["space"],
            "details": {"rating": 9},
        },
        "meta": {"arena": bool(siblings), "model_id": "atlas", "message_id": "m2", "message_index": 2, "chat_id": "c1"},
        "snapshot": {
            "chat": {
                "id": "c1",
                "user_id": "u1",
                "title": "Moons",
                "chat": {"id": "", "title": "Moons", "models": ["atlas"], "params": {}, "history": history,
                         "tags": [], "timestamp": 1761991200000, "files": []},
                "archived": False,
                "pinned": False,
            }
        },
        "created_at": 1761991200,
        "updated_at": 1761991200,
    }  # fmt: skip


TRACE = {
    "id": "t1",
    "timestamp": "2026-11-01T10:00:00.000Z",
    "name": "chat",
    "input": {"messages": build_messages(ASKED)},
    "output": {"role": "assistant", "content": GOOD},
    "sessionId": "s1",
    "release": "1.4",
    "version": None,
    "userId": "u1",
    "metadata": {},
    "tags": ["space"],
    "public": False,
    "environment": "default",
    "htmlPath": "/project/p1/traces/t1",
    "latency": 1.0,
    "totalCost": 0.001,
    "observations": ["o1"],
    "scores": [],
}
PLATFORMS = [
    Shape(
        "Argilla",
        "records, label question",
        "argilla",
        [
            {
                **ARGILLA,
                "fields": ARGILLA_FIELDS,
                "metadata": {"model_1": "atlas", "model_2": "birch"},
                "suggestions": {"preference": {"value": "response_1", "score": 0.6, "agent": "judge"}},
                "responses": {"preference": [{"value": "response_2", "user_id": "u1"}]},
                "vectors": {},
            }
        ],
        (1, 2, 1),
    ),
    Shape(
        "Argilla",
        "records, ranking question",
        "argilla",
        [
            {
                **ARGILLA,
                "fields": {**ARGILLA_FIELDS, "response_3": OTHER},
                "metadata": {},
                "suggestions": {},
                "responses": {"order": [{"value": ["response_2", "response_3", "response_1"], "user_id": "u1"}]},
                "vectors": {},
            }
        ],
        (1, 3, 3),
    ),
    Shape(
        "Argilla",
        "flattened records",
        "argilla-flat",
        [
            {
                **ARGILLA,
                **ARGILLA_FIELDS,
                "model_1": "atlas",
                "model_2": "birch",
                "preference.responses": ["response_2", "response_1"],
                "preference.responses.users": ["u1", "u2"],
                "preference.responses.status": ["submitted", "discarded"],
                "preference.suggestion": "response_1",
                "preference.suggestion.score": 0.6,
                "preference.suggestion.agent": "judge",
            }
        ],
        (1, 2, 1),
    ),
    Shape(
        "Label Studio",
        "JSON, pairwise",
        "label-studio",
        [
            {
                **STUDIO_TASK,
                "data": {"prompt": ASKED, "text1": BAD, "text2": GOOD},
                "annotations": [
                    build_annotation(
                        from_name="pw", to_name="text1,text2", type="pairwise", value={"selected": "right"}
                    )
                ],
            }
        ],
        (1, 2, 1),
    ),
    Shape(
        "Label Studio",
        "JSON, choices",
        "label-studio",
        [
            {
                **STUDIO_TASK,
                "data": {"prompt": ASKED, "answer1": GOOD, "answer2": BAD},
                "annotations": [
                    build_annotation(
                        from_name="better", to_name="prompt", type="choices", value={"choices": ["answer1"]}
                    )
                ],
            }
        ],
        (1, 2, 1),
    ),
    Shape(
        "Label Studio",
        "JSON-MIN, pairwise",
        "label-studio",
        [{"prompt": ASKED, "text1": BAD, "text2": GOOD, "id": 7, "pw": [{"selected": "right"}], **STUDIO_DONE}],
        (1, 2, 1),
    ),
    Shape(
        "Label Studio",
        "JSON-MIN, choices",
        "label-studio",
        [{"prompt": ASKED, "answer1": GOOD, "answer2": BAD, "id": 7, "better": "answer1", **STUDIO_DONE}],
        (1, 2, 1),
    ),
    Shape(
        "Open WebUI",
        "feedback",
        "open-webui",
        [build_feedback(1, GOOD), build_feedback(-1, BAD)],
        (1, 2, 0),
        good=1,
        labels=[False, True],
    ),
    Shape(
        "Open WebUI",
        "feedback in the arena",
        "open-webui",
        [build_feedback(1, GOOD, ["birch"])],
        (1, 1, 0),
        good=1,
        labels=[True],
    ),
    Shape(
        "LangSmith",
        "examples, messages",
        "langsmith",
        [
            {
                "id": "e1",
                "name": "moons",
                "created_at": "2026-11-01T10:00:00Z",
                "modified_at": "2026-11-01T10:00:00Z",
                "inputs": {"messages": build_messages(ASKED, system=SYSTEM)},
                "outputs": {"message": build_answer(GOOD)[0]},
                "dataset_id": "d1",
                "source_run_id": None,
                "metadata": {"dataset_split": ["base"]},
            }
        ],
        (1, 1, 0),
        good=1,
    ),
    Shape(
        "LangSmith",
        "examples, texts",
        "langsmith",
        [{"id": "e1", "inputs": {"question": ASKED}, "outputs": {"answer": GOOD}, "metadata": {}, "split": "base"}],
        (1, 1, 0),
        good=1,
    ),
    Shape(
        "LangSmith",
        "runs",
        "langsmith",
        [
            {
                "run_id": "r1",
                "trace_id": "t1",
                "name": "model",
                "run_type": "llm",
                "parent_run_id": None,
                "dotted_order": "20261101T100000000000Zr1",
                "start_time": "2026-11-01T10:00:00.000000",
                "end_time": "2026-11-01T10:00:01.000000",
                "status": "success",
                "error": None,
                "extra": {"runtime": {"library": "langsmith"}},
                "tags": ["space"],
                "session_id": "s1",
                "total_tokens": 12,
                "latency": 1.0,
                "inputs": {"messages": [build_messages(ASKED)]},
                "outputs": {
                    "generations": [
                        [{"text": GOOD, "message": {"type": "ai", "data": {"content": GOOD, "tool_calls": []}}}]
                    ]
                },
            }
        ],
        (1, 1, 0),
        good=1,
    ),
    Shape(
        "LangSmith",
        "runs with feedback",
        "langsmith",
        [
            {
                "id": "r1",
                "name": "chat",
                "run_type": "chain",
                "inputs": {"question": ASKED},
                "outputs": {"answer": BAD},
                "feedback_stats": {"correctness": {"n": 1, "avg": 0.0}},
            }
        ],
        (0, 0, 0),
        stops_at=("feedback_stats",),
    ),
    Shape(
        "Langfuse",
        "dataset items",
        "langfuse",
        [
            {
                "id": "i1",
                "status": "ACTIVE",
                "input": {"messages": build_messages(ASKED)},
                "expectedOutput": {"role": "assistant", "content": GOOD},
                "metadata": {"topic": "space"},
                "sourceTraceId": "t1",
                "sourceObservationId": None,
                "datasetId": "d1",
                "datasetName": "moons",
                "createdAt": "2026-11-01T10:00:00.000Z",
                "updatedAt": "2026-11-01T10:00:00.000Z",
            }
        ],
        (1, 1, 0),
        good=1,
    ),
    Shape("Langfuse", "traces", "langfuse", [TRACE], (1, 1, 0), good=1),
    Shape("Langfuse", "traces with scores", "langfuse", [{**TRACE, "scores": ["x1"]}], (0, 0, 0), stops_at=("scores",)),
]

ARENA = {"model_a": "atlas", "model_b": "birch", "turn": 1, "anony": True, "language": "English", "tstamp": 1.7e9}
HELPSTEER = {"correctness": 4, "coherence": 4, "complexity": 1, "verbosity": 1}
HUB = [
    Shape(
        "Hugging Face Hub",
        "UltraFeedback",
        "ultrafeedback",
        [
            {
                "source": "sharegpt",
                "instruction": ASKED,
                "models": ["atlas", "birch"],
                "completions": [
                    {
                        "annotations": {"helpfulness": {"Rating": "5", "Rationale": "Right."}},
                        "custom_system_prompt": SYSTEM,
                        "model": model,
                        "principle": "helpfulness",
                        "response": text,
                        "critique": "Short.",
                        "overall_score": score,
                        "fine-grained_score": score / 2,
                    }
                    for model, text, score in (("atlas", GOOD, 9.0), ("birch", BAD, 2.0))
                ],
                "correct_answers": ["None"],
                "incorrect_answers": ["None"],
            }
        ],
        (1, 2, 0),
    ),
    Shape(
        "Hugging Face Hub",
        "UltraFeedback, binarized",
        "dpo",
        [
            {
                "prompt": ASKED,
                "prompt_id": "0a1b",
                **TRANSCRIPTS,
                "messages": build_messages(ASKED, GOOD),
                "score_chosen": 9.0,
                "score_rejected": 2.0,
            }
        ],
        (1, 2, 1),
    ),
    Shape(
        "Hugging Face Hub",
        "UltraFeedback, binarized by Argilla",
        "dpo",
        [
            {
                "source": "sharegpt",
                "prompt": ASKED,
                **TRANSCRIPTS,
                "chosen-rating": 4.5,
                "chosen-model": "atlas",
                "rejected-rating": 2.0,
                "rejected-model": "birch",
            }
        ],
        (1, 2, 1),
    ),
    Shape(
        "Hugging Face Hub",
        "HH-RLHF",
        "hh",
        [{side: f"\n\nHuman: {ASKED}\n\nAssistant: {text}" for side, text in PAIR.items()}],
        (1, 2, 1),
    ),
    Shape(
        "Hugging Face Hub",
        "HelpSteer",
        "helpsteer",
        [
            {"prompt": ASKED, "response": GOOD, "helpfulness": 4, **HELPSTEER},
            {"prompt": ASKED, "response": BAD, "helpfulness": 0, **HELPSTEER},
        ],
        (1, 2, 0),
    ),
    Shape(
        "Hugging Face Hub",
        "HelpSteer2, preferences",
        "helpsteer2",
        [
            {
                "split": "train",
                "prompt": ASKED,
                "response_1": GOOD,
                "response_2": BAD,
                "preference_strength": -2,
                "preference_statement": "Response 1 is better than Response 2.",
                "preference_elaboration": "Only the first belongs to Mars.",
                "three_most_similar_preferences": [{"statement": "1 is better.", "elaboration": "", "strength": -2}],
                "all_preferences_unprocessed": [{"strength": -100, "justification": "Both miss it."}],
            }
        ],
        (1, 2, 1),
    ),
    Shape(
        "Hugging Face Hub",
        "HelpSteer3, preferences",
        "helpsteer3",
        [
            {
                "domain": "general",
                "language": "english",
                "context": build_messages(*EARLIER, ASKED),
                "response1": BAD,
                "response2": GOOD,
                "overall_preference": 3,
                "individual_preference": [
                    {"score": 3, "reasoning": "Only one is right.", "feedback1": "Wrong.", "feedback2": "Right."}
                ],
            }
        ],
        (1, 2, 1),
    ),
    Shape(
        "Hugging Face Hub",
        "Nectar",
        "nectar",
        [
            {
                "prompt": f"\n\nHuman: {ASKED}\n\nAssistant: ",
                "answers": [
                    {"answer": BAD, "model": "atlas", "rank": 2.0},
                    {"answer": GOOD, "model": "birch", "rank": 1.0},
                ],
                "turns": 1,
                "num_responses": 2,
                "source": ["lmsys-chat-1m"],
                "good_natured": True,
            }
        ],
        (1, 2, 1),
    ),
    Shape(
        "Hugging Face Hub",
        "SHP",
        "shp",
        [
            {
                "post_id": "p1",
                "domain": "space_train",
                "upvote_ratio": 0.98,
                "history": ASKED,
                "c_root_id_A": "c1",
                "c_root_id_B": "c2",
                "created_at_utc_A": 1652500000,
                "created_at_utc_B": 1652500900,
                "score_A": 4,
                "score_B": 40,
                "human_ref_A": BAD,
                "human_ref_B": GOOD,
                "labels": 0,
                "seconds_difference": 900.0,
                "score_ratio": 10.0,
            }
        ],
        (1, 2, 1),
    ),
    Shape(
        "Hugging Face Hub",
        "PKU-SafeRLHF",
        "safe-rlhf",
        [
            {
                "prompt": ASKED,
                "response_0": BAD,
                "response_1": GOOD,
                "prompt_source": "space",
                "response_0_source": "atlas",
                "response_1_source": "birch",
                "is_response_0_safe": True,
                "is_response_1_safe": True,
                "response_0_harm_category": {"Privacy Violation": False},
                "response_1_harm_category": {"Privacy Violation": False},
                "response_0_severity_level": 0,
                "response_1_severity_level": 0,
                "better_response_id": 1,
                "safer_response_id": 1,
                "response_0_sha256": "0a",
                "response_1_sha256": "0b",
            }
        ],
        (1, 2, 2),
    ),
    Shape(
        "Hugging Face Hub",
        "PKU-SafeRLHF, single dimension",
        "safe-rlhf",
        [
            {
                "prompt": ASKED,
                "response_0": GOOD,
                "response_1": BAD,
                "prompt_source": "space",
                "response_0_source": "atlas",
                "response_1_source": "birch",
                "better_response_id": 0,
                "response_0_sha256": "0a",
                "response_1_sha256": "0b",
            }
        ],
        (1, 2, 1),
    ),
    Shape(
        "Hugging Face Hub",
        "Chatbot Arena, conversations",
        "arena",
        [
            {
                "question_id": "q1",
                **ARENA,
                "winner": "model_b",
                "judge": "arena_user_1",
                "conversation_a": build_messages(ASKED, BAD),
                "conversation_b": build_messages(ASKED, GOOD),
                "openai_moderation": {"flagged": False},
                "toxic_chat_tag": {"roberta-large": {"flagged": False, "probability": 0.01}},
            }
        ],
        (1, 2, 1),
    ),
    Shape(
        "Hugging Face Hub",
        "Chatbot Arena, 100k",
        "arena",
        [
            {
                "question_id": "q1",
                **ARENA,
                "winner": "model_a",
                "conversation_a": build_messages(ASKED, GOOD),
                "conversation_b": build_messages(ASKED, BAD),
                "conv_metadata": {"sum_user_tokens": 6, "header_count_a": {"h1": 0}},
                "is_code": False,
                "is_refusal": False,
                "dedup_tag": {"high_freq": False, "sampled": True},
                "category_tag": {"math_v0.1": {"math": False}},
                "judge_hash": "0c",
            }
        ],
        (1, 2, 1),
    ),
    Shape(
        "Hugging Face Hub",
        "Chatbot Arena, 140k",
        "arena",
        [
            {
                "id": "b1",
                "model_a": "atlas",
                "model_b": "birch",
                "winner": "model_b",
                "evaluation_session_id": "s1",
                "evaluation_order": 1,
                "conversation_a": [
                    {"role": "user", "content": [{"type": "text", "text": ASKED, "image": None, "mimeType": None}]},
                    {"role": "assistant", "content": [{"type": "text", "text": BAD, "image": None, "mimeType": None}]},
                ],
                "conversation_b": [
                    {"role": "user", "content": [{"type": "text", "text": ASKED, "image": None, "mimeType": None}]},
                    {"role": "assistant", "content": [{"type": "text", "text": GOOD, "image": None, "mimeType": None}]},
                ],
                "full_conversation": [],
                "conv_metadata": {"total_tokens": 20},
                "category_tag": {"creative_writing_v0.1": {"creative_writing": False}},
                "language": "en",
                "is_code": False,
                "timestamp": "2025-05-01 10:00:00",
            }
        ],
        (1, 2, 1),
    ),
    Shape(
        "Hugging Face Hub",
        "Chatbot Arena, Kaggle",
        "arena-kaggle",
        [
            {
                "id": 1,
                "model_a": "atlas",
                "model_b": "birch",
                "prompt": json.dumps([ASKED]),
                "response_a": json.dumps([GOOD]),
                "response_b": json.dumps([BAD]),
                "winner_model_a": 1,
                "winner_model_b": 0,
                "winner_tie": 0,
            }
        ],
        (1, 2, 1),
    ),
    Shape(
        "Hugging Face Hub",
        "MT-Bench, human judgments",
        "arena",
        [
            {
                "question_id": 81,
                "model_a": "atlas",
                "model_b": "birch",
                "winner": "model_a",
                "judge": "expert_1",
                "conversation_a": build_messages(ASKED, GOOD, "Another?", OTHER),
                "conversation_b": build_messages(ASKED, BAD, "Another?", OTHER),
                "turn": 1,
            }
        ],
        (1, 2, 1),
    ),
    Shape("Hugging Face Hub", "Orca DPO pairs", "dpo-orca", [{"system": SYSTEM, "question": ASKED, **PAIR}], (1, 2, 1)),
    Shape(
        "Hugging Face Hub",
        "Orca DPO pairs, distilabel",
        "dpo-orca",
        [
            {
                "system": SYSTEM,
                "input": ASKED,
                **PAIR,
                "generations": [GOOD, BAD],
                "order": ["chosen", "rejected"],
                "labelling_model": "judge",
                "labelling_prompt": build_messages("Which is better?"),
                "raw_labelling_response": "9\n2",
                "rating": [9.0, 2.0],
                "rationale": "Only one is right.",
                "status": "unchanged",
                "original_chosen": GOOD,
                "original_rejected": BAD,
                "chosen_score": 9.0,
                "in_gsm8k_train": False,
            }
        ],
        (1, 2, 1),
    ),
    Shape(
        "Hugging Face Hub",
        "AlpacaFarm",
        "alpaca-farm",
        [
            {
                "instruction": ASKED,
                "input": "",
                "output_1": BAD,
                "output_2": GOOD,
                "preference": 2,
                "raw_preference": 5,
            }
        ],
        (1, 2, 1),
    ),
    Shape(
        "Hugging Face Hub",
        "AlpacaEval, outputs",
        "long",
        [
            {"dataset": "helpful_base", "instruction": ASKED, "output": GOOD, "generator": "atlas"},
            {"dataset": "helpful_base", "instruction": ASKED, "output": BAD, "generator": "birch"},
        ],
        (1, 2, 0),
    ),
    Shape(
        "Hugging Face Hub",
        "AlpacaEval, annotations",
        "alpaca-farm",
        [
            {
                "instruction": ASKED,
                "output_1": BAD,
                "generator_1": "atlas",
                "dataset": "helpful_base",
                "output_2": GOOD,
                "generator_2": "birch",
                "annotator": "weighted_alpaca_eval",
                "preference": 1.99,
                "raw_completion": None,
                "time_per_example": 0.6,
                "price_per_example": 0.01,
            }
        ],
        (1, 2, 1),
    ),
    Shape(
        "Hugging Face Hub",
        "BELLE, dialogues in one text",
        "alpaca",
        [
            {
                "instruction": "Human:说出一颗行星。\nAssistant:火星。\nHuman:火星有哪些卫星？\nAssistant:",
                "input": "",
                "output": "火卫一。",
            }
        ],
        (1, 1, 0),
        good=1,
    ),
    Shape(
        "Hugging Face Hub",
        "BELLE, conversations",
        "sharegpt",
        [{"id": "16012", "conversations": [{"from": "human", "value": ASKED}, {"from": "assistant", "value": GOOD}]}],
        (1, 1, 0),
        good=1,
    ),
]
SHAPES = [*TRAINERS, *PLATFORMS, *HUB]


@pytest.mark.once  # how a file is read does not depend on the database
@pytest.mark.django_db
@pytest.mark.parametrize("shape", SHAPES, ids=[shape.name for shape in SHAPES])
def test_what_a_tool_writes_is_read(shape, run_command, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in shape.rows), encoding="utf-8")
    status, summary, error = run_command("import_dataset", "moons", str(path))
    assert (status, summary["refused"]) == (1 if shape.stops_at else 0, 0), error
    assert [summary[key] for key in ("prompts", "responses", "choices")] == [*shape.stored]
    assert summary["unread"] == dict.fromkeys(shape.stops_at, len(shape.rows)) | shape.unread
    assert summary["format"] == shape.format
    check_stored(shape)


def check_stored(shape):
    """Checks that what was asked is a question, and that what is better or to be learnt is a good answer."""
    assert {prompt.instruction for prompt in Prompt.objects.all()} <= QUESTIONS
    assert {prompt.input for prompt in Prompt.objects.all()} <= {""}
    texts = json.dumps(shape.rows, ensure_ascii=False)
    for prompt in Prompt.objects.all():
        assert (prompt.system == SYSTEM) == (SYSTEM in texts and shape.format != "ultrafeedback")
        assert bool(prompt.turns) == (EARLIER[0] in texts or "行星" in texts)
    for choice in Choice.objects.all():
        assert choice.strength > 0
        assert choice.chosen.text in BETTER or (choice.chosen.text, choice.rejected.text) == (OTHER, BAD)
    demonstrations = Response.objects.filter(demonstration=True)
    assert len(demonstrations) == shape.good
    assert {response.text for response in demonstrations} <= BETTER
    labelled = Response.objects.exclude(label=None)
    assert sorted(response.label for response in labelled) == shape.labels
    assert all(response.label == (response.text in BETTER) for response in labelled)


def test_the_table_of_tools_is_that_of_the_tests():
    section = re.split(r"^## ", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    (tools,) = (text for text in section if text.startswith("Tools\n"))
    rows = [(*row[:4], tuple(re.findall(r"`([^`]+)`", row[4]))) for row in TABLE_ROW.findall(tools)]
    assert rows == [(s.tool, VERSIONS[s.tool], s.writes, s.format, s.stops_at) for s in SHAPES]
    assert tools.count("\n| ") == len(SHAPES) + 1
    assert {shape.format for shape in SHAPES} <= set(formats.get_readable_formats())


@pytest.mark.parametrize(
    ("tool", "package", "file"),
    [
        ("TRL", "trl", "requirements"),
        ("LLaMA-Factory", "llamafactory", "llamafactory"),
        ("Axolotl", "axolotl", "axolotl"),
        ("ms-swift", "ms_swift", "swift"),
    ],
)
def test_the_versions_are_those_that_read_our_exports(tool, package, file):
    pins = (Path(__file__).parent / "consumers" / f"{file}.txt").read_text("utf-8").splitlines()
    assert f"{package}=={VERSIONS[tool]}" in pins
