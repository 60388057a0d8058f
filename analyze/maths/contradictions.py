"""Choices that contradict each other, form a cycle, or contradict the stars of the same judgment."""

from collections import defaultdict, deque
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from analyze.maths.arrays import Bools, Column, Ints, code_column
from analyze.maths.counts import align_columns

MOST_STARTS = 50  # answers of one strongly connected component from which a cycle is searched
Pair = tuple[Any, Any]  # (chosen, rejected): ids or names
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Cycle:
    """Answers each of which was chosen over the next, and the last over the first.

    annotator: None for a cycle of majorities.
    rows: indices of the choices that state the steps, one per step.
    """

    prompt: Any
    annotator: Any
    answers: tuple[Any, ...]
    rows: tuple[int, ...]


@dataclass(frozen=True)
class Opposites:
    """Pairs of answers each of which was chosen over the other, the most evenly split first.

    Arrays: (pairs,).
    """

    one: Column
    other: Column
    for_one: Ints  # choices
    for_other: Ints
    by_one_person: Bools  # one annotator chose both ways
    rows: tuple[tuple[int, ...], ...]  # indices of the choices of each pair


def find_cycles_within(
    prompt: ArrayLike, annotator: ArrayLike, chosen: ArrayLike, rejected: ArrayLike, strength: ArrayLike | None = None
) -> list[Cycle]:
    """Cycles in the choices of one annotator on one prompt, one per strongly connected component of answers.

    prompt, annotator, chosen, rejected, strength: (n,); strength 0 is a tie.

    Source: circular triads, Kendall and Babington Smith (1940).

    >>> cycles = find_cycles_within(["p"] * 3, ["ann"] * 3, chosen=["a", "b", "c"], rejected=["b", "c", "a"])
    >>> cycles[0].answers, cycles[0].rows
    (('a', 'b', 'c'), (0, 1, 2))
    """
    prompts, annotators = np.asarray(prompt).tolist(), np.asarray(annotator).tolist()
    arrows: defaultdict[tuple[Any, Any], dict[Pair, int]] = defaultdict(dict)
    for row, pair in _iter_decided(chosen, rejected, strength, among=_find_possible_cycles(prompt, chosen, rejected)):
        arrows[prompts[row], annotators[row]].setdefault(pair, row)
    for pairs in arrows.values():  # opposite votes are no cycle; see `find_opposites`
        for pair in [pair for pair in pairs if pair[::-1] in pairs]:
            del pairs[pair]
    return [
        Cycle(*key, answers, tuple(arrows[key][pair] for pair in _iter_steps(answers)))
        for key, answers in _iter_cycles(arrows)
    ]


def find_cycles_across(
    prompt: ArrayLike, chosen: ArrayLike, rejected: ArrayLike, strength: ArrayLike | None = None
) -> list[Cycle]:
    """Cycles of majorities on one prompt (Condorcet's paradox), one per strongly connected component of answers.

    prompt, chosen, rejected, strength: (n,); strength 0 is a tie.

    >>> cycles = find_cycles_across(["p"] * 3, chosen=["a", "b", "c"], rejected=["b", "c", "a"])
    >>> cycles[0].annotator, cycles[0].answers
    (None, ('a', 'b', 'c'))
    """
    prompts = np.asarray(prompt).tolist()
    votes: defaultdict[Any, defaultdict[Pair, list[int]]] = defaultdict(lambda: defaultdict(list))
    for row, pair in _iter_decided(chosen, rejected, strength, among=_find_possible_cycles(prompt, chosen, rejected)):
        votes[prompts[row]][pair].append(row)
    majorities = {
        where: {pair: rows for pair, rows in pairs.items() if len(rows) > len(pairs.get(pair[::-1], ()))}
        for where, pairs in votes.items()
    }
    return [
        Cycle(where, None, answers, tuple(majorities[where][pair][0] for pair in _iter_steps(answers)))
        for where, answers in _iter_cycles(majorities)
    ]


def find_opposites(
    annotator: ArrayLike, chosen: ArrayLike, rejected: ArrayLike, strength: ArrayLike | None = None
) -> Opposites:
    """The Opposites in columns of choices.

    annotator, chosen, rejected, strength: (n,); strength 0 is a tie.

    >>> opposites = find_opposites(["ann", "bob"], chosen=["a", "b"], rejected=["b", "a"])
    >>> opposites.one.tolist(), opposites.other.tolist(), opposites.by_one_person.tolist()
    (['a'], ['b'], [False])
    """
    annotator = np.asarray(annotator)
    votes: defaultdict[Pair, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for row, pair in _iter_decided(chosen, rejected, strength):
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


def find_star_conflicts(stars_chosen: ArrayLike, stars_rejected: ArrayLike, strength: ArrayLike | None = None) -> Ints:
    """Indices of the choices whose judgment gave the rejected answer more stars, the widest gap first.

    stars_chosen, stars_rejected: (n,), NaN where a judgment gives no stars.
    strength: (n,); a tie (0) conflicts with stars that differ by two or more.

    >>> find_star_conflicts([5, 2, 1], [3, 3, 5]).tolist()
    [2, 1]
    """
    gap = np.asarray(stars_rejected, float) - np.asarray(stars_chosen, float)
    gap = np.where(np.isfinite(gap), gap, 0)
    if strength is not None:
        gap = np.where(np.asarray(strength) > 0, gap, np.maximum(np.abs(gap) - 1, 0))
    order = np.argsort(-gap, kind="stable")
    return order[gap[order] > 0]


def _find_possible_cycles(prompt: ArrayLike, chosen: ArrayLike, rejected: ArrayLike) -> Bools:
    """(n,): whether choices on a row's prompt are between three answers or more. Only they can form a cycle."""
    where = code_column(prompt)[1]
    names, answer = code_column(np.concatenate([np.asarray(chosen), np.asarray(rejected)]))
    both = np.unique(np.concatenate([where, where]) * max(len(names), 1) + answer)
    return np.bincount(both // max(len(names), 1), minlength=1)[where] > 2


def _iter_decided(
    chosen: ArrayLike, rejected: ArrayLike, strength: ArrayLike | None, among: Bools | None = None
) -> Iterator[tuple[int, Pair]]:
    """(row, (chosen, rejected)) of each choice that is no tie.

    among: (n,), rows to consider; None for all.
    """
    chosen, rejected, strength = align_columns(chosen, rejected, strength)
    is_decided = (strength > 0) & (chosen != rejected)
    rows = np.flatnonzero(is_decided if among is None else is_decided & among)
    return zip(rows.tolist(), zip(chosen[rows].tolist(), rejected[rows].tolist(), strict=True), strict=True)


def _iter_steps(answers: tuple[Any, ...]) -> Iterator[Pair]:
    return zip(answers, (*answers[1:], answers[0]), strict=True)


def _iter_cycles(graphs: Mapping[Key, Mapping[Pair, Any]]) -> Iterator[tuple[Key, tuple[Any, ...]]]:
    """(key, answers) of a shortest cycle in each strongly connected component of each directed graph.

    graphs: {key: {(from, to): …}}.

    In a component with more than MOST_STARTS answers: a shortest cycle through one of the first MOST_STARTS of them.
    One pass decomposes all graphs together, as there is one graph per prompt.
    """
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    place: dict[tuple[Key, Any], int] = {}  # code of (graph, answer)
    ends = [
        tuple(place.setdefault((key, node), len(place)) for node in pair)
        for key, arrows in graphs.items()
        if len(arrows) > 2
        for pair in arrows
    ]
    if not ends:
        return
    starts, stops = np.array(ends).T
    _, part = connected_components(csr_array((np.ones(len(ends)), (starts, stops)), (len(place),) * 2), True, "strong")
    inside = part[starts] == part[stops]
    onward: defaultdict[int, list[int]] = defaultdict(list)
    members: defaultdict[int, list[int]] = defaultdict(list)
    nodes = list(place)
    for start, stop in zip(starts[inside].tolist(), stops[inside].tolist(), strict=True):
        onward[start].append(stop)
    for node in onward:
        members[part[node]].append(node)
    for knot in members.values():
        ways = (_find_way_back(node, onward) for node in sorted(knot)[:MOST_STARTS])
        answers = _pick_shortest(ways)
        yield nodes[answers[0]][0], tuple(nodes[node][1] for node in answers)


def _pick_shortest(ways: Iterable[list[int]]) -> list[int]:
    """The first of the shortest; three steps are the minimum."""
    best: list[int] = []
    for way in ways:
        if not best or len(way) < len(best):
            best = way
        if len(best) == 3:
            break
    return best


def _find_way_back(start: int, onward: Mapping[int, list[int]]) -> list[int]:
    """The shortest cycle through a node, by breadth-first search."""
    previous: dict[int, int] = {}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        for after in onward[node]:
            if after == start:
                way = [node]
                while way[-1] != start:
                    way.append(previous[way[-1]])
                return way[::-1]
            if after not in previous:
                previous[after] = node
                queue.append(after)
    raise ValueError("no cycle: the component is not strongly connected")
