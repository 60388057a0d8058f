"""Renders Markdown with highlighted code and formulas to HTML, sanitised by an allow-list.

All input is hostile. Markdown passes no HTML through, and nh3 is always the last step. Everything that is slow to
render has a limit here. Pages render in another process (renderers.py), which dies if a text still takes too long.
Imports no Django.
"""

import re
import zlib
from collections.abc import Callable, Sequence
from typing import TypedDict

import nh3
from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.newline import newline
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from datasets.text.emphasis import add_emphasis
from datasets.text.formulas import adapt_environments, add_formulas
from datasets.text.links import add_links
from datasets.text.reading_time import count_words
from datasets.text.reasoning import split_reasoning
from datasets.text.tables import add_tables
from datasets.text.unfenced import wrap_unfenced_code

# The version of the HTML made here. HTML stored by an earlier version is not shown: its text is rendered again when it
# is next needed. Raise it with each change of the HTML (a test holds that).
VERSION = 1
LONGEST_RENDERED = 200_000  # characters of a text or of a whole prompt; longer ones are shown as plain text
LONGEST_PAGE = 4_000_000  # characters of HTML
MOST_BRACKETS = 200  # `\\(`, `\\[` and `\\begin` in a text; the search for the end of each takes linear time
LONGEST_CODE, ALL_CODE = 10_000, 50_000  # characters highlighted, per block and per text
LONGEST_FORMULA, ALL_FORMULAS = 2_000, 40_000  # characters rendered, per formula and per text
DEEPEST_FORMULA = 30  # nested groups
MOST_FORMULAS = 1_000
# A block of more than 500 characters that compresses to less than 1/8 is not highlighted.
REPETITIVE_RATIO, REPETITIVE_FROM = 8, 500

# Of Pygments' 600 lexers, those of languages that models write. Each is tested against repetitive text, in which many
# lexers take quadratic time. Those that take it in any text with many lines have a lower limit.
LANGUAGE_LIMITS = dict.fromkeys(("c#", "cs", "csharp", "groovy", "java"), 4_000)  # characters
LEXERS = {
    "bash", "bat", "c", "c++", "c#", "clojure", "cmake", "cpp", "cs", "csharp", "css", "cuda", "dart", "diff",
    "docker", "dockerfile", "elixir", "erlang", "fortran", "fsharp", "go", "golang", "graphql", "groovy", "haskell",
    "hs", "html", "http", "ini", "java", "javascript", "jinja", "js", "json", "jsx", "julia", "kotlin", "latex",
    "less", "lisp", "lua", "markdown", "matlab", "md", "mysql", "nginx", "objective-c", "ocaml",
    "octave", "pascal", "perl", "php", "plpgsql", "postgres", "postgresql", "powershell", "prolog", "properties",
    "protobuf", "ps1", "py", "pycon", "python", "python3", "r", "rb", "rs", "ruby", "rust", "sass", "scala", "scheme",
    "scss", "sh", "shell", "solidity", "sql", "swift", "tex", "toml", "ts", "tsx", "typescript", "vb.net", "verilog",
    "vhdl", "vim", "vue", "xml", "yaml", "yml", "zig", "zsh",
}  # fmt: skip

MATHML = {
    "math", "mrow", "mi", "mo", "mn", "ms", "mtext", "mspace", "mfrac", "msqrt", "mroot", "msub", "msup", "msubsup",
    "munder", "mover", "munderover", "mtable", "mtr", "mtd", "mstyle", "menclose", "mpadded", "mphantom", "mfenced",
    "mmultiscripts", "mprescripts", "semantics",
}  # fmt: skip
TAGS = {
    "p", "br", "hr", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong",
    "s", "a", "table", "thead", "tbody", "tr", "th", "td", "div", "span", *MATHML,
}  # fmt: skip
# Each block takes its direction from its own text; code and formulas are left to right in any text.
DIRECTED = {"p", "h3", "h4", "h5", "h6", "ul", "li", "blockquote", "pre", "code", "table"}
DIRECTED_TOKENS = {
    "paragraph_open", "heading_open", "bullet_list_open", "ordered_list_open", "list_item_open", "blockquote_open",
    "table_open", "th_open", "td_open",
}  # fmt: skip
ATTRIBUTES = {
    **{tag: {"dir"} for tag in DIRECTED},
    "a": {"href", "title"},
    "ol": {"start", "dir"},
    "th": {"align", "dir"},
    "td": {"align", "dir"},
    "span": {"class"},
    "div": {"class", "dir"},
    "math": {"display", "dir"},
    "mo": {"stretchy", "fence", "form", "separator", "lspace", "rspace", "minsize", "maxsize", "movablelimits"},
    "mi": {"mathvariant"},
    "mspace": {"width", "linebreak"},
    "mtd": {"columnalign"},
    "mtable": {"columnalign", "rowspacing", "columnspacing", "columnlines", "rowlines"},
    "mfrac": {"linethickness"},
    "menclose": {"notation"},
    "mover": {"accent"},
    "munder": {"accentunder"},
}
LANGUAGE = re.compile(r"(?:[A-Za-z][\w+#.-]{0,30})?(?:[ ,{].*[:={}].*)?", re.ASCII)  # after an opening fence
ASSISTANT = "assistant"
CODE_FORMATTER = HtmlFormatter(nowrap=True)


class PromptHtml(TypedDict):
    """The rendered parts of a prompt. turns: [[role, html], …]."""

    system: str
    turns: list[list[str]]
    instruction: str
    input: str


Turns = Sequence[Sequence[str]]  # [[role, text], …]


class Usage:
    """How much of its limits the current text has used. A process renders one text at a time."""

    code = formulas = many = 0


def highlight_code(code: str, language: str, _attributes: str) -> str:
    """The inner HTML of a code block; "" makes Markdown show it escaped, without colours."""
    language = language.lower()
    longest = min(LANGUAGE_LIMITS.get(language, LONGEST_CODE), ALL_CODE - Usage.code)
    if language not in LEXERS or len(code) > longest or is_repetitive(code):
        return ""
    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return ""
    Usage.code += len(code)
    html: str = highlight(code, lexer, CODE_FORMATTER)
    return html


def is_repetitive(code: str) -> bool:
    """Whether a block repeats itself over and over, as the output of a model stuck in a loop does."""
    return len(code) > REPETITIVE_FROM and len(
        zlib.compress(code.encode("utf-8", "replace"), 1)
    ) * REPETITIVE_RATIO < len(code)


def render_formula(text: str, display: bool = False) -> str:
    """MathML; the formula's source where it is invalid or exceeds a limit.

    display: as a block, not inline.
    """
    Usage.formulas += len(text)
    Usage.many += 1
    is_small = len(text) <= LONGEST_FORMULA and compute_depth(text) <= DEEPEST_FORMULA
    if is_small and Usage.formulas <= ALL_FORMULAS and Usage.many <= MOST_FORMULAS:
        try:
            mathml: str = convert(adapt_environments(text), display="block" if display else "inline")
            return mathml.replace("<math ", '<math dir="ltr" ', 1)
        except Exception:
            pass
    return f"<code>{nh3.clean_text(text)}</code>"


def compute_depth(text: str) -> int:
    """The depth of a formula's nested groups, where each \\left and \\begin counts as nested."""
    depth = deepest = 0
    for character in text:
        depth += (character == "{") - (character == "}")
        deepest = max(deepest, depth)
    return max(deepest, text.count("\\left"), text.count("\\begin"))


def render_formula_block(
    self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    formula = render_formula(tokens[index].content.strip(), display=True)
    return f'<div class="formula" dir="auto">\n{formula}\n</div>\n'


def render_formula_in_line(
    self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    """A formula within a paragraph, also one set apart: a `div` would end the paragraph."""
    return render_formula(tokens[index].content, tokens[index].meta["display"])


def render_fence(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """A fenced block of code, or of a formula; what follows the opening fence and names no language is code."""
    token = tokens[index]
    info = token.info.strip()
    if info.lower() == "math":
        return render_formula_block(self, tokens, index, options, env)
    if not LANGUAGE.fullmatch(info):
        token.content, token.info = f"{info}\n{token.content}", ""
    return RendererHTML.fence(self, tokens, index, options, env)


def build_code_rule(rule: Callable[..., str]) -> Callable[..., str]:
    """Renders a block of code left to right."""

    def render_code(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
        html = rule(self, tokens, index, options, env)
        return html.replace("<pre", '<pre dir="auto"', 1).replace("<code", '<code dir="ltr"', 1)

    return render_code


def render_aligned_cell(
    self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    """Renders a table cell with its alignment as an attribute: the content security policy forbids styles."""
    style = str(tokens[index].attrs.pop("style", ""))
    if style.startswith("text-align:"):
        tokens[index].attrs["align"] = style.removeprefix("text-align:")
    return self.renderToken(tokens, index, options, env)


def lower_headings(state: StateCore) -> None:
    """Lowers an answer's headings below those of the page, and closes gaps between its levels."""
    above: list[int] = []
    for token in state.tokens:
        if token.type == "heading_open":
            level = int(token.tag[1])
            while above and above[-1] >= level:
                above.pop()
            above.append(level)
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, 2 + len(above))}"


def mark_directions(state: StateCore) -> None:
    """Lets each block take its direction from its own text."""
    for token in state.tokens:
        if token.type in DIRECTED_TOKENS:
            token.attrSet("dir", "auto")


def keep_first_blanks(state: StateCore) -> None:
    """Keeps the blanks before the first line of a paragraph that has some before others too."""
    lines: list[str] = []
    for token in state.tokens:
        if token.level == 1 and token.map and any(child.type == "blanks" for child in token.children or ()):
            lines = lines or state.src.split("\n")
            line = lines[token.map[0]]
            blanks = line[: len(line) - len(line.lstrip(" "))]
            if len(blanks) > 1 and token.children:
                token.children.insert(0, Token("blanks", "span", 0, content=blanks))


def keep_blanks(state: StateInline, silent: bool) -> bool:
    """Reads a line break, with the blanks at the beginning of the next line."""
    begin = state.pos
    if not newline(state, silent):
        return False
    blanks = state.src[begin + 1 : state.pos]
    if blanks and not silent:
        state.push("blanks", "span", 0).content = blanks.expandtabs(4)
    return True


def render_blanks(self: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    return f'<span class="blanks">{tokens[index].content}</span>'


def build_reader(brackets: bool) -> MarkdownIt:
    """A Markdown parser and renderer. brackets: \\( … \\), \\[ … \\] and environments are formulas too."""
    reader = MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": True, "highlight": highlight_code})
    reader.enable(["table", "strikethrough"])
    reader.inline.ruler.at("newline", keep_blanks)
    add_formulas(reader, brackets)
    add_emphasis(reader)
    add_tables(reader)
    add_links(reader)
    reader.core.ruler.push("blanks", keep_first_blanks)
    reader.core.ruler.push("lowered", lower_headings)
    reader.core.ruler.push("directed", mark_directions)
    rules = {
        "blanks": render_blanks,
        "th_open": render_aligned_cell,
        "td_open": render_aligned_cell,
        "fence": build_code_rule(render_fence),
        "code_block": build_code_rule(RendererHTML.code_block),
        "formula": render_formula_in_line,
        "formula_block": render_formula_block,
    }
    for name, rule in rules.items():
        reader.add_render_rule(name, rule)
    return reader


BRACKET_READER, DOLLAR_READER = build_reader(True), build_reader(False)


def render_plain(text: str) -> str:
    """The text unchanged, escaped for a page."""
    return f'<pre dir="auto">{nh3.clean_text(text)}</pre>'


# Lines that begin with a letter, or with a number that begins no list, and contain nothing that begins markup.
SIMPLE_LINE = r"(?!\d+[.)])[^\W_](?:[^\s\x00-\x1f\x7f\\`*_{}\[\]<>#+|~$&=]| +(?=[^\s]))*"
SIMPLE = re.compile(rf"{SIMPLE_LINE}(?:\n+{SIMPLE_LINE})*\n*")
LONGEST_SIMPLE = 20_000  # characters


def render_simple(text: str) -> str | None:
    """The HTML of a text without markup, the same as from `render`, in linear time; None for any other text."""
    if len(text) > LONGEST_SIMPLE or not SIMPLE.fullmatch(text) or "://" in text or "www." in text.lower():
        return None
    paragraphs = (part for part in re.split(r"\n\n+", text.rstrip("\n")))
    return "".join('<p dir="auto">{}</p>\n'.format(part.replace("\n", "<br>\n")) for part in paragraphs)


def render(text: str) -> tuple[str, str]:
    """Safe HTML of an answer, and why it is shown as plain text: "" (it is not) or "long"."""
    Usage.code = Usage.formulas = Usage.many = 0
    return render_answer(text)


def render_answer(text: str) -> tuple[str, str]:
    """As `render`, within the limits that the texts rendered before have left. Folds reasoning."""
    parts = split_reasoning(text) if len(text) <= LONGEST_RENDERED else []
    if len(parts) < 2 and not any(part.is_reasoning for part in parts):
        return render_markdown(parts[0].text if parts else text)
    htmls: list[str] = []
    for part in parts:
        html, why = render_markdown(part.text)
        if why:
            return render_plain(text), why
        htmls.append(fold_reasoning(html, part.text) if part.is_reasoning else html)
    return "".join(htmls), ""


def fold_reasoning(html: str, text: str) -> str:
    """The safe HTML of reasoning as a part that unfolds; datasets.text.shown adds its heading."""
    return f'<details class="reasoning" data-words="{count_words(text)}">\n{html}</details>\n'


def render_markdown(text: str) -> tuple[str, str]:
    """Safe HTML of a text without reasoning, within the limits that the texts rendered before have left."""
    if len(text) > LONGEST_RENDERED:
        return render_plain(text), "long"
    brackets = 0 < text.count("\\(") + text.count("\\[") + text.count("\\begin{") <= MOST_BRACKETS
    try:
        html = (BRACKET_READER if brackets else DOLLAR_READER).render(wrap_unfenced_code(text))
    except RecursionError:
        return render_plain(text), "long"
    if len(html) > LONGEST_PAGE:
        return render_plain(text), "long"
    html = nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        allowed_classes=None,
    )
    return html, ""


def collect_texts(system: str, turns: Turns, instruction: str, input_text: str) -> list[str]:
    """The texts of a prompt's parts."""
    return [system, *(text for _role, text in turns), instruction, input_text]


def render_prompt(system: str, turns: Turns, instruction: str, input_text: str) -> tuple[PromptHtml, str]:
    """The rendered parts of a prompt, and why it is shown as plain text (see `render`).

    The limits apply to the prompt as a whole.
    """
    Usage.code = Usage.formulas = Usage.many = 0
    if sum(map(len, collect_texts(system, turns, instruction, input_text))) > LONGEST_RENDERED:
        return render_plain_prompt(system, turns, instruction, input_text), "long"
    whys: set[str] = set()

    def render_part(text: str, role: str = "") -> str:
        html, why = (render_answer if role == ASSISTANT else render_markdown)(text) if text else ("", "")
        whys.add(why)
        return html

    parts: PromptHtml = {
        "system": render_part(system),
        "turns": [[role, render_part(text, role)] for role, text in turns],
        "instruction": render_markdown(instruction)[0],
        "input": render_part(input_text),
    }
    length = len(parts["instruction"]) + sum(
        map(len, (parts["system"], parts["input"], *(h for _, h in parts["turns"])))
    )
    if length > LONGEST_PAGE:
        return render_plain_prompt(system, turns, instruction, input_text), "long"
    return parts, max(whys)


def render_simple_prompt(system: str, turns: Turns, instruction: str, input_text: str) -> PromptHtml | None:
    """The rendered parts of a prompt without markup, the same as from `render_prompt`; None for any other prompt."""
    texts = [text for text in collect_texts(system, turns, instruction, input_text) if text]
    if sum(map(len, texts)) > LONGEST_SIMPLE:
        return None
    found = {text: render_simple(text) for text in texts} | {"": ""}
    htmls = {text: html for text, html in found.items() if html is not None}
    if len(htmls) < len(found) or not instruction:
        return None
    return {
        "system": htmls[system],
        "turns": [[role, htmls[text]] for role, text in turns],
        "instruction": htmls[instruction],
        "input": htmls[input_text],
    }


def render_plain_prompt(system: str, turns: Turns, instruction: str, input_text: str) -> PromptHtml:
    """The parts of a prompt unchanged, escaped for a page."""
    return {
        "system": render_plain(system) if system else "",
        "turns": [[role, render_plain(text)] for role, text in turns],
        "instruction": render_plain(instruction),
        "input": render_plain(input_text) if input_text else "",
    }
