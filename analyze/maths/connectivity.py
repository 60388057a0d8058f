"""What cannot be compared: sources that no chain of choices joins, and sources that only ever won or lost."""

from collections import Counter, defaultdict
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Connectivity:
    """`component[k]` of each source, the largest first. `leads` are pairs (codes above, codes below) within a component
    where nobody below was ever chosen over anybody above: how far they lie apart rests on the prior alone (Ford 1957,
    "Solution of a ranking problem from binary comparisons")."""

    component: np.ndarray
    leads: tuple

    @property
    def is_whole(self):
        return self.component.max(initial=0) == 0

    @property
    def is_settled(self):
        return self.is_whole and not self.leads


def compute_connectivity(wins, ties):
    """The Connectivity of a square matrix of wins (row over column) and a symmetric one of ties."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    beats = csr_array((wins > 0) | (ties > 0))
    _, weak = connected_components(beats, connection="weak")
    sizes = np.bincount(weak, minlength=1)
    order = np.argsort(-sizes, kind="stable")
    component = np.argsort(order, kind="stable")[weak]
    _, strong = connected_components(beats, connection="strong")
    return Connectivity(component, tuple(_iter_leads(*beats.nonzero(), component, strong)))


def _iter_leads(winners, losers, component, strong):
    """Where a component falls into parts of which the upper ones only won: one split for each place where it does."""
    arrows = {(a, b) for a, b in zip(strong[winners].tolist(), strong[losers].tolist(), strict=True) if a != b}
    below, above_it = defaultdict(list), Counter(b for _, b in arrows)
    for a, b in arrows:
        below[a].append(b)
    for part in range(component.max(initial=-1) + 1):
        members = defaultdict(list)
        for source in np.flatnonzero(component == part).tolist():
            members[int(strong[source])].append(source)
        above, left = [], list(members)
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
