"""Pickers, one file each. A picker learns from people's choices which of several answers they prefer.

A module has RANK (a higher one replaces a lower one only if it predicts held-out choices better), HAS_CHANCES (whether
a difference of two scores is the log-odds of a choice), `fit(choices)` and `score_held_out(choices)`.
"""

import functools
import importlib
import pkgutil
from collections.abc import Sequence
from typing import Protocol, cast

from analyze.maths.arrays import Floats
from optimize.policy.choices import JudgedChoices


class FittedPicker(Protocol):
    """A picker that has learnt from choices."""

    def score(self, texts: Sequence[str]) -> Floats:
        """(n,): the score of each answer; people prefer higher ones."""


class Picker(Protocol):
    """A module of this package."""

    __name__: str
    RANK: int
    HAS_CHANCES: bool

    def fit(self, choices: JudgedChoices) -> FittedPicker:
        """The picker, fitted to all choices."""

    def score_held_out(self, choices: JudgedChoices) -> dict[int, float]:
        """{id of a response: its score}, learnt from the choices about other prompts."""


@functools.cache
def load_pickers() -> dict[str, Picker]:
    """The pickers by name, the simplest first."""
    modules = [importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__)]
    pickers = [cast("Picker", module) for module in modules if hasattr(module, "RANK")]
    return {picker.__name__.rpartition(".")[2]: picker for picker in sorted(pickers, key=lambda picker: picker.RANK)}
