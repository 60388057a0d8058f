"""Where answers differ, word by word, marked in their rendered HTML."""

import re
from html import escape, unescape

from rapidfuzz.distance import Indel

# A word with the blanks behind it; of letters written without blanks, each for itself.
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]\s*|[^\s\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+\s*|\s+")
# A tag, as nh3 writes it, or the text between two; a "<" that begins no tag is text.
PIECE = re.compile(r"""<(?P<end>/?)(?P<tag>[a-zA-Z][^\s<>/"]*)(?:[^<>"]|"[^"]*")*+>|[^<]+|<""")
# Words. Longer answers are shown unmarked, and so are several that are long together: to compare two takes a time that
# grows with the product of their words, in which nothing else of the process runs: for two of so many, 20 ms.
MOST_WORDS = 10_000
LONGEST_HTML = 1_000_000  # characters of all answers' HTML
ATOMIC_TAGS = {"math"}  # a formula is one word: its parts would make no sense


def split_pieces(html):
    """The rendered HTML of an answer as pieces: (markup, "") or ("", word), that join to the same page. In one pass,
    which the parser of the standard library does not make of tags that never end."""
    pieces, whole, inside = [], [], 0
    for match in PIECE.finditer(html):
        markup, tag = match[0], match["tag"]
        text = "" if tag else unescape(markup)
        markup = markup if tag else escape_text(text)
        inside += tag in ATOMIC_TAGS and not match["end"] and not markup.endswith("/>")
        if inside:
            whole.append(markup)
        elif tag:
            pieces.append((markup, ""))
        else:
            pieces += [(escape_text(word), word.rstrip() or " ") for word in WORD.findall(text)]
        if inside and tag in ATOMIC_TAGS and match["end"]:
            inside -= 1
            if not inside:
                pieces.append(("".join(whole),) * 2)
                whole.clear()
    return pieces + [("".join(whole), "")] * bool(whole)


def escape_text(text):
    """A text as nh3 writes it."""
    return escape(text, quote=False).replace("\u00a0", "&nbsp;")


def mark_differences(htmls):
    """The HTML of these answers with `<mark>` around what differs: in each from the first, in the first from the
    second. Unchanged where there is one only, or they are too long."""
    if len(htmls) < 2 or sum(map(len, htmls)) > LONGEST_HTML:
        return htmls
    pieces = [split_pieces(html) for html in htmls]
    words = [[word for _, word in answer if word] for answer in pieces]
    sizes = [len(answer) for answer in words]
    if max(sizes) > MOST_WORDS or sizes[0] * sum(sizes[1:]) > 2 * MOST_WORDS**2:
        return htmls
    index_pairs = [find_differing(words[0], theirs) for theirs in words[1:]]
    differing_indices = [index_pairs[0][0], *(other for _, other in index_pairs)]
    return [join_marked(answer, differing) for answer, differing in zip(pieces, differing_indices, strict=True)]


def find_differing(first, other):
    """The indices of the words that only the first of the two has, and of those that only the other has."""
    steps = [step for step in Indel.opcodes(first, other) if step.tag != "equal"]
    return (
        {place for step in steps for place in range(step.src_start, step.src_end)},
        {place for step in steps for place in range(step.dest_start, step.dest_end)},
    )


def join_marked(pieces, differing):
    """The pieces joined, marks around runs of words that differ; never around a tag."""
    out, index, is_open = [], 0, False
    for markup, word in pieces:
        differs = bool(word) and index in differing and bool(word.strip())
        if is_open and not differs:
            out.append("</mark>")
        if differs and not is_open:
            out.append("<mark>")
        is_open = differs
        index += bool(word)
        out.append(markup)
    return "".join(out) + ("</mark>" if is_open else "")
