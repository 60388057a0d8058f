"""Where answers differ, word by word, marked in their rendered HTML."""

import re
from html import escape
from html.parser import HTMLParser

from rapidfuzz.distance import Indel

# A word with the blanks behind it; of letters written without blanks, each for itself.
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]\s*|[^\s\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+\s*|\s+")
COMPARED_WHOLE = 20_000  # words; longer answers are shown unmarked
WHOLE = {"math"}  # a formula is one word: its parts would make no sense


class Pieces(HTMLParser):
    """The rendered HTML of an answer as pieces: (markup, "") or ("", word), that join to the same page."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.pieces, self.whole, self.inside = [], "", 0
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.inside += tag in WHOLE
        self.add(self.get_starttag_text())

    def handle_startendtag(self, tag, attributes):
        self.add(self.get_starttag_text())

    def handle_endtag(self, tag):
        self.add(f"</{tag}>")
        if tag in WHOLE and self.inside:
            self.inside -= 1
            if not self.inside:
                self.pieces.append((self.whole, self.whole))
                self.whole = ""

    def add(self, markup):
        if self.inside:
            self.whole += markup
        else:
            self.pieces.append((markup, ""))

    def handle_data(self, data):
        if self.inside:
            self.whole += as_html(data)
        else:
            self.pieces += [(as_html(word), word.rstrip() or " ") for word in WORD.findall(data)]


def as_html(text):
    """A text as nh3 writes it."""
    return escape(text, quote=False).replace("\u00a0", "&nbsp;")


def differences(htmls):
    """The HTML of these answers with `<mark>` around what differs: in each from the first, in the first from the
    second. Unchanged where there is one only, or one is too long."""
    pieces = [Pieces(html).pieces for html in htmls]
    words = [[word for _, word in found if word] for found in pieces]
    if len(htmls) < 2 or max(map(len, words)) > COMPARED_WHOLE:
        return htmls
    own = [places(words[0], words[1], second=False)]
    own += [places(words[0], theirs, second=True) for theirs in words[1:]]
    return [marked(found, differing) for found, differing in zip(pieces, own, strict=True)]


def places(first, other, second):
    """The indices of the words that only one of the two has: of the first, or of the second."""
    found = set()
    for step in Indel.opcodes(first, other):
        if step.tag != "equal":
            found.update(range(step.dest_start, step.dest_end) if second else range(step.src_start, step.src_end))
    return found


def marked(pieces, differing):
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
