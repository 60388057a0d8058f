"""What makes a prompt or a response the same one again: re-uploads and merging rest on it."""

import hashlib
import json
from json.encoder import encode_basestring_ascii as as_json


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint(prompt):
    """What makes a prompt the same prompt: its four parts, to the byte."""
    instruction, given, system, turns = prompt
    turns = json.dumps(turns) if turns else "[]"
    return sha256(f"[{as_json(system)}, {turns}, {as_json(instruction)}, {as_json(given)}]")  # json.dumps of the list


def identity(response):
    """What makes a response of a prompt the same response."""
    return sha256(json.dumps([response.source, response.text]))
