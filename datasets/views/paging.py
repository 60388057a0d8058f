"""Pagination by key: each page costs the same, however far into the list."""

from django.core.exceptions import BadRequest
from django.http import HttpRequest


def parse_after(request: HttpRequest, name: str = "after") -> int:
    """The primary key after which the page starts; 0 for the first page.

    name: the query parameter.

    Raises BadRequest unless it is a number of at most 18 digits.
    """
    after = request.GET.get(name, "0")
    if not after.isdecimal() or len(after) > 18:
        raise BadRequest(name)
    return int(after)
