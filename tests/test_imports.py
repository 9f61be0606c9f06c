"""Imports point one way: no file needs, while it runs, one that needs it."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import groundplan

SOURCE = Path(groundplan.__file__).parent


def named(file: Path) -> str:
    """The name of the module that a file has."""
    parts = file.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(node: ast.AST) -> Iterator[tuple[str, str]]:
    """(module, name) of what is imported at run time below a node, in functions as well."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ImportFrom):
            assert child.module is not None
            assert child.level == 0  # absolute, as in all of the tree
            yield from ((child.module, each.name) for each in child.names)
        elif isinstance(child, ast.Import):
            yield from ((each.name, "") for each in child.names)
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        elif isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield from imported(child)


def needs(modules: dict[str, str]) -> dict[str, set[str]]:
    """For each module, by its text, the others of them that it imports.

    `from room import file` needs the file, `from room import name` the room's own `__init__`.
    """
    found: dict[str, set[str]] = {}
    for mine, text in modules.items():
        below = ((f"{module}.{name}", module) for module, name in imported(ast.parse(text)))
        given = (file if file in modules else module for file, module in below)
        found[mine] = {each for each in given if each in modules and each != mine}
    return found


def test_no_file_needs_one_that_needs_it() -> None:
    """The files of the package can be put in an order in which each imports earlier ones only."""
    modules = {named(file): file.read_text() for file in sorted(SOURCE.rglob("*.py"))}
    order = list(TopologicalSorter(needs(modules)).static_order())
    assert len(order) == len(modules) > 300


def test_a_circle_would_be_found() -> None:
    """Also one that is closed inside a function; one for type checkers alone is none."""
    one = "from room.two import x"
    late = "def f():\n    from room import one\n"
    typed = "if TYPE_CHECKING:\n    from room.one import y\n"
    with pytest.raises(CycleError):
        list(TopologicalSorter(needs({"room.one": one, "room.two": late})).static_order())
    list(TopologicalSorter(needs({"room.one": one, "room.two": typed})).static_order())
