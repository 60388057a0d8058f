"""Exported files train with TRL as they are. Run by `make test-consumers`."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from django.core.management import call_command

pytestmark = pytest.mark.consumers

HERE = Path(__file__).resolve().parent
PYTHON = HERE.parents[1] / ".venv-consumers" / "bin" / "python"

TEXTS = [
    ("Name a moon of Mars.", "Phobos, the larger of the two.", "Phobos"),
    ("我想去一个有海滩的地方度假。", "可以考虑马尔代夫：沙滩很白，十二月到四月最好。", "夏威夷"),
    ("Reverse a list in Python.\nKeep it short.", "```python\ndef rev(xs):\n\treturn xs[::-1]\n```", "Use `reversed`."),
    ("Which characters end a line?", "One is \u2028, another \u2029.", "Only the line feed 😀."),
    ("How many are forty-two?", "42", "null"),
    ("When was the release?", "2024-01-02", "2023-11-30"),
    ("And the one after it?", "2024-03-04", "2024-01-02 03:04:05"),
]

TURNS = [
    {"role": "system", "content": "你是一名耐心的数学老师。"},
    {"role": "user", "content": "什么是质数？"},
    {"role": "assistant", "content": "大于 1 且只能被 1 和自身整除的自然数。"},
    {"role": "user", "content": "那 1 是质数吗？"},
]


def said(role, text):
    """One message, alone in its list."""
    return [{"role": role, "content": text}]


def as_texts():
    """Pairs whose prompt and answers are strings."""
    return [dict(zip(("prompt", "chosen", "rejected"), texts, strict=True)) for texts in TEXTS]


def as_messages():
    """Pairs whose prompt and answers are lists of messages, one of several turns among them."""
    pairs = [(TURNS, "不是，1 只有一个因数。", "是的。")]
    pairs += [(said("user", prompt), chosen, rejected) for prompt, chosen, rejected in TEXTS]
    return [
        {"prompt": prompt, "chosen": said("assistant", chosen), "rejected": said("assistant", rejected)}
        for prompt, chosen, rejected in pairs
    ]


def write(path, rows):
    """The path of a JSONL file that now holds these rows."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8", newline="\n")
    return path


def export(folder, rows, dialect):
    """The path of the file that the project exports, in this dialect, of these pairs, imported as judged."""
    judged = write(folder / "judged.jsonl", [{**row, "annotator": "a"} for row in rows])
    call_command("import_dataset", "consumer", str(judged))
    path = folder / f"exported-{dialect}.jsonl"
    call_command("export_dataset", "consumer", format=dialect, output=str(path))
    return path


def train(kind, path):
    """The finished process that trained on this file, away from the project and its package `datasets`."""
    if not PYTHON.exists():
        pytest.fail(f"{PYTHON} is missing: `make test-consumers` makes it")
    return subprocess.run(
        [PYTHON, "-I", HERE / "train.py", kind, path],
        cwd=path.parent,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.mark.django_db
@pytest.mark.parametrize("rows", [as_texts(), as_messages()], ids=["texts", "messages"])
@pytest.mark.parametrize(("dialect", "kind"), [("dpo", "dpo"), ("messages", "sft")])
def test_an_export_trains_with_trl_as_it_is(tmp_path, rows, dialect, kind):
    trained = train(kind, export(tmp_path, rows, dialect))
    assert trained.returncode == 0, trained.stderr
    report = json.loads(trained.stdout.splitlines()[-1])
    assert (report["rows"], report["steps"]) == (len(rows), 2)


def test_the_check_refuses_answers_that_load_as_times(tmp_path):
    trained = train("dpo", write(tmp_path / "dates.jsonl", as_messages()[-2:]))
    assert trained.returncode == 1
    assert "line 1: chosen was loaded as" in trained.stderr


def test_the_check_refuses_a_prompt_that_is_a_text(tmp_path):
    rows = [{**row, "prompt": "Name a moon of Mars."} for row in as_messages()]
    trained = train("dpo", write(tmp_path / "mixed.jsonl", rows))
    assert trained.returncode == 1
    assert "line 1: prompt is not a list of messages" in trained.stderr
