"""Whether the detected shape of a file is ambiguous, and the most likely roles of its columns. An admin decides."""

import re
from collections.abc import Collection, Iterable, Sequence

from datasets.formats import mapping, wide
from datasets.formats.rows import RawRow, Refusal

LABEL_PATTERN = r"[_ -]?(?P<label>\d{1,3}|[A-Za-z])"
ANSWERS = r"response|answer|output|completion|candidate|generation|reply|text|antwort|réponse|respuesta"
ANSWERS_IN_CHINESE = r"回答|答案|回复|输出|候选"
ANSWER = re.compile(rf"(?i:{ANSWERS}|{ANSWERS_IN_CHINESE}){LABEL_PATTERN}")
SOURCE = re.compile(rf"(?i:model|source|generator|modell|模型|来源){LABEL_PATTERN}")
NAMES = {
    "prompt": "prompt instruction question query ask task request frage aufgabe pregunta 问题 提示 提示词 指令 题目",
    "input": "input 输入",
    "system": "system system_prompt 系统 系统提示",
    "history": "history 历史",
    "conversation": "messages conversations conversation dialog dialogue chat 对话",
    "answers": "responses candidates generations outputs completions answers 回答列表",
    "sources": "models sources generation_models",
    "source": "model source generator modell 模型 来源",
    "winner": "winner preference preferred better best choice verdict vote overall_preference 胜者 更好 偏好 优选",
    "chosen": "chosen chosen_response response_chosen accepted 选中 采纳",
    "rejected": "rejected rejected_response response_rejected 拒绝",
    "annotator": "annotator judge rater user annotator_id 标注员 标注者",
    "tags": "tags tag labels category 标签",
}
ROLE_BY_NAME = {name: role for role, names in NAMES.items() for name in names.split()}
ONE_ANSWER = {*ANSWERS.split("|"), *ANSWERS_IN_CHINESE.split("|")}
NUMBER = re.compile(r"[-+]?\d+(\.\d+)?")
POINTER = re.compile(r"[A-Za-z]|\d{1,2}")


def find_ambiguity(name: str, rows: Sequence[RawRow]) -> str:
    """Why the detected shape may be wrong, a code of reasons.UNSURE; "" if it is certain.

    name: the detected format.
    rows: a sample of the file; at least one.
    """
    if name == "sft" and (all("output" in row for row in rows) or has_repeated_prompts(rows)):
        return "one_answer"
    if name == "dpo-text" and all(is_pointer(row, "chosen") and is_pointer(row, "rejected") for row in rows):
        return "pointer"
    if name == "wide":
        return find_winner_ambiguity(rows)
    return ""


def has_repeated_prompts(rows: Sequence[RawRow]) -> bool:
    """Whether two rows have the same prompt: their answers may be candidates to compare."""
    keys = [key for key in ("prompt", "question", "query", "instruction") if key in rows[0]]
    prompts = [str([row.get(key) for key in [*keys, "input"]]) for row in rows]
    return len(set(prompts)) < len(prompts)


def is_pointer(row: RawRow, key: str) -> bool:
    return bool(POINTER.fullmatch(str(row.get(key, "")).strip()))


def find_winner_ambiguity(rows: Sequence[RawRow]) -> str:
    """Why the winner column has several readings or none, a code of reasons.UNSURE; "" if it has exactly one."""
    values: set[str] = set()
    unknown = 0
    for row in rows:
        key = next((key for key in wide.WINNERS if row.get(key) not in (None, "")), None)
        if key:
            values.add(str(row[key]).strip())
            unknown += has_unknown_winner(row)
    labels = wide.find_columns(rows[0], wide.ANSWER_COLUMN)
    if {text.removesuffix(".0") for text in values} == {"1"} and "1" not in labels:
        return "counting"
    return find_counting_problem(values, labels) or ("verdict" if unknown else "")


def find_counting_problem(values: Collection[str], labels: Collection[str]) -> str:
    """Why the numbers of a winner column must not be read as counted from 1; "" if they may.

    values: what the column holds.
    labels: the numbers or letters of the answer columns.

    >>> find_counting_problem({"0", "1"}, ("a", "b"))
    'counting'
    """
    numbers = {text.removesuffix(".0") for text in values if NUMBER.fullmatch(text)}
    if any(text.startswith("-") for text in numbers):
        return "sign"
    return "counting" if "0" in numbers and not numbers <= set(labels) else ""


def has_unknown_winner(row: RawRow) -> bool:
    try:
        wide.read(row)
    except Refusal as refusal:
        return refusal.reason == "unknown_winner"
    return False


def guess(columns: Iterable[str], why: str = "") -> mapping.Roles:
    """The most likely role of each column, {role: column}.

    why: a code of find_ambiguity.
    """
    answers: dict[str, str] = {}
    sources: dict[str, str] = {}
    roles: mapping.Roles = {}
    for column in columns:
        name = column.strip().lower()
        if match := ANSWER.fullmatch(name):
            answers[match["label"]] = column
        elif match := SOURCE.fullmatch(name):
            sources[match["label"]] = column
        elif name in ROLE_BY_NAME:
            roles.setdefault(ROLE_BY_NAME[name], column)
        elif name in ONE_ANSWER:
            roles.setdefault("one", column)
    several = len(answers) >= 2
    for n, label in enumerate(sorted(answers, key=lambda label: (len(label), label))[: mapping.MOST_ANSWERS], 1):
        if several:
            roles[f"answer_{n}"] = answers[label]
            roles |= {f"source_{n}": sources[label]} if label in sources else {}
    return resolve_roles(roles, several, why)


def resolve_roles(roles: mapping.Roles, several: bool, why: str) -> mapping.Roles:
    """The roles without those that contradict others.

    several: whether the answers are in numbered columns.
    """
    single_column = roles.pop("one", None)
    if several or "answers" in roles:
        dropped = [
            "chosen",
            "rejected",
            "conversation",
            "answer",
            *(["answers", "sources"] if several else ["source"]),
        ]
        if "chosen" in roles and "rejected" not in roles:
            roles.setdefault("winner", roles["chosen"])
    elif "chosen" in roles and "rejected" in roles:
        dropped = ["answers", "winner", "conversation"]
    else:
        dropped = ["winner", "chosen", "rejected"]
        if single_column and "conversation" not in roles:
            roles["answer" if "source" in roles or why == "one_answer" else "demonstration"] = single_column
    remaining = {role: column for role, column in roles.items() if role not in dropped}
    counts = {"sign": "minus_first", "counting": "from_0"}.get(why)
    return remaining | ({"counts": counts} if counts and "winner" in remaining else {})
