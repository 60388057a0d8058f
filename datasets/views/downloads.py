"""Streamed responses that a browser saves as files."""

from collections.abc import Iterable

from django.http import StreamingHttpResponse

from datasets.exports.export import Export
from datasets.files.writers import CONTENT_TYPES
from datasets.formats import get_file_kind


def stream_download(
    pieces: Iterable[bytes] | Iterable[str], name: str, content_type: str, size: int | None = None
) -> StreamingHttpResponse:
    """A streamed response that the browser saves as the file `name`.

    size: bytes, if known.
    """
    response = StreamingHttpResponse(pieces, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    if size is not None:
        response["Content-Length"] = size
    return response


def stream_csv(lines: Iterable[bytes] | Iterable[str], name: str) -> StreamingHttpResponse:
    """A CSV file, from its encoded lines."""
    return stream_download(lines, name, CONTENT_TYPES["csv"])


def stream_export(export: Export) -> StreamingHttpResponse:
    """The file of an export."""
    kind = get_file_kind(export.format)
    name = f"{export.dataset.slug}-{export.format}.{kind}"
    return stream_download(export.iter_pieces(), name, CONTENT_TYPES[kind])
