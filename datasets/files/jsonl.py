"""JSON, one object a line or one document, read as it streams."""

import codecs
import json

import msgspec

from datasets.files import limits
from datasets.files.item import FileProblem, Item
from datasets.formats.rows import Refusal

BLANK = " \t\r\n"


def is_json(text):
    try:
        lenient_decoder.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def is_document_start(text, more_follows):
    """Whether a value that spans lines begins here: it parses, or nothing is wrong with it but that it goes on."""
    try:
        lenient_decoder.raw_decode(text)
    except json.JSONDecodeError as error:
        return more_follows and is_cut_off(text, error)
    except RecursionError:
        return False
    return True


def is_cut_off(text, error):
    """Whether a text that is no JSON may be the beginning of one."""
    return error.msg.startswith("Unterminated string") or error.pos > len(text) - 16


def _refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


decode_quickly = msgspec.json.Decoder().decode
decoder = json.JSONDecoder(parse_constant=_refuse_constant)
# Finds the end of a value that is refused: NaN, a number of 5,000 digits.
lenient_decoder = json.JSONDecoder(parse_int=str)


def decode_line(line, text):
    """The JSON object that a line (bytes, and its text) is, or the refusal. What the quick decoder does not take is
    looked at by the one that knows what is wrong, and takes a few things more: half a surrogate, a number of any size.
    """
    try:
        value = decode_quickly(line)
    except (ValueError, RecursionError):
        try:
            value = decoder.decode(text)
        except RecursionError:
            return Refusal("too_deep")
        except ValueError as error:
            return Refusal("bad_json", "", str(error))
    return value if isinstance(value, dict) else Refusal("not_an_object", "", type(value).__name__)


def read_jsonl(body):
    """One object a line. Lines end at \\n alone: U+2028 and its like are text."""
    number = 0
    while line := body.readline(limits.LONGEST_ROW + 1):
        number += 1
        if len(line) > limits.LONGEST_ROW:
            while line and not line.endswith(b"\n"):
                line = body.readline(limits.LONGEST_ROW)
            yield Item(number, Refusal("row_too_long", "", f"{limits.LONGEST_ROW >> 20} MiB"))
            continue
        text = line.decode("utf-8", "surrogateescape").strip(BLANK)
        if text:
            yield Item(number, decode_line(line, text), text)


class Window:
    """Text of a stream, as far as it is needed: what was taken is dropped, lines are counted."""

    def __init__(self, body):
        self.body, self.decode = body, codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self.text, self.at, self.line, self.ended = "", 0, 1, False

    def read_more(self, size=limits.HEAD):
        """Read on; False at the end."""
        if self.ended:
            return False
        chunk = self.body.read(size)
        self.ended = not chunk
        self.text, self.at = self.text[self.at :] + self.decode(chunk, final=self.ended), 0
        return True

    def take(self, end):
        """The text up to `end`, which is passed."""
        piece, self.at = self.text[self.at : end], end
        self.line += piece.count("\n")
        return piece

    def peek(self):
        """The next character that is no blank, or "" at the end."""
        while True:
            rest = self.text[self.at : self.at + 4096]
            remainder = rest.lstrip(BLANK)
            self.take(self.at + len(rest) - len(remainder))
            if remainder:
                return remainder[0]
            if not rest and not self.read_more():
                return ""

    def read_value(self):
        """(value or the refusal, raw text) of the JSON value that begins here."""
        refusal = None
        while True:
            try:
                value, end = (lenient_decoder if refusal else decoder).raw_decode(self.text, self.at)
                return refusal or value, self.take(end)
            except RecursionError:
                raise FileProblem("too_deep", line=self.line) from None
            except json.JSONDecodeError as error:
                self.extend(error)
            except ValueError as error:
                refusal = Refusal("bad_json", "", str(error))

    def extend(self, error):
        """Read on where a value may only be cut off by the window's end."""
        cut_off = is_cut_off(self.text, error)
        if cut_off and len(self.text) - self.at > limits.LONGEST_ROW:
            raise FileProblem("row_too_long", f"{limits.LONGEST_ROW >> 20} MiB", self.line) from None
        if not cut_off or not self.read_more(max(limits.HEAD, len(self.text) - self.at)):
            line = self.line + self.text.count("\n", self.at, error.pos)
            raise FileProblem("bad_json", error.msg, line) from None


def read_json(body):
    """The elements of one array, or values that follow each other; the line is where each begins."""
    window = Window(body)
    array = window.peek() == "["
    if array:
        window.take(window.at + 1)
    while char := window.peek():
        if array and char == "]":
            window.take(window.at + 1)
            if window.peek():
                raise FileProblem("bad_json", "text after the array's end", window.line)
            return
        line = window.line
        value, raw = window.read_value()
        known = isinstance(value, dict | Refusal)
        yield Item(line, value if known else Refusal("not_an_object", "", type(value).__name__), raw)
        if array and window.peek() == ",":
            window.take(window.at + 1)
        elif array and window.peek() not in ("]", ""):
            raise FileProblem("bad_json", "no comma between two rows", window.line)
    if array:
        raise FileProblem("cut_off", line=window.line)
