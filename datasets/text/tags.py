"""The tags of prompts: words by which an export can choose."""

LONGEST_TAG = 80
MOST_TAGS = 50


def parse_tags(value):
    """The tags that a list or a text with commas names, each once, in order; what is no text is passed over."""
    if value is None:
        return []
    parts = value if isinstance(value, list) else value.replace("，", ",").split(",") if isinstance(value, str) else []
    words = (part.strip()[:LONGEST_TAG] for part in parts if isinstance(part, str))
    return list(dict.fromkeys(word for word in words if word))[:MOST_TAGS]
