"""Documentation in a bundle, built from its manifest alone: dataset card, dataset_info.json, settings for trainers."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypedDict

from django.template.loader import render_to_string

from datasets.exports.extras import list_extra_columns
from datasets.formats import get_writable_formats, rows
from datasets.text.one_line import escape_markdown, flatten_text

# LLaMA-Factory's names for the parts of each dialect: FORMATS.md section 6, tested there and by make test-consumers.
TAGS = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "system_tag": "system",
    "observation_tag": "tool",
    "function_tag": "function_call",
}
CONVERSATIONS = {"formatting": "sharegpt"}
ENTRIES: dict[str, dict[str, Any]] = {
    "alpaca": {"columns": {"prompt": "instruction", "query": "input", "response": "output"}},
    "sharegpt": {**CONVERSATIONS, "columns": {"messages": "conversations"}},
    "sharegpt-primer": {**CONVERSATIONS, "columns": {"messages": "conversation"}, "tags": TAGS},
    "messages": {**CONVERSATIONS, "columns": {"messages": "messages"}, "tags": TAGS},
    "dpo-sharegpt": {
        **CONVERSATIONS,
        "ranking": True,
        "columns": {"messages": "conversations", "chosen": "chosen", "rejected": "rejected"},
    },
    "dpo-chatml": {
        **CONVERSATIONS,
        "ranking": True,
        "columns": {"messages": "messages", "chosen": "chosen", "rejected": "rejected"},
        "tags": TAGS,
    },
    "dpo-alpaca": {
        "ranking": True,
        "columns": {
            "prompt": "instruction",
            "query": "input",
            "chosen": "chosen",
            "rejected": "rejected",
            "system": "system",
            "history": "history",
        },
    },
    "dpo-text": {"ranking": True, "columns": {"prompt": "prompt", "chosen": "chosen", "rejected": "rejected"}},
    "kto-messages": {**CONVERSATIONS, "columns": {"messages": "messages", "kto_tag": "label"}, "tags": TAGS},
}
# Types of columns, as a dataset card on the Hub declares them
TEXT = {"dtype": "string"}
MESSAGES = {"list": [{"name": "role", "dtype": "string"}, {"name": "content", "dtype": "string"}]}
MESSAGE = {"struct": MESSAGES["list"]}
TURNS = {"list": [{"name": "from", "dtype": "string"}, {"name": "value", "dtype": "string"}]}
TURN = {"struct": TURNS["list"]}
HISTORY = {"list": {"list": "string"}}
FEATURES: dict[str, dict[str, dict[str, Any]]] = {
    "alpaca": {"instruction": TEXT, "input": TEXT, "output": TEXT},
    "sharegpt": {"conversations": TURNS},
    "sharegpt-primer": {"conversation": MESSAGES},
    "messages": {"messages": MESSAGES},
    "prompt-completion": {"prompt": MESSAGES, "completion": MESSAGES},
    "dpo": {"prompt": MESSAGES, "chosen": MESSAGES, "rejected": MESSAGES},
    "dpo-implicit": {"chosen": MESSAGES, "rejected": MESSAGES},
    "dpo-text": {"prompt": TEXT, "chosen": TEXT, "rejected": TEXT},
    "dpo-sharegpt": {"conversations": TURNS, "chosen": TURN, "rejected": TURN},
    "dpo-chatml": {"messages": MESSAGES, "chosen": MESSAGE, "rejected": MESSAGE},
    "dpo-alpaca": {
        "instruction": TEXT,
        "input": TEXT,
        "chosen": TEXT,
        "rejected": TEXT,
        "system": TEXT,
        "history": HISTORY,
    },
    "dpo-swift": {"messages": MESSAGES, "rejected_response": TEXT},
    "dpo-openai": {
        "input": {"struct": [{"name": "messages", **MESSAGES}]},
        "preferred_output": MESSAGES,
        "non_preferred_output": MESSAGES,
    },
    "reward": {"prompt": MESSAGES, "chosen": MESSAGES, "rejected": MESSAGES, "margin": {"dtype": "float64"}},
    "kto": {"prompt": MESSAGES, "completion": MESSAGES, "label": {"dtype": "bool"}},
    "kto-messages": {"messages": MESSAGES, "label": {"dtype": "bool"}},
}
VOTES = {"votes_chosen": {"dtype": "int64"}, "votes_total": {"dtype": "int64"}}
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"), (10**7, "1M<n<10M"))
FIRST = {"dpo": "dpo", "implicit": "dpo-implicit"}
LEAST_MET = 30  # pairs of votes that an estimate of the flip rate needs
LEAST_TOKENS, MOST_TOKENS = 1024, 16_384


class FileEntry(TypedDict, total=False):
    """A file in the manifest. dialect, part, rows: only of files with rows."""

    dialect: str
    part: str
    rows: int
    bytes: int
    sha256: str


class DialectEntry(TypedDict):
    """A dialect in the manifest: rows in all parts, {reason: count} of choices left out, {kind: count} of warnings."""

    rows: int
    left_out: dict[str, int]
    warnings: dict[str, int]


class Manifest(TypedDict):
    """What a bundle holds, and how it was made: manifest.json.

    made_at: ISO 8601.
    made_by: username, or "" for a command.
    settings: the filters, dialects and shares.
    characters: {"prompt" or "answer": {longest, p95}}, lengths of texts.
    flip_rate: see `VoteSelector.estimate_flip_rate`.
    votes_alike, votes_unlike: pairs of votes on the same two responses that agree, or disagree.
    labels: {"true" or "false": count} in the first dialect with labels.
    files: by path in the archive.
    """

    dataset: str
    name: str
    made_at: str
    made_by: str
    software: str
    settings: dict[str, Any]
    counts: dict[str, int]
    left_out: dict[str, int]
    dialects: dict[str, DialectEntry]
    characters: dict[str, dict[str, int]]
    flip_rate: float | None
    votes_alike: int
    votes_unlike: int
    labels: dict[str, int]
    files: dict[str, FileEntry]


def get_member_path(name: str, part: str, is_split: bool) -> str:
    """Path of a dialect's file in the archive."""
    return f"data/{name}/{part}.jsonl" if is_split else f"{name}.jsonl"


def build_texts(manifest: Manifest) -> dict[str, bytes]:
    """{name: content} of all files of the documentation."""
    members = {"dataset_info.json": encode_json(build_dataset_info(manifest)), "README.md": render_card(manifest)}
    settings = {name: build(manifest) for name, build in SETTINGS.items()}
    return members | {name: text for name, text in settings.items() if text}


def encode_json(value: Any) -> bytes:
    """Indented JSON in ASCII, which LLaMA-Factory can read under every locale."""
    return (json.dumps(value, indent=2) + "\n").encode()


def get_parts(manifest: Manifest, dialect: str) -> dict[str, str]:
    """{part: path in the archive} of a dialect."""
    files = manifest["files"].items()
    return {about["part"]: path for path, about in files if about.get("dialect") == dialect}


def get_info_name(manifest: Manifest, dialect: str, part: str = "train") -> str:
    """Name of a dialect's part in dataset_info.json; without a comma, which separates names there."""
    name = f"{manifest['dataset']}_{dialect}".replace("-", "_")
    return name if part == "train" else f"{name}_{part}"


def build_dataset_info(manifest: Manifest) -> dict[str, Any]:
    """LLaMA-Factory's dataset_info.json for the dialects that it reads."""
    return {
        get_info_name(manifest, dialect, part): {"file_name": path, **entry}
        for dialect, entry in ENTRIES.items()
        for part, path in get_parts(manifest, dialect).items()
    }


def build_front_matter(manifest: Manifest) -> dict[str, Any]:
    """Front matter of a dataset card for the Hub, with one subset per dialect."""
    dialects = [name for name in manifest["settings"]["dialects"] if get_parts(manifest, name)]
    votes = VOTES if manifest["settings"]["mode"] == "soft" else {}
    configs, infos = [], []
    for number, name in enumerate(dialects):
        files = [{"split": part, "path": path} for part, path in get_parts(manifest, name).items()]
        configs.append({"config_name": name, **({} if number else {"default": True}), "data_files": files})
        extras = dict.fromkeys(list_extra_columns(name, manifest["settings"]["with"]), TEXT)
        columns = FEATURES[name] | (votes if get_writable_formats()[name].WRITES is rows.Preference else {}) | extras
        infos.append({"config_name": name, "features": [{"name": key, **kind} for key, kind in columns.items()]})
    n = manifest["counts"]["pairs"]
    return {
        "pretty_name": flatten_text(manifest["name"]),
        "task_categories": ["text-generation"],
        "tags": ["preference", "dpo", "human-feedback"],
        "size_categories": [next((words for upto, words in SIZES if n < upto), "n>10M")],
        "configs": configs,
        "dataset_info": infos,
    }


def render_card(manifest: Manifest) -> bytes:
    """The dataset card, README.md. Its front matter has JSON values, which are valid YAML."""
    head = "\n".join(
        f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in build_front_matter(manifest).items()
    )
    first = {key: next(iter(get_parts(manifest, name).values()), None) for key, name in FIRST.items()}
    names = {"name": escape_markdown(manifest["name"]), "made_by": escape_markdown(manifest.get("made_by") or "")}
    context = {"manifest": manifest, **names, "first": first, "met": manifest["votes_alike"] + manifest["votes_unlike"]}
    return f"---\n{head}\n---\n\n{render_to_string('datasets/card.md', context)}".encode()


def choose_max_length(manifest: Manifest) -> int:
    """Length in tokens, a power of two, that fits 95% of the prompts with their answers.

    Assumes one token per character, the worst case for Chinese.
    """
    wanted = sum(manifest["characters"][kind]["p95"] for kind in ("prompt", "answer"))
    length = LEAST_TOKENS
    while length < min(wanted, MOST_TOKENS):
        length *= 2
    return length


def encode_settings(about: Iterable[str], values: Mapping[str, Any]) -> bytes:
    """A YAML file: lines of comment, then keys and plain values."""
    lines = [f"# {line}" for line in about]
    return ("\n".join([*lines, *(f"{key}: {format_yaml(value)}" for key, value in values.items())]) + "\n").encode()


def format_yaml(value: Any) -> str:
    """A plain value in YAML. Floats get a point and no exponent: YAML 1.1 parses 5e-07 as text."""
    return f"{value:.10f}".rstrip("0") + "0" * value.is_integer() if isinstance(value, float) else json.dumps(value)


def estimate_smoothing(manifest: Manifest) -> tuple[float, str]:
    """(label smoothing, explanation), from the measured rate of flipped votes."""
    rate = manifest["flip_rate"]
    met = manifest["votes_alike"] + manifest["votes_unlike"]
    explanation = f"Of {met} times that two people judged one pair they differed {manifest['votes_unlike']} times"
    if rate is None or met < LEAST_MET:
        return 0.0, f"{explanation}: too few to tell how many votes are flipped (label smoothing)."
    # At 0.5 nothing can be learned, and the loss has no minimum.
    return min(round(rate, 4), 0.45), f"{explanation}: {rate:.1%} of the votes are flipped (label smoothing)."


def compute_weights(manifest: Manifest) -> tuple[float, float]:
    """Weights of (wanted, unwanted) answers that give both kinds the same total; at least 1."""
    wanted, unwanted = manifest["labels"]["true"], manifest["labels"]["false"]
    if not (wanted and unwanted):
        return 1.0, 1.0
    return round(max(1.0, unwanted / wanted), 4), round(max(1.0, wanted / unwanted), 4)


def build_trl_dpo(manifest: Manifest) -> bytes | None:
    """Settings for `trl dpo`, run in the folder of the archive; None without the dialect.

    The command line names the folder by its full path: with datasets 5.2, "." loads nothing.
    """
    if not get_parts(manifest, "dpo"):
        return None
    rate, explanation = estimate_smoothing(manifest)
    about = ['trl dpo --config trl-dpo.yaml --dataset_name "$PWD"', "Name your model.", explanation]
    return encode_settings(
        about, build_trl(manifest, "dpo") | {"beta": 0.1, "loss_type": "sigmoid", "label_smoothing": rate}
    )


def build_trl_kto(manifest: Manifest) -> bytes | None:
    """Settings for `trl kto`; None without the dialect."""
    if not get_parts(manifest, "kto"):
        return None
    wanted, unwanted = compute_weights(manifest)
    labels = manifest["labels"]
    explanation = (
        f"{labels['true']} wanted and {labels['false']} unwanted answers: the weights make them count the same."
    )
    about = ['trl kto --config trl-kto.yaml --dataset_name "$PWD"', "Name your model.", explanation]
    return encode_settings(
        about, build_trl(manifest, "kto") | {"desirable_weight": wanted, "undesirable_weight": unwanted}
    )


def build_trl(manifest: Manifest, dialect: str) -> dict[str, Any]:
    """Settings that TRL's trainers share."""
    evaluated = "validation" in get_parts(manifest, dialect)
    return {
        "model_name_or_path": "YOUR-MODEL",
        "dataset_config": dialect,
        "dataset_train_split": "train",
        **({"dataset_test_split": "validation", "eval_strategy": "epoch"} if evaluated else {"eval_strategy": "no"}),
        "max_length": choose_max_length(manifest),
        "learning_rate": 5e-7,
        "num_train_epochs": 1,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 8,
        "output_dir": f"{manifest['dataset']}-{dialect}",
    }


def build_llamafactory_dpo(manifest: Manifest) -> bytes | None:
    """Settings for LLaMA-Factory's DPO; None without a ranked dialect that it reads."""
    dialect = next((name for name in ("dpo-sharegpt", "dpo-chatml") if get_parts(manifest, name)), None)
    if dialect is None:
        return None
    rate, explanation = estimate_smoothing(manifest)
    about = ["llamafactory-cli train llamafactory-dpo.yaml", "Name your model and its template.", explanation]
    values = {"stage": "dpo", "pref_beta": 0.1, "pref_loss": "sigmoid", "dpo_label_smoothing": rate}
    return encode_settings(about, build_llamafactory(manifest, dialect) | values)


def build_llamafactory_kto(manifest: Manifest) -> bytes | None:
    """Settings for LLaMA-Factory's KTO; None without the dialect."""
    if not get_parts(manifest, "kto-messages"):
        return None
    wanted, unwanted = compute_weights(manifest)
    about = ["llamafactory-cli train llamafactory-kto.yaml", "Name your model and its template."]
    values = {"stage": "kto", "pref_beta": 0.1, "kto_chosen_weight": wanted, "kto_rejected_weight": unwanted}
    return encode_settings(about, build_llamafactory(manifest, "kto-messages") | values)


def build_llamafactory(manifest: Manifest, dialect: str) -> dict[str, Any]:
    """Settings that LLaMA-Factory's trainers share."""
    evaluated = "validation" in get_parts(manifest, dialect)
    evaluation = {"eval_dataset": get_info_name(manifest, dialect, "validation"), "eval_strategy": "epoch"}
    return {
        "model_name_or_path": "YOUR-MODEL",
        "template": "default",
        "do_train": True,
        "finetuning_type": "lora",
        "dataset_dir": ".",
        "dataset": get_info_name(manifest, dialect),
        **(evaluation if evaluated else {}),
        "cutoff_len": choose_max_length(manifest),
        "learning_rate": 5e-6,
        "num_train_epochs": 1,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 8,
        "output_dir": f"{manifest['dataset']}-{dialect}",
    }


# {file: its builder}; a builder returns None where the bundle has no such rows
SETTINGS: dict[str, Callable[[Manifest], bytes | None]] = {
    "trl-dpo.yaml": build_trl_dpo,
    "trl-kto.yaml": build_trl_kto,
    "llamafactory-dpo.yaml": build_llamafactory_dpo,
    "llamafactory-kto.yaml": build_llamafactory_kto,
}
