"""Rules of the Markdown parser for tables and task lists, so that nothing of a row or an item is lost."""

import re

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block.table import escapedSplit, table
from markdown_it.rules_core import StateCore
from markdown_it.token import Token

# In a row with too many cells, pipes in these do not separate cells.
WHOLE = re.compile(r"(?<!\\)(?:(`+)(?!`).+?(?<!`)\1(?!`)|\\\(.+?\\\)|\$(?!\s)[^$]+(?<![\s\\])\$(?!\d))")
LONGEST_ROW = 5_000  # characters of a row that is searched for them
TASK = re.compile(r"\[([ xX])\](?=\s)")
BOXES = {" ": "☐", "x": "☑", "X": "☑"}


def add_tables(reader: MarkdownIt) -> None:
    reader.block.ruler.at("table", match_table, {"alt": ["paragraph", "reference"]})
    reader.core.ruler.push("tasks", mark_tasks)
    reader.add_render_rule("task", lambda _renderer, tokens, n, *_: f'<span class="task">{tokens[n].content}</span>')


def match_table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A table whose rows keep all their cells: those beyond the last column become part of it."""
    first = len(state.tokens)
    if not table(state, start, end, silent):
        return False
    cells: list[Token] = []
    for token in state.tokens[first:]:
        if token.type == "tr_open":
            cells = []
        elif token.type == "inline":
            cells.append(token)
        elif token.type == "tr_close" and cells and cells[0].map:
            line = cells[0].map[0]
            fill_cells(cells, state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]].strip())
    return True


def fill_cells(cells: list[Token], row: str) -> None:
    """Gives the cells of a row the texts that the parser would leave out."""
    texts = split_row(row)
    if len(texts) <= len(cells):
        return
    if len(row) <= LONGEST_ROW:
        whole = split_row(WHOLE.sub(lambda match: match[0].replace("|", "\\|"), row))
        texts = whole if len(whole) == len(cells) else texts
    last = len(cells) - 1
    for cell, text in zip(cells, [*texts[:last], " | ".join(texts[last:])], strict=True):
        cell.content = text


def split_row(row: str) -> list[str]:
    """The texts of a row's cells.

    >>> split_row("| a | b \\\\| c |"), split_row("a | b")
    (['a', 'b | c'], ['a', 'b'])
    """
    texts = escapedSplit(row)
    inner = texts[not texts[0] : len(texts) - (not texts[-1] and len(texts) > 1)]
    return [text.strip() for text in inner]


def mark_tasks(state: StateCore) -> None:
    """Shows items that begin with `[ ]` or `[x]` with a box."""
    for item, paragraph, inline in zip(state.tokens, state.tokens[1:], state.tokens[2:], strict=False):
        if item.type != "list_item_open" or paragraph.type != "paragraph_open" or not inline.children:
            continue
        first = inline.children[0]
        match = TASK.match(first.content) if first.type == "text" else None
        if match:
            first.content = first.content[match.end() :]
            inline.children.insert(0, Token("task", "span", 0, content=BOXES[match[1]]))
