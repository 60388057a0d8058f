"""Write the diagram of judgment states into CONTRIBUTING.md, from `Judgment.MOVES`. A test fails when it is stale.

Run `.venv/bin/python -m lint.diagram` after a change of the moves.
"""

import os
import re
from pathlib import Path

import django

CONTRIBUTING = Path(__file__).resolve().parent.parent / "CONTRIBUTING.md"
BLOCK = re.compile(r"```mermaid\nstateDiagram-v2\n.*?```\n", re.DOTALL)


def draw_states() -> str:
    """The Mermaid block: one arrow for each allowed move."""
    from datasets.models import Judgment

    arrows = ["    [*] --> leased"]
    for state, targets in Judgment.MOVES.items():
        arrows += [f"    {state} --> {target}" for target in Judgment.State if target in targets]
    return "\n".join(["```mermaid", "stateDiagram-v2", *arrows, "```", ""])


def replace_diagram(text: str) -> str:
    """The text with the current diagram in the place of the old one.

    Raises ValueError where the text has no diagram.
    """
    if not BLOCK.search(text):
        raise ValueError("CONTRIBUTING.md has no diagram of states")
    return BLOCK.sub(lambda match: draw_states(), text, count=1)


def main() -> None:
    """Rewrites CONTRIBUTING.md."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    CONTRIBUTING.write_text(replace_diagram(CONTRIBUTING.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
