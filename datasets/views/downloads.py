"""Answers that a browser saves as files."""

from django.http import StreamingHttpResponse

from datasets.files.writers import CONTENT_TYPES
from datasets.formats import get_file_kind


def stream_download(pieces, name, content_type, size=None):
    """A streamed answer that is saved under a name.

    pieces: iterable of bytes or str. size: bytes, where that is known.
    """
    response = StreamingHttpResponse(pieces, content_type=content_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    if size is not None:
        response["Content-Length"] = size
    return response


def stream_csv(lines, name):
    return stream_download(lines, name, CONTENT_TYPES["csv"])


def stream_export(export):
    """The file of an Export."""
    kind = get_file_kind(export.format)
    name = f"{export.dataset.slug}-{export.format}.{kind}"
    return stream_download(export.iter_pieces(), name, CONTENT_TYPES[kind])
