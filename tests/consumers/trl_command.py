"""Run TRL's own command with a bundle's settings: `python -I trl_command.py dpo|kto FILE.jsonl OPTION…`, in the
bundle's folder.

Runs the script behind `trl dpo --config trl-dpo.yaml` with a throwaway model, generated from that file's texts, for two
steps on the CPU, offline. The last line of stdout is one JSON object.
"""

import importlib.util
import json
import os
import runpy
import sys
import tempfile
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
sys.path.append(str(Path(__file__).parent))

from tiny import STEPS, read_lines, save_model


def main():
    script, file, *more = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HF_DATASETS_CACHE"] = f"{folder}/cache"
        model, out = str(save_model(read_lines(file), f"{folder}/model")), f"{folder}/out"
        ours = {"model_name_or_path": model, "output_dir": out, "max_steps": STEPS, "save_steps": STEPS}
        plain = {"use_cpu": True, "bf16": False, "report_to": "none", "gradient_checkpointing": False}
        options = [part for key, value in (ours | plain).items() for part in (f"--{key}", str(value))]
        sys.argv = [script, "--config", f"trl-{script}.yaml", *options, *more]
        runpy.run_path(importlib.util.find_spec(f"trl.scripts.{script}").origin, run_name="__main__")
        state = json.loads(Path(out, f"checkpoint-{STEPS}", "trainer_state.json").read_text(encoding="utf-8"))
    print(json.dumps({"consumer": "trl", "command": script, "steps": state["global_step"]}))


if __name__ == "__main__":
    main()
