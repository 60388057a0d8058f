"""The parts that the writers share."""


def join_user_text(prompt):
    """The last user turn as one text: `instruction\\ninput`, as LLaMA-Factory and ms-swift join them
    (FORMATS.md section 3), or the instruction alone."""
    return f"{prompt.instruction}\n{prompt.input}" if prompt.input else prompt.instruction


def build_turns(prompt):
    """[(role, text), …] of the whole prompt: system, earlier turns, the last user turn."""
    system = [("system", prompt.system)] if prompt.system else []
    return [*system, *prompt.turns, ("user", join_user_text(prompt))]


def build_message(role, words):
    """One turn in OpenAI's spelling."""
    return {"role": role, "content": words}


def build_messages(transcript):
    """OpenAI's spelling of a conversation."""
    return [build_message(role, words) for role, words in transcript]


SPEAKERS = {"system": "system", "user": "human", "assistant": "gpt"}


def build_sharegpt(transcript):
    """ShareGPT's spelling of a conversation."""
    return [build_sharegpt_turn(role, words) for role, words in transcript]


def build_sharegpt_turn(role, words):
    """One turn in ShareGPT's spelling."""
    return {"from": SPEAKERS[role], "value": words}


def build_history(prompt):
    """Alpaca's earlier turns: [[what the user said, the answer], …]; they begin with the user and take turns."""
    texts = [words for _, words in prompt.turns]
    return [list(pair) for pair in zip(texts[::2], texts[1::2], strict=True)]
