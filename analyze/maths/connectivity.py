"""Sources that cannot be compared: no chain of choices connects them, or one side only ever won."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from analyze.maths.arrays import Floats, Ints

Lead = tuple[tuple[int, ...], tuple[int, ...]]  # codes of sources: above, below


@dataclass(frozen=True)
class Connectivity:
    """Which sources the choices connect.

    component: (n,), the component of each source; 0 is the largest.
    leads: splits of a component where no source below was ever chosen over one above. Only the prior determines the
        distance between the two sides (Ford 1957, "Solution of a ranking problem from binary comparisons").
    """

    component: Ints
    leads: tuple[Lead, ...]

    @property
    def is_whole(self) -> bool:
        """Whether there is only one component."""
        return bool(self.component.max(initial=0) == 0)

    @property
    def is_settled(self) -> bool:
        """Whether the choices alone determine all differences."""
        return self.is_whole and not self.leads


def compute_connectivity(wins: Floats, ties: Floats) -> Connectivity:
    """The Connectivity of the sources.

    wins: (n, n), wins of row over column.
    ties: (n, n), symmetric.

    >>> graph = compute_connectivity(wins=np.array([[0, 2, 0], [1, 0, 0], [0, 0, 0]]), ties=np.zeros((3, 3)))
    >>> graph.component.tolist(), graph.is_whole
    ([0, 0, 1], False)
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    beats = csr_array((wins > 0) | (ties > 0))
    _, weak = connected_components(beats, connection="weak")
    sizes = np.bincount(weak, minlength=1)
    order = np.argsort(-sizes, kind="stable")
    component = np.argsort(order, kind="stable")[weak]
    _, strong = connected_components(beats, connection="strong")
    winners, losers = beats.nonzero()
    return Connectivity(component, tuple(_iter_leads(winners, losers, component, strong)))


def _iter_leads(winners: Ints, losers: Ints, component: Ints, strong: Ints) -> Iterator[Lead]:
    """Each split of a component into sources above, which only won, and sources below.

    winners, losers: (pairs,), codes of sources; who won at least once, or tied.
    component, strong: (n,), weakly and strongly connected components.
    """
    arrows = {(a, b) for a, b in zip(strong[winners].tolist(), strong[losers].tolist(), strict=True) if a != b}
    below: defaultdict[int, list[int]] = defaultdict(list)
    above_it = Counter(b for _, b in arrows)
    for a, b in arrows:
        below[a].append(b)
    for part in range(component.max(initial=-1) + 1):
        members: defaultdict[int, list[int]] = defaultdict(list)
        for source in np.flatnonzero(component == part).tolist():
            members[int(strong[source])].append(source)
        above: list[int] = []
        left = list(members)
        while len(left) > 1:
            top = dict.fromkeys(name for name in left if not above_it[name])
            above_it.subtract(b for name in top for b in below[name])
            above += top
            left = [name for name in left if name not in top]
            if left:
                yield (
                    tuple(k for name in above for k in members[name]),
                    tuple(k for name in left for k in members[name]),
                )
