"""The Python source that is compiled: modules as syntax trees, and where each name is defined."""

import ast
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

from groundplan.errors import GroundplanError

Definition = ast.FunctionDef | ast.ClassDef | ast.expr
"""What a name of a module stands for; of a constant, its value."""


class OutsideError(GroundplanError, NotImplementedError):
    """A construct is outside of the subset that the script can say; the message has its place."""


class Imported(NamedTuple):
    """A name that a module takes from elsewhere: a module, or a name of it."""

    module: str
    name: str | None


class Module:
    """One module's syntax tree, and the names that it defines at its top level."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.short = name.rpartition(".")[2]
        self.definitions: dict[str, Definition] = {}
        self.annotations: dict[str, ast.expr] = {}
        self.imports: dict[str, Imported] = {}
        for node in ast.parse(text).body:
            self._enter(node)

    def _enter(self, node: ast.stmt) -> None:
        match node:
            case ast.FunctionDef() | ast.ClassDef():
                self._define(node.name, node, node)
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                self._define(name, value, node)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                self._define(name, value, node)
                self.annotations[name] = node.annotation
            case ast.AugAssign(target=ast.Name(id=name), op=op, value=value):
                before = self.definitions.get(name)
                if not isinstance(before, ast.expr):
                    raise self.outside(node, f"{name} is added to before it is there")
                sum_ = ast.BinOp(before, op, value)
                self.definitions[name] = ast.copy_location(sum_, before)
            case ast.Import():
                for alias in node.names:
                    self.imports[alias.asname or alias.name] = Imported(alias.name, None)
            case ast.ImportFrom(module=str(module)):
                for alias in node.names:
                    self.imports[alias.asname or alias.name] = Imported(module, alias.name)
            case ast.Expr(value=ast.Constant()) | ast.AnnAssign(target=ast.Name(), value=None):
                pass  # a docstring, a bare annotation
            case _:
                raise self.outside(node, "a module that does more than define")

    def _define(self, name: str, what: Definition, node: ast.AST) -> None:
        if name in self.definitions:
            raise self.outside(node, f"{name} is defined twice")
        self.definitions[name] = what

    def place(self, node: ast.AST) -> str:
        """The file and line of a node."""
        return f"{self.short}.py:{getattr(node, 'lineno', 0)}"

    def outside(self, node: ast.AST, problem: str) -> OutsideError:
        """The refusal of a node."""
        shown = ast.unparse(node).partition("\n")[0]
        shown = shown if len(shown) <= 80 else f"{shown[:77]}..."
        return OutsideError(
            f"{self.place(node)}: `{shown}`: {problem}; the script of the decision can't say it: "
            "write it with what the other rules use, or teach groundplan.decision.script"
        )


Read = Callable[[str], str]
"""The source text of a module, by its dotted name; raises OSError or ImportError without one."""


def read(name: str) -> str:
    """The source text of an importable module."""
    file = import_module(name).__file__
    if file is None:
        raise ImportError(name)
    return Path(file).read_text(encoding="utf-8")


class Sources:
    """The modules, each parsed once."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._modules: dict[str, Module] = {}

    def module(self, name: str) -> Module:
        """A module by its dotted name."""
        if name not in self._modules:
            self._modules[name] = Module(name, self._read(name))
        return self._modules[name]

    def find(self, module: Module, name: str) -> tuple[Module, str | None] | None:
        """Where a name of a module is defined: a module alone, or a module and its name."""
        if name in module.definitions:
            return module, name
        if name not in module.imports:
            return None
        source, inner = module.imports[name]
        if inner is None or self._is_module(f"{source}.{inner}"):
            whole = source if inner is None else f"{source}.{inner}"
            return (self.module(whole), None) if whole.startswith("groundplan.") else None
        if not source.startswith("groundplan."):
            return None
        return self.find(self.module(source), inner)

    def _is_module(self, name: str) -> bool:
        if not name.startswith("groundplan."):
            return False
        try:
            self.module(name)
        except (OSError, ImportError):
            return False
        return True
