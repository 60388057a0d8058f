"""A generated tokenizer and model that every trainer here can train: no download, two small layers."""

import json
import sys
from pathlib import Path

import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from tokenizers.decoders import ByteLevel

STEPS = 2

OPEN, CLOSE, PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
# As strict as the templates of Gemma, Llama 2 and Mistral: system only first, no two consecutive turns by one role.
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


def read_lines(path):
    """The file's rows, split at line feeds only: answers may contain U+2028."""
    rows = [json.loads(line) for line in Path(path).read_bytes().split(b"\n") if line]
    return rows or sys.exit(f"{path}: no rows")


def iter_texts(value):
    """Every text in a row, at any depth."""
    if isinstance(value, str):
        yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from iter_texts(part)


def train_tokenizer(lines):
    """A byte-level BPE tokenizer, trained on the texts of these rows; it decodes every text byte for byte.

    A line feed is always a separate token: the template never merges with an answer that starts with one.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split("\n", "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(
        iter_texts(lines),
        trainers.BpeTrainer(
            vocab_size=2000, special_tokens=[PAD, OPEN, CLOSE], initial_alphabet=alphabet, show_progress=False
        ),
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, chat_template=CHATML, eos_token=CLOSE, pad_token=PAD
    )


def build_model(tokenizer, kind=transformers.Qwen2ForCausalLM, **settings):
    """A random Qwen2 of two small layers."""
    return kind(
        transformers.Qwen2Config(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            **settings,
        )
    )


def save_model(lines, folder):
    """Saves a model and its tokenizer as a trainer downloads them; returns the folder."""
    tokenizer = train_tokenizer(lines)
    tokenizer.save_pretrained(folder)
    build_model(tokenizer).save_pretrained(folder)
    return folder


def format_chatml(messages):
    """These turns in ChatML."""
    return "".join(f"{OPEN}{message['role']}\n{message['content']}{CLOSE}\n" for message in messages)
