"""Text of models and people as safe HTML: Markdown with code highlighting and formulas, through an allow-list.

Everything that comes in is hostile. Markdown passes no HTML; nh3 is always the last step. Each part of a text that
takes time has a limit here. Whoever renders for a page does it in another process (renderers.py), which ends where a
text takes too long all the same. Knows no Django.
"""

import re
import zlib

import nh3
from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.texmath import texmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

LONGEST_RENDERED = 200_000  # characters of a text, or of a whole prompt; longer ones are shown as plain text
LONGEST_PAGE = 4_000_000  # characters of HTML
MOST_BRACKETS = 200  # texmath takes quadratic time in the number of `\\(`
LONGEST_CODE, ALL_CODE = 10_000, 50_000  # characters that are highlighted: of one block, of a text
LONGEST_FORMULA, ALL_FORMULAS = 2_000, 40_000  # characters, likewise
DEEPEST_FORMULA = 30  # groups within groups
MOST_FORMULAS = 1_000
# A block that zips to less than 1/8 is not highlighted, above 500 characters.
REPETITIVE_RATIO, REPETITIVE_FROM = 8, 500

# Of Pygments' 600 lexers those of languages that models write, each tested against repetitive text: many take quadratic
# time in it. Those that do in any text with many lines have a limit of their own.
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
ATTRIBUTES = {
    "a": {"href", "title"},
    "ol": {"start"},
    "th": {"align"},
    "td": {"align"},
    "span": {"class"},
    "div": {"class"},
    "math": {"display"},
    "mo": {"stretchy", "fence", "form", "separator", "lspace", "rspace", "minsize", "maxsize", "movablelimits"},
    "mi": {"mathvariant"},
    "mspace": {"width", "linebreak"},
    "mtable": {"columnalign", "rowspacing", "columnspacing", "columnlines", "rowlines"},
    "mfrac": {"linethickness"},
    "menclose": {"notation"},
    "mover": {"accent"},
    "munder": {"accentunder"},
}
CODE_FORMATTER = HtmlFormatter(nowrap=True)


class Usage:
    """What a text has taken so far of what it may take. One text is rendered at a time in a process."""

    code = formulas = many = 0


def highlight_code(code, language, _attributes):
    """Inner HTML of a code block; "" lets Markdown escape it as it is."""
    language = language.lower()
    longest = min(LANGUAGE_LIMITS.get(language, LONGEST_CODE), ALL_CODE - Usage.code)
    if language not in LEXERS or len(code) > longest or is_repetitive(code):
        return ""
    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return ""
    Usage.code += len(code)
    return highlight(code, lexer, CODE_FORMATTER)


def is_repetitive(code):
    """Whether a block says much the same over and over, as a model that has lost its way does."""
    return len(code) > REPETITIVE_FROM and len(
        zlib.compress(code.encode("utf-8", "replace"), 1)
    ) * REPETITIVE_RATIO < len(code)


def render_formula(text, display=False):
    """MathML, or the formula's own text where it cannot be read, or is too long or too deep."""
    Usage.formulas += len(text)
    Usage.many += 1
    is_small = len(text) <= LONGEST_FORMULA and compute_depth(text) <= DEEPEST_FORMULA
    if is_small and Usage.formulas <= ALL_FORMULAS and Usage.many <= MOST_FORMULAS:
        try:
            return convert(text, display="block" if display else "inline")
        except Exception:
            pass
    return f"<code>{nh3.clean_text(text)}</code>"


def compute_depth(text):
    """How many groups lie within one another in a formula."""
    depth = deepest = 0
    for character in text:
        depth += (character == "{") - (character == "}")
        deepest = max(deepest, depth)
    return max(deepest, text.count("\\left"), text.count("\\begin"))


def render_dollar_formula(text, options):
    return render_formula(text, options.get("display_mode", False))


def render_aligned_cell(self, tokens, index, options, env):
    """Table cells say their alignment in an attribute: a style would break the content policy."""
    style = str(tokens[index].attrs.pop("style", ""))
    if style.startswith("text-align:"):
        tokens[index].attrs["align"] = style.removeprefix("text-align:")
    return self.renderToken(tokens, index, options, env)


def lower_headings(state):
    """Headings of an answer stand below those of the page, one level below another, whatever levels it skips."""
    above = []
    for token in state.tokens:
        if token.type == "heading_open":
            level = int(token.tag[1])
            while above and above[-1] >= level:
                above.pop()
            above.append(level)
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, 2 + len(above))}"


def build_reader(brackets):
    """A Markdown reader; `brackets`: \\( … \\) and \\[ … \\] are formulas too."""
    reader = MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": True, "highlight": highlight_code})
    reader.enable(["table", "strikethrough"]).disable("image")
    reader.use(dollarmath_plugin, allow_digits=False, double_inline=True, renderer=render_dollar_formula)
    reader.core.ruler.push("lowered", lower_headings)
    reader.core.ruler.before("inline", "first_dollar", pad_first_dollar)
    if brackets:
        reader.use(texmath_plugin, delimiters="brackets")
        for name, display in (("math_inline", False), ("math_block", True), ("math_block_eqno", True)):
            reader.add_render_rule(name, build_bracket_rule(display))
    reader.add_render_rule("th_open", render_aligned_cell)
    reader.add_render_rule("td_open", render_aligned_cell)
    return reader


def build_bracket_rule(display):
    def render_bracket(self, tokens, index, options, env):
        return render_formula(tokens[index].content, display)

    return render_bracket


def pad_first_dollar(state):
    """Let a formula be the first thing in a paragraph that ends with a digit: there dollarmath 0.7 looks for "the
    digit before it" at the paragraph's end. A trailing blank changes nothing that is shown."""
    for token in state.tokens:
        if token.type == "inline" and token.content[:1] == "$" and token.content[-1].isdigit():
            token.content += " "


BRACKET_READER, DOLLAR_READER = build_reader(True), build_reader(False)


def render_plain(text):
    """A text as it is, for a page."""
    return f"<pre>{nh3.clean_text(text)}</pre>"


# Lines that begin with a letter, or a number that begins no list, and hold nothing that begins any markup.
SIMPLE_LINE = r"(?!\d+[.)])[^\W_](?:[^\s\x00-\x1f\x7f\\`*_{}\[\]<>#+|~$&=]| +(?=[^\s]))*"
SIMPLE = re.compile(rf"{SIMPLE_LINE}(?:\n+{SIMPLE_LINE})*\n*")
LONGEST_SIMPLE = 20_000  # characters


def render_simple(text):
    """The HTML of a text without any markup, the same as render() gives, in linear time; None for any other."""
    if len(text) > LONGEST_SIMPLE or not SIMPLE.fullmatch(text):
        return None
    paragraphs = (part for part in re.split(r"\n\n+", text.rstrip("\n")))
    return "".join("<p>{}</p>\n".format(part.replace("\n", "<br>\n")) for part in paragraphs)


def render(text):
    """(safe HTML of a text, why it is shown as plain text: "" or "long")"""
    Usage.code = Usage.formulas = Usage.many = 0
    return render_markdown(text)


def render_markdown(text):
    if len(text) > LONGEST_RENDERED:
        return render_plain(text), "long"
    brackets = 0 < text.count("\\(") + text.count("\\[") <= MOST_BRACKETS
    try:
        html = (BRACKET_READER if brackets else DOLLAR_READER).render(text)
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


def collect_texts(system, turns, instruction, input):
    """The texts of a prompt's parts."""
    return [system, *(text for _role, text in turns), instruction, input]


def render_prompt(system, turns, instruction, input):
    """({"system", "turns": [[role, html]], "instruction", "input"}, why as plain text). The limits are the whole's."""
    Usage.code = Usage.formulas = Usage.many = 0
    if sum(map(len, collect_texts(system, turns, instruction, input))) > LONGEST_RENDERED:
        return render_plain_prompt(system, turns, instruction, input), "long"
    whys = set()

    def render_part(text):
        html, why = render_markdown(text) if text else ("", "")
        whys.add(why)
        return html

    parts = {
        "system": render_part(system),
        "turns": [[role, render_part(text)] for role, text in turns],
        "instruction": render_markdown(instruction)[0],
        "input": render_part(input),
    }
    length = len(parts["instruction"]) + sum(
        map(len, (parts["system"], parts["input"], *(h for _, h in parts["turns"])))
    )
    if length > LONGEST_PAGE:
        return render_plain_prompt(system, turns, instruction, input), "long"
    return parts, max(whys)


def render_simple_prompt(system, turns, instruction, input):
    """The parts of a prompt without any markup, as of render_prompt; None for any other."""
    texts = [text for text in collect_texts(system, turns, instruction, input) if text]
    if sum(map(len, texts)) > LONGEST_SIMPLE:
        return None
    htmls = {text: render_simple(text) for text in texts} | {"": ""}
    if None in htmls.values() or not instruction:
        return None
    turns = [[role, htmls[text]] for role, text in turns]
    return {"system": htmls[system], "turns": turns, "instruction": htmls[instruction], "input": htmls[input]}


def render_plain_prompt(system, turns, instruction, input):
    """The parts of a prompt as they are."""
    return {
        "system": render_plain(system) if system else "",
        "turns": [[role, render_plain(text)] for role, text in turns],
        "instruction": render_plain(instruction),
        "input": render_plain(input) if input else "",
    }
