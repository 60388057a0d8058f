"""Wrappers of byte streams: gunzip, transcode to UTF-8, push back what was read. Memory holds a buffer."""

import codecs
import gzip
import io
import shutil
import tempfile
import zlib
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, Protocol, TypeVar, TypeVarTuple, cast

from datasets.files import limits
from datasets.files.item import FileProblem

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


class Readable(Protocol):
    """A binary stream: an open file, an upload, or one of the wrappers below."""

    def read(self, size: int, /) -> bytes: ...


class Rereadable(Readable, Protocol):
    """A binary stream that may be read from its start again."""

    def seekable(self) -> bool: ...

    def seek(self, offset: int, /) -> object: ...


class PushbackStream(io.RawIOBase):
    """A stream with the bytes already read from it, `head`, put back in front."""

    def __init__(self, head: bytes, stream: Readable) -> None:
        self.head, self.stream, self.count = head, stream, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        view = memoryview(buffer)
        chunk, self.head = self.head[: len(view)], self.head[len(view) :]
        chunk = chunk or self.stream.read(len(view))
        view[: len(chunk)] = chunk
        self.count += len(chunk)
        return len(chunk)


class GunzipStream:
    """The content of a gzipped stream.

    Raises FileProblem where the content outgrows the compressed size, as a gzip bomb does, before it fills the disk.
    """

    def __init__(self, packed: PushbackStream) -> None:
        self.packed, self.count = packed, 0
        self.plain = gzip.GzipFile(fileobj=io.BufferedReader(packed))

    def read(self, size: int, /) -> bytes:
        chunk = self.plain.read(size)
        self.count += len(chunk)
        if is_bomb(self.count, self.packed.count):
            raise FileProblem("swells", f"{self.count // self.packed.count} : 1")
        return chunk


def is_bomb(size: int, packed: int) -> bool:
    """Whether content of `size` bytes is too much for `packed` compressed bytes."""
    return size > max(limits.BOMB_FROM, limits.BOMB_RATIO * packed)


def refuse_bomb(size: int, packed: int) -> None:
    """Raises FileProblem for a table that unpacks to far more than text ever does."""
    if is_bomb(size, packed):
        raise FileProblem("too_packed", f"{size // max(packed, 1)} : 1")


class TranscodedStream:
    """A stream of another encoding, as UTF-8.

    The error handler carries invalid bytes over as invalid UTF-8, which the readers refuse.
    """

    def __init__(self, stream: Readable, encoding: str, errors: str) -> None:
        self.stream, self.errors, self.rest = stream, errors, b""
        self.decode = codecs.getincrementaldecoder(encoding)(errors).decode

    def read(self, size: int, /) -> bytes:
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


def ensure_seekable(head: bytes, stream: Readable) -> IO[bytes]:
    """The stream itself if it is a seekable file, else a temporary copy on disk.

    head: what was read from the stream.
    """
    file = cast("IO[bytes]", stream)  # used as one only where it is seekable
    if getattr(stream, "seekable", bool)() and file.tell() == len(head):
        return file
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - it is deleted with its last reader
    shutil.copyfileobj(io.BufferedReader(PushbackStream(head, stream)), copy)
    return copy


def read_unzipped(read: Callable[[*Arguments], Result], *args: *Arguments) -> Result:
    """Calls `read`; raises FileProblem where a .gz is broken."""
    try:
        return read(*args)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FileProblem("cut_off_gzip", str(error)) from None
