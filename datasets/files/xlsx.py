"""The rows of an .xlsx workbook's first sheet, read as it streams. ECMA-376 part 1: 18.3 sheets, 18.4 shared strings,
18.8 styles, 22.9.2.19 the escapes in texts; part 2: the package.

Each cell becomes the text that a table of text would hold. Shared strings wait on disk: memory holds a row.

By hand, because python-calamine (0.9.1 measured) holds a sheet whole, as the rectangle up to its last cell, 32 bytes a
cell: a file of a few kB with a cell at row 100,000, column 1,000 takes 3 GB, one with a cell at XFD1048576 ends the
process, and a text that 80,000 cells share takes 2.4 GB before the first row. Here these take 2 MB. It is faster:
200,000 rows of 5 texts (120 MB unpacked) take it 2 s and 190 to 250 MB, and here 6 to 10 s and 2 to 4 MB. And it reads
less exactly: numbers beyond 2^53 lose digits, #N/A becomes empty, #SPILL! refuses the file, the first of two rows of
one number is dropped, and a sheet with crossed tags, or in UTF-16, is read as empty.
"""

import contextlib
import re
import sqlite3
import zipfile
import zlib
from datetime import datetime, timedelta
from xml.parsers import expat

from datasets.files import limits
from datasets.files.item import FileProblem
from datasets.files.streams import refuse_bomb
from datasets.files.tables import iter_table_items, pad_rows

CHUNK = 1 << 16
LONGEST_CODE = 255  # characters of a number format
ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")
DATES = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
NO_PART_OF_A_DATE = re.compile(r'"[^"]*"|\\.|_.|\[[^\]]*\]')
BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, expat.ExpatError, KeyError, ValueError, RuntimeError, OverflowError)


def read_items(stream):
    """Items of a workbook, under the names in its first row; the line is the row's number in the sheet."""
    yield from iter_table_items(pad_rows(read_rows(stream)))


def read_rows(stream):
    """(row number, [text of each cell]) of a file that can be read from any place; rows without cells are left out."""
    with translated_errors():
        book = Workbook(stream)
        yield from book.read_rows()


@contextlib.contextmanager
def translated_errors():
    try:
        yield
    except FileProblem:
        raise
    except BROKEN as error:
        raise FileProblem("bad_xlsx", str(error)[:300]) from None


class Workbook:
    """A package with its workbook; everything else is found through the links of the two."""

    def __init__(self, file):
        self.archive = zipfile.ZipFile(file)
        parts = self.archive.infolist()
        self.size = sum(part.compress_size for part in parts)
        refuse_bomb(sum(part.file_size for part in parts), self.size)
        links = self.read_links("_rels/.rels") if "_rels/.rels" in self.archive.namelist() else {}
        self.name = next((path for kind, path in links.values() if kind == "officeDocument"), "")
        if not (self.name.startswith("xl/") and self.name.endswith(".xml")):
            raise FileProblem("not_text")
        self.parts = self.read_links(f"xl/_rels/{self.name[3:]}.rels")

    def read_links(self, name):
        """{id: (kind, path)} of a part's relationships."""
        folder = name.partition("_rels/")[0]
        links = {}

        def start(tag, attributes):
            if tag == "Relationship":
                target = attributes["Target"]
                path = target[1:] if target.startswith("/") else folder + target
                links[attributes["Id"]] = attributes["Type"].rpartition("/")[2], path

        self.parse(name, start)
        return links

    def find_first_sheet(self):
        """(path of the first sheet that is not hidden, the day from which it counts days)"""
        sheets, first_day = [], [datetime(1899, 12, 30)]

        def start(tag, attributes):
            if tag == "workbookPr" and attributes.get("date1904") in ("1", "true"):
                first_day[0] = datetime(1904, 1, 1)
            elif tag == "sheet" and attributes.get("state", "visible") == "visible":
                kind, path = self.parts[next(value for name, value in attributes.items() if name.endswith(" id"))]
                sheets.extend([path] if kind == "worksheet" else [])

        self.parse(self.name, start)
        if not sheets:
            raise FileProblem("empty_file")
        return sheets[0], first_day[0]

    def read_rows(self):
        path, first_day = self.find_first_sheet()
        sheet, unpacked, width = Sheet(), 0, 0
        cells = CellFormatter(self.load_strings(), self.read_date_styles(), first_day)
        for _ in self.parse_pieces(path, sheet.start, sheet.end, sheet.add_text):
            for number, row in sheet.done:
                texts = cells.format_row(number, row)
                width = width or len(texts)
                unpacked += sum(map(len, texts)) + max(len(texts), width)  # a character between two cells, as in CSV
                refuse_bomb(unpacked, self.size)
                if texts:
                    yield number, texts
            sheet.done.clear()

    def find_paths(self, wanted):
        """The parts of a kind, each once however many links lead to it."""
        return dict.fromkeys(path for kind, path in self.parts.values() if kind == wanted)

    def load_strings(self):
        """A function that gives the n-th shared string."""
        db = sqlite3.connect("")  # a temporary file
        db.execute("CREATE TABLE strings (n INTEGER PRIMARY KEY, text TEXT)")
        collector = TextCollector(lambda text: db.execute("INSERT INTO strings (text) VALUES (?)", (text,)), "si")
        for path in self.find_paths("sharedStrings"):
            self.parse(path, collector.start, collector.end, collector.add_text)

        def find_string(number):
            row = db.execute("SELECT text FROM strings WHERE n = ?", (number + 1,)).fetchone()
            if row is None:
                raise ValueError(f"no shared string {number}")
            return row[0]

        return find_string

    def read_date_styles(self):
        """The styles (their numbers) that show a number as a date."""
        formats, format_ids, places = {}, [], []

        def start(tag, attributes):
            if tag == "numFmt":
                formats[attributes["numFmtId"]] = attributes.get("formatCode", "")
            elif tag == "cellXfs":
                places.append(tag)
            elif tag == "xf" and places:
                format_ids.append(attributes.get("numFmtId", "0"))

        def end(tag):
            if tag == "cellXfs":
                places.clear()

        for path in self.find_paths("styles"):
            self.parse(path, start, end)
        return {str(style) for style, number in enumerate(format_ids) if is_date(number, formats.get(number))}

    def parse(self, name, *readers):
        for _ in self.parse_pieces(name, *readers):
            pass

    def parse_pieces(self, name, start, end=None, text=None):
        """Read a part of the package; comes back after each piece of it. A tag that goes on beyond a piece makes the
        next piece as long as itself: the parser begins such a tag anew each time."""
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


def refuse_doctype(*_):
    raise ValueError("a document type stands in it")


def is_date(number, code):
    """Whether a number format, of those that everybody has or by its code, is one of dates or times."""
    if code is None:
        return int(number) in DATES
    return bool(re.search("[ymdhs]", NO_PART_OF_A_DATE.sub("", code[:LONGEST_CODE].split(";")[0].lower())))


class TextCollector:
    """Gathers the text of one kind of element: its `t`s, without what tells the pronunciation (`rPh`)."""

    def __init__(self, take, name):
        self.take, self.name = take, name
        self.pieces, self.length, self.open, self.aloud = [], 0, False, False

    def start(self, tag, attributes):
        if tag == self.name:
            self.pieces, self.length = [], 0
        elif tag == "rPh":
            self.aloud = True
        elif tag in ("t", "v"):
            self.open = not self.aloud

    def add_text(self, text):
        if self.open:
            self.pieces.append(text)
            self.length += len(text)
            check_length(self.length)

    def end(self, tag):
        if tag in ("t", "v"):
            self.open = False
        elif tag == "rPh":
            self.aloud = False
        elif tag == self.name:
            self.take("".join(self.pieces))


class Sheet(TextCollector):
    """Gathers rows into `done`: (number, {column: (kind, style, what stands there)})."""

    def __init__(self):
        super().__init__(self.add_cell, "c")
        self.done, self.number, self.column, self.cells, self.size = [], 0, -1, {}, 0

    def start(self, tag, attributes):
        super().start(tag, attributes)
        if tag == "row":
            self.number = int(attributes.get("r", self.number + 1))
            self.cells, self.column, self.size = {}, -1, 0
        elif tag == "c":
            self.column = parse_column(attributes["r"]) if "r" in attributes else self.column + 1
            self.kind, self.style = attributes.get("t", "n"), attributes.get("s", "0")
            if self.column >= limits.MOST_COLUMNS:
                raise ValueError("too many columns")

    def end(self, tag):
        super().end(tag)
        if tag == "row":
            self.done.append((self.number, self.cells))

    def add_cell(self, text):
        self.cells[self.column] = self.kind, self.style, text
        self.size += len(text)
        check_length(self.size, self.number)


def check_length(size, line=0):
    if size > limits.LONGEST_ROW:
        raise FileProblem("row_too_long", f"{limits.LONGEST_ROW >> 20} MiB", line)


class CellFormatter:
    """What cells say, as texts."""

    def __init__(self, string, dates, first_day):
        self.string, self.dates, self.first_day = string, dates, first_day

    def format_row(self, number, row):
        """The texts of a row up to the last that is not empty."""
        texts, size = [], 0
        for column in sorted(row):
            if text := self.format_cell(*row[column]):
                texts += [""] * (column - len(texts)) + [text]
                size += len(text)
                check_length(size, number)
        return texts

    def format_cell(self, kind, style, text):
        if not text:
            return ""
        if kind == "s":
            return unescape(self.string(int(text)))
        if kind in ("str", "inlineStr"):
            return unescape(text)
        if kind == "b":
            return "TRUE" if text in ("1", "true") else "FALSE"
        if kind != "n":
            return text  # a date in ISO 8601, an error
        return self.format_day(float(text)) if style in self.dates else format_number(text)

    def format_day(self, days):
        """A day, a moment, or below one day a time, in ISO 8601."""
        if not 0 <= days < 2_958_466:  # the end of the year 9999
            return format_number(str(days))
        moment = self.first_day + timedelta(seconds=round(days * 86_400))
        if days < 1:
            return f"{moment:%H:%M:%S}"
        return moment.date().isoformat() if days == int(days) else moment.isoformat(" ")


def format_number(text):
    """A number as a person would write it: 3 for 3.0, and not more digits than tell it from others."""
    if re.fullmatch(r"-?\d+", text):
        return text
    number = float(text)
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def parse_column(reference):
    """The place of a cell's column, from 0: 1 of B7."""
    letters = reference.rstrip("0123456789")
    if not re.fullmatch("[A-Z]{1,3}", letters):
        raise ValueError(f"no cell {reference[:20]}")
    place = 0
    for letter in letters:
        place = place * 26 + ord(letter) - ord("A") + 1
    return place - 1


def unescape(text):
    """A text in which `_x000D_` stands for a character that XML cannot hold, or not hold unchanged."""
    return ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text
