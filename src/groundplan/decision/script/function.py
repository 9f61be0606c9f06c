"""Functions: their statements, and the calls that they are compiled for."""

import ast
from collections import Counter
from typing import NamedTuple

from groundplan.decision.script.containers import bound, pattern, unpacked
from groundplan.decision.script.operators import condition
from groundplan.decision.script.scope import ARROW, ATOM, Code, Record, Scope, local
from groundplan.decision.script.types import (
    FLOAT,
    INT,
    NONE,
    NUMBERS,
    UNKNOWN,
    Type,
    bare,
    element,
    fits,
    joined,
    listed,
    optional,
)


class Compiled(NamedTuple):
    """A function of the script: its text, its name and the type of its result."""

    text: str
    name: str
    result: Type


class Body:
    """The statements of one function, in a scope that has its parameters.

    Args:
        scope: with the parameters.
        node: the function.
        wanted: the type of result that the annotation states, or None where the values say it.
        made: the record that a constructor fills.
    """

    def __init__(
        self, scope: Scope, node: ast.FunctionDef, wanted: Type | None, made: Record | None = None
    ) -> None:
        self.scope = scope
        self.node = node
        self.wanted = wanted
        self.made = made
        self.results: list[Type] = []
        targets = (one for one in ast.walk(node) if isinstance(one, ast.Assign | ast.AnnAssign))
        self.writes = Counter(name for one in targets for name in _names(one))
        added = (one.target for one in ast.walk(node) if isinstance(one, ast.AugAssign))
        self.writes.update(one.id for one in added if isinstance(one, ast.Name))
        top = Counter(name for one in node.body for name in _names(one))
        # What is written once, and not inside of a branch or a loop, is a constant.
        self.fixed = {name for name in top if self.writes[name] == 1} - set(scope.names)
        for one in node.body:
            if not self.fixed.issuperset(_names(one)):
                self.fixed -= set(_names(one))
        self.early = [name for name in self.writes if name not in self.fixed | set(scope.names)]

    def lines(self) -> list[str]:
        """The statements as lines of the script."""
        early = [f"let {', '.join(map(local, self.early))};"] if self.early else []
        lines = [*early, *self._block(self.node.body, self.scope)]
        if self.results and not _ends(self.node.body):
            raise self.scope.outside(self.node, "a function that may end without a result")
        return lines

    def result(self) -> Type:
        """The type of what the function returns."""
        if not self.results:
            return NONE
        found = joined(tuple(self.results))
        if found is None:
            raise self.scope.outside(self.node, "results of several types")
        return found if self.wanted is None else self.wanted

    def _block(self, body: list[ast.stmt], scope: Scope) -> list[str]:
        return [line for node in body for line in self._statement(node, scope)]

    def _statement(self, node: ast.stmt, scope: Scope) -> list[str]:
        line: str | None = None
        match node:
            case ast.Expr(value=ast.Constant(value=str())):
                return []  # a docstring
            case ast.If():
                return self._if(node, scope)
            case ast.For(orelse=[]):
                return self._for(node, scope)
            case ast.Expr(value=ast.Call(func=ast.Attribute(attr="append"), args=[_]) as appended):
                line = self._append(appended, scope)
            case ast.Return():
                line = self._return(node, scope)
            case ast.Raise():
                # Who calls gives the reason: here it only matters that there is no value.
                line = f'throw new RangeError("{scope.module.place(node)}");'
            case ast.Assign(targets=[target]):
                line = self._assign(node, target, scope.code(node.value), scope)
            case ast.AnnAssign(value=ast.expr() as value):
                wanted = scope.program.annotation(scope.module, node.annotation)
                code = scope.code(value, wanted)
                if not fits(code.type, wanted):
                    raise scope.outside(node, f"{code.type} where {wanted} is stated")
                line = self._assign(node, node.target, code._replace(type=wanted), scope)
            case ast.AugAssign():
                before = ast.parse(ast.unparse(node.target), mode="eval").body
                after = ast.BinOp(ast.copy_location(before, node), node.op, node.value)
                code = scope.code(ast.copy_location(after, node))
                line = self._assign(node, node.target, code, scope)
        if line is None:
            raise scope.outside(node, f"a statement of this kind ({type(node).__name__})")
        return [line]

    def _for(self, node: ast.For, scope: Scope) -> list[str]:
        inner, target, array = bound(scope, node.target, node.iter)
        if any(scope.holder(name) for name in inner.names):
            raise scope.outside(node, "a loop's target that is a name already")
        return [
            f"for (const {target} of {array}) {{",
            *_indented(self._block(node.body, inner)),
            "}",
        ]

    def _if(self, node: ast.If, scope: Scope) -> list[str]:
        lines = [f"if ({condition(scope, node.test).text}) {{"]
        lines += _indented(self._block(node.body, scope))
        if node.orelse:
            lines += ["} else {", *_indented(self._block(node.orelse, scope))]
        return [*lines, "}"]

    def _return(self, node: ast.Return, scope: Scope) -> str:
        if node.value is None:
            self.results.append(NONE)
            return "return null;"
        code = scope.code(node.value, self.wanted)
        if self.wanted is not None and not fits(code.type, self.wanted):
            raise scope.outside(node, f"{code.type} where {self.wanted} is the result")
        self.results.append(code.type)
        return f"return {code.within(ARROW)};"

    def _assign(self, node: ast.stmt, target: ast.expr, code: Code, scope: Scope) -> str:
        if isinstance(target, ast.Attribute):
            return self._set(target, code, scope)
        for name, held in unpacked(scope, target, code.type).items():
            holder = scope.holder(name)
            if holder is None:
                self.scope.names[name] = held
            elif holder is not self.scope or not fits(held, holder.names[name]):
                raise scope.outside(node, f"{name} is a loop's, or has another type by now")
        fixed = bool(_names(node)) and self.fixed.issuperset(_names(node))
        return f"{'const ' if fixed else ''}{pattern(target)} = {code.within(ARROW)};"

    def _set(self, target: ast.Attribute, code: Code, scope: Scope) -> str:
        owner = scope.code(target.value)
        made = self.made is not None and ast.unparse(target.value) == "self"
        if made and self.made is not None:
            self.made.fields.setdefault(target.attr, code.type)
        fields = scope.program.record(owner.type.name).fields if owner.type.name else {}
        if target.attr not in fields or not fits(code.type, fields[target.attr]):
            raise scope.outside(target, f"a field that holds no {code.type}")
        return f"{owner.within(ATOM)}.{target.attr} = {code.within(ARROW)};"

    def _append(self, node: ast.Call, scope: Scope) -> str:
        assert isinstance(node.func, ast.Attribute)
        whole = scope.code(node.func.value)
        held = element(whole.type)
        code = scope.code(node.args[0], None if held == UNKNOWN else held)
        both = None if held is None else joined((held, code.type))
        if both is None or whole.type.kind != "list":
            raise scope.outside(node, f"{code.type} is appended to {whole.type}")
        if isinstance(node.func.value, ast.Name):
            holder = scope.holder(node.func.value.id)
            if holder is not None:
                holder.names[node.func.value.id] = listed(both)
        return f"{whole.within(ATOM)}.push({code.text});"


def _ends(body: list[ast.stmt]) -> bool:
    """Does every way through the statements return or raise?"""
    last = body[-1]
    if isinstance(last, ast.If) and last.orelse:
        return _ends(last.body) and _ends(last.orelse)
    return isinstance(last, ast.Return | ast.Raise)


def _names(node: ast.AST) -> list[str]:
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign):
        targets = [node.target]
    whole = [one for target in targets for one in getattr(target, "elts", [target])]
    return [one.id for one in whole if isinstance(one, ast.Name)]


def _indented(lines: list[str]) -> list[str]:
    return [f"  {line}".replace("\n", "\n  ") for line in lines]


class Bound(NamedTuple):
    """The arguments of one call, in the order of the parameters."""

    texts: list[str]
    types: dict[str, Type]
    suffix: str


def bind(scope: Scope, node: ast.Call, callee: Scope, arguments: ast.arguments) -> Bound:
    """The arguments of a call by parameter.

    A float parameter may be given an int, which stays one: the function is compiled for it, and
    the suffix of its name says so.
    """
    if arguments.vararg or arguments.kwarg:
        raise callee.outside(arguments, "a parameter with a star")
    parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    given: dict[str, tuple[Scope, ast.expr]] = {}
    positional = [*arguments.posonlyargs, *arguments.args]
    for parameter, default in zip(reversed(positional), reversed(arguments.defaults), strict=False):
        given[parameter.arg] = callee, default
    for parameter, kept in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if kept is not None:
            given[parameter.arg] = callee, kept
    for parameter, value in zip(parameters, node.args, strict=False):
        given[parameter.arg] = scope, value
    for keyword in node.keywords:
        given[str(keyword.arg)] = scope, keyword.value
    if set(given) != {one.arg for one in parameters} or len(node.args) > len(parameters):
        raise scope.outside(node, "arguments that are not those of the function")
    texts, types, numbers = [], {}, []
    for parameter in parameters:
        if parameter.annotation is None:
            raise callee.outside(parameter, "a parameter without a type")
        wanted = callee.program.annotation(callee.module, parameter.annotation)
        where, value = given[parameter.arg]
        code = where.code(value, None if bare(wanted) in NUMBERS else wanted)
        if bare(wanted) == FLOAT:
            numbers.append(bare(code.type).kind)
            if bare(code.type) == INT:
                wanted = optional(INT) if wanted.kind == "optional" else INT
        if not fits(code.type, wanted):
            raise where.outside(value, f"{code.type} where {wanted} is wanted")
        texts.append(code.within(ARROW))
        types[parameter.arg] = wanted
    return Bound(texts, types, "$".join(["", *numbers]) if "int" in numbers else "")
