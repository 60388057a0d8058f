"""Malformed and malicious files, uploaded by an admin while people judge."""

import csv
import gzip
import io
import json
import random
import threading
import time
import zipfile
from collections import Counter
from collections.abc import Callable

from attack.server import Server
from attack.wire import shuffle, upload

DONE_WITHIN = 45  # seconds in which all tasks must end
SHEET = '<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
OPEN = "SELECT kind, state, error FROM datasets_job WHERE state IN ('waiting', 'running')"


def upload_hostile_files(server: Server, rng: random.Random) -> int:
    """Uploads every file, two at a time, and waits for the tasks."""
    admin = server.sessions["admin"][0]
    did: dict[str, int] = {}
    slow: dict[str, float] = {}
    first = server.run_sql("SELECT coalesce(max(id), 0) FROM datasets_job")[0][0]
    todo, until = shuffle(rng, FILES.items()), time.monotonic() + 60

    def send() -> None:
        while todo and time.monotonic() < until:
            name, make = todo.pop()
            content, began = make(), time.monotonic()
            did[name] = upload(server, admin, f"file-{name.partition('.')[0]}", name, content)[0]
            slow[name] = round(time.monotonic() - began, 1)

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ends = time.monotonic() + DONE_WITHIN
    while time.monotonic() < ends and server.run_sql(OPEN):
        time.sleep(0.3)
    note_tasks(server, first)
    slowest = max(slow.items(), key=lambda item: item[1])
    server.note(uploads=dict(Counter(map(str, did.values()))), slowest_upload=slowest)
    for name, status in did.items():
        if status == 0 or status >= 500:
            server.report_finding(f"the upload of {name} was answered with {status}")
    return len(did)


def note_tasks(server: Server, first: int) -> None:
    """Reports the outcome of all tasks after the id `first`."""
    rows = server.run_sql(f"SELECT arguments, kind, state, error FROM datasets_job WHERE id > {first}")
    server.note(tasks=dict(Counter(f"{kind} {state}" for _, kind, state, _ in rows)))
    for arguments, kind, state, error in rows:
        names = json.loads(arguments) if isinstance(arguments, str) else arguments
        if state in ("waiting", "running"):
            server.report_finding(f"{kind} of {names.get('files')} is not done {DONE_WITHIN} s after the last upload")
        if error in ("unexpected", "gave_up"):
            server.report_finding(f"{kind} of {names.get('files')} failed: {error}")


def make_wide_csv(columns: int) -> Callable[[], bytes]:
    def make() -> bytes:
        names = ["prompt", "response_1", "response_2", *(f"c{n}" for n in range(columns - 3))]
        out = io.StringIO()
        csv.writer(out).writerows([names, [f"x{n}" for n in range(columns)]])
        return out.getvalue().encode()

    return make


def build_same_columns() -> bytes:
    return b"prompt,response_1,response_2" + b",a" * 60_000 + b"\nx,y,z" + b",1" * 60_000 + b"\n"


def build_gz_bomb() -> bytes:
    """1 GB of spaces in 1 MB."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9) as file:
        for _ in range(256):
            file.write(b" " * (4 << 20))
    return out.getvalue()


def build_gz_in_gz() -> bytes:
    return gzip.compress(gzip.compress(gzip.compress(b"\0" * (64 << 20))))


def make_zip_bomb(cells: bytes) -> Callable[[], bytes]:
    """Builder of an .xlsx file whose sheet has some hundred MB."""

    def make() -> bytes:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as book:
            types = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"></Types>'
            book.writestr("[Content_Types].xml", types)
            relation = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
            main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
            sheet = f'<sheets><sheet name="a" sheetId="1" r:id="r1" xmlns:r="{relation}"/></sheets>'
            book.writestr("xl/workbook.xml", f'<workbook xmlns="{main}">{sheet}</workbook>')
            related = f'<Relationship Id="r1" Type="{relation}/worksheet" Target="worksheets/sheet1.xml"/>'
            kind = "http://schemas.openxmlformats.org/package/2006/relationships"
            book.writestr("xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{kind}">{related}</Relationships>')
            with book.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as file:
                file.write(SHEET.encode())
                for _ in range(300):
                    file.write(cells * 10_000)
        return out.getvalue()

    return make


def build_laughs() -> bytes:
    """Billion laughs: nested entities, in a sheet."""
    names = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(9))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as book:
        text = f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a0 "ha">{names}]><worksheet>&a9;</worksheet>'
        for name in ("xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "[Content_Types].xml"):
            book.writestr(name, text)
    return out.getvalue()


def build_parquet(columns: int = 3, rows: int = 1000) -> bytes:
    import pyarrow
    import pyarrow.parquet

    names = ["prompt", "chosen", "rejected", *(f"c{n}" for n in range(columns - 3))]
    table = pyarrow.table({name: [f"{name} {n}" for n in range(rows)] for name in names})
    out = io.BytesIO()
    pyarrow.parquet.write_table(table, out)
    return out.getvalue()


def build_half_parquet() -> bytes:
    whole = build_parquet()
    return whole[: len(whole) // 2]


def build_broken_parquet() -> bytes:
    whole = bytearray(build_parquet())
    for place in range(100, len(whole) - 8, 97):
        whole[place] ^= 0xFF
    return bytes(whole)


def build_one_line() -> bytes:
    """One line of 50 MB."""
    return b'{"prompt": "a", "chosen": "' + b"b" * 50_000_000 + b'", "rejected": "c"}\n'


def build_bad_rows() -> bytes:
    return b"".join(b'{"prompt": "%d", "chosen": "a", "rejected": "a"}\n' % n for n in range(100_000))


def encode_judged(text: str) -> bytes:
    return json.dumps({"prompt": "a", "chosen": text, "rejected": "c"}).encode() + b"\n"


FILES: dict[str, Callable[[], bytes]] = {
    "columns-16385.csv": make_wide_csv(16_385),
    "columns-100000.csv": make_wide_csv(100_000),
    "columns-same.csv": build_same_columns,
    "bomb.jsonl.gz": build_gz_bomb,
    "nested.csv.gz": build_gz_in_gz,
    "half.jsonl.gz": lambda: gzip.compress(encode_judged("b") * 10_000)[:100],
    "bomb.xlsx": make_zip_bomb(b'<row><c t="inlineStr"><is><t>a</t></is></c></row>'),
    "one-row.xlsx": make_zip_bomb(b"<c><v>1</v></c>"),
    "laughs.xlsx": build_laughs,
    "half.parquet": build_half_parquet,
    "broken.parquet": build_broken_parquet,
    "wide.parquet": lambda: build_parquet(20_000, 1),
    "magic.parquet": lambda: b"PAR1" + b"\xff" * 10_000 + b"PAR1",
    "nuls.jsonl": lambda: b"\0" * 10_000_000,
    "nuls.csv": lambda: b"prompt,chosen,rejected\n" + b"a\0,b\0,c\0\n" * 100_000,
    "deep.json": lambda: b"[" * 5_000_000,
    "deep.jsonl": lambda: b'{"prompt": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001 + b"\n",
    "line.jsonl": build_one_line,
    "line.csv": lambda: b"prompt,chosen,rejected\n" + b"a" * 50_000_000,
    "line.json": lambda: b" " * 50_000_000,
    "quote.csv": lambda: b'prompt,chosen,rejected\n"' + b"a,b\n" * 5_000_000,
    "numbers.jsonl": lambda: b'{"prompt": "a", "chosen": ' + b"9" * 1_000_000 + b', "rejected": "c"}\n',
    "nan.jsonl": lambda: b'{"prompt": "a", "chosen": NaN, "rejected": Infinity}\n' * 1000,
    "surrogate.jsonl": lambda: b'{"prompt": "\\ud800", "chosen": "\\udfff", "rejected": "c"}\n',
    "keys.jsonl": lambda: json.dumps({f"k{n}": n for n in range(100_000)}).encode() + b"\n",
    "keys-differ.jsonl": lambda: b"".join(b'{"k%d": 1}\n' % n for n in range(50_000)),
    "latin.csv": lambda: b"prompt,chosen,rejected\n" + bytes(range(128, 256)) * 1000,
    "utf16.csv": lambda: "prompt,chosen,rejected\na,b,c\n".encode("utf-16")[:-1],
    "empty.jsonl": lambda: b"",
    "commas.csv": lambda: b"," * 5_000_000,
    "same.jsonl": build_bad_rows,
    "zip.xlsx": lambda: b"PK\x03\x04" + b"\0" * 100_000,
}
