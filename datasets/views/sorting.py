"""Lists that are sorted by `?sort=COLUMN`, or `?sort=-COLUMN` for descending; see the tag `sortable`."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from django.core.exceptions import BadRequest
from django.http import HttpRequest

T = TypeVar("T")
Keys = Mapping[str, Callable[[Any], Any]]  # {column: the value of a row}


def parse_sort(request: HttpRequest, columns: Collection[str], default: str = "") -> str:
    """The column of a query, after a hyphen if descending.

    default: the order without a query; "" for one that no column has.

    Raises BadRequest for a column that is not offered.
    """
    order = request.GET.get("sort") or default
    if order and order.removeprefix("-") not in columns:
        raise BadRequest("sort")
    return order


def sort_rows(rows: Iterable[T], order: str, keys: Keys) -> list[T]:
    """The rows in an order of `parse_sort`; those without a value come last, equal ones stay as they are.

    >>> sort_rows([2, None, 10], "-n", {"n": lambda row: row})
    [10, 2, None]
    """
    rows = list(rows)
    if not order:
        return rows
    get_value = keys[order.removeprefix("-")]
    known = [row for row in rows if get_value(row) is not None]
    known.sort(key=lambda row: fold_case(get_value(row)), reverse=order.startswith("-"))
    return known + [row for row in rows if get_value(row) is None]


def fold_case(value: Any) -> Any:
    return value.casefold() if isinstance(value, str) else value


def cut_page(rows: Sequence[T], after: str, size: int, name: Callable[[T], str]) -> tuple[list[T], str | None]:
    """A page of sorted rows, and the name of its last row if more follow.

    after: name of the last row of the page before; the first page if there is no such row.

    >>> cut_page(["a", "b", "c"], "a", 1, str)
    (['b'], 'b')
    """
    start = next((place for place, row in enumerate(rows, 1) if name(row) == after), 0) if after else 0
    page = list(rows[start : start + size])
    return page, name(page[-1]) if len(rows) > start + size else None
