"""Keys of endpoints. They come from the environment: `CHOSEN_KEY_NAME="https://host[:port] key"`.

The host stands with the key, so that nobody can send a key elsewhere by editing an endpoint.
"""

import re
from collections.abc import Mapping

from optimize.wire.addresses import find_origin

PREFIX = "CHOSEN_KEY_"
NAME = re.compile(r"[A-Z][A-Z0-9_]{0,59}")
# What looks like a key, in an error that a server sends.
SECRET = re.compile(
    r"(?i)\b(?:bearer\s+\S+|(?:sk|pk|rk|hf|gsk|xai|key|api|tok)[-_][\w\-.*]{6,}|eyJ[\w.-]{20,}|[\w-]{32,})"
)
HIDDEN = "•••"
LONGEST_ERROR = 300  # characters


class KeyProblem(Exception):
    """A key cannot be used. `reason`: a code of optimize.reasons."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def find_key(name: str, url: str, environment: Mapping[str, str]) -> str:
    """The key with this name, for this URL; "" without a name. Raises KeyProblem.

    >>> find_key("LAB", "https://lab.example/v1", {"CHOSEN_KEY_LAB": "https://lab.example abc"})
    'abc'
    """
    if not name:
        return ""
    if not NAME.fullmatch(name) or not (value := environment.get(f"{PREFIX}{name}", "").strip()):
        raise KeyProblem("key_missing")
    host, _, key = value.partition(" ")
    key = key.strip()
    if not key or not key.isascii() or not key.isprintable() or " " in key or "://" not in host:
        raise KeyProblem("key_unreadable")
    if find_origin(host) != find_origin(url):
        raise KeyProblem("key_of_other_host")
    return key


def list_key_names(environment: Mapping[str, str]) -> list[str]:
    """The names of the keys that are there.

    >>> list_key_names({"CHOSEN_KEY_LAB": "https://lab.example abc", "HOME": "/root"})
    ['LAB']
    """
    names = (name.removeprefix(PREFIX) for name in environment if name.startswith(PREFIX))
    return sorted(name for name in names if NAME.fullmatch(name))


def hide_secrets(text: str, key: str = "") -> str:
    """The beginning of a text that a server sent, on one line, without anything that looks like a key.

    >>> hide_secrets("Incorrect API key provided: sk-abc123def456.")
    'Incorrect API key provided: •••.'
    """
    for secret in sorted({key, key[:8], key[-8:]} if len(key) >= 12 else {key} - {""}, key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    text = SECRET.sub(lambda found: HIDDEN + ("." if found[0].endswith(".") else ""), text)
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return text if len(text) <= LONGEST_ERROR else f"{text[: LONGEST_ERROR - 1]}…"
