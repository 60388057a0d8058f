"""Where choices contradict each other: in a circle, on one pair, or the stars beside them."""

from collections import defaultdict, deque
from dataclasses import dataclass

import numpy as np

from analyze.maths.counts import columns


@dataclass(frozen=True)
class Cycle:
    """Answers each of which was chosen over the next, the last over the first; `rows` are places of choices that say
    so, one for each step. `annotator` is whose, or None where only the majorities of all say so."""

    prompt: object
    annotator: object
    answers: tuple
    rows: tuple


@dataclass(frozen=True)
class Opposites:
    """A line for each pair of answers of which each was chosen over the other, the most evenly split first."""

    one: np.ndarray
    other: np.ndarray
    for_one: np.ndarray
    for_other: np.ndarray
    by_one_person: np.ndarray  # somebody said both
    rows: tuple  # places of the choices of each


def cycles_within(prompt, annotator, chosen, rejected, strength=None):
    """Cycles in what one person said of one prompt's answers (circular triads: Kendall and Babington Smith 1940), one
    of the shortest for each knot of answers."""
    prompt, annotator = np.asarray(prompt).tolist(), np.asarray(annotator).tolist()
    arrows = defaultdict(dict)
    for row, pair in _decided(chosen, rejected, strength):
        arrows[prompt[row], annotator[row]].setdefault(pair, row)
    for said in arrows.values():  # an opposite vote is no circle; see `opposites`
        for pair in [pair for pair in said if pair[::-1] in said]:
            del said[pair]
    return [
        Cycle(where, who, answers, tuple(said[pair] for pair in _steps(answers)))
        for (where, who), said in arrows.items()
        for answers in _circles(said)
    ]


def cycles_across(prompt, chosen, rejected, strength=None):
    """Cycles of majorities of all people on one prompt's answers (Condorcet's paradox), one of the shortest for each
    knot of answers."""
    prompt = np.asarray(prompt).tolist()
    votes = defaultdict(lambda: defaultdict(list))
    for row, pair in _decided(chosen, rejected, strength):
        votes[prompt[row]][pair].append(row)
    found = []
    for where, said in votes.items():
        majority = {pair: rows for pair, rows in said.items() if len(rows) > len(said.get(pair[::-1], ()))}
        for answers in _circles(majority):
            found.append(Cycle(where, None, answers, tuple(majority[pair][0] for pair in _steps(answers))))
    return found


def opposites(annotator, chosen, rejected, strength=None):
    """The Opposites in columns of choices."""
    annotator = np.asarray(annotator)
    votes = defaultdict(lambda: ([], []))
    for row, pair in _decided(chosen, rejected, strength):
        turned = pair[0] > pair[1]
        votes[pair[::-1] if turned else pair][turned].append(row)
    split = [(pair, *sides) for pair, sides in votes.items() if all(sides)]
    split.sort(key=lambda line: (-min(len(line[1]), len(line[2])), max(len(line[1]), len(line[2]))))
    return Opposites(
        one=np.array([pair[0] for pair, _, _ in split]),
        other=np.array([pair[1] for pair, _, _ in split]),
        for_one=np.array([len(rows) for _, rows, _ in split], int),
        for_other=np.array([len(rows) for _, _, rows in split], int),
        by_one_person=np.array([bool({*annotator[a]} & {*annotator[b]}) for _, a, b in split], bool),
        rows=tuple((*a, *b) for _, a, b in split),
    )


def against_stars(stars_chosen, stars_rejected, strength=None):
    """The places of choices where the same judgment gave the rejected answer more stars than the chosen one, the widest
    apart first; of ties, where the stars differ by two or more."""
    gap = np.asarray(stars_rejected, float) - np.asarray(stars_chosen, float)
    gap = np.where(np.isfinite(gap), gap, 0)
    if strength is not None:
        gap = np.where(np.asarray(strength) > 0, gap, np.maximum(np.abs(gap) - 1, 0))
    order = np.argsort(-gap, kind="stable")
    return order[gap[order] > 0]


def _decided(chosen, rejected, strength):
    """(row, (chosen, rejected)) of the choices that are no tie."""
    chosen, rejected, strength = columns(chosen, rejected, strength)
    rows = np.flatnonzero((strength > 0) & (chosen != rejected))
    return zip(rows.tolist(), zip(chosen[rows].tolist(), rejected[rows].tolist(), strict=True), strict=True)


def _steps(answers):
    return zip(answers, (*answers[1:], answers[0]), strict=True)


def _circles(arrows):
    """A shortest circle in each strongly connected part of a graph of arrows."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    if len(arrows) < 3:
        return
    nodes = list(dict.fromkeys(node for pair in arrows for node in pair))
    place = {node: number for number, node in enumerate(nodes)}
    ends = np.array([(place[a], place[b]) for a, b in arrows])
    graph = csr_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), (len(nodes),) * 2)
    _, part = connected_components(graph, connection="strong")
    onward = defaultdict(list)
    for a, b in ends.tolist():
        if part[a] == part[b]:
            onward[a].append(b)
    for members in {part[a]: [] for a in onward}:
        inside = [node for node in range(len(nodes)) if part[node] == members]
        yield tuple(nodes[node] for node in min((_back(node, onward) for node in inside), key=len))


def _back(start, onward):
    """The shortest way from a node back to it: breadth first."""
    came, queue = {}, deque([start])
    while queue:
        node = queue.popleft()
        for after in onward[node]:
            if after == start:
                way = [node]
                while way[-1] != start:
                    way.append(came[way[-1]])
                return way[::-1]
            if after not in came:
                came[after] = node
                queue.append(after)
    raise ValueError("no way back: the part is not strongly connected")
