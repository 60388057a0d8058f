"""Rules of the Markdown parser for formulas in the spellings that models use: $ … $, $$ … $$, \\( … \\), \\[ … \\] and
bare environments such as \\begin{align}; also right after a line of text.

They make two tokens: `formula` within a line (meta: display) and `formula_block` on lines of its own.
"""

import re
from bisect import bisect_left
from collections.abc import Callable
from functools import partial

from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

INTERRUPTING: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}  # what such a block ends
LONGEST_FORMULA = 5_000  # characters between its marks
CLOSINGS = {"$": "$", "$$": "$$", "\\(": "\\)", "\\[": "\\]"}
ENVIRONMENT_NAMES = (
    r"(?:align(?:at|ed|edat)?|eqnarray|flalign|equation|gather(?:ed)?|multline|split|d?cases|array"
    r"|[pbvBV]?matrix|smallmatrix)\*?"
)
DOLLARS, BRACKETS = re.compile(r"\$\$?"), re.compile(rf"\$\$?|\\[(\[]|\\begin\{{({ENVIRONMENT_NAMES})\}}")

# Brackets are escaped in Markdown too, as in "Dear \[Your Name\]": a formula contains something of TeX.
TEX = re.compile(r"[\^=<>{}+|]|\\[A-Za-z]|(?<![^\W\d_]{2})_|\d\s+[-*/]\s+\d")
WORDS = re.compile(r"(?<![^\W\d_])[^\W\d_]{2,}\s+[^\W\d_]{2,}")
# Dollars are also money ("$5 or 10$") and shell variables ("$HOME:$PATH").
AMOUNT, WORD, NAME = re.compile(r"\s*\d"), re.compile(r"[^\W\d_]{2}"), re.compile(r"[^\W\d]\w+\W?")

# Environments that the converter to MathML lacks, and those in their place. Its own `align` numbers the rows.
REPLACED = {
    **dict.fromkeys(("align", "aligned", "alignat", "alignedat", "eqnarray", "flalign"), "align*"),
    **dict.fromkeys(("gather", "gathered", "multline"), "matrix"),
    "dcases": "cases",
    "equation": "",
}
ENVIRONMENT_EDGE = re.compile(r"\\(begin|end)\{([a-z]{1,12})\*?\}((?<=at\})\{\d\d?\}|(?<=at\*\})\{\d\d?\})?")
UNSEEN = re.compile(r"\\label\{[^{}]{0,200}\}|(?<=\\\\)\[-?[\d.]{1,6}[a-z]{2}\]")  # labels, and [4pt] after a row

FindOpening = Callable[[str, int], tuple[str, str] | None]


def add_formulas(reader: MarkdownIt, brackets: bool) -> None:
    """Reads formulas. brackets: also those in brackets and environments, not only in dollars."""
    find = partial(find_opening, BRACKETS if brackets else DOLLARS)
    reader.inline.ruler.before("escape", "formula", partial(match_formula, find))
    reader.block.ruler.before("fence", "formula_block", partial(match_block, find), INTERRUPTING)


def find_opening(pattern: re.Pattern[str], text: str, place: int) -> tuple[str, str] | None:
    """What opens a formula at a place of a text, and what closes it."""
    match = pattern.match(text, place)
    if not match:
        return None
    return match[0], CLOSINGS.get(match[0]) or f"\\end{{{match[1]}}}"


def find_closing(text: str, closing: str, start: int, end: int) -> int:
    """The place of the first closing mark that is not escaped; -1 without one."""
    place = text.find(closing, start, end)
    while place > 0 and is_escaped(text, place):
        place = text.find(closing, place + 1, end)
    return place


def is_escaped(text: str, place: int) -> bool:
    """Whether an odd number of backslashes precedes a place."""
    start = place
    while start and text[start - 1] == "\\":
        start -= 1
    return (place - start) % 2 == 1


def match_formula(find: FindOpening, state: StateInline, silent: bool) -> bool:
    """A formula within a line."""
    begin, text = state.pos, state.src
    marks = find(text, begin)
    if not marks or is_escaped(text, begin):
        return False
    opening, closing = marks
    end = find_closing(text, closing, begin + len(opening), state.posMax)
    if end < 0:
        return False
    content = text[begin + len(opening) : end]
    if len(content) > LONGEST_FORMULA:
        return False
    after = text[end + len(closing) : end + len(closing) + 1]
    before = text[max(0, begin - 1) : begin]
    if opening == "$" and not is_formula_in_dollars(content, before, after):
        return False
    if not is_plausible(opening, content):
        return False
    if not silent:
        token = state.push("formula", "math", 0)
        token.content = text[begin : end + len(closing)] if is_environment(opening) else content.strip()
        token.meta = {"display": opening not in ("$", "\\(")}
    state.pos = end + len(closing)
    return True


def match_block(find: FindOpening, state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A formula on lines of its own."""
    begin = state.bMarks[start] + state.tShift[start]
    marks = None if state.is_code_block(start) else find(state.src, begin)
    if not marks or marks[0] in ("$", "\\("):
        return False
    opening, closing = marks
    place = find_closing(state.src, closing, begin + len(opening), state.eMarks[end - 1])
    if place < 0:
        return False
    last = bisect_left(state.eMarks, place, start, end)
    if place - begin > LONGEST_FORMULA or state.src[place + len(closing) : state.eMarks[last]].strip():
        return False  # text follows: a formula within a line
    if any(state.sCount[line] < state.blkIndent and not state.isEmpty(line) for line in range(start + 1, last + 1)):
        return False  # it ends outside of this list or quote
    whole = state.getLines(start, last + 1, state.blkIndent, False).strip()
    content = whole[len(opening) : -len(closing)]
    if not is_plausible(opening, content) and not re.fullmatch(r"[A-Za-z]", content):
        return False
    if any(map(state.isEmpty, range(start + 1, last))) and state.src[begin : state.eMarks[start]].strip() != opening:
        return False
    if not silent:
        token = state.push("formula_block", "math", 0)
        token.content = whole if is_environment(opening) else content.strip()
        token.block, token.map = True, [start, last + 1]
        state.line = last + 1
    return True


def is_environment(opening: str) -> bool:
    return opening.startswith("\\begin")


def is_plausible(opening: str, content: str) -> bool:
    """Whether what these marks enclose is a formula."""
    if is_environment(opening):
        return True
    if opening == "\\[":
        return is_formula(content)
    return bool(content.strip()) and not is_prose(content)


def is_formula(content: str) -> bool:
    """Whether brackets contain a formula rather than words or a number.

    >>> [is_formula(text) for text in ("x^2", " a ", "Your Name", "1")]
    [True, True, False, False]
    """
    if not content.strip():
        return False
    is_apart = content[0].isspace() and content[-1].isspace() and not WORDS.search(content)
    return is_apart or bool(TEX.search(content))


def is_prose(content: str) -> bool:
    """Whether dollars or parentheses enclose words, code or nothing that can be read.

    >>> [is_prose(text) for text in ("x", "\\\\text{two words}", "two words", "HOME and `", " - ")]
    [False, False, True, True, True]
    """
    if "`" in content or not any(character.isalnum() or character == "\\" for character in content):
        return True
    return bool(WORDS.search(content)) and not TEX.search(content)


def is_formula_in_dollars(content: str, before: str, after: str) -> bool:
    """Whether single dollars enclose a formula rather than amounts of money or names of variables.

    before, after: the characters next to the dollars, "" at an end of the text.

    >>> [is_formula_in_dollars(text, "", "") for text in ("x", " x ", "5 and ", "5 or 10", "10 = x", "5 + 5")]
    [True, True, False, False, True, True]
    >>> is_formula_in_dollars("5 and ", "", "1"), is_formula_in_dollars("HOME:", "", "P")
    (False, False)
    """
    if before.isdigit() or after.isdigit() or content[:1].isspace() != content[-1:].isspace():
        return False
    if AMOUNT.match(content) and WORD.search(content) and not TEX.search(content):
        return False
    return not (after.isalpha() and NAME.fullmatch(content))


def adapt_environments(formula: str) -> str:
    """The formula with environments that the converter to MathML knows.

    >>> adapt_environments("\\\\begin{aligned}a &= b\\\\end{aligned}")
    '\\\\begin{align*}a &= b\\\\end{align*}'
    """

    def replace(match: re.Match[str]) -> str:
        edge, name = match[1], match[2]
        if name not in REPLACED:
            return match[0]
        return f"\\{edge}{{{REPLACED[name]}}}" if REPLACED[name] else ""

    return ENVIRONMENT_EDGE.sub(replace, UNSEEN.sub("", formula))
