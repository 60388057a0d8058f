"""Marks where rendered answers differ, word by word."""

import re
from collections.abc import Collection, Sequence
from html import escape, unescape

from rapidfuzz.distance import Indel

# A word with the blanks after it; each character of scripts that are written without blanks is a word.
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]\s*|[^\s\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+\s*|\s+")
# A tag as nh3 writes it, or the text between two tags; a "<" that begins no tag is text.
PIECE = re.compile(r"""<(?P<end>/?)(?P<tag>[a-zA-Z][^\s<>/"]*)(?:[^<>"]|"[^"]*")*+>|[^<]+|<""")
# Words. Longer answers are shown unmarked, and so are several whose product is too large: comparing two takes time that
# grows with the product of their word counts, and blocks the whole process. Two answers of this length take 20 ms.
MOST_WORDS = 10_000
LONGEST_HTML = 1_000_000  # characters of HTML, all answers together
ATOMIC_TAGS = {"math"}  # a formula is one word: its parts would make no sense


Piece = tuple[str, str]  # (markup, its word; "" for a tag); a plain tuple, because one is made per word


def split_pieces(html: str) -> list[Piece]:
    """Splits rendered HTML into tags and words; the pieces' markup joins to the same HTML.

    Takes one pass; the standard library's parser takes more for tags that never end.
    """
    pieces: list[Piece] = []
    whole: list[str] = []
    inside = 0
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


def escape_text(text: str) -> str:
    """Escapes text the way nh3 does."""
    return escape(text, quote=False).replace("\u00a0", "&nbsp;")


def mark_differences(htmls: list[str]) -> list[str]:
    """The HTML of each answer with `<mark>` around the words that differ.

    Compares each answer with the first, and the first with the second. Returns `htmls` unchanged for fewer than two
    answers and for answers that are too long.
    """
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


def find_differing(first: Sequence[str], other: Sequence[str]) -> tuple[set[int], set[int]]:
    """The indices of the words that only `first` has, and of those that only `other` has."""
    steps = [step for step in Indel.opcodes(first, other) if step.tag != "equal"]
    return (
        {place for step in steps for place in range(step.src_start, step.src_end)},
        {place for step in steps for place in range(step.dest_start, step.dest_end)},
    )


def join_marked(pieces: list[Piece], differing: Collection[int]) -> str:
    """Joins the pieces, with marks around runs of differing words, never around a tag."""
    out: list[str] = []
    index, is_open = 0, False
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
