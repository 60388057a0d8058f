"""Short names for array types. Docstrings give the shapes, as in `wins: (n, n)`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Column = NDArray[Any]  # of ids or of names
Sparse = Any  # a sparse matrix: scipy has no stubs
