"""Train a throwaway model on one exported file, as it is: `python -I train.py dpo|sft FILE.jsonl`.

Loads the file as a user would, takes two optimisation steps with TRL on the CPU that together see every row, and
checks that what was trained on is what the file says. Offline: tokenizer and model are made here from the file's own
texts. The last line of stdout is one JSON object; a file that does not train ends with a message and exit status 1.

The project's own package `datasets` has the name of Hugging Face's, hence `-I`, a folder outside the project to run
in, and an environment of its own (requirements.txt).
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

try:
    import torch
    import transformers
    import trl
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from tokenizers.decoders import ByteLevel

    from datasets import load_dataset
except ImportError as error:
    sys.exit(
        f"{error}\nThis needs Hugging Face's `datasets`, not a project's package of that name: run it in the "
        "environment that `make test-consumers` makes, as `python -I`, from a folder outside the project."
    )

COLUMNS = {"dpo": ("prompt", "chosen", "rejected"), "sft": ("messages",)}
CONFIGS = {"dpo": trl.DPOConfig, "sft": trl.SFTConfig}
TRAINERS = {"dpo": trl.DPOTrainer, "sft": trl.SFTTrainer}

STEPS = 2
BATCH = 4

OPEN, CLOSE, PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
# As strict as Gemma's, Llama 2's and Mistral's templates: system only first, no two turns in a row by the same side.
CHATML = """
{%- for message in messages -%}
  {%- if message.role not in ["system", "user", "assistant", "tool"] -%}
    {{- raise_exception("unknown role: " ~ message.role) -}}
  {%- elif message.role == "system" and not loop.first -%}
    {{- raise_exception("the system turn must come first") -}}
  {%- elif message.role in ["user", "assistant"] and not loop.first and message.role == loop.previtem.role -%}
    {{- raise_exception("two turns in a row by " ~ message.role) -}}
  {%- endif -%}
  {{- "<|im_start|>" ~ message.role ~ "\n" ~ message.content ~ "<|im_end|>\n" -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- "<|im_start|>assistant\n" -}}{%- endif -%}
"""


def main():
    """Exit status 0 and a JSON object when the file trains, else a message and 1."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("kind", choices=sorted(COLUMNS))
    parser.add_argument("file")
    args = parser.parse_args()
    try:
        rows, losses = train(args.kind, args.file)
    except Exception as error:
        error.add_note(f"{args.file}: TRL {trl.__version__} ({args.kind}) does not train on this file as it is")
        raise
    report = {"consumer": "trl", "version": trl.__version__, "kind": args.kind, "rows": rows, "steps": STEPS}
    print(json.dumps({**report, "loss": losses}))


def train(kind, path):
    """The number of rows trained on and the loss of each step. Raises or exits where the file is not fit."""
    lines = lines_of(path)
    transformers.set_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        dataset = load_dataset("json", data_files=str(path), split="train", cache_dir=folder)
        check_rows(kind, lines, dataset)
        trainer = trainer_of(kind, dataset, tokenizer_of(kind, lines), folder)
        check_tokens(kind, lines, trainer)
        before = copy.deepcopy(trainer.model.state_dict())
        trainer.train()
        return len(lines), check_training(trainer, before)


def lines_of(path):
    """The file's rows, split at line feeds only: answers may hold U+2028."""
    rows = [json.loads(line) for line in Path(path).read_bytes().split(b"\n") if line]
    return rows or sys.exit(f"{path}: no rows")


def check_rows(kind, lines, dataset):
    """Exits unless every line was loaded, says after loading what it said before, and holds turns to learn from."""
    if len(dataset) != len(lines):
        sys.exit(f"{len(lines)} lines in the file, {len(dataset)} rows loaded")
    for number, (line, row) in enumerate(zip(lines, dataset, strict=True), start=1):
        problem = difference(line, row) or unfit(kind, line)
        if problem:
            sys.exit(f"line {number}: {problem}")


def difference(line, row):
    """How the loaded row differs from its line, "" when it does not. A text that was read as a time does."""
    if line.keys() != row.keys():
        return f"has {', '.join(line)}; the file as a whole has {', '.join(row)}"
    changed = (column for column in line if row[column] != line[column])
    return "; ".join(f"{column} was loaded as {row[column]!r}, not as {line[column]!r}" for column in changed)


def unfit(kind, line):
    """Why TRL could not learn from this line, or would learn nothing, "" when it can."""
    for column in COLUMNS[kind]:
        if not is_messages(line.get(column)):
            return f"{column} is not a list of messages: {line.get(column)!r}"
    answers = [line["chosen"], line["rejected"]] if kind == "dpo" else [line["messages"][-1:]]
    for answer in answers:
        if [message["role"] for message in answer] != ["assistant"]:
            return f"not one turn of the assistant's: {answer!r}"
    if kind == "dpo" and line["chosen"] == line["rejected"]:
        return f"chosen and rejected are the same: {line['chosen']!r}"
    return ""


def is_messages(value):
    """Whether this is a list of at least one message, each of a role and a content that are texts."""
    return (
        isinstance(value, list)
        and len(value) > 0
        and all(isinstance(message, dict) for message in value)
        and all(isinstance(message.get(key), str) for message in value for key in ("role", "content"))
    )


def tokenizer_of(kind, lines):
    """A byte-level BPE tokenizer, trained on the file's own texts, that gives every text back byte by byte.

    A line feed is always a token of its own: the frame never melts into an answer that starts with one.
    """
    texts = (message["content"] for line in lines for column in COLUMNS[kind] for message in line[column])
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split("\n", "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        texts,
        trainers.BpeTrainer(
            vocab_size=2000, special_tokens=[PAD, OPEN, CLOSE], initial_alphabet=alphabet, show_progress=False
        ),
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, chat_template=CHATML, eos_token=CLOSE, pad_token=PAD
    )


def model_of(tokenizer):
    """A random Qwen2 of two small layers."""
    return transformers.Qwen2ForCausalLM(
        transformers.Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
        )
    )


def trainer_of(kind, dataset, tokenizer, folder):
    """TRL's trainer for this kind: two steps that share the rows between them, nothing cut, nothing saved."""
    batch = min(BATCH, math.ceil(len(dataset) / STEPS))
    config = CONFIGS[kind](
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
    model = model_of(tokenizer)
    reference = {"ref_model": copy.deepcopy(model)} if kind == "dpo" else {}
    return TRAINERS[kind](model=model, args=config, train_dataset=dataset, processing_class=tokenizer, **reference)


def check_tokens(kind, lines, trainer):
    """Exits unless every line reached the trainer, and its tokens decode to its turns and nothing else."""
    rows = trainer.train_dataset
    if len(rows) != len(lines):
        sys.exit(f"{len(lines)} rows loaded, {len(rows)} left after TRL prepared them")
    for number, (line, row) in enumerate(zip(lines, rows, strict=True), start=1):
        for column, wanted in expected(kind, line).items():
            found = trainer.processing_class.decode(row[column], clean_up_tokenization_spaces=False)
            if found != wanted:
                sys.exit(f"line {number}: {column} decode to {found!r}, not to {wanted!r}")


def expected(kind, line):
    """What each of TRL's token columns must decode to, written down here without the chat template."""
    if kind == "sft":
        return {"input_ids": chatml(line["messages"])}
    opening = f"{OPEN}assistant\n"
    return {
        "prompt_ids": chatml(line["prompt"]) + opening,
        "chosen_ids": chatml(line["chosen"]).removeprefix(opening),
        "rejected_ids": chatml(line["rejected"]).removeprefix(opening),
    }


def chatml(messages):
    """These turns in ChatML."""
    return "".join(f"{OPEN}{message['role']}\n{message['content']}{CLOSE}\n" for message in messages)


def check_training(trainer, before):
    """The loss of each step. Exits unless the steps saw every row and moved the weights to finite numbers."""
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
