"""What an expression is compiled in: the local names, the module, and the program around it."""

import ast
from collections.abc import Callable
from typing import NamedTuple, Protocol

from groundplan.decision.script.source import Module, OutsideError
from groundplan.decision.script.types import Type

ATOM, UNARY, POWER, TIMES, PLUS, ORDER, EQUAL, AND, OR, CHOICE, ARROW = range(100, -10, -10)


class Code(NamedTuple):
    """A piece of JavaScript, the type of its value, and how strongly it binds."""

    text: str
    type: Type
    level: int = ATOM

    def within(self, level: int) -> str:
        """The text as an operand of an operator of that level."""
        return self.text if self.level >= level else f"({self.text})"


class Global(NamedTuple):
    """What a name of a module is: a constant, a function, a record or a module."""

    kind: str
    module: Module
    name: str


class Record(NamedTuple):
    """A NamedTuple, a Struct or a plain class: its fields in order, and their defaults."""

    name: str
    module: Module
    fields: dict[str, Type]
    defaults: dict[str, ast.expr]
    plain: bool


class Program(Protocol):
    """What expressions ask of the program that they are part of."""

    def find(self, module: Module, name: str) -> Global | None:
        """What a name stands for at the top of a module; None where it is not ours."""

    def constant(self, found: Global) -> Code:
        """A constant of a module, compiled once."""

    def call(self, found: Global, scope: "Scope", node: ast.Call) -> Code:
        """A call of a function of a module, compiled for these arguments."""

    def record(self, name: str) -> Record:
        """A record by the name of its type."""

    def construct(self, found: Global, scope: "Scope", node: ast.Call) -> Code:
        """A new record."""

    def annotation(self, module: Module, node: ast.expr) -> Type:
        """The type that an annotation names."""

    def code(self, scope: "Scope", node: ast.expr, wanted: Type | None) -> Code:
        """An expression."""


class Scope:
    """Local names with their types, inside of others; a lambda or a loop has one of its own."""

    def __init__(
        self, program: Program, module: Module, outer: "Scope | None" = None, loop: bool = False
    ) -> None:
        self.program = program
        self.module = module
        self.outer = outer
        self.loop: bool = loop or (outer is not None and outer.loop)
        self.names: dict[str, Type] = {}

    def inner(self, names: dict[str, Type], loop: bool = False) -> "Scope":
        """A scope inside of this one."""
        scope = Scope(self.program, self.module, self, loop)
        scope.names.update(names)
        return scope

    def holder(self, name: str) -> "Scope | None":
        """The scope that has a local name."""
        if name in self.names:
            return self
        return None if self.outer is None else self.outer.holder(name)

    def code(self, node: ast.expr, wanted: Type | None = None) -> Code:
        """An expression in this scope; `wanted` is the type that its place asks for, if any."""
        return self.program.code(self, node, wanted)

    def find(self, node: ast.expr) -> Global | None:
        """The top-level thing that `name` or `module.name` stands for; None if it is local."""
        if isinstance(node, ast.Name) and self.holder(node.id) is None:
            return self.program.find(self.module, node.id)
        if isinstance(node, ast.Attribute):
            outer = self.find(node.value)
            if outer is not None and outer.kind == "module":
                found = self.program.find(outer.module, node.attr)
                if found is None:
                    raise self.outside(node, f"{outer.module.short} has no {node.attr}")
                return found
        return None

    def outside(self, node: ast.AST, problem: str) -> OutsideError:
        """The refusal of a node of this module."""
        return self.module.outside(node, problem)


Form = Callable[[Scope, ast.expr, Type | None], Code]
"""How one kind of expression is compiled."""

# Python's own keywords can't be names anyway.
_WORDS = """
arguments await case catch const debugger default delete do enum eval export extends function
implements instanceof interface let new null package private protected public static super
switch this throw typeof undefined var void BigInt Math Map Number RangeError Set String
"""
_TAKEN = frozenset(_WORDS.split())


def local(name: str) -> str:
    """A Python name as a name of the script."""
    return f"{name}$" if name in _TAKEN else name


def laid_out(opening: str, items: list[str], closing: str) -> str:
    """Items between brackets: on one line where they fit, else on one line each."""
    line = f"{opening}{', '.join(items)}{closing}"
    if not items or (len(line) <= 100 and "\n" not in line):
        return line
    inner = ",\n".join(items).replace("\n", "\n  ")
    return f"{opening}\n  {inner}\n{closing}"
