"""Streaming reader of the first visible sheet of an .xlsx workbook.

Source: ECMA-376 part 1 (18.3 sheets, 18.4 shared strings, 18.8 styles, 22.9.2.19 escapes in strings) and part 2
(packages).

Each cell becomes the text that a CSV file would hold. Shared strings are in a temporary database on disk: memory holds
one row.

Why not python-calamine (measured: 0.9.1): it holds the whole sheet as the rectangle up to its last cell, 32 bytes a
cell. A file of a few kB with a cell at row 100,000, column 1,000 takes 3 GB, one with a cell at XFD1048576 kills the
process, and a string that 80,000 cells share takes 2.4 GB before the first row; this reader takes 2 MB for each.
calamine is faster: 200,000 rows of 5 strings (120 MB unpacked) take it 2 s and 190 to 250 MB, and this reader 6 to 10 s
and 2 to 4 MB. calamine is also less exact: numbers beyond 2^53 lose digits, #N/A becomes empty, #SPILL! makes it refuse
the file, it drops the first of two rows with the same number, and it reads a sheet with crossed tags, or in UTF-16, as
empty.
"""

import contextlib
import re
import sqlite3
import zipfile
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import IO, Never
from xml.parsers import expat

from datasets.files import limits
from datasets.files.item import FileProblem, Item
from datasets.files.streams import refuse_bomb
from datasets.files.tables import NumberedCells, iter_table_items, pad_rows

Attributes = dict[str, str]
RawCell = tuple[str, str, str]  # (kind, style, text); a plain tuple, because one is made per cell
RawRow = dict[int, RawCell]  # {column: cell}

CHUNK = 1 << 16  # bytes
LONGEST_CODE = 255  # characters of a number format code
ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
DATES = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
NO_PART_OF_A_DATE = re.compile(r'"[^"]*"|\\.|_.|\[[^\]]*\]')
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, expat.ExpatError, KeyError, ValueError, RuntimeError, OverflowError)


def read_items(file: IO[bytes]) -> Iterator[Item]:
    """Reads the rows of a seekable file; `line` is the row's number in the sheet."""
    yield from iter_table_items(pad_rows(read_rows(file)))


def read_rows(file: IO[bytes]) -> Iterator[NumberedCells]:
    """Each row's number and cells; skips rows without cells."""
    with translated_errors():
        book = Workbook(file)
        yield from book.read_rows()


@contextlib.contextmanager
def translated_errors() -> Iterator[None]:
    try:
        yield
    except FileProblem:
        raise
    except BROKEN as error:
        raise FileProblem("bad_xlsx", str(error)[:300]) from None


class Workbook:
    """An .xlsx package; the relationships of the package and of its workbook lead to all other parts."""

    def __init__(self, file: IO[bytes]) -> None:
        self.archive = zipfile.ZipFile(file)
        parts = self.archive.infolist()
        self.size = sum(part.compress_size for part in parts)
        refuse_bomb(sum(part.file_size for part in parts), self.size)
        links = self.read_links("_rels/.rels") if "_rels/.rels" in self.archive.namelist() else {}
        self.name = next((path for kind, path in links.values() if kind == "officeDocument"), "")
        if not (self.name.startswith("xl/") and self.name.endswith(".xml")):
            raise FileProblem("not_text")
        self.parts = self.read_links(f"xl/_rels/{self.name[3:]}.rels")

    def read_links(self, name: str) -> dict[str, tuple[str, str]]:
        """{id: (kind, path)} of the relationships that a part lists."""
        folder = name.partition("_rels/")[0]
        links: dict[str, tuple[str, str]] = {}

        def start(tag: str, attributes: Attributes) -> None:
            if tag == "Relationship":
                target = attributes["Target"]
                path = target[1:] if target.startswith("/") else folder + target
                links[attributes["Id"]] = attributes["Type"].rpartition("/")[2], path

        self.parse(name, start)
        return links

    def find_first_sheet(self) -> tuple[str, datetime]:
        """The path of the first visible sheet, and the workbook's day 0."""
        sheets: list[str] = []
        first_day = [datetime(1899, 12, 30)]

        def start(tag: str, attributes: Attributes) -> None:
            if tag == "workbookPr" and attributes.get("date1904") in ("1", "true"):
                first_day[0] = datetime(1904, 1, 1)
            elif tag == "sheet" and attributes.get("state", "visible") == "visible":
                kind, path = self.parts[next(value for name, value in attributes.items() if name.endswith(" id"))]
                sheets.extend([path] if kind == "worksheet" else [])

        self.parse(self.name, start)
        if not sheets:
            raise FileProblem("empty_file")
        return sheets[0], first_day[0]

    def read_rows(self) -> Iterator[NumberedCells]:
        """Each row's number and cells; skips rows without cells."""
        path, first_day = self.find_first_sheet()
        sheet, unpacked, width = Sheet(), 0, 0
        cells = CellFormatter(self.load_strings(), self.read_date_styles(), first_day)
        for _ in self.parse_pieces(path, sheet.start, sheet.end, sheet.add_text):
            for number, row in sheet.done:
                texts = cells.format_row(number, row)
                width = width or len(texts)
                unpacked += sum(map(len, texts)) + max(len(texts), width)  # plus one separator per cell, as in CSV
                refuse_bomb(unpacked, self.size)
                if texts:
                    yield number, texts
            sheet.done.clear()

    def find_paths(self, wanted: str) -> dict[str, None]:
        """The paths of the parts of a kind, deduplicated."""
        return dict.fromkeys(path for kind, path in self.parts.values() if kind == wanted)

    def load_strings(self) -> Callable[[int], str]:
        """Stores the shared strings on disk; returns a function that looks one up by its index."""
        db = sqlite3.connect("")  # an empty name: a temporary file
        db.execute("CREATE TABLE strings (n INTEGER PRIMARY KEY, text TEXT)")
        collector = TextCollector(lambda text: db.execute("INSERT INTO strings (text) VALUES (?)", (text,)), "si")
        for path in self.find_paths("sharedStrings"):
            self.parse(path, collector.start, collector.end, collector.add_text)

        def find_string(number: int) -> str:
            row: tuple[str] | None = db.execute("SELECT text FROM strings WHERE n = ?", (number + 1,)).fetchone()
            if row is None:
                raise ValueError(f"no shared string {number}")
            return row[0]

        return find_string

    def read_date_styles(self) -> set[str]:
        """The ids of the cell styles that show a number as a date or time."""
        formats: dict[str, str] = {}
        format_ids: list[str] = []
        places: list[str] = []

        def start(tag: str, attributes: Attributes) -> None:
            if tag == "numFmt":
                formats[attributes["numFmtId"]] = attributes.get("formatCode", "")
            elif tag == "cellXfs":
                places.append(tag)
            elif tag == "xf" and places:
                format_ids.append(attributes.get("numFmtId", "0"))

        def end(tag: str) -> None:
            if tag == "cellXfs":
                places.clear()

        for path in self.find_paths("styles"):
            self.parse(path, start, end)
        return {str(style) for style, number in enumerate(format_ids) if is_date(number, formats.get(number))}

    def parse(
        self,
        name: str,
        start: Callable[[str, Attributes], None],
        end: Callable[[str], None] | None = None,
        text: Callable[[str], None] | None = None,
    ) -> None:
        """Parses a whole part of the package; see `parse_pieces`."""
        for _ in self.parse_pieces(name, start, end, text):
            pass

    def parse_pieces(
        self,
        name: str,
        start: Callable[[str, Attributes], None],
        end: Callable[[str], None] | None = None,
        text: Callable[[str], None] | None = None,
    ) -> Iterator[None]:
        """Parses a part of the package, yielding after each piece.

        start, end, text: called with each opening tag, closing tag and run of text.

        expat rescans an unfinished tag from its start with each piece. Each next piece is therefore as long as the
        unfinished tag, which keeps the time linear.
        """
        parser = expat.ParserCreate(namespace_separator=" ")
        parser.buffer_text = True
        parser.StartElementHandler = lambda tag, attributes: start(tag.rpartition(" ")[2], attributes)
        parser.EndElementHandler = end and (lambda tag: end(tag.rpartition(" ")[2]))
        parser.CharacterDataHandler = text
        parser.StartDoctypeDeclHandler = refuse_doctype
        read = 0
        with self.archive.open(name) as part:
            while chunk := part.read(max(CHUNK, read - parser.CurrentByteIndex)):
                check_length(read - parser.CurrentByteIndex)
                parser.Parse(chunk)
                read += len(chunk)
                yield
            parser.Parse(b"", True)
            yield


def refuse_doctype(*_: object) -> Never:
    raise ValueError("a document type stands in it")


def is_date(number: str, code: str | None) -> bool:
    """Whether a number format shows dates or times.

    number: the format's id, which decides for a built-in format.
    code: the format code, None for a built-in format.
    """
    if code is None:
        return int(number) in DATES
    return bool(re.search("[ymdhs]", NO_PART_OF_A_DATE.sub("", code[:LONGEST_CODE].split(";")[0].lower())))


class TextCollector:
    """Collects the text of each element of one kind: its `t` and `v` children, without phonetic hints (`rPh`).

    take: called with the text of each element.
    name: the element's tag.
    """

    def __init__(self, take: Callable[[str], object], name: str) -> None:
        self.take, self.name = take, name
        self.pieces: list[str] = []
        self.length, self.open, self.aloud = 0, False, False

    def start(self, tag: str, attributes: Attributes) -> None:
        if tag == self.name:
            self.pieces, self.length = [], 0
        elif tag == "rPh":
            self.aloud = True
        elif tag in ("t", "v"):
            self.open = not self.aloud

    def add_text(self, text: str) -> None:
        if self.open:
            self.pieces.append(text)
            self.length += len(text)
            check_length(self.length)

    def end(self, tag: str) -> None:
        if tag in ("t", "v"):
            self.open = False
        elif tag == "rPh":
            self.aloud = False
        elif tag == self.name:
            self.take("".join(self.pieces))


class Sheet(TextCollector):
    """Collects complete rows into `done`, as (row number, cells)."""

    def __init__(self) -> None:
        super().__init__(self.add_cell, "c")
        self.done: list[tuple[int, RawRow]] = []
        self.cells: RawRow = {}
        self.number, self.column, self.size = 0, -1, 0

    def start(self, tag: str, attributes: Attributes) -> None:
        super().start(tag, attributes)
        if tag == "row":
            self.number = int(attributes.get("r", self.number + 1))
            self.cells, self.column, self.size = {}, -1, 0
        elif tag == "c":
            self.column = parse_column(attributes["r"]) if "r" in attributes else self.column + 1
            self.kind, self.style = attributes.get("t", "n"), attributes.get("s", "0")
            if self.column >= limits.MOST_COLUMNS:
                raise ValueError("too many columns")

    def end(self, tag: str) -> None:
        super().end(tag)
        if tag == "row":
            self.done.append((self.number, self.cells))

    def add_cell(self, text: str) -> None:
        self.cells[self.column] = self.kind, self.style, text
        self.size += len(text)
        check_length(self.size, self.number)


def check_length(size: int, line: int = 0) -> None:
    """Raises FileProblem for a row of more than LONGEST_ROW characters."""
    if size > limits.LONGEST_ROW:
        raise FileProblem("row_too_long", f"{limits.LONGEST_ROW >> 20} MiB", line)


class CellFormatter:
    """Formats cells as text.

    string: looks up a shared string by its index.
    dates: the ids of the styles that show dates.
    first_day: the workbook's day 0.
    """

    def __init__(self, string: Callable[[int], str], dates: set[str], first_day: datetime) -> None:
        self.string, self.dates, self.first_day = string, dates, first_day

    def format_row(self, number: int, row: RawRow) -> list[str]:
        """The texts of a row's cells, up to the last that is not empty."""
        texts: list[str] = []
        size = 0
        for column in sorted(row):
            if text := self.format_cell(*row[column]):
                texts += [""] * (column - len(texts)) + [text]
                size += len(text)
                check_length(size, number)
        return texts

    def format_cell(self, kind: str, style: str, text: str) -> str:
        if not text:
            return ""
        if kind == "s":
            return unescape(self.string(int(text)))
        if kind in ("str", "inlineStr"):
            return unescape(text)
        if kind == "b":
            return "TRUE" if text in ("1", "true") else "FALSE"
        if kind != "n":
            return text  # a date in ISO 8601, or an error such as #N/A
        return self.format_day(float(text)) if style in self.dates else format_number(text)

    def format_day(self, days: float) -> str:
        """A serial number as a date, a date with time, or (below 1) a time, in ISO 8601."""
        if not 0 <= days < 2_958_466:  # the end of the year 9999
            return format_number(str(days))
        moment = self.first_day + timedelta(seconds=round(days * 86_400))
        if days < 1:
            return f"{moment:%H:%M:%S}"
        return moment.date().isoformat() if days == int(days) else moment.isoformat(" ")


def format_number(text: str) -> str:
    """A number as a person would write it: 3 for 3.0, and the shortest digits that round-trip."""
    if re.fullmatch(r"-?\d+", text):
        return text
    number = float(text)
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def parse_column(reference: str) -> int:
    """The index of a cell's column, from 0: 1 for B7."""
    letters = reference.rstrip("0123456789")
    if not re.fullmatch("[A-Z]{1,3}", letters):
        raise ValueError(f"no cell {reference[:20]}")
    place = 0
    for letter in letters:
        place = place * 26 + ord(letter) - ord("A") + 1
    return place - 1


def unescape(text: str) -> str:
    """Decodes `_x000D_` and the like, which represent characters that XML cannot hold or does not preserve."""
    return ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text
