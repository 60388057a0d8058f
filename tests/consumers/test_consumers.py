"""Trainers accept exported files: each trainer's own loader reads them, and trains if that is cheap.

Each runs in a separate environment and process. `make test-consumers` runs them; docs/trainers.md has the results."""

import json
import os
import subprocess
import zipfile
from pathlib import Path

import pytest
from django.core.management import call_command

pytestmark = [pytest.mark.consumers, pytest.mark.timeout(600)]

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

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

TRL = ["dpo", "dpo-implicit", "dpo-text", "reward", "kto", "messages", "prompt-completion"]
PAIRWISE = ["dpo-sharegpt", "dpo-chatml", "dpo-alpaca", "dpo-text"]
LLAMAFACTORY = [*PAIRWISE, "alpaca", "sharegpt", "sharegpt-primer", "messages", "kto-messages"]

# The values of `--columns` for ms-swift, and of a `datasets:` entry (and `rl:`) for Axolotl.
SWIFT = {
    "dpo-swift": {},
    "dpo-implicit": {"chosen": "messages", "rejected": "rejected_messages"},
    "dpo-text": {"chosen": "response", "rejected": "rejected_response"},
    "kto-messages": {},
    "messages": {},
    "sharegpt": {},
    "sharegpt-primer": {},
    "alpaca": {},
}
AXOLOTL = {
    "dpo": {"rl": "dpo", "type": "chat_template.default", "field_messages": "prompt"},
    "dpo-text": {"rl": "dpo", "type": "chat_template.default", "field_messages": "prompt"},
    "dpo-chatml": {"rl": "dpo", "type": "chat_template.default"},
    "dpo-implicit": {"rl": "dpo", "type": "chat_template.argilla_chat"},
    "messages": {"type": "chat_template"},
    "sharegpt": {
        "type": "chat_template",
        "field_messages": "conversations",
        "message_property_mappings": {"role": "from", "content": "value"},
    },
    "sharegpt-primer": {"type": "chat_template", "field_messages": "conversation"},
}


def build_message(role, text):
    """A list of one message."""
    return [{"role": role, "content": text}]


def build_text_pairs():
    """Pairs whose prompt and answers are strings."""
    return [dict(zip(("prompt", "chosen", "rejected"), texts, strict=True)) for texts in TEXTS]


def build_message_pairs():
    """Pairs whose prompt and answers are lists of messages, one of them with several turns."""
    pairs = [(TURNS, "不是，1 只有一个因数。", "是的。")]
    pairs += [(build_message("user", prompt), chosen, rejected) for prompt, chosen, rejected in TEXTS]
    return [
        {
            "prompt": prompt,
            "chosen": build_message("assistant", chosen),
            "rejected": build_message("assistant", rejected),
        }
        for prompt, chosen, rejected in pairs
    ]


def build_part_pairs():
    """Pairs in Alpaca's parts; one has an input, one has a system text and earlier turns."""
    system, asked, answered, again = (turn["content"] for turn in TURNS)
    pairs = [(prompt, "", chosen, rejected, "", []) for prompt, chosen, rejected in TEXTS]
    pairs += [
        ("改得更礼貌。", "你明天交报告。", "麻烦您明天提交报告，谢谢。", "明天必须交。", "", []),
        (again, "", "不是，1 只有一个因数。", "是的。", system, [[asked, answered]]),
    ]
    keys = ("instruction", "input", "chosen", "rejected", "system", "history")
    return [dict(zip(keys, pair, strict=True)) for pair in pairs]


def build_conversations(row):
    """(turns with the chosen answer, turns with the rejected one) of a pair, as every trainer must see them."""
    turns = build_message("system", row["system"]) if row["system"] else []
    for asked, answered in row["history"]:
        turns += build_message("user", asked) + build_message("assistant", answered)
    asked = f"{row['instruction']}\n{row['input']}" if row["input"] else row["instruction"]
    return tuple(
        turns + build_message("user", asked) + build_message("assistant", row[side]) for side in ("chosen", "rejected")
    )


def pick_pairs(dialect):
    """The conversations that a dialect can represent; some dialects have only single-turn ones."""
    single = dialect in ("alpaca", "dpo-text")
    return [
        build_conversations(row) for row in build_part_pairs() if not (single and (row["system"] or row["history"]))
    ]


def format_chatml(messages):
    return "".join(f"<|im_start|>{message['role']}\n{message['content']}<|im_end|>\n" for message in messages)


def format_expected(dialect):
    """The sorted rows that a trainer must read from a file of this dialect, in ChatML: [with chosen, with rejected],
    [whole, label] or [whole]."""
    pairs = [[format_chatml(side) for side in pair] for pair in pick_pairs(dialect)]
    if dialect.startswith("kto"):
        return sorted([text, side == 0] for pair in pairs for side, text in enumerate(pair))
    return sorted(pairs) if dialect.startswith("dpo") else sorted([chosen] for chosen, _ in pairs)


def write(path, rows):
    """Writes the rows to a JSONL file; returns its path."""
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8", newline="\n")
    return path


def export(folder, rows, *dialects):
    """Imports the judged pairs and exports them in these dialects; returns the paths."""
    judged = write(folder / "judged.jsonl", [{**row, "annotator": "a"} for row in rows])
    call_command("import_dataset", "consumer", str(judged))
    paths = [folder / f"{dialect}.jsonl" for dialect in dialects]
    for dialect, path in zip(dialects, paths, strict=True):
        call_command("export_dataset", "consumer", format=dialect, output=str(path))
    return paths


def export_bundle(folder, rows, dialects, split="100,0,0"):
    """Imports the judged pairs and unpacks a bundle of them; returns the folder."""
    export(folder, rows)
    archive = folder / "bundle.zip"
    call_command(
        "export_dataset", "consumer", format="bundle", dialects=",".join(dialects), split=split, output=archive
    )
    zipfile.ZipFile(archive).extractall(folder / "bundle")
    return folder / "bundle"


def run(environment, script, *arguments, folder):
    """Runs a script outside the project and its package `datasets`. Skips, with the reason, if the environment could
    not be created."""
    home = ROOT / f".venv-{environment}"
    if not (home / "installed").exists():
        log = home / "install.log"
        last = log.read_text(encoding="utf-8").strip().rpartition("\n")[2] if log.exists() else "never tried"
        pytest.skip(f"{home.name} is not there ({last}): `make test-consumers` makes it")
    return subprocess.run(
        [home / "bin" / "python", "-I", HERE / script, *arguments],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def read_report(finished):
    """The JSON object on the last line of a successful process."""
    assert finished.returncode == 0, finished.stdout[-2000:] + finished.stderr[-4000:]
    return json.loads(finished.stdout.rstrip("\n").rpartition("\n")[2])


def train(dialect, path):
    return run("consumers", "train.py", dialect, path, folder=path.parent)


@pytest.mark.django_db
@pytest.mark.parametrize("dialect", TRL)
def test_an_export_trains_with_trl_as_it_is(tmp_path, dialect):
    (path,) = export(tmp_path, build_part_pairs(), dialect)
    report = read_report(train(dialect, path))
    assert (report["rows"], report["steps"]) == (len(format_expected(dialect)), 2)


@pytest.mark.django_db
@pytest.mark.parametrize("rows", [build_text_pairs(), build_message_pairs()], ids=["texts", "messages"])
def test_imported_pairs_train_with_trl_too(tmp_path, rows):
    (path,) = export(tmp_path, rows, "dpo")
    report = read_report(train("dpo", path))
    assert (report["rows"], report["steps"]) == (len(rows), 2)


def test_the_check_refuses_answers_that_load_as_times(tmp_path):
    trained = train("dpo", write(tmp_path / "dates.jsonl", build_message_pairs()[-2:]))
    assert trained.returncode == 1
    assert "line 1: chosen was loaded as" in trained.stderr


def test_the_check_refuses_a_prompt_that_is_a_text(tmp_path):
    rows = [{**row, "prompt": "Name a moon of Mars."} for row in build_message_pairs()]
    trained = train("dpo", write(tmp_path / "mixed.jsonl", rows))
    assert trained.returncode == 1
    assert "line 1: prompt is not a list of messages" in trained.stderr


@pytest.mark.django_db(transaction=True)
def test_a_bundle_trains_with_llamafactory_as_it_is(tmp_path):
    """Every entry of the bundle's own dataset_info.json."""
    bundle = export_bundle(tmp_path, build_part_pairs(), LLAMAFACTORY)
    read = read_report(run("llamafactory", "read_llamafactory.py", bundle, folder=tmp_path))["read"]
    assert {name: sorted(entry["rows"]) for name, entry in read.items()} == {
        f"consumer_{dialect.replace('-', '_')}": format_expected(dialect) for dialect in LLAMAFACTORY
    }
    assert {entry["steps"] for entry in read.values()} == {2}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("script", ["dpo", "kto"])
def test_a_bundle_trains_with_the_commands_of_trl(tmp_path, script):
    """`trl dpo --config trl-dpo.yaml --dataset_name FOLDER` in the bundle's folder; model and steps are ours."""
    bundle = export_bundle(tmp_path, build_part_pairs(), [script])
    more = ("--dataset_name", bundle)
    report = read_report(run("consumers", "trl_command.py", script, bundle / f"{script}.jsonl", *more, folder=bundle))
    assert report["steps"] == 2


@pytest.mark.django_db
def test_ms_swift_reads_what_was_exported(tmp_path):
    paths = export(tmp_path, build_part_pairs(), *SWIFT)
    asked = {name: {"file": str(path), "columns": SWIFT[name]} for name, path in zip(SWIFT, paths, strict=True)}
    read = read_report(run("swift", "read_swift.py", json.dumps(asked), folder=tmp_path))["read"]
    assert {name: sorted(rows) for name, rows in read.items()} == {name: format_expected(name) for name in SWIFT}


@pytest.mark.django_db
def test_axolotl_reads_what_was_exported(tmp_path):
    paths = export(tmp_path, build_part_pairs(), *AXOLOTL)
    asked = {name: {"file": str(path), **AXOLOTL[name]} for name, path in zip(AXOLOTL, paths, strict=True)}
    read = read_report(run("axolotl", "read_axolotl.py", json.dumps(asked), folder=tmp_path))["read"]
    assert {name: strip_ends(rows) for name, rows in read.items()} == {
        name: strip_ends(format_expected(name)) for name in AXOLOTL
    }


def strip_ends(rows):
    """Rows without the trailing blanks, which Axolotl strips."""
    return sorted([text.rstrip() for text in row] for row in rows)
