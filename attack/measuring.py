"""Waiting times of people, from the lines of their ledgers."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from attack.account import Line


def compute_waits(lines: Iterable[Line], outages: Sequence[Sequence[float]]) -> list[float]:
    """Seconds that each act waited, without the outages.

    outages: (began, ended) of each time in which the attack itself had the server down.
    """
    return [compute_wait(line, outages) for line in lines if line["kind"] in ("verdict", "page")]


def compute_wait(line: Line, outages: Sequence[Sequence[float]]) -> float:
    lost = sum(max(0.0, min(line["ended"], ended) - max(line["began"], began)) for began, ended in outages)
    waited: float = line["ended"] - line["began"] - lost
    return max(0.0, waited)


def compute_percentile(times: Sequence[float], share: float) -> float | None:
    """A percentile in ms; times: sorted, seconds."""
    return round(1000 * times[min(len(times) - 1, int(len(times) * share))], 1) if times else None


def measure(lines: Sequence[Line], outages: Sequence[Sequence[float]]) -> dict[str, Any]:
    """The figures of a phase.

    lines: of the steady crowd, those that ended in the phase.
    """
    times = sorted(compute_waits(lines, outages))
    health = [line for line in lines if line["kind"] == "healthz"]
    answers = [said for line in lines if line["kind"] in ("verdict", "page") for said in line["said"]]
    figures: dict[str, Any] = {"acts": len(times)}
    figures |= {"p50_ms": compute_percentile(times, 0.5), "p99_ms": compute_percentile(times, 0.99)}
    figures["worst_s"] = round(times[-1], 2) if times else None
    figures["healthz_worst_s"] = round(max((compute_wait(line, outages) for line in health), default=0), 2)
    figures["healthz_not_ok"] = sum(not line["answered"] and compute_wait(line, outages) > 0 for line in health)
    figures["errors_to_people"] = sum(isinstance(said, int) and said >= 500 for said in answers)
    figures["cut"] = sum(isinstance(said, str) for said in answers)
    refused = [line for line in lines if line["kind"] == "verdict" and "refused" in line]
    if refused:
        figures["refused"] = len(refused)
        figures["refused_with"] = f"{refused[0]['said'][-1]} {refused[0]['refused'][:80]}"
    if moved := sum(line["kind"] == "moved" for line in lines):
        figures["sides_changed"] = moved
    return figures


def say(**line: object) -> None:
    """Prints a JSON line."""
    print(json.dumps(line, ensure_ascii=False, default=str), flush=True)
