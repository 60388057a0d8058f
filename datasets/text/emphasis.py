"""Emphasis in scripts that write no blanks: `**注意：**请` is bold, as chat apps show it, though CommonMark says no."""

import re

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.emphasis import tokenize

# Letters and punctuation of Chinese, Japanese and Korean.
CJK = re.compile(r"[\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")


def add_emphasis(reader: MarkdownIt) -> None:
    reader.inline.ruler.at("emphasis", match_emphasis)


def match_emphasis(state: StateInline, silent: bool) -> bool:
    """As the parser's own rule; next to these scripts, asterisks open and close whatever punctuation is around them."""
    begin, first = state.pos, len(state.delimiters)
    if not tokenize(state, silent):
        return False
    before, after = state.src[max(0, begin - 1) : begin], state.src[state.pos : state.pos + 1]
    if state.src[begin] == "*" and before and after and not before.isspace() and not after.isspace():
        for delimiter in state.delimiters[first:]:
            delimiter.open |= bool(CJK.match(before))
            delimiter.close |= bool(CJK.match(after))
    return True
