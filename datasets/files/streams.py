"""Streams of bytes over other ones: unpacked, in UTF-8, with their head put back. Memory holds a buffer."""

import codecs
import gzip
import io
import shutil
import tempfile
import zlib

from datasets.files import limits
from datasets.files.item import FileProblem


class PushbackStream(io.RawIOBase):
    """A stream with what was read of it put back in front."""

    def __init__(self, head, stream):
        self.head, self.stream, self.count = head, stream, 0

    def readable(self):
        return True

    def readinto(self, buffer):
        chunk, self.head = self.head[: len(buffer)], self.head[len(buffer) :]
        chunk = chunk or self.stream.read(len(buffer))
        buffer[: len(chunk)] = chunk
        self.count += len(chunk)
        return len(chunk)


class GunzipStream:
    """What a gzipped stream holds; one that swells beyond any text is refused before it fills the disk."""

    def __init__(self, packed):
        self.packed, self.count = packed, 0
        self.plain = gzip.GzipFile(fileobj=io.BufferedReader(packed))

    def read(self, size):
        chunk = self.plain.read(size)
        self.count += len(chunk)
        if is_bomb(self.count, self.packed.count):
            raise FileProblem("swells", f"{self.count // self.packed.count} : 1")
        return chunk


def is_bomb(size, packed):
    return size > max(limits.BOMB_FROM, limits.BOMB_RATIO * packed)


def refuse_bomb(size, packed):
    """Refuse a table that unpacks to so much more than any text does."""
    if is_bomb(size, packed):
        raise FileProblem("too_packed", f"{size // max(packed, 1)} : 1")


class TranscodedStream:
    """A stream of another encoding, as UTF-8. What is no text in it is none in UTF-8 either: readers refuse it."""

    def __init__(self, stream, encoding, errors):
        self.stream, self.errors, self.rest = stream, errors, b""
        self.decode = codecs.getincrementaldecoder(encoding)(errors).decode

    def read(self, size):
        while len(self.rest) < size:
            chunk = self.stream.read(size)
            try:
                self.rest += self.decode(chunk, final=not chunk).encode("utf-8", self.errors)
            except UnicodeDecodeError as error:
                raise FileProblem("utf16", str(error)) from None
            if not chunk:
                break
        piece, self.rest = self.rest[:size], self.rest[size:]
        return piece


def ensure_seekable(head, stream):
    """The stream as a file that can be read from any place: itself where it is one, else a copy on disk."""
    if getattr(stream, "seekable", bool)() and stream.tell() == len(head):
        return stream
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - it goes when nobody reads it any more
    shutil.copyfileobj(io.BufferedReader(PushbackStream(head, stream)), copy)
    return copy


def read_unzipped(read, *args):
    try:
        return read(*args)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FileProblem("cut_off_gzip", str(error)) from None
