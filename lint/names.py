"""Check that every function name starts with a verb of verbs.txt, or with is_ or has_. `make lint` runs it.

Exempt: views, API operations, properties, QuerySet methods, context managers, decorators, middleware, template tags,
fixtures, and functions that a framework or a plug-in loader calls by name.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("config", "api", "optimize", "annotate", "analyze", "datasets", "tests", "bench", "attack", "lint")
VERBS = frozenset(Path(__file__).with_name("verbs.txt").read_text(encoding="utf-8").split())
EXEMPT_DECORATORS = frozenset(  # the functions are values, or a framework sets their names
    [
        "property",
        "cached_property",
        "contextmanager",
        "fixture",
        "simple_tag",
        "filter",
        "inclusion_tag",
        "get",
        "post",
        "api_operation",
        "composite",
    ]
)
EXEMPT = frozenset(
    [
        "main",
        "middleware",
        "guarded",
        "wrapper",
        "ready",
        "formatException",
        "to_python",
        "readable",
        "seekable",
        "items",
        "values",
        "put",
        "readinto",
        "writable",
        "anyone",
        "signed_in",
        "kind",
        "in_turn",
        "answered_in_json",
        "posted_from",
    ]
)  # inner functions of decorators; called by frameworks; decorators
HOOKS = {  # the interface of plug-ins; see the package docstrings
    "datasets/formats": {"matches"},
    "annotate/questions": {"verdicts", "fields", "by_criterion", "wrong", "choices", "ratings", "contradicts"},
    "analyze/reports": {"numbers", "tables"},
}


def list_violations(path: Path, views: set[str]) -> Iterator[tuple[int, str]]:
    """(line, name) of each function in a file that breaks the rule."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    exempt = views | EXEMPT | HOOKS.get(path.parent.relative_to(ROOT).as_posix(), set())
    for parent in ast.walk(tree):
        for node in ast.iter_child_nodes(parent):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                name = node.name.lstrip("_")
                if name not in exempt and not (is_exempt(node, parent) or is_verb_first(name)):
                    yield node.lineno, node.name


def is_exempt(node: ast.FunctionDef | ast.AsyncFunctionDef, parent: ast.AST) -> bool:
    """Whether a framework sets or calls the name."""
    decorators = {name for decorator in node.decorator_list for name in find_names(decorator)}
    is_method_of_queryset = isinstance(parent, ast.ClassDef) and any("QuerySet" in ast.unparse(b) for b in parent.bases)
    return (
        bool(decorators & EXEMPT_DECORATORS)
        or is_method_of_queryset
        or node.name.startswith(("__", "test_", "pytest_"))
        or node.name.endswith("_required")
    )


def find_names(node: ast.AST) -> Iterator[str]:
    """The names in an expression: `register.filter("x")` has register and filter."""
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Attribute):
            yield part.attr


def is_verb_first(name: str) -> bool:
    first = re.split("[^a-z0-9]", name)[0]
    return first in VERBS or first in ("is", "has")


def find_views() -> set[str]:
    """The names in the urls.py files and in the settings' middleware."""
    names: set[str] = set()
    for path in ROOT.glob("*/urls.py"):
        names |= set(find_names(ast.parse(path.read_text(encoding="utf-8"))))
    settings = (ROOT / "config" / "settings.py").read_text(encoding="utf-8")
    return names | set(re.findall(r'"[a-z_.]+\.([a-z_]+)"', settings))


def main() -> bool:
    """Prints each violation; whether there is one."""
    views, count = find_views(), 0
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "migrations" not in path.parts:
                for line, name in list_violations(path, views):
                    print(f"{path.relative_to(ROOT)}:{line}: {name} does not begin with a verb of lint/verbs.txt")
                    count += 1
    return count > 0


if __name__ == "__main__":
    sys.exit(main())
