"""Calls: of the modules' own functions and records, of a few built-ins and methods."""

import ast
from collections.abc import Callable
from typing import Final, cast

from groundplan.decision.script.containers import Loop, array, looped
from groundplan.decision.script.operators import condition
from groundplan.decision.script.pattern import translated
from groundplan.decision.script.scope import AND, ARROW, ATOM, OR, Code, Scope, laid_out, local
from groundplan.decision.script.source import Imported
from groundplan.decision.script.types import (
    BOOL,
    FLOAT,
    INT,
    MATCH,
    STR,
    Type,
    bare,
    element,
    fits,
    listed,
    optional,
)


def call(scope: Scope, node: ast.expr, wanted: Type | None) -> Code:
    """A call, by what is called."""
    node = cast(ast.Call, node)
    found = scope.find(node.func)
    if found is not None and found.kind == "function":
        return scope.program.call(found, scope, node)
    if found is not None and found.kind == "record":
        return scope.program.construct(found, scope, node)
    if found is None and isinstance(node.func, ast.Name) and scope.holder(node.func.id) is None:
        builtin = _BUILTINS.get(node.func.id)
        ours = node.func.id in scope.module.imports
        if builtin is not None and not ours and not node.keywords:
            code = builtin(scope, node, wanted)
            if code is not None:
                return code
        raise scope.outside(node, f"{node.func.id} of these arguments")
    if isinstance(node.func, ast.Attribute):
        code = _library(scope, node) or _method(scope, node, node.func)
        if code is not None:
            return code
    return _value(scope, node)


def _library(scope: Scope, node: ast.Call) -> Code | None:
    """A call of `re.fullmatch` or `math.isqrt`."""
    if _named(scope, node, "re", "fullmatch") and len(node.args) == 2:
        text = scope.code(node.args[1])
        return Code(f"{translated(scope, node.args[0])}.exec({text.text})", optional(MATCH))
    if _named(scope, node, "math", "isqrt") and len(node.args) == 1:
        whole = scope.code(node.args[0])
        if whole.type == INT:
            return Code(f"$isqrt({whole.text})", INT)
    return None


def _named(scope: Scope, node: ast.Call, module: str, name: str) -> bool:
    """Is it this function of the library's module, with plain arguments?"""
    imported = scope.module.imports.get(module) == Imported(module, None)
    ours = imported and scope.holder(module) is None
    return ours and ast.unparse(node.func) == f"{module}.{name}" and not node.keywords


def lambda_(scope: Scope, node: ast.expr, wanted: Type | None) -> Code:
    """A lambda; the types of its parameters are those that its place asks for."""
    node = cast(ast.Lambda, node)
    arguments = node.args
    plain = not (arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.defaults)
    names = [one.arg for one in (*arguments.posonlyargs, *arguments.args)]
    if wanted is None or wanted.kind != "function" or len(wanted.items) != len(names) + 1:
        raise scope.outside(node, "a lambda whose parameters have no known types")
    if not plain or scope.loop:
        raise scope.outside(node, "a lambda in a loop, or with more than plain parameters")
    inner = scope.inner(dict(zip(names, wanted.items, strict=False)))
    body = inner.code(node.body, wanted.items[-1])
    if not fits(body.type, wanted.items[-1]):
        raise scope.outside(node, f"the result is {body.type}, and {wanted.items[-1]} is wanted")
    text = f"({body.text})" if body.text.startswith("{") else body.within(ARROW)
    return Code(f"({', '.join(map(local, names))}) => {text}", wanted, ARROW)


def _value(scope: Scope, node: ast.Call) -> Code:
    """A call of a function that is itself a value, such as a rule's condition."""
    called = scope.code(node.func)
    if called.type.kind != "function" or node.keywords:
        raise scope.outside(node, f"a call of {called.type}")
    *parameters, result = called.type.items
    if len(parameters) != len(node.args):
        raise scope.outside(node, f"{len(parameters)} arguments are wanted")
    codes = [scope.code(a, p) for a, p in zip(node.args, parameters, strict=True)]
    for code, parameter in zip(codes, parameters, strict=True):
        if not fits(code.type, parameter):
            raise scope.outside(node, f"{code.type} where {parameter} is wanted")
    text = laid_out("(", [code.within(ARROW) for code in codes], ")")
    return Code(f"{called.within(ATOM)}{text}", result)


def _method(scope: Scope, node: ast.Call, function: ast.Attribute) -> Code | None:
    whole = scope.code(function.value)
    of, arguments = bare(whole.type), [scope.code(one) for one in node.args]
    types = [one.type for one in arguments]
    text, texts = whole.within(ATOM), [one.text for one in arguments]
    literal = [one.value if isinstance(one, ast.Constant) else None for one in node.args]
    if node.keywords:
        return None
    found: tuple[str, Type] | None = None
    match (of.kind, function.attr, len(arguments)):
        case ("str", "replace", 2) if types == [STR, STR] and literal[0]:
            found = f"{text}.split({texts[0]}).join({texts[1]})", STR
        case ("str", "strip", 0):
            found = f"$strip({whole.text})", STR
        case ("str", "rstrip", 1) if isinstance(literal[0], str) and len(literal[0]) == 1:
            found = f"$rstrip({whole.text}, {texts[0]})", STR
        case ("str", "partition", 1) if types == [STR] and literal[0]:
            found = f"$partition({whole.text}, {texts[0]})", Type("tuple", (STR, STR, STR))
        case ("str", "join", 1) if types[0] == listed(STR):
            found = f"{array(arguments[0])}.join({whole.text})", STR
        case ("dict", "items", 0):
            found = f"[...{text}]", listed(Type("tuple", of.items))
        case ("dict", "keys", 0):
            found = f"[...{text}.keys()]", listed(of.items[0])
        case ("dict", "values", 0):
            found = f"[...{text}.values()]", listed(of.items[1])
    return None if found is None else Code(*found)


def _len(scope: Scope, node: ast.Call, wanted: Type | None) -> Code | None:
    code = _only(scope, node)
    if code is None:
        return None
    if code.type == STR:
        return Code(f"BigInt([...{code.within(ATOM)}].length)", INT)
    if code.type.kind in {"list", "tuple"}:
        return Code(f"BigInt({code.within(ATOM)}.length)", INT)
    if code.type.kind in {"set", "dict"}:
        return Code(f"BigInt({code.within(ATOM)}.size)", INT)
    return None


def _str(scope: Scope, node: ast.Call, wanted: Type | None) -> Code | None:
    code = _only(scope, node)
    if code is None or code.type not in (INT, STR):
        return None
    return Code(f"String({code.text})", STR)


def _int(scope: Scope, node: ast.Call, wanted: Type | None) -> Code | None:
    code = _only(scope, node)
    if code is None:
        return None
    if code.type == INT:
        return code
    if code.type == FLOAT:
        return Code(f"BigInt(Math.trunc({code.text}))", INT)
    return Code(f"$integer({code.text})", INT) if code.type == STR else None


def _round(scope: Scope, node: ast.Call, wanted: Type | None) -> Code | None:
    codes = [scope.code(one) for one in node.args]
    match [code.type for code in codes]:
        case [one] if one == INT:
            return codes[0]
        case [one] if one == FLOAT:
            return Code(f"$round({codes[0].text})", INT)
        case [one, two] if one == FLOAT and two == INT and isinstance(node.args[1], ast.Constant):
            return Code(f"$rounded({codes[0].text}, {node.args[1].value!r})", FLOAT)
    return None


def _extreme(scope: Scope, node: ast.Call, wanted: Type | None) -> Code | None:
    codes = [scope.code(one) for one in node.args]
    types = {bare(code.type) for code in codes}
    if len(codes) < 2 or types not in ({INT}, {FLOAT}):
        return None
    name = cast(ast.Name, node.func).id
    return Code(f"${name}({', '.join(code.text for code in codes)})", types.pop())


def _sorted(scope: Scope, node: ast.Call, wanted: Type | None) -> Code | None:
    code = _only(scope, node)
    if code is None or code.type.kind == "dict" or element(code.type) != STR:
        return None
    return Code(f"$sorted({array(code)})", listed(STR))


def _tuple(scope: Scope, node: ast.Call, wanted: Type | None) -> Code | None:
    code = _only(scope, node, wanted)
    held = None if code is None or code.type.kind == "set" else element(code.type)
    return None if code is None or held is None else Code(array(code), listed(held))


def _set(scope: Scope, node: ast.Call, wanted: Type | None) -> Code | None:
    code = _only(scope, node)
    held = None if code is None else element(code.type)
    if code is None or held not in (INT, STR):
        return None
    same = code.type.kind == "set"
    return Code(code.text if same else f"new Set({array(code)})", Type("set", (held,)))


def _reversed(scope: Scope, node: ast.Call, wanted: Type | None) -> Code | None:
    code = _only(scope, node)
    held = None if code is None else element(code.type)
    if code is None or held is None or code.type.kind == "set":
        return None
    return Code(f"[...{array(code)}].reverse()", listed(held))


def _sum(scope: Scope, node: ast.Call, wanted: Type | None) -> Code | None:
    code = _only(scope, node)
    if code is None or element(code.type) != INT:
        return None
    return Code(f"{array(code)}.reduce((one, two) => one + two, 0n)", INT)


def _every(scope: Scope, node: ast.Call, wanted: Type | None) -> Code | None:
    """`any` and `all` of a generator, which stop where Python's do."""
    if len(node.args) != 1 or not isinstance(node.args[0], Loop):
        return None
    base, inner, parameter = looped(scope, node.args[0])
    test = condition(inner, node.args[0].elt)
    asks = "some" if cast(ast.Name, node.func).id == "any" else "every"
    return Code(f"{base}.{asks}(({parameter}) => {test.within(ARROW)})", BOOL)


def _next(scope: Scope, node: ast.Call, wanted: Type | None) -> Code | None:
    """The first item that a generator lets through, unchanged."""
    loop = node.args[0] if len(node.args) == 1 else None
    if not isinstance(loop, ast.GeneratorExp) or not loop.generators[0].ifs:
        return None
    base, inner, parameter = looped(scope, loop, filtered=False)
    code = inner.code(loop.elt)
    if code.text != parameter:
        return None
    tests = [condition(inner, test) for test in loop.generators[0].ifs]
    level = AND if len(tests) > 1 else OR
    text = " && ".join(test.within(level) for test in tests)
    return Code(f"$found({base}.find(({parameter}) => {text}))", code.type)


def _only(scope: Scope, node: ast.Call, wanted: Type | None = None) -> Code | None:
    return scope.code(node.args[0], wanted) if len(node.args) == 1 else None


_BUILTINS: Final[dict[str, Callable[[Scope, ast.Call, Type | None], Code | None]]] = {
    "len": _len,
    "str": _str,
    "int": _int,
    "round": _round,
    "min": _extreme,
    "max": _extreme,
    "sorted": _sorted,
    "tuple": _tuple,
    "list": _tuple,
    "set": _set,
    "frozenset": _set,
    "reversed": _reversed,
    "sum": _sum,
    "any": _every,
    "all": _every,
    "next": _next,
}
