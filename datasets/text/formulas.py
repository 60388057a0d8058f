"""Rules of the Markdown parser for formulas in \\( … \\), \\[ … \\] and $$ … $$, also right after a line of text."""

import re
from bisect import bisect_left

from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline
from mdit_py_plugins.dollarmath.index import math_block_dollar

INTERRUPTING: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}  # what such a block ends
MOST_STEPS = 200_000  # lines that are searched for the ends of all `$$` of a text
CLOSINGS = {"\\(": "\\)", "\\[": "\\]"}

# Brackets are escaped in Markdown too, as in "Dear \[Your Name\]": a formula contains something of TeX.
TEX = re.compile(r"[\^=<>{}+|]|\\[A-Za-z]|(?<![^\W\d_]{2})_|\d\s+[-*/]\s+\d")
WORDS = re.compile(r"[^\W\d_]{2,}\s+[^\W\d_]{2,}")

find_dollar_block = math_block_dollar(allow_blank_lines=True)


def add_dollar_blocks(reader: MarkdownIt) -> None:
    """Lets a block of $$ … $$ end a paragraph."""
    reader.block.ruler.at("math_block", match_dollar_block, INTERRUPTING)


def add_brackets(reader: MarkdownIt) -> None:
    """Reads \\( … \\) and \\[ … \\]; their tokens are `bracket_formula` (meta: display) and `bracket_block`."""
    reader.inline.ruler.before("escape", "bracket_formula", match_bracket)
    reader.block.ruler.before("fence", "bracket_block", match_bracket_block, INTERRUPTING)


def match_dollar_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """As the plugin's rule, which adds its token also when it is only asked whether it matches."""
    if not silent:
        return find_dollar_block(state, start, end, silent)
    if not state.src.startswith("$$", state.bMarks[start] + state.tShift[start]):
        return False
    if "steps" not in state.env:
        state.env["steps"] = state.src.count("$$") * len(state.bMarks)
    if state.env["steps"] > MOST_STEPS:
        return False
    line, tokens = state.line, len(state.tokens)
    is_matched = find_dollar_block(state, start, end, silent)
    state.line = line
    del state.tokens[tokens:]
    return is_matched


def match_bracket(state: StateInline, silent: bool) -> bool:
    """A formula within a line: \\( … \\), or \\[ … \\] set apart."""
    opening = state.src[state.pos : state.pos + 2]
    if opening not in CLOSINGS:
        return False
    end = state.src.find(CLOSINGS[opening], state.pos + 2, state.posMax)
    content = state.src[state.pos + 2 : max(end, 0)]
    if end < 0 or not content.strip() or (opening == "\\[" and not is_formula(content)):
        return False
    if not silent:
        token = state.push("bracket_formula", "math", 0)
        token.content, token.meta = content.strip(), {"display": opening == "\\["}
    state.pos = end + 2
    return True


def match_bracket_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A formula \\[ … \\] on lines of its own."""
    begin = state.bMarks[start] + state.tShift[start]
    if state.is_code_block(start) or not state.src.startswith("\\[", begin):
        return False
    closing = state.src.find("\\]", begin + 2, state.eMarks[end - 1])
    if closing < 0:
        return False
    last = bisect_left(state.eMarks, closing, start, end)
    if state.src[closing + 2 : state.eMarks[last]].strip():
        return False  # text follows: a formula within a line
    if any(state.sCount[line] < state.blkIndent and not state.isEmpty(line) for line in range(start + 1, last + 1)):
        return False  # it ends outside of this list or quote
    content = state.getLines(start, last + 1, state.blkIndent, False).strip()[2:-2]
    if not is_formula(content) and not re.fullmatch(r"[A-Za-z]", content):
        return False
    if not silent:
        token = state.push("bracket_block", "math", 0)
        token.block, token.content, token.map = True, content.strip(), [start, last + 1]
        state.line = last + 1
    return True


def is_formula(content: str) -> bool:
    """Whether brackets contain a formula rather than words or a number.

    >>> [is_formula(text) for text in ("x^2", " a ", "Your Name", "1")]
    [True, True, False, False]
    """
    if not content.strip():
        return False
    is_apart = content[0].isspace() and content[-1].isspace() and not WORDS.search(content)
    return is_apart or bool(TEX.search(content))
