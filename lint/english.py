"""Refuse the phrases of retired.txt in comments, docstrings, command help and docs. `make lint` runs it."""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("config", "api", "optimize", "annotate", "analyze", "datasets", "tests", "bench", "attack", "lint")
DOCS = ("CONTRIBUTING.md", "CHANGELOG.md", "docs/*.md")
SCRIPTS = ("static/*.js", "static/**/*.css")
PHRASES = [
    line
    for line in Path(__file__).with_name("retired.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]
RETIRED = re.compile(r"\b(?:{})\b".format("|".join(PHRASES).replace(" ", r"\s+")), re.IGNORECASE)


def iter_python_texts(source: str) -> Iterator[tuple[int, str]]:
    """(line, text) of each comment, docstring and help text of a module."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node, clean=False)
            if docstring:
                yield node.body[0].lineno, docstring
        elif isinstance(node, ast.keyword) and node.arg == "help" and isinstance(node.value, ast.Constant):
            yield node.value.lineno, str(node.value.value)


def iter_script_comments(source: str) -> Iterator[tuple[int, str]]:
    """(line, text) of each comment of a script or style sheet."""
    for match in re.finditer(r"/\*.*?\*/|(?<![:\"'])//[^\n]*", source, re.DOTALL):
        yield source.count("\n", 0, match.start()) + 1, match[0]


def iter_texts() -> Iterator[tuple[Path, int, str]]:
    """(file, line, text) of everything that is checked."""
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "migrations" not in path.parts:
                yield from ((path, line, text) for line, text in iter_python_texts(path.read_text(encoding="utf-8")))
    for pattern in SCRIPTS:
        for path in sorted(ROOT.glob(pattern)):
            yield from ((path, line, text) for line, text in iter_script_comments(path.read_text(encoding="utf-8")))
    for pattern in DOCS:
        for path in sorted(ROOT.glob(pattern)):
            yield path, 1, path.read_text(encoding="utf-8")


def main() -> int:
    """Prints each retired phrase with its place; 1 if there is one."""
    count = 0
    for path, line, text in iter_texts():
        for match in RETIRED.finditer(text):
            place = line + text.count("\n", 0, match.start())
            print(f"{path.relative_to(ROOT)}:{place}: say it in plain English: {' '.join(match[0].split())!r}")
            count += 1
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main())
