"""Find functions of imports, exports and maths that other modules use and that show no example. `make lint` runs it."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
APPS = ("config", "api", "optimize", "annotate", "analyze", "datasets")
PACKAGES = ("datasets/imports", "datasets/exports", "analyze/maths")
FRAMEWORK_MODULES = frozenset({"forms.py", "column_forms.py", "tasks.py"})  # forms and jobs: Django calls them


def find_names(tree: ast.Module) -> set[str]:
    """The names that a module imports or reads as attributes."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
    return names


def iter_functions_without_example() -> Iterator[tuple[Path, int, str]]:
    """(file, line, name) of each public function without `>>>` in its docstring."""
    paths = [path for app in APPS for path in sorted((ROOT / app).rglob("*.py")) if "migrations" not in path.parts]
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    names = {path: find_names(tree) for path, tree in trees.items()}
    for path, tree in trees.items():
        if not path.relative_to(ROOT).as_posix().startswith(PACKAGES) or path.name in FRAMEWORK_MODULES:
            continue
        used = set().union(*(found for other, found in names.items() if other != path))
        for node in tree.body:
            if (
                isinstance(node, ast.FunctionDef)
                and node.name in used
                and ">>> " not in (ast.get_docstring(node) or "")
            ):
                yield path.relative_to(ROOT), node.lineno, node.name


def main() -> int:
    """Prints each such function; 1 if there is one."""
    found = list(iter_functions_without_example())
    for path, line, name in found:
        print(f"{path}:{line}: {name} is used elsewhere: show an example in its docstring")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
