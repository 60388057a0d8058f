"""Train on every entry of a dataset_info.json with LLaMA-Factory: `python -I read_llamafactory.py FOLDER`.

Its own loader, converters and processors read each file, then its own trainer takes two steps on a throwaway model, on
the CPU, offline. The last line of stdout is one JSON object: the version, and for each entry the stage, the decoded
tokens of each row, and the steps.

LLaMA-Factory imports torchaudio, which it needs for audio only and which has no build for this PyTorch: an empty
module replaces it.
"""

import json
import os
import sys
import tempfile
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
sys.path.append(str(Path(__file__).parent))
sys.modules["torchaudio"] = module_from_spec(ModuleSpec("torchaudio", None))

from llamafactory.data import get_dataset, get_template_and_fix_tokenizer  # noqa: E402
from llamafactory.extras.env import VERSION  # noqa: E402
from llamafactory.hparams import get_train_args  # noqa: E402
from llamafactory.model import load_tokenizer  # noqa: E402
from llamafactory.train.tuner import run_exp  # noqa: E402
from tiny import STEPS, read_lines, save_model  # noqa: E402


def main():
    source = Path(sys.argv[1])
    entries = json.loads((source / "dataset_info.json").read_text(encoding="ascii"))
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        read = {name: train_entry(source, name, entry, f"{folder}/{name}") for name, entry in entries.items()}
    print(json.dumps({"consumer": "llamafactory", "version": VERSION, "read": read}))


def train_entry(source, name, entry, folder):
    """{stage, rows, steps} of one entry."""
    stage = "dpo" if entry.get("ranking") else "kto" if "kto_tag" in entry.get("columns", {}) else "sft"
    args = {
        "stage": stage,
        "do_train": True,
        "finetuning_type": "full",
        "model_name_or_path": save_model(read_lines(source / entry["file_name"]), f"{folder}/model"),
        "dataset_dir": str(source),
        "dataset": name,
        "template": "chatml",
        "cutoff_len": 4096,
        "cache_dir": f"{folder}/cache",
        "output_dir": f"{folder}/out",
        "max_steps": STEPS,
        "per_device_train_batch_size": 4,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
        "disable_gradient_checkpointing": True,
    }
    rows = read_rows(stage, dict(args))
    run_exp(args)
    state = json.loads(Path(folder, "out", "trainer_state.json").read_text(encoding="utf-8"))
    return {"stage": stage, "rows": rows, "steps": state["global_step"]}


def read_rows(stage, args):
    """The training data of LLaMA-Factory as texts: [whole], [with chosen, with rejected] or [whole, label]."""
    model_args, data_args, training_args, _, _ = get_train_args(args)
    tokens = load_tokenizer(model_args)
    tokenizer = tokens["tokenizer"]
    template = get_template_and_fix_tokenizer(tokenizer, data_args)
    stage = "rm" if stage == "dpo" else stage
    dataset = get_dataset(template, model_args, data_args, training_args, stage=stage, **tokens)["train_dataset"]

    def decode(row, column):
        return tokenizer.decode(row[column], clean_up_tokenization_spaces=False)

    if stage == "rm":
        return [[decode(row, "chosen_input_ids"), decode(row, "rejected_input_ids")] for row in dataset]
    labels = ["kto_tags"] if stage == "kto" else []
    return [[decode(row, "input_ids"), *(row[label] for label in labels)] for row in dataset]


if __name__ == "__main__":
    main()
