"""Plain text on one line, as a name is: no line feed, no control character, none that turns the direction around."""

import re
import unicodedata

# Unicode's bidirectional overrides
BIDI_CONTROLS = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
MARKUP = re.compile(r"([\\`*_{}\[\]<>#&|~$])")  # what Markdown or HTML, also in Markdown, may take for its own


def is_plain(text):
    return not any(is_control(character) for character in text)


def is_control(character):
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in BIDI_CONTROLS


def flatten_text(text):
    """The text with a blank for whatever is not plain."""
    return " ".join("".join(" " if is_control(character) else character for character in text).split())


def escape_markdown(text):
    """The text as one line of Markdown that shows it as it is."""
    return MARKUP.sub(r"\\\1", flatten_text(text))
