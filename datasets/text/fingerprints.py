"""Fingerprints that identify prompts and responses; re-uploads and merging rely on them."""

import hashlib
import json
from json.encoder import encode_basestring_ascii as as_json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasets import models
    from datasets.formats import rows


def hash_text(text: str) -> str:
    """The SHA-256 of a text, 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint_prompt(prompt: "rows.Prompt") -> str:
    """The hash of a prompt's four parts, to the byte: equal for equal prompts."""
    instruction, input_text, system, turns = prompt
    turns_json = json.dumps(turns) if turns else "[]"
    # The same as json.dumps([system, turns, instruction, input_text]), but faster
    return hash_text(f"[{as_json(system)}, {turns_json}, {as_json(instruction)}, {as_json(input_text)}]")


def fingerprint_response(response: "rows.Response | models.Response") -> str:
    """The hash of a response's source and text: equal for equal responses to one prompt."""
    return hash_text(json.dumps([response.source, response.text]))
