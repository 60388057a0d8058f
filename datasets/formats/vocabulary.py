"""The names and words that files use: roles, keys, labels."""

import re

ROLES = {
    **dict.fromkeys(["system", "developer"], "system"),
    **dict.fromkeys(["user", "human", "用户", "input"], "user"),
    **dict.fromkeys(["assistant", "gpt", "bot", "model", "chatgpt", "bing", "助手", "output"], "assistant"),
}
TOOL_ROLES = frozenset({"tool", "function", "observation", "function_call", "ipython", "tool_call", "tool_response"})
# Fields of a message or a response that cannot be judged or written yet -> the reason why such a row is refused.
UNREADABLE = {
    **dict.fromkeys(["tool_calls", "function_call", "tools", "functions"], "tools"),
    **dict.fromkeys(["reasoning_content", "reasoning", "thinking"], "reasoning"),
    **dict.fromkeys(["image", "images", "image_url", "audio", "audios", "video", "videos"], "picture"),
}
PART_REASONS = (  # what the type of a content part contains -> the reason why the row is refused
    (re.compile("image|picture|audio|video|file"), "picture"),
    (re.compile("think|reason"), "reasoning"),
    (re.compile("tool|function"), "tools"),
)
ANSWER_KEYS = ("response", "output", "answer", "completion", "text")
MODEL_KEYS = ("model", "generator")
SOURCE_KEYS = ("source", *MODEL_KEYS)
SYSTEM_KEYS = ("system", "system_prompt", "system_message")
CONTEXT_KEYS = ("context", "passage", "document", "background", "上下文", "材料")
CONVERSATION_KEYS = ("messages", "conversations", "conversation", "trajectory")
LABEL_KEYS = ("kto_tag", "label")
GOOD = [
    "true", "1", "1.0", "good", "desirable", "chosen", "accepted", "positive", "like", "yes", "thumbs up", "thumbs_up",
    "thumbs-up", "thumbsup", "👍", "好", "赞", "满意",
]  # fmt: skip
BAD = [
    "false", "0", "0.0", "-1", "-1.0", "bad", "undesirable", "rejected", "negative", "dislike", "no", "thumbs down",
    "thumbs_down", "thumbs-down", "thumbsdown", "👎", "坏", "踩", "不满意",
]  # fmt: skip
LABELS = {**dict.fromkeys(GOOD, True), **dict.fromkeys(BAD, False)}
RATINGS = {"helpfulness", "correctness", "coherence", "complexity", "verbosity"}
PROMPT_KEYS = ("prompt", "instruction", "question", "query")
TEXT_PROMPT_KEYS = (*PROMPT_KEYS, "input")
ALL_PROMPT_KEYS = (*CONVERSATION_KEYS, *TEXT_PROMPT_KEYS)
ALL_SYSTEM_KEYS, ALL_CONTEXT_KEYS = frozenset(SYSTEM_KEYS), frozenset(CONTEXT_KEYS)
