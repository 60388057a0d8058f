"""How long a text is to read: words, whatever the language."""

import re

# Letters written without blanks between words: a Chinese reader takes in some 400 of them a minute, where an English
# reader takes in some 240 words (Brysbaert 2019, "How many words do we read per minute?"; Wang et al. 2018).
UNSPACED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
WORDS_AN_IDEOGRAPH = 0.6
# Faster than anybody reads, by far: who decides in less has not read it all.
WORDS_A_SECOND = 20


# ASCII text with its blanks, as str.split knows them, as blanks and all else as x.
BLANK_TABLE = bytes(ord(" " if chr(code).isspace() else "x") for code in range(256))


def count_words(text):
    """The number of words; of Chinese and Japanese, as many as take the same time to read."""
    if text.isascii():
        shape = text.encode().translate(BLANK_TABLE)
        return shape.count(b" x") + shape.startswith(b"x")  # len(text.split()), in a third of the time
    spaced, ideographs = UNSPACED.subn(" ", text)
    return len(spaced.split()) + round(ideographs * WORDS_AN_IDEOGRAPH)


def count_prompt_words(prompt):
    """The words of a prompt's four parts."""
    parts = (prompt.system, prompt.instruction, prompt.input, *(text for _, text in prompt.turns))
    return sum([count_words(part) for part in parts if part])
