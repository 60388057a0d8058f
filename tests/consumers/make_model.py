"""Make a model that answers in sentences, for a server: `python -I make_model.py FOLDER < QUESTIONS` (JSON: {question:
[answers]}).

A Llama of two small layers learns these answers for some seconds, on the CPU, offline. The last line of stdout is one
JSON object: the losses of the first and the last step, and the seconds.
"""

import json
import random
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

import torch
import transformers
from tiny import format_chatml, train_tokenizer

STEPS, BATCH = 150, 8


def main():
    folder, answers = sys.argv[1], json.load(sys.stdin)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    started = time.monotonic()
    tokenizer = train_tokenizer([answers, *({"question": question} for question in answers)])
    model = build_llama(tokenizer)
    losses = teach(model, tokenizer, answers)
    model.generation_config = transformers.GenerationConfig(
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id, do_sample=True, top_k=0
    )
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    seconds = round(time.monotonic() - started, 1)
    print(json.dumps({"first": losses[0], "last": losses[-1], "seconds": seconds, "weights": model.num_parameters()}))


def build_llama(tokenizer):
    """A random Llama of two small layers; with larger weights than usual it learns faster."""
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=160,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=256,
        initializer_range=0.06,
        tie_word_embeddings=True,
        bos_token_id=None,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return transformers.LlamaForCausalLM(config)


def teach(model, tokenizer, answers):
    """The loss of each step of learning conversations of a question and one of its answers."""
    rng, losses = random.Random(0), []
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.98))
    for _ in range(STEPS):
        questions = rng.choices(list(answers), k=BATCH)
        texts = [format_conversation(question, rng.choice(answers[question])) for question in questions]
        batch = tokenizer(texts, return_tensors="pt", padding=True, return_token_type_ids=False)
        labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
        loss = model(**batch, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(round(loss.item(), 3))
    return losses


def format_conversation(question, answer):
    """A question and its answer as the chat template writes them."""
    return format_chatml([{"role": "user", "content": question}, {"role": "assistant", "content": answer}])


if __name__ == "__main__":
    main()
