"""Rules of the Markdown parser for links: bare addresses, images as links, and definitions that stay visible."""

import re
from collections.abc import Sequence

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block.reference import reference
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

# Without the punctuation of Chinese texts, which write no blank after an address.
ADDRESS = re.compile(
    r"(?<![A-Za-z0-9_/.@])(?:https?://|www\.(?=[\w-]+\.))[^\s<>\"`|\\\u2018-\u201d\u2026\u3000-\u303f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65]{1,2000}",
    re.IGNORECASE,
)
FOOTNOTE = re.compile(r"\[\^[^\s\[\]]{1,100}\]:")
LINE_BREAK = re.compile(r"<br ?/?>", re.IGNORECASE)
PICTURE = "\N{FRAME WITH PICTURE}"
# What datasets.text.shown replaces by words in the reader's language.
IS_IMAGE = '<span class="image"></span>'


def add_links(reader: MarkdownIt) -> None:
    reader.block.ruler.at("reference", match_reference)
    reader.core.ruler.push("addresses", find_addresses)
    reader.add_render_rule("image", render_image)


def match_reference(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A definition such as `[1]: https://example.com`, also shown as text; or a line of a footnote, `[^1]: …`."""
    if silent or state.is_code_block(start):
        return False
    if FOOTNOTE.match(state.src, state.bMarks[start] + state.tShift[start]):
        state.line = start + 1
    elif not reference(state, start, end, silent):
        return False
    content = "\\" + state.getLines(start, state.line, state.blkIndent, False).strip()  # its label is no link
    previous = state.tokens[-2] if len(state.tokens) > 1 else None
    if previous and previous.meta.get("defines") and previous.map and previous.map[1] == start:
        previous.content += "\n" + content
        previous.map[1] = state.line
        return True
    state.push("paragraph_open", "p", 1).map = [start, state.line]
    inline = state.push("inline", "", 0)
    inline.content, inline.map, inline.children = content, [start, state.line], []
    inline.meta["defines"] = True
    state.push("paragraph_close", "p", -1)
    return True


def find_addresses(state: StateCore) -> None:
    """Links bare addresses; in cells of tables, also reads `<br>` as a line break."""
    for before, token in zip([None, *state.tokens], state.tokens, strict=False):
        if token.type != "inline" or not token.children:
            continue
        in_cell = before is not None and before.type in ("td_open", "th_open")
        if in_cell and "<br" in token.content.lower():
            token.children = [new for child in token.children for new in split_at_breaks(child)]
        if "://" in token.content or "www." in token.content.lower() or "![" in token.content:
            token.children = split_line(state.md, token.children)


def split_at_breaks(token: Token) -> list[Token]:
    """A text of a cell, with line breaks in place of `<br>`."""
    if token.type != "text":
        return [token]
    texts = [build_text(text, token.level) for text in LINE_BREAK.split(token.content)]
    breaks = [Token("hardbreak", "br", 0) for _ in texts]
    return [new for pair in zip(texts, breaks, strict=True) for new in pair][:-1]


def split_line(reader: MarkdownIt, tokens: Sequence[Token]) -> list[Token]:
    """The tokens of a line, with links around the addresses in its texts; marks images within links."""
    linked: list[Token] = []
    depth = 0
    for token in tokens:
        depth += (token.type == "link_open") - (token.type == "link_close")
        token.meta |= {"in_link": bool(depth)} if token.type == "image" else {}
        linked += split_at_addresses(reader, token) if token.type == "text" and not depth else [token]
    return linked


def split_at_addresses(reader: MarkdownIt, token: Token) -> list[Token]:
    """A text, with links around its addresses."""
    tokens: list[Token] = []
    done = 0
    for match in ADDRESS.finditer(token.content):
        address = strip_punctuation(match[0])
        href = reader.normalizeLink(address if "://" in address[:8] else f"http://{address}")
        if not reader.validateLink(href):
            continue
        start, end = match.start(), match.start() + len(address)
        opened = Token("link_open", "a", 1, {"href": href}, level=token.level, markup="linkify", info="auto")
        tokens += [build_text(token.content[done:start], token.level), opened]
        tokens += [build_text(address, token.level + 1), Token("link_close", "a", -1, level=token.level)]
        done = end
    return [*tokens, build_text(token.content[done:], token.level)]


def build_text(content: str, level: int) -> Token:
    return Token("text", "", 0, content=content, level=level)


def strip_punctuation(address: str) -> str:
    """The address without what ends the sentence around it.

    >>> strip_punctuation("https://a.b/c_(d)?e=1)."), strip_punctuation("https://a.b/c.)")
    ('https://a.b/c_(d)?e=1', 'https://a.b/c')
    """
    while True:
        stripped = address.rstrip("?!.,:;*_~'")
        if stripped.endswith(")") and stripped.count(")") > stripped.count("("):
            stripped = stripped[:-1]
        if stripped == address:
            return address
        address = stripped


def render_image(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """A link to the image, named by its description; within a link only the description. Nothing is loaded."""
    token = tokens[index]
    words = "".join(child.content if child.content or child.type == "text" else " " for child in token.children or ())
    address = str(token.attrs["src"])
    words = " ".join(words.split()) or address.partition("?")[0].rstrip("/").rpartition("/")[2][:80] or address[:80]
    label = self.text([build_text(f"{PICTURE} {words}", 0)], 0, options, env) + IS_IMAGE
    if token.meta.get("in_link"):
        return label
    opened = Token("link_open", "a", 1, {name: value for name, value in token.attrs.items() if name == "title"})
    opened.attrSet("href", address)
    return self.renderToken([opened], 0, options, env) + label + "</a>"
