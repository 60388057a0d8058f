"""Train a throwaway model on one unchanged exported file: `python -I train.py DIALECT FILE.jsonl`.

Loads the file as a user would, takes two optimisation steps with TRL on the CPU that together see every row, and
checks that the training data match the file. Offline: tokenizer and model are generated from the file's
texts. The last line of stdout is one JSON object; a file that does not train ends with a message and exit status 1.

The project's package `datasets` has the same name as Hugging Face's: that is why it runs with `-I`, in a folder outside
the project, and in a separate environment (requirements.txt).
"""

import argparse
import copy
import json
import math
import os
import sys
import tempfile
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_DISABLE_PROGRESS_BARS": "1"}
sys.path.append(str(Path(__file__).parent))

try:
    import torch
    import transformers
    import trl
    from tiny import CLOSE, OPEN, STEPS, build_model, format_chatml, read_lines, train_tokenizer

    from datasets import load_dataset
except ImportError as error:
    sys.exit(
        f"{error}\nThis needs Hugging Face's `datasets`, not a project's package of that name: run it in the "
        "environment that `make test-consumers` makes, as `python -I`, from a folder outside the project."
    )

DPO = trl.DPOTrainer, trl.DPOConfig
REWARD = trl.RewardTrainer, trl.RewardConfig
KTO = trl.KTOTrainer, trl.KTOConfig
SFT = trl.SFTTrainer, trl.SFTConfig

# The trainer of each dialect, and the columns that hold texts (`dpo-text`) or turns.
DIALECTS = {
    "dpo": (DPO, ("prompt", "chosen", "rejected")),
    "dpo-implicit": (DPO, ("chosen", "rejected")),
    "dpo-text": (DPO, ("prompt", "chosen", "rejected")),
    "reward": (REWARD, ("prompt", "chosen", "rejected")),
    "kto": (KTO, ("prompt", "completion")),
    "messages": (SFT, ("messages",)),
    "prompt-completion": (SFT, ("prompt", "completion")),
}
WHOLE = ("dpo-implicit", "messages")  # these columns hold the prompt and the answer

BATCH = 4


def main():
    """Exit status 0 and a JSON object if the file trains, else 1 and a message."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("dialect", choices=DIALECTS)
    parser.add_argument("file")
    args = parser.parse_args()
    try:
        rows, losses = train(args.dialect, args.file)
    except Exception as error:
        error.add_note(f"{args.file}: TRL {trl.__version__} ({args.dialect}) does not train on this file as it is")
        raise
    report = {"consumer": "trl", "version": trl.__version__, "dialect": args.dialect, "rows": rows, "steps": STEPS}
    print(json.dumps({**report, "loss": losses}))


def train(dialect, path):
    """(number of rows, loss of each step). Raises or exits if the file is unfit."""
    lines = read_lines(path)
    transformers.set_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        dataset = load_dataset("json", data_files=str(path), split="train", cache_dir=folder)
        check_rows(dialect, lines, dataset)
        trainer = build_trainer(dialect, dataset, train_tokenizer(lines), folder)
        check_tokens(dialect, lines, trainer)
        before = copy.deepcopy(trainer.model.state_dict())
        trainer.train()
        return len(lines), check_training(trainer, before)


def check_rows(dialect, lines, dataset):
    """Exits unless every line was loaded unchanged and has turns to learn from."""
    if len(dataset) != len(lines):
        sys.exit(f"{len(lines)} lines in the file, {len(dataset)} rows loaded")
    for number, (line, row) in enumerate(zip(lines, dataset, strict=True), start=1):
        problem = find_difference(line, row) or find_fault(dialect, line)
        if problem:
            sys.exit(f"line {number}: {problem}")


def find_difference(line, row):
    """How the loaded row differs from its line (for example a text read as a timestamp); "" if it does not."""
    if line.keys() != row.keys():
        return f"has {', '.join(line)}; the file as a whole has {', '.join(row)}"
    changed = (column for column in line if row[column] != line[column])
    return "; ".join(f"{column} was loaded as {row[column]!r}, not as {line[column]!r}" for column in changed)


def find_fault(dialect, line):
    """Why TRL cannot learn from this line, or would learn nothing; "" if it can."""
    _, columns = DIALECTS[dialect]
    text = dialect == "dpo-text"
    for column in columns:
        if not (isinstance(line.get(column), str) if text else is_messages(line.get(column))):
            return f"{column} is not {'a text' if text else 'a list of messages'}: {line.get(column)!r}"
    for column in columns:
        answer = line[column][-1:] if dialect in WHOLE else line[column]
        if column != "prompt" and not text and [message["role"] for message in answer] != ["assistant"]:
            return f"not one turn of the assistant's: {answer!r}"
    if "chosen" in columns and line["chosen"] == line["rejected"]:
        return f"chosen and rejected are the same: {line['chosen']!r}"
    if dialect == "kto" and not isinstance(line.get("label"), bool):
        return f"label is not true or false: {line.get('label')!r}"
    if dialect == "reward" and not isinstance(line.get("margin"), float):
        return f"margin is not a number with a point: {line.get('margin')!r}"
    return ""


def is_messages(value):
    """Whether this is a non-empty list of messages whose role and content are texts."""
    return (
        isinstance(value, list)
        and len(value) > 0
        and all(isinstance(message, dict) for message in value)
        and all(isinstance(message.get(key), str) for message in value for key in ("role", "content"))
    )


def build_trainer(dialect, dataset, tokenizer, folder):
    """TRL's trainer for this dialect: two steps that share the rows, no truncation, no checkpoints."""
    (trainer, config), _ = DIALECTS[dialect]
    batch = min(BATCH, math.ceil(len(dataset) / STEPS))
    args = config(
        output_dir=f"{folder}/out",
        max_length=None,
        max_steps=STEPS,
        per_device_train_batch_size=batch,
        gradient_accumulation_steps=math.ceil(len(dataset) / batch / STEPS),
        gradient_checkpointing=False,
        learning_rate=1e-3,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=True,
        bf16=False,
    )
    scored = trainer is trl.RewardTrainer
    kind = transformers.Qwen2ForSequenceClassification if scored else transformers.Qwen2ForCausalLM
    model = build_model(tokenizer, kind, **({"num_labels": 1} if scored else {}))
    compared = trainer in (trl.DPOTrainer, trl.KTOTrainer)
    reference = {"ref_model": copy.deepcopy(model)} if compared else {}
    return trainer(model=model, args=args, train_dataset=dataset, processing_class=tokenizer, **reference)


def check_tokens(dialect, lines, trainer):
    """Exits unless every line reached the trainer, and its tokens decode to its turns and nothing else."""
    rows = trainer.train_dataset
    if len(rows) != len(lines):
        sys.exit(f"{len(lines)} rows loaded, {len(rows)} left after TRL prepared them")
    for number, (line, row) in enumerate(zip(lines, rows, strict=True), start=1):
        for columns, wanted in build_expected(dialect, line).items():
            tokens = [token for column in columns.split("+") for token in row[column] if token >= 0]
            found = trainer.processing_class.decode(tokens, clean_up_tokenization_spaces=False)
            if found != wanted:
                sys.exit(f"line {number}: {columns} decode to {found!r}, not to {wanted!r}")


def build_expected(dialect, line):
    """The text that each of TRL's token columns (some concatenated) must decode to, written without the chat template.
    For `labels`, the text that counts for the loss."""
    opening = f"{OPEN}assistant\n"
    if dialect == "messages":
        return {"input_ids": format_chatml(line["messages"]), "labels": format_chatml(line["messages"])}
    if dialect == "prompt-completion":
        whole, answer = format_chatml(line["prompt"] + line["completion"]), format_chatml(line["completion"])
        return {"input_ids": whole, "labels": answer.removeprefix(opening)}
    if dialect == "reward":
        return {f"{side}_ids": format_chatml(line["prompt"] + line[side]) for side in ("chosen", "rejected")}
    if dialect == "dpo-text":  # no template, and a token may span prompt and answer
        return {f"prompt_ids+{side}_ids": line["prompt"] + line[side] + CLOSE for side in ("chosen", "rejected")}
    prompt = line["prompt"] if "prompt" in line else line["chosen"][:-1]
    sides = [column for column in ("chosen", "rejected", "completion") if column in line]
    answers = {f"{side}_ids": format_chatml(line[side][-1:]).removeprefix(opening) for side in sides}
    return {"prompt_ids": format_chatml(prompt) + opening} | answers


def check_training(trainer, before):
    """The loss of each step. Exits unless the steps saw every row and changed the weights to finite values."""
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    if trainer.state.global_step != STEPS or len(losses) != STEPS:
        sys.exit(f"{trainer.state.global_step} steps and {len(losses)} losses instead of {STEPS}")
    if trainer.state.epoch < 1:
        sys.exit(f"only {trainer.state.epoch:.0%} of the rows were trained on")
    after = trainer.model.state_dict()
    if not all(math.isfinite(loss) for loss in losses) or not all(t.isfinite().all() for t in after.values()):
        sys.exit(f"a loss or a weight is not finite: {losses}")
    if all(torch.equal(before[name], weight) for name, weight in after.items()):
        sys.exit(f"no weight changed (losses {losses})")
    return losses


if __name__ == "__main__":
    main()
