"""The parts that the writers share."""


def user_text(prompt):
    """The last user turn as one text: `instruction\\ninput`, as LLaMA-Factory and ms-swift join them
    (FORMATS.md section 3), or the instruction alone."""
    return f"{prompt.instruction}\n{prompt.input}" if prompt.input else prompt.instruction


def turns(prompt):
    """[(role, text), …] of the whole prompt: system, earlier turns, the last user turn."""
    system = [("system", prompt.system)] if prompt.system else []
    return [*system, *prompt.turns, ("user", user_text(prompt))]


def messages(said):
    """OpenAI's spelling of a conversation."""
    return [{"role": role, "content": words} for role, words in said]
