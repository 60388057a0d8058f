"""Refuse lines of templates that are longer than 120 characters. `make lint` runs it."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONGEST = 120  # characters


def main() -> int:
    """Prints each line that is too long; 1 if there is one."""
    found = False
    for path in sorted((ROOT / "templates").rglob("*.*")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if len(line) > LONGEST:
                print(f"{path.relative_to(ROOT)}:{number}: {len(line)} characters, at most {LONGEST}")
                found = True
    return int(found)


if __name__ == "__main__":
    sys.exit(main())
