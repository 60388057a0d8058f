"""Warnings about rows that an admin should see before annotators do. Each one is a guess: the admin decides."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from ahocorasick_rs import AhoCorasick, Implementation

from datasets.formats.rows import CANDIDATES, JUDGED, Response, Row
from datasets.imports.personal_data import (
    KEY_STARTS,
    KEYS,
    PERSONAL,
    find_first,
    has_keys,
    has_personal_data,
    list_finders,
)

SAME, NAMES, CUT, REPEATS = "same_answers", "names_model", "cut_off", "repeats_prompt"
CONTROL, PLACEHOLDER, DIALOGUE, THINKING = "control_tokens", "placeholder", "dialogue", "thinking"
TURN_WEIGHT, KNOWN = "turn_weight", "known"  # found while a row is read, see Row.odd
NEAR_PROMPTS, NEAR_ANSWERS, STORED = "near_prompts", "near_answers", "stored"  # see near_duplicates.py
SECOND_PASS = {NEAR_PROMPTS, NEAR_ANSWERS, STORED}
ALL = tuple(
    sorted(
        [
            CONTROL,
            CUT,
            DIALOGUE,
            KEYS,
            KNOWN,
            NAMES,
            PERSONAL,
            PLACEHOLDER,
            REPEATS,
            SAME,
            THINKING,
            TURN_WEIGHT,
            *SECOND_PASS,
        ]
    )
)
INSTRUCTION, INPUT, SYSTEM, FIRST_TURN = -1, -2, -3, -4  # places; the second turn is -5
# Names of models and their makers, by which an answer gives itself away ("As ChatGPT, …").
MAKERS = (
    "openai|chatgpt|gpt-?[345]\\w*|anthropic|claude|gemini|google bard|deepmind|llama[ -]?\\d|meta ai|mistral ai|"
    "mixtral|deepseek|qwen|tongyi|ernie bot|kimi|moonshot ai|grok|xai|cohere|chatglm|"
    "zhipu|baichuan|hunyuan|doubao|minimax"
)
MAKERS_IN_CHINESE = "通义千问|文心一言|讯飞星火|豆包|混元|智谱|百川|月之暗面|深度求索"
MODEL_NAME = re.compile(rf"(?<![\w-])(?:{MAKERS})(?![\w-])|{MAKERS_IN_CHINESE}", re.IGNORECASE)
# The literal starts of these names: searching for all of them in one pass takes a fiftieth of the pattern's time.
NAME_STARTS = sorted(
    {re.split(r"[\[?\\-]", name, maxsplit=1)[0] for name in f"{MAKERS}|{MAKERS_IN_CHINESE}".split("|")}
)

MEDIA = r"image|img|video|audio|vision|picture|speech|图片|图像|视频|音频"
CONTROL_TOKEN = re.compile(
    rf"<[|｜](?!(?i:[^\s<>|｜]{{0,30}}(?:{MEDIA})))[^\s<>|｜]{{1,60}}[|｜]>"
    r"|\[/?INST\]|<</?SYS>>|\[/?(?:AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|SYSTEM_PROMPT)\]|\[gMASK\]"
    r"|<(?:start_of_turn|end_of_turn|bos|eos|pad|unk|sop|eop|eoh|eoa)>|<(?:reserved|TOKENS_UNUSED)_\d{1,4}>"
)
# Tags around the reasoning of models: DeepSeek and Qwen, GLM, Kimi; some leave out the opening one.
THINKING_TAG = re.compile(r"</?think(?:ing)?>|◁/?think▷|<\|(?:begin|end)_of_thought\|>", re.IGNORECASE)
STRUCK = re.compile(r"<s>[^\n<]{0,2000}(?:<(?!/?s>)[^\n<]{0,2000}){0,50}</s>")  # HTML: struck-through text
MEDIA_PLACEHOLDER = re.compile(
    rf"<[|｜][^\s<>|｜]{{0,30}}(?:{MEDIA})[^\s<>|｜]{{0,30}}[|｜]>"
    rf"|<({MEDIA}|image_placeholder|imagehere|img_context)(?:[ _]?\d{{1,3}})?>"
    rf"|\[(?:{MEDIA})(?:[ _]?\d{{1,3}})?\](?![(\[:])|【(?:{MEDIA})】",
    re.IGNORECASE,
)
SPEAKER = re.compile(
    r"^[ \t>#*【\[]{0,8}(?:(human|user|用户|人类|问|提问)"
    r"|((?:ai )?assistant|ai|(?:chat)?bot|(?:chat)?gpt|(?:ai ?)?助手|助理|机器人|答)"
    r"|(question|q|问题)|(answer|a|回答))(?: ?\d{1,3})?[ \t*】\]]{0,6}[:：]",
    re.IGNORECASE | re.MULTILINE,
)
ASSISTANT, QUESTION, ANSWER = 2, 3, 4  # groups of SPEAKER
ANSWER_MARKS = (":", "：", "*", "]", "】", "\t", *"0123456789")  # what may follow "answer" in SPEAKER
TOKENS = (CONTROL, PLACEHOLDER)
# {the warnings that a text may have: what it then contains, in lower case}
STARTS: dict[tuple[str, ...], Iterable[str]] = {
    (NAMES,): NAME_STARTS,
    TOKENS: ("<|", "<｜"),
    (CONTROL,): (
        *(
            "[inst]",
            "[/inst]",
            "<<sys",
            "<</sys",
            "[available_tools]",
            "[tool_",
            "[/tool_",
            "[system_prompt]",
            "[gmask]",
        ),
        *("_of_turn>", "<bos>", "<eos>", "<pad>", "<unk>", "<sop>", "<eop>", "<eoh>", "<eoa>"),
        *("<reserved_", "<tokens_unused_", "<s>", "</s>"),
    ),
    (PLACEHOLDER,): [f"{bracket}{word}" for bracket in "<[【" for word in MEDIA.split("|")],
    (DIALOGUE,): (
        *("assistant", "助手", "助理", "机器人", "ai:", "ai：", "bot:", "bot：", "gpt:", "gpt：", "ai*", "bot*"),
        *("答:", "答：", "\na:", "\na："),
        *(f"answer{after}" for after in ANSWER_MARKS),
        *(f"answer {after}" for after in (*ANSWER_MARKS, " ")),  # "answer" and a word is no heading
    ),
    (KEYS,): KEY_STARTS,
    (THINKING,): ("<think", "</think", "◁think", "◁/think", "_of_thought|>"),
}
START_WARNINGS = [warnings for warnings, starts in STARTS.items() for _ in starts]
ALL_STARTS = [start for starts in STARTS.values() for start in starts]
START_FINDER = AhoCorasick(ALL_STARTS, implementation=Implementation.DFA)
LONG_TEXT = 200  # characters; a shorter text may end without a full stop
LEAST_REPEATED = 30  # characters; an answer may well contain a shorter prompt
REPEATED_WITHIN = 100  # characters of the answer before a repeated prompt, at most
SHORT_NAME = 4  # characters; shorter sources, such as "A", occur in every text
OPEN_END = re.compile(r"[\w,，、;；:：]")
OWN_ENDING = re.compile(r"\s*([-*+>|#]|\d+[.)]|```|\$\$)")  # lists, tables, headings and formulas need no full stop


def find_warnings(row: Row) -> dict[str, list[int]]:
    """{warning: places}: the index of a response, or -1 to -3 and below for the prompt, see `get_text`.

    Those that compare answers, or an answer with its prompt, are of candidates and judged rows only.

    >>> from datasets.formats.rows import Prompt
    >>> find_warnings(Row(Prompt("Who are you?"), (Response("I am ChatGPT."), Response("A model.")), CANDIDATES))
    {'names_model': [0]}
    """
    warnings: defaultdict[str, list[int]] = defaultdict(list)
    answers = [response.text for response in row.responses]
    instruction, given, system, turns = row.prompt
    possible = find_possible([instruction, given, system, *[text for _, text in turns], *answers])
    if row.kind in (CANDIDATES, JUDGED):
        add_answer_warnings(row, NAMES in possible and NAMES in find_possible(answers), warnings)
    for warning in TEXT_TESTS.keys() & possible:
        has_warning = TEXT_TESTS[warning]
        warned = [place for place, text in [*iter_prompt_texts(row), *enumerate(answers)] if has_warning(text)]
        if warned:
            warnings[warning] = warned
    if DIALOGUE in possible:
        asked = [place for place, text in iter_prompt_texts(row) if is_asked(row, place) and has_dialogue(text)]
        if asked:
            warnings[DIALOGUE] = asked
    return dict(warnings)


def find_possible(texts: Iterable[str]) -> set[str]:
    """The warnings whose fixed beginnings occur in these texts: one pass, before any pattern."""
    text = "\n".join(["", *texts])
    found = START_FINDER.find_matches_as_indexes(text.lower(), overlapping=True)
    possible = {warning for start, _, _ in found for warning in START_WARNINGS[start]}
    if list_finders(text):
        possible.add(PERSONAL)
    return possible


def add_answer_warnings(row: Row, may_name_model: bool, warnings: defaultdict[str, list[int]]) -> None:
    """Adds the warnings about the answers of a row.

    may_name_model: whether an answer contains the start of a model's or maker's name.
    """
    instruction = row.prompt.instruction.strip()
    earlier_texts: set[str] = set()
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


def iter_prompt_texts(row: Row) -> Iterator[tuple[int, str]]:
    """(place, text) of the texts of a prompt, without empty ones."""
    instruction, given, system, turns = row.prompt
    for place, text in zip((INSTRUCTION, INPUT, SYSTEM), (instruction, given, system), strict=True):
        if text:
            yield place, text
    for n, (_, text) in enumerate(turns):
        yield FIRST_TURN - n, text


def get_text(row: Row, place: int) -> str:
    """The text of a row that a warning is about.

    place: the index of a response, or -1: the instruction, -2: the input, -3: the system text, from -4: the turns.

    >>> from datasets.formats.rows import Prompt
    >>> get_text(Row(Prompt("And now?", turns=(("user", "Hi"),)), (), CANDIDATES), -4)
    'Hi'
    """
    return row.responses[place].text if place >= 0 else dict(iter_prompt_texts(row)).get(place, "")


def is_asked(row: Row, place: int) -> bool:
    """Whether a text of a prompt is what somebody asks: no system text, no earlier answer."""
    return place in (INSTRUCTION, INPUT) or (place <= FIRST_TURN and row.prompt.turns[FIRST_TURN - place][0] == "user")


def parse_warnings(words: Iterable[str]) -> list[str]:
    """The warnings in comma-separated texts; all of them for `all`.

    Raises ValueError with the unknown names.

    >>> parse_warnings(["cut_off,stored", "cut_off"])
    ['cut_off', 'stored']
    """
    named = [word.strip() for text in words for word in text.split(",") if word.strip()]
    if unknown := sorted(set(named) - {*ALL, "all"}):
        raise ValueError(", ".join(unknown))
    return list(ALL) if "all" in named else list(dict.fromkeys(named))


def has_source_name(response: Response) -> bool:
    """Whether an answer names its own source."""
    text, own = response.text, response.source.rpartition("/")[2]
    return len(own) >= SHORT_NAME and own.lower() in text.lower() and bool(compile_name_pattern(own).search(text))


@lru_cache(maxsize=256)
def compile_name_pattern(source: str) -> re.Pattern[str]:
    """The pattern of a source's name as a whole word."""
    return re.compile(rf"(?<![\w-]){re.escape(source)}(?![\w-])", re.IGNORECASE)


def is_cut_off(whole: str) -> bool:
    """Whether a stripped text ends in the middle of a code block or of a long last line."""
    if "```" in whole and whole.count("```") % 2:
        return True
    if len(whole) < LONG_TEXT or not OPEN_END.match(whole[-1]):
        return False
    last = whole.rpartition("\n")[2]
    return len(last) > 40 and not OWN_ENDING.match(last)


def has_repeated_prompt(text: str, instruction: str) -> bool:
    """Whether an answer begins with the instruction, which is stripped.

    >>> has_repeated_prompt("Name the two moons of planet Mars. Phobos.", "Name the two moons of planet Mars.")
    True
    """
    return len(instruction) >= LEAST_REPEATED and text.find(instruction, 0, REPEATED_WITHIN + len(instruction)) >= 0


def has_control_token(text: str) -> bool:
    """Whether a text contains a token that is a chat template's or a tokenizer's, not a person's.

    <s> and </s> around part of a line are HTML's struck-through text; alone, or around the whole text, they are tokens.

    >>> has_control_token("Hi<|im_end|>"), has_control_token("No</s>"), has_control_token("a <s>good</s> bad idea")
    (True, True, False)
    """
    if CONTROL_TOKEN.search(text):
        return True
    if "<s>" not in text and "</s>" not in text:
        return False
    whole = text.strip()
    rest = STRUCK.sub("", whole)
    return (whole.startswith("<s>") and whole.endswith("</s>")) or "<s>" in rest or "</s>" in rest


def has_media_placeholder(text: str) -> bool:
    """Whether a text stands for a picture, a video or a sound that is not there; elements of HTML and XML do not.

    >>> has_media_placeholder("<image>\\nWhat is this?"), has_media_placeholder("<video><source src='a.mp4'></video>")
    (True, False)
    """
    return any(not found[1] or not is_element(text, found) for found in MEDIA_PLACEHOLDER.finditer(text))


def is_element(text: str, found: re.Match[str]) -> bool:
    """Whether a tag encloses other tags: markup, not a placeholder."""
    content = text[found.end() : found.end() + 2000]
    before, closing, _ = content.partition(f"</{found[1]}>")
    return bool(closing) and "<" in before


def has_dialogue(text: str) -> bool:
    """Whether lines of a text are those of both sides of a dialogue; a question with its answer takes three lines.

    >>> has_dialogue("User: Hi\\nAssistant:"), has_dialogue("Question: why?\\nAnswer:")
    (True, False)
    """
    sides = [found.lastindex or 0 for found in SPEAKER.finditer(text)]
    if all(side in (ASSISTANT, ANSWER) for side in sides) or not {ASSISTANT, ANSWER} & set(sides):
        return False
    return len(sides) > 2 or not {QUESTION, ANSWER} & set(sides)


def has_thinking_tag(text: str) -> bool:
    """Whether a text contains the tags between which a model reasons before it answers.

    >>> has_thinking_tag("<think>Two moons.</think>Phobos and Deimos."), has_thinking_tag("I <thinkpad>")
    (True, False)
    """
    return bool(THINKING_TAG.search(text))


TEXT_TESTS: dict[str, Callable[[str], bool]] = {
    THINKING: has_thinking_tag,
    CONTROL: has_control_token,
    PLACEHOLDER: has_media_placeholder,
    PERSONAL: has_personal_data,
    KEYS: has_keys,
}


def find_excerpt(warning: str, text: str, before: int = 200) -> str:
    """The text of an example, from at most `before` characters before what the warning is about.

    >>> find_excerpt("personal_data", "Do write to ann@example.com", before=9)
    '…write to ann@example.com'
    """
    start = find_start(warning, text)
    return text if start <= before else f"…{text[start - before :]}"


def find_start(warning: str, text: str) -> int:
    """Where in a text the first reason for a warning is; 0 if it is about the whole text."""
    if warning in (PERSONAL, KEYS):
        return (find_first(text, warning) or (0, 0))[0]
    pattern = {THINKING: THINKING_TAG, CONTROL: CONTROL_TOKEN, PLACEHOLDER: MEDIA_PLACEHOLDER, DIALOGUE: SPEAKER}.get(
        warning
    )
    found = pattern.search(text) if pattern else None
    return found.start() if found else 0
