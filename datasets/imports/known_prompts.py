"""Prompts that a list names by their hashes, such as those of a test set that must not be trained on."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator

from datasets.formats.rows import Prompt

HASH = re.compile(rb"[0-9a-fA-F]{64}")


class BadList(ValueError):
    """A line of a list that is no hash. `line`: its number, from 1."""

    def __init__(self, line: int) -> None:
        super().__init__(f"line {line} is no SHA-256 of 64 hex digits")
        self.line = line


def normalise_prompt(prompt: Prompt) -> str:
    """The text of a prompt for comparison: NFKC, case folded, each run of white space one blank, none at the ends.

    >>> normalise_prompt(Prompt("Ｎａｍｅ  a MOON:", "Mars"))
    'name a moon: mars'
    """
    text = f"{prompt.instruction}\n{prompt.input}" if prompt.input else prompt.instruction
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def hash_prompt(prompt: Prompt) -> bytes:
    """The SHA-256 of a normalised prompt, 32 bytes.

    >>> hash_prompt(Prompt("A")) == hash_prompt(Prompt(" a\\n"))
    True
    """
    return hashlib.sha256(normalise_prompt(prompt).encode()).digest()


def read_known(lines: Iterable[bytes]) -> frozenset[bytes]:
    """The hashes of a list, 32 bytes each.

    lines: one SHA-256 in hex per line.

    Raises BadList.

    >>> len(read_known([b"ab" * 32 + b"\\n"]))
    1
    """
    return frozenset(iter_hashes(lines))


def iter_hashes(lines: Iterable[bytes]) -> Iterator[bytes]:
    """The hash of each line; see read_known."""
    for number, line in enumerate(lines, 1):
        digits = line.rstrip(b"\r\n")
        if not HASH.fullmatch(digits):
            raise BadList(number)
        yield bytes.fromhex(digits.decode())
