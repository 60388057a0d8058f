"""Streaming readers of JSON Lines and JSON documents."""

import codecs
import json
from collections.abc import Iterator
from typing import Any, BinaryIO, Never

import msgspec

from datasets.files import limits
from datasets.files.item import FileProblem, Item
from datasets.formats.rows import Refusal

BLANK = " \t\r\n"
ROW_LISTS = ("rows", "data", "records", "items", "examples", "results")  # where a document may hold its rows


def is_json(text: str) -> bool:
    try:
        lenient_decoder.decode(text)
    except (ValueError, RecursionError):
        return False
    return True


def is_document_start(text: str, more_follows: bool) -> bool:
    """Whether the text begins with a JSON value, complete or cut off only because `more_follows`."""
    try:
        lenient_decoder.raw_decode(text)
    except json.JSONDecodeError as error:
        return more_follows and is_cut_off(text, error)
    except RecursionError:
        return False
    return True


def is_cut_off(text: str, error: json.JSONDecodeError) -> bool:
    """Whether a text that does not parse may be the beginning of one that does."""
    return error.msg.startswith("Unterminated string") or error.pos > len(text) - 16


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is not JSON")


decode_quickly = msgspec.json.Decoder().decode
decoder = json.JSONDecoder(parse_constant=_refuse_constant)
# Finds the end of a value that `decoder` refuses, such as NaN or a number of 5,000 digits.
lenient_decoder = json.JSONDecoder(parse_int=str)


def decode_line(line: bytes, text: str) -> dict[str, Any] | Refusal:
    """The JSON object of a line, or why it is refused.

    line, text: the same line, encoded and decoded.

    Falls back to the slower decoder where the quick one fails: it reports errors precisely, and accepts a few things
    more, such as lone surrogates and numbers of any size.
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


def read_jsonl(body: BinaryIO) -> Iterator[Item]:
    """Reads one object a line. Only \\n ends a line: U+2028 and the like are text."""
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
    """A window on a stream's text that grows on demand, drops what was taken, and counts lines."""

    def __init__(self, body: BinaryIO) -> None:
        self.body, self.decode = body, codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self.text, self.at, self.line, self.ended = "", 0, 1, False

    def read_more(self, size: int = limits.HEAD) -> bool:
        """Reads at most `size` bytes more; False at the stream's end."""
        if self.ended:
            return False
        chunk = self.body.read(size)
        self.ended = not chunk
        self.text, self.at = self.text[self.at :] + self.decode(chunk, final=self.ended), 0
        return True

    def take(self, end: int) -> str:
        """Consumes and returns the text up to the index `end`."""
        piece, self.at = self.text[self.at : end], end
        self.line += piece.count("\n")
        return piece

    def peek(self) -> str:
        """Skips blanks and returns the next character without consuming it; "" at the end."""
        while True:
            rest = self.text[self.at : self.at + 4096]
            remainder = rest.lstrip(BLANK)
            self.take(self.at + len(rest) - len(remainder))
            if remainder:
                return remainder[0]
            if not rest and not self.read_more():
                return ""

    def read_value(self) -> tuple[Any, str]:
        """Consumes one JSON value; returns it, or a Refusal, and its raw text."""
        refusal: Refusal | None = None
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

    def extend(self, error: json.JSONDecodeError) -> None:
        """Reads on where the window's end may have cut off a value; raises FileProblem for any other error."""
        cut_off = is_cut_off(self.text, error)
        if cut_off and len(self.text) - self.at > limits.LONGEST_ROW:
            raise FileProblem("row_too_long", f"{limits.LONGEST_ROW >> 20} MiB", self.line) from None
        if not cut_off or not self.read_more(max(limits.HEAD, len(self.text) - self.at)):
            line = self.line + self.text.count("\n", self.at, error.pos)
            raise FileProblem("bad_json", error.msg, line) from None


def read_rows(items: Iterator[Item]) -> Iterator[Item]:
    """The rows of a file that begins with an object. Raises FileProblem if that object holds all rows in itself."""
    first, second = next(items, None), next(items, None)
    if first is not None:
        if second is None and isinstance(first.value, dict):
            check_layout(first.value)
        yield first
    if second is not None:
        yield second
        yield from items


def check_layout(document: dict[str, Any]) -> None:
    """Raises FileProblem if the only object of a file holds rows by columns, or in a list, as the Hub's API does."""
    for key in ROW_LISTS:
        rows = document.get(key)
        if isinstance(rows, list) and rows and isinstance(rows[0], dict):
            raise FileProblem("rows_within", f"{key}[].row" if isinstance(rows[0].get("row"), dict) else f"{key}[]")
    if has_columns(list(document.values())) or document.keys() == {"columns", "index", "data"}:
        raise FileProblem("by_columns", ", ".join(document)[:300])


def has_columns(values: list[Any]) -> bool:
    """Whether the values of an object are columns: objects with the same row numbers, or lists of equal length.

    >>> has_columns([{"0": "Hi", "1": "Bye"}, {"0": "Hello.", "1": "Go."}]), has_columns(["Hi", "Hello."])
    (True, False)
    """
    if values and all(isinstance(value, dict) and value for value in values):
        return all(value.keys() == values[0].keys() for value in values) and all(key.isdigit() for key in values[0])
    is_list = len(values) > 1 and all(isinstance(value, list) and len(value) == len(values[0]) > 0 for value in values)
    return is_list and not any(isinstance(value[0], dict) for value in values)


def read_json(body: BinaryIO) -> Iterator[Item]:
    """Reads the elements of one array, or a sequence of values."""
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
