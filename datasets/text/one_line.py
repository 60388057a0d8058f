"""Plain one-line text, as in names: no line breaks, no control or bidirectional override characters."""

import re
import unicodedata

# Unicode's bidirectional overrides
BIDI_CONTROLS = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A))}
MARKUP = re.compile(r"([\\`*_{}\[\]<>#&|~$])")  # what Markdown, or HTML in it, may take for markup


def is_plain(text: str) -> bool:
    """Whether a text is on one line and has no control characters."""
    return not any(is_control(character) for character in text)


def is_control(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in BIDI_CONTROLS


def flatten_text(text: str) -> str:
    """The text on one line: each run of blanks and control characters becomes one blank."""
    return " ".join("".join(" " if is_control(character) else character for character in text).split())


def escape_markdown(text: str) -> str:
    """One line of Markdown that shows the text literally."""
    return MARKUP.sub(r"\\\1", flatten_text(text))
