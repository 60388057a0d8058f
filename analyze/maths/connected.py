"""What cannot be compared: sources that no chain of choices joins, and sources that only ever won or lost."""

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


def connectivity(wins, ties):
    """The Connectivity of a square matrix of wins (row over column) and a symmetric one of ties."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    beats = csr_array((wins > 0) | (ties > 0))
    _, weak = connected_components(beats, connection="weak")
    sizes = np.bincount(weak, minlength=1)
    order = np.argsort(-sizes, kind="stable")
    component = np.argsort(order, kind="stable")[weak]
    parts, strong = connected_components(beats, connection="strong")
    return Connectivity(component, tuple(_leads(beats.toarray(), component, strong, parts)))


def _leads(beats, component, strong, parts):
    """Where a component falls into parts of which the upper ones only won: one split for each place where it does."""
    for part in range(component.max(initial=-1) + 1):
        inside = np.flatnonzero(component == part)
        names = list(dict.fromkeys(strong[inside]))
        if len(names) < 2:
            continue
        members = {name: inside[strong[inside] == name] for name in names}
        over = {(a, b) for a in names for b in names if a != b and beats[np.ix_(members[a], members[b])].any()}
        above = []
        left = list(names)
        while len(left) > 1:
            top = [a for a in left if not any((b, a) in over for b in left)]
            above += top
            left = [a for a in left if a not in top]
            if left:
                yield (
                    tuple(int(k) for a in above for k in members[a]),
                    tuple(int(k) for a in left for k in members[a]),
                )
