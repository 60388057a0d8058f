"""Short names for array types, and columns as codes. Docstrings give the shapes, as in `wins: (n, n)`."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Column = NDArray[Any]  # of ids or of names
Sparse = Any  # a sparse matrix: scipy has no stubs


def code_column(column: ArrayLike) -> tuple[Column, Ints]:
    """(names, codes): the different values of a column, sorted, and the place of each entry's value among them.

    column: (n,), ids or names. names: (values,); codes: (n,). Does what numpy.unique does, which sorts texts one by
    one: a dictionary finds the few different names of a million rows in a tenth of the time.

    >>> names, codes = code_column(["b", "a", "b"])
    >>> names.tolist(), codes.tolist()
    (['a', 'b'], [1, 0, 1])
    """
    values = np.asarray(column)
    if values.dtype.kind not in "OU":
        names, codes = np.unique(values, return_inverse=True)
        return names, codes
    rows = values.tolist()
    sorted_names = sorted(set(rows))
    place = {name: code for code, name in enumerate(sorted_names)}
    return np.array(sorted_names, values.dtype), np.fromiter(map(place.__getitem__, rows), np.int64, len(rows))
