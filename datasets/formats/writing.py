"""The parts that the writers share."""


def user_text(prompt):
    """The last user turn as one text: `instruction\\ninput`, as LLaMA-Factory and ms-swift join them
    (FORMATS.md section 3), or the instruction alone."""
    return f"{prompt.instruction}\n{prompt.input}" if prompt.input else prompt.instruction


def turns(prompt):
    """[(role, text), …] of the whole prompt: system, earlier turns, the last user turn."""
    system = [("system", prompt.system)] if prompt.system else []
    return [*system, *prompt.turns, ("user", user_text(prompt))]


def message(role, words):
    """One turn in OpenAI's spelling."""
    return {"role": role, "content": words}


def messages(said):
    """OpenAI's spelling of a conversation."""
    return [message(role, words) for role, words in said]


SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt"}


def conversation(said):
    """ShareGPT's spelling of a conversation."""
    return [turn(role, words) for role, words in said]


def turn(role, words):
    """One turn in ShareGPT's spelling."""
    return {"from": SPEAKERS[role], "value": words}


def history(prompt):
    """Alpaca's earlier turns: [[what the user said, the answer], …]; they begin with the user and take turns."""
    texts = [words for _, words in prompt.turns]
    return [list(pair) for pair in zip(texts[::2], texts[1::2], strict=True)]
