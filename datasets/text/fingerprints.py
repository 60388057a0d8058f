"""What makes a prompt or a response the same one again: re-uploads and merging rest on it."""

import hashlib
import json
from json.encoder import encode_basestring_ascii as as_json


def hash_text(text):
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint_prompt(prompt):
    """What makes a prompt the same prompt: its four parts, to the byte."""
    instruction, input_text, system, turns = prompt
    turns = json.dumps(turns) if turns else "[]"
    # As json.dumps of the list
    return hash_text(f"[{as_json(system)}, {turns}, {as_json(instruction)}, {as_json(input_text)}]")


def fingerprint_response(response):
    """What makes a response of a prompt the same response."""
    return hash_text(json.dumps([response.source, response.text]))
