"""Read exported files with Axolotl: `python -I read_axolotl.py {"NAME": {"file": …, …}, …}` (JSON; beside the
file, `rl: dpo` for preferences and the keys of an entry of Axolotl's `datasets:`).

Runs the steps of `axolotl preprocess` with a throwaway tokenizer, on the CPU, offline. The last line of stdout is one
JSON object: the version, and for each file its rows as texts: [whole], or [with chosen, with rejected].
"""

import importlib.metadata
import json
import os
import sys
import tempfile
from pathlib import Path

os.environ |= {
    "AXOLOTL_DO_NOT_TRACK": "1",
    "AXOLOTL_IS_PREPROCESS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_OFFLINE": "1",
}
sys.path.append(str(Path(__file__).parent))

from axolotl.cli.config import load_cfg
from axolotl.common.datasets import load_datasets, load_preference_datasets
from axolotl.loaders import load_tokenizer
from tiny import read_lines, save_model


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        read = {name: read_rows(f"{folder}/{name}", **asked) for name, asked in json.loads(sys.argv[1]).items()}
    print(json.dumps({"consumer": "axolotl", "version": importlib.metadata.version("axolotl"), "read": read}))


def read_rows(folder, file, rl=None, **entry):
    settings = {
        "base_model": str(save_model(read_lines(file), f"{folder}/model")),
        "chat_template": "tokenizer_default",
        "datasets": [{"path": file, "ds_type": "json", **entry}],
        "dataset_prepared_path": f"{folder}/prepared",
        "output_dir": f"{folder}/out",
        "dataset_num_proc": 1,
        "sequence_len": 4096,
        "micro_batch_size": 2,
        "gradient_accumulation_steps": 1,
        "num_epochs": 1,
        "learning_rate": 0.001,
        "bf16": False,
    }
    path = Path(folder, "config.yaml")  # JSON is valid YAML
    path.write_text(json.dumps({**settings, "rl": rl} if rl else settings), encoding="utf-8")
    cfg = load_cfg(str(path), is_preprocess=True)
    cfg.is_preprocess = True
    if rl:
        rows = load_preference_datasets(cfg=cfg).train_dataset
        return [[row["prompt"] + row[side] for side in ("chosen", "rejected")] for row in rows]
    tokenizer = load_tokenizer(cfg)
    rows = load_datasets(cfg=cfg).train_dataset
    return [[tokenizer.decode(row["input_ids"], clean_up_tokenization_spaces=False)] for row in rows]


if __name__ == "__main__":
    main()
