"""What is odd about a row, and better known before people judge it. Each warning is a guess, and an admin decides."""

import re
from collections import defaultdict
from functools import lru_cache

from ahocorasick_rs import AhoCorasick, MatchKind

from datasets.formats.rows import CANDIDATES, JUDGED

SAME, NAMES, CUT, REPEATS = "same_answers", "names_model", "cut_off", "repeats_prompt"
NEAR_PROMPTS, NEAR_ANSWERS, STORED = "near_prompts", "near_answers", "stored"  # see near_duplicates.py
SECOND_PASS = {NEAR_PROMPTS, NEAR_ANSWERS, STORED}
ALL = (CUT, NAMES, NEAR_ANSWERS, NEAR_PROMPTS, REPEATS, SAME, STORED)
# Names of models and of who makes them, as answers give themselves away by ("As ChatGPT, …").
MAKERS = (
    "openai|chatgpt|gpt-?[345]\\w*|anthropic|claude|gemini|google bard|deepmind|llama[ -]?\\d|meta ai|mistral ai|"
    "mixtral|deepseek|qwen|tongyi|ernie bot|kimi|moonshot ai|grok|xai|cohere|chatglm|"
    "zhipu|baichuan|hunyuan|doubao|minimax"
)
MAKERS_IN_CHINESE = "通义千问|文心一言|讯飞星火|豆包|混元|智谱|百川|月之暗面|深度求索"
MODEL_NAME = re.compile(rf"(?<![\w-])(?:{MAKERS})(?![\w-])|{MAKERS_IN_CHINESE}", re.IGNORECASE)
# How these names begin: to look for all of them at once takes a fiftieth of the time that the pattern takes.
NAME_STARTS = sorted({re.match(r"[^\[?\\-]+", name)[0] for name in f"{MAKERS}|{MAKERS_IN_CHINESE}".split("|")})
NAME_START_FINDER = AhoCorasick(NAME_STARTS, matchkind=MatchKind.LeftmostFirst)  # many letters at once
LONG_TEXT = 200  # characters; a shorter text ends as it likes
LEAST_REPEATED = 30  # characters; a shorter prompt may well stand in its answer
REPEATED_WITHIN = 100  # how far into the answer a repeated prompt may begin
SHORT_NAME = 4  # a source of fewer letters, as "A", is in every text
OPEN_END = re.compile(r"[\w,，、;；:：]")
OWN_ENDING = re.compile(r"\s*([-*+>|#]|\d+[.)]|```|\$\$)")  # lists, tables, headings and formulas need no full stop


def find_warnings(row):
    """{warning: [indices of the responses]} of a rows.Row; only what people compare or have compared is looked at."""
    if row.kind not in (CANDIDATES, JUDGED):
        return {}
    warnings, instruction, earlier_texts = defaultdict(list), row.prompt.instruction.strip(), set()
    may_name_model = has_name_start(row)
    for n, response in enumerate(row.responses):
        text = response.text.strip()
        if text in earlier_texts:
            warnings[SAME].append(n)
        if has_source_name(response) or (may_name_model and MODEL_NAME.search(response.text)):
            warnings[NAMES].append(n)
        if is_cut_off(text):
            warnings[CUT].append(n)
        if has_repeated_prompt(response.text, instruction):
            warnings[REPEATS].append(n)
        earlier_texts.add(text)
    return dict(warnings)


def parse_warnings(words):
    """The warnings that a text with commas names, or all of them for `all`. ValueError names one that there is not."""
    named = [word.strip() for text in words for word in text.split(",") if word.strip()]
    if unknown := sorted(set(named) - {*ALL, "all"}):
        raise ValueError(", ".join(unknown))
    return list(ALL) if "all" in named else list(dict.fromkeys(named))


def has_name_start(row):
    """Whether something in a row's answers begins as the name of a model, or of who makes models."""
    return bool(NAME_START_FINDER.find_matches_as_indexes("\n".join([text for text, _ in row.responses]).lower()))


def has_source_name(response):
    """Whether an answer names its own source."""
    text, source = response
    own = source.rpartition("/")[2]
    return len(own) >= SHORT_NAME and own.lower() in text.lower() and bool(compile_name_pattern(own).search(text))


@lru_cache(maxsize=256)
def compile_name_pattern(source):
    """A pattern of a source's name."""
    return re.compile(rf"(?<![\w-]){re.escape(source)}(?![\w-])", re.IGNORECASE)


def is_cut_off(whole):
    """Whether a text, less the blanks around it, ends in the middle: of a block of code, or of a long last sentence."""
    if "```" in whole and whole.count("```") % 2:
        return True
    if len(whole) < LONG_TEXT or not OPEN_END.match(whole[-1]):
        return False
    last = whole.rpartition("\n")[2]
    return len(last) > 40 and not OWN_ENDING.match(last)


def has_repeated_prompt(text, instruction):
    """Whether an answer begins with what was asked (less the blanks around it)."""
    return len(instruction) >= LEAST_REPEATED and text.find(instruction, 0, REPEATED_WITHIN + len(instruction)) >= 0
