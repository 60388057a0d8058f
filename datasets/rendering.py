"""Text of models and people as safe HTML: Markdown with code highlighting and formulas, through an allow-list.

Everything that comes in is hostile. Markdown passes no HTML; nh3 is always the last step.
"""

import json
import threading
from operator import itemgetter

import nh3
from django.db import connection, transaction
from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.texmath import texmath_plugin
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from datasets.identity import sha256
from datasets.models import Prompt, Response
from datasets.writing import writing

RENDERED_WHOLE = 200_000  # characters; longer texts are shown as plain text
MANY_BRACKETS = 200  # texmath takes quadratic time in the number of `\\(`

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
CODE = HtmlFormatter(nowrap=True)


def highlighted(code, language, _attributes):
    """Inner HTML of a code block; "" lets Markdown escape it as it is."""
    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False) if language else None
    except ClassNotFound:
        lexer = None
    return highlight(code, lexer, CODE) if lexer else ""


def formula(text, display=False):
    """MathML, or the formula's own text where it cannot be read."""
    try:
        return convert(text, display="block" if display else "inline")
    except Exception:
        return f"<code>{nh3.clean_text(text)}</code>"


def dollar_formula(text, options):
    return formula(text, options.get("display_mode", False))


def aligned(self, tokens, index, options, env):
    """Table cells say their alignment in an attribute: a style would break the content policy."""
    style = str(tokens[index].attrs.pop("style", ""))
    if style.startswith("text-align:"):
        tokens[index].attrs["align"] = style.removeprefix("text-align:")
    return self.renderToken(tokens, index, options, env)


def lowered(state):
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


def markdown(brackets):
    """A Markdown reader; `brackets`: \\( … \\) and \\[ … \\] are formulas too."""
    reader = MarkdownIt("commonmark", {"html": False, "linkify": False, "breaks": True, "highlight": highlighted})
    reader.enable(["table", "strikethrough"]).disable("image")
    reader.use(dollarmath_plugin, allow_digits=False, double_inline=True, renderer=dollar_formula)
    reader.core.ruler.push("lowered", lowered)
    reader.core.ruler.before("inline", "first_dollar", first_dollar)
    if brackets:
        reader.use(texmath_plugin, delimiters="brackets")
        for name, display in (("math_inline", False), ("math_block", True), ("math_block_eqno", True)):
            reader.add_render_rule(name, bracket_rule(display))
    reader.add_render_rule("th_open", aligned)
    reader.add_render_rule("td_open", aligned)
    return reader


def bracket_rule(display):
    def rule(self, tokens, index, options, env):
        return formula(tokens[index].content, display)

    return rule


def first_dollar(state):
    """Let a formula be the first thing in a paragraph that ends with a digit: there dollarmath 0.7 looks for "the
    digit before it" at the paragraph's end. A trailing blank changes nothing that is shown."""
    for token in state.tokens:
        if token.type == "inline" and token.content[:1] == "$" and token.content[-1].isdigit():
            token.content += " "


WITH_BRACKETS, WITHOUT_BRACKETS = markdown(True), markdown(False)


def render(text):
    """Safe HTML of a text. Long texts stay plain, so that no answer can stall the page."""
    if len(text) > RENDERED_WHOLE:
        return f"<pre>{nh3.clean_text(text)}</pre>"
    brackets = 0 < text.count("\\(") + text.count("\\[") <= MANY_BRACKETS
    try:
        html = (WITH_BRACKETS if brackets else WITHOUT_BRACKETS).render(text)
    except RecursionError:
        return f"<pre>{nh3.clean_text(text)}</pre>"
    return nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        allowed_classes=None,
    )


def shown_responses(ids):
    """The responses of these ids, in this order, each with its `html` rendered, and kept for the next time."""
    found = Response.objects.in_bulk(ids)
    missing = [response for response in found.values() if response.html is None]
    for response in missing:
        response.html = render(response.text)
    keep(missing)
    return [found[pk] for pk in ids]


def prompt_html(prompt):
    """The parts of a prompt (a row's or the database's) rendered: system, turns [[role, html]], instruction, input."""
    return {
        "system": render(prompt.system) if prompt.system else "",
        "turns": [[role, render(text)] for role, text in prompt.turns],
        "instruction": render(prompt.instruction),
        "input": render(prompt.input) if prompt.input else "",
    }


def shown_prompt(prompt):
    """The prompt with its parts rendered in `html`, and kept for the next time."""
    if prompt.html is None:
        prompt.html = prompt_html(prompt)
        keep([prompt])
    return prompt


def shown(prompt, ids, read=None):
    """(the HTML of a prompt's parts, [the HTML of each of these responses]), by ids; rendered, and kept, where it is
    shown for the first time. read: what was read already, as `kept` gives it."""
    parts, found = read or kept(prompt, ids)
    new = []
    if parts is None:
        new += Prompt.objects.raw("SELECT * FROM datasets_prompt WHERE id = %s", [prompt])
        parts = new[0].html = prompt_html(new[0])
    htmls = {pk: html for pk, (html, _) in found.items()}
    for pk, (html, text) in found.items():
        if html is None:
            htmls[pk] = render(text)
            new.append(Response(pk=pk, html=htmls[pk], text_hash=sha256(text)))
    keep(new)
    return parts, [htmls[pk] for pk in ids]


TEXT_TO_RENDER = "CASE WHEN html IS NULL THEN text END"


def kept(prompt, ids):
    """(the kept HTML of a prompt's parts, {id of a response: (its kept HTML, its text where none is kept yet)})."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT html FROM datasets_prompt WHERE id = %s", [prompt])
        (parts,) = cursor.fetchone()
        places = ", ".join(["%s"] * len(ids))
        cursor.execute(f"SELECT id, html, {TEXT_TO_RENDER} FROM datasets_response WHERE id IN ({places})", ids)
        return parts and json.loads(parts), {pk: (html, text) for pk, html, text in cursor.fetchall()}


KEPT_AT_ONCE = 50
_to_keep, _guard = [], threading.Lock()


def keep(rendered):
    """Keep the HTML of prompts and responses. It is gathered and written now and then, many in one transaction: what a
    process had not written when it ended is rendered anew. A text that was changed in the meantime keeps none."""
    global _to_keep
    with _guard:
        _to_keep += rendered
        if len(_to_keep) < KEPT_AT_ONCE:
            return
        rows, _to_keep = _to_keep, []
    prompts = [(json.dumps(row.html), row.pk, row.fingerprint) for row in rows if isinstance(row, Prompt)]
    responses = [(row.html, row.pk, row.text_hash) for row in rows if isinstance(row, Response)]
    with writing(), transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(KEEP.format(table="prompt", mark="fingerprint"), sorted(prompts, key=itemgetter(1)))
        cursor.executemany(KEEP.format(table="response", mark="text_hash"), sorted(responses, key=itemgetter(1)))


KEEP = "UPDATE datasets_{table} SET html = %s WHERE id = %s AND {mark} = %s AND html IS NULL"
