"""Where choices contradict each other: in a circle, on one pair, or the stars beside them."""

from collections import defaultdict, deque
from dataclasses import dataclass

import numpy as np

from analyze.maths.counts import align_columns

MOST_STARTS = 50  # answers of one knot from which a way back is looked for


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


def find_cycles_within(prompt, annotator, chosen, rejected, strength=None):
    """Cycles in what one person said of one prompt's answers (circular triads: Kendall and Babington Smith 1940), one
    for each knot of answers, see `_iter_cycles`."""
    prompt, annotator = np.asarray(prompt).tolist(), np.asarray(annotator).tolist()
    arrows = defaultdict(dict)
    for row, pair in _iter_decided(chosen, rejected, strength):
        arrows[prompt[row], annotator[row]].setdefault(pair, row)
    for pairs in arrows.values():  # an opposite vote is no circle; see `find_opposites`
        for pair in [pair for pair in pairs if pair[::-1] in pairs]:
            del pairs[pair]
    return [
        Cycle(*key, answers, tuple(arrows[key][pair] for pair in _iter_steps(answers)))
        for key, answers in _iter_cycles(arrows)
    ]


def find_cycles_across(prompt, chosen, rejected, strength=None):
    """Cycles of majorities of all people on one prompt's answers (Condorcet's paradox), one for each knot of answers,
    see `_iter_cycles`."""
    prompt = np.asarray(prompt).tolist()
    votes = defaultdict(lambda: defaultdict(list))
    for row, pair in _iter_decided(chosen, rejected, strength):
        votes[prompt[row]][pair].append(row)
    majorities = {
        where: {pair: rows for pair, rows in pairs.items() if len(rows) > len(pairs.get(pair[::-1], ()))}
        for where, pairs in votes.items()
    }
    return [
        Cycle(where, None, answers, tuple(majorities[where][pair][0] for pair in _iter_steps(answers)))
        for where, answers in _iter_cycles(majorities)
    ]


def find_opposites(annotator, chosen, rejected, strength=None):
    """The Opposites in columns of choices."""
    annotator = np.asarray(annotator)
    votes = defaultdict(lambda: ([], []))
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


def find_star_conflicts(stars_chosen, stars_rejected, strength=None):
    """The places of choices where the same judgment gave the rejected answer more stars than the chosen one, the widest
    apart first; of ties, where the stars differ by two or more."""
    gap = np.asarray(stars_rejected, float) - np.asarray(stars_chosen, float)
    gap = np.where(np.isfinite(gap), gap, 0)
    if strength is not None:
        gap = np.where(np.asarray(strength) > 0, gap, np.maximum(np.abs(gap) - 1, 0))
    order = np.argsort(-gap, kind="stable")
    return order[gap[order] > 0]


def _iter_decided(chosen, rejected, strength):
    """(row, (chosen, rejected)) of the choices that are no tie."""
    chosen, rejected, strength = align_columns(chosen, rejected, strength)
    rows = np.flatnonzero((strength > 0) & (chosen != rejected))
    return zip(rows.tolist(), zip(chosen[rows].tolist(), rejected[rows].tolist(), strict=True), strict=True)


def _iter_steps(answers):
    return zip(answers, (*answers[1:], answers[0]), strict=True)


def _iter_cycles(graphs):
    """(its key, answers) of a circle in each strongly connected part of each of these graphs of arrows: one of the
    shortest, in a part of more than MOST_STARTS answers one of the shortest through so many of them. All graphs are
    taken apart at once, as there is one for each prompt."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    place = {}  # of (graph, answer)
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
    onward, members, nodes = defaultdict(list), defaultdict(list), list(place)
    for start, stop in zip(starts[inside].tolist(), stops[inside].tolist(), strict=True):
        onward[start].append(stop)
    for node in onward:
        members[part[node]].append(node)
    for knot in members.values():
        ways = (_find_way_back(node, onward) for node in sorted(knot)[:MOST_STARTS])
        answers = _pick_shortest(ways)
        yield nodes[answers[0]][0], tuple(nodes[node][1] for node in answers)


def _pick_shortest(ways):
    """The first of the shortest; none is shorter than three steps."""
    best = None
    for way in ways:
        if best is None or len(way) < len(best):
            best = way
        if len(best) == 3:
            break
    return best


def _find_way_back(start, onward):
    """The shortest way from a node back to it: breadth first."""
    previous, queue = {}, deque([start])
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
    raise ValueError("no way back: the part is not strongly connected")
