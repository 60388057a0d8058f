"""Tags of prompts, by which an export can select."""

import contextlib
import json

LONGEST_TAG = 80  # characters
MOST_TAGS = 50  # per prompt


def parse_tags(value: object) -> list[str]:
    """The tags in a list or a comma-separated string, stripped and deduplicated, in order.

    A string may also hold a list as JSON. Skips everything that is not a string.
    """
    if value is None:
        return []
    if isinstance(value, str) and value.startswith("[") and value.endswith("]"):
        with contextlib.suppress(ValueError, RecursionError):
            value = json.loads(value)
    parts = value if isinstance(value, list) else value.replace("，", ",").split(",") if isinstance(value, str) else []
    words = (part.strip()[:LONGEST_TAG] for part in parts if isinstance(part, str))
    return list(dict.fromkeys(word for word in words if word))[:MOST_TAGS]
