"""Annotations: the types that the source states for parameters, fields and results."""

import ast
from typing import Final

from groundplan.decision.script.scope import Program
from groundplan.decision.script.source import Module
from groundplan.decision.script.types import (
    BOOL,
    FLOAT,
    INT,
    NONE,
    STR,
    Type,
    listed,
    optional,
)

_NAMES: Final = {"int": INT, "float": FLOAT, "str": STR, "bool": BOOL, "None": NONE}
_KINDS: Final = {
    "tuple": "tuple",
    "set": "set",
    "frozenset": "set",
    "dict": "dict",
    "Mapping": "dict",
}
_LISTS: Final = {"list", "Sequence", "Iterable"}


def stated(program: Program, module: Module, node: ast.expr) -> Type:
    """The type that an annotation names; aliases and records are looked up in the module."""
    text = ast.unparse(node)
    if text in _NAMES:
        return _NAMES[text]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        types = [stated(program, module, one) for one in (node.left, node.right)]
        if NONE in types:
            return optional(types[0] if types[1] == NONE else types[1])
    if isinstance(node, ast.Subscript):
        found = _generic(program, module, ast.unparse(node.value), _parts(node.slice))
        if found is not None:
            return found
    if isinstance(node, ast.Name):
        known = program.find(module, node.id)
        if known is not None and known.kind == "record":
            return Type("record", (), f"{known.module.name}.{known.name}")
        if known is not None and known.kind == "constant":
            alias = known.module.definitions[known.name]
            if isinstance(alias, ast.expr):
                return stated(program, known.module, alias)
    raise module.outside(node, "an annotation of a type that is not known here")


def _parts(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


def _generic(program: Program, module: Module, name: str, parts: list[ast.expr]) -> Type | None:
    def one(part: ast.expr) -> Type:
        return stated(program, module, part)

    endless = len(parts) == 2 and ast.unparse(parts[1]) == "..."
    if name in _LISTS or (name == "tuple" and endless):
        return listed(one(parts[0]))
    kind = _KINDS.get(name)
    if kind is not None:
        return Type(kind, tuple(one(part) for part in parts))
    if name == "Callable" and isinstance(parts[0], ast.List):
        return Type("function", tuple(one(part) for part in (*parts[0].elts, parts[1])))
    return None
