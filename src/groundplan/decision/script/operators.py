"""Operators: arithmetic, comparisons and conditions, each by the types of its operands."""

import ast
from typing import Final, cast

from groundplan.decision.script.scope import (
    AND,
    ATOM,
    CHOICE,
    EQUAL,
    OR,
    ORDER,
    PLUS,
    POWER,
    TIMES,
    UNARY,
    Code,
    Scope,
)
from groundplan.decision.script.types import (
    BOOL,
    FLOAT,
    INT,
    NONE,
    NUMBERS,
    SCALARS,
    STR,
    Type,
    bare,
    element,
    joined,
    listed,
)

_PLAIN: Final[dict[type[ast.operator], tuple[str, int]]] = {
    ast.Add: ("+", PLUS),
    ast.Sub: ("-", PLUS),
    ast.Mult: ("*", TIMES),
}
_SHIMS: Final[dict[type[ast.operator], tuple[str, str]]] = {
    ast.FloorDiv: ("$floor", "$floorFloat"),
    ast.Mod: ("$mod", "$modFloat"),
}
_ORDERS: Final[dict[type[ast.cmpop], str]] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
}


def as_float(node: ast.expr, code: Code) -> Code:
    """A number as a Number, rounded as Python rounds an int that meets a float."""
    if bare(code.type) == FLOAT:
        return code
    if isinstance(node, ast.Constant):
        return Code(str(node.value), FLOAT)
    return Code(f"Number({code.text})", FLOAT)


def binary(scope: Scope, node: ast.expr, wanted: Type | None) -> Code:
    """`left op right`."""
    node = cast(ast.BinOp, node)
    left, right = scope.code(node.left), scope.code(node.right)
    one, two, op = bare(left.type), bare(right.type), type(node.op)
    if one == two == INT:
        return _integers(scope, node, left, right)
    if one in NUMBERS and two in NUMBERS:
        return _floats(scope, node, as_float(node.left, left), as_float(node.right, right))
    if op is ast.Add and one == two == STR:
        return Code(f"{left.within(PLUS)} + {right.within(PLUS + 1)}", STR, PLUS)
    held = (element(one), element(two))
    both = joined(tuple(item for item in held if item is not None))
    if None not in held and both is not None:
        inner = f"[...{left.text}, ...{right.text}]"
        if op is ast.Add and {one.kind, two.kind} <= {"list", "tuple"}:
            return Code(inner, listed(both))
        if op is ast.BitOr and one.kind == two.kind == "set":
            return Code(f"new Set({inner})", Type("set", (both,)))
    raise scope.outside(node, f"{op.__name__} of {one} and {two}")


def _integers(scope: Scope, node: ast.BinOp, left: Code, right: Code) -> Code:
    op = type(node.op)
    if op in _PLAIN:
        sign, level = _PLAIN[op]
        return Code(f"{left.within(level)} {sign} {right.within(level + 1)}", INT, level)
    if op in _SHIMS:
        return Code(f"{_SHIMS[op][0]}({left.text}, {right.text})", INT)
    if op is ast.Div:
        return Code(f"$divide({left.text}, {right.text})", FLOAT)
    if op is ast.Pow:
        return Code(f"{left.within(ATOM)} ** {right.within(POWER)}", INT, POWER)
    raise scope.outside(node, f"{op.__name__} of integers")


def _floats(scope: Scope, node: ast.BinOp, left: Code, right: Code) -> Code:
    op = type(node.op)
    if op in _PLAIN or op is ast.Div:
        sign, level = _PLAIN.get(op, ("/", TIMES))
        return Code(f"{left.within(level)} {sign} {right.within(level + 1)}", FLOAT, level)
    if op in _SHIMS:
        return Code(f"{_SHIMS[op][1]}({left.text}, {right.text})", FLOAT)
    raise scope.outside(node, f"{op.__name__} of floats")


def unary(scope: Scope, node: ast.expr, wanted: Type | None) -> Code:
    """`not x` and `-x`."""
    node = cast(ast.UnaryOp, node)
    if isinstance(node.op, ast.Not):
        return Code(f"!{condition(scope, node.operand).within(UNARY)}", BOOL, UNARY)
    code = scope.code(node.operand)
    if isinstance(node.op, ast.USub) and bare(code.type) in NUMBERS:
        # Two signs in a row would be a decrement.
        inner = code.within(ATOM) if code.text.startswith("-") else code.within(UNARY)
        return Code(f"-{inner}", bare(code.type), UNARY)
    raise scope.outside(node, f"{type(node.op).__name__} of {code.type}")


def condition(scope: Scope, node: ast.expr) -> Code:
    """An expression where only its truth counts."""
    if isinstance(node, ast.BoolOp):
        sign, level = _junction(node)
        parts = [condition(scope, part).within(level) for part in node.values]
        return Code(sign.join(parts), BOOL, level)
    code = scope.code(node)
    kind = code.type.kind
    if code.type in SCALARS or kind in {"match", "record"}:
        return code
    if kind == "optional" and bare(code.type).kind not in {"list", "tuple", "set", "dict"}:
        return code
    if kind in {"list", "set", "dict"}:
        many = "length" if kind == "list" else "size"
        return Code(f"{code.within(ATOM)}.{many} > 0", BOOL, ORDER)
    raise scope.outside(node, f"the truth of {code.type}")


def _junction(node: ast.BoolOp) -> tuple[str, int]:
    return (" && ", AND) if isinstance(node.op, ast.And) else (" || ", OR)


def junction(scope: Scope, node: ast.expr, wanted: Type | None) -> Code:
    """`one and two`, `one or two`: as in Python, the value is that of an operand."""
    node = cast(ast.BoolOp, node)
    sign, level = _junction(node)
    codes = [scope.code(part, wanted) for part in node.values]
    for part, code in zip(node.values, codes, strict=True):
        if bare(code.type) not in SCALARS:
            raise scope.outside(part, f"{code.type} beside `and` or `or`")
    if isinstance(node.op, ast.Or):
        # What `or` passes on is not None, but for the last.
        codes[:-1] = [code._replace(type=bare(code.type)) for code in codes[:-1]]
    codes = _unified(scope, node, list(node.values), codes)
    return Code(sign.join(code.within(level) for code in codes), codes[0].type, level)


def choice(scope: Scope, node: ast.expr, wanted: Type | None) -> Code:
    """`one if condition else two`."""
    node = cast(ast.IfExp, node)
    test = condition(scope, node.test)
    codes = [scope.code(node.body, wanted), scope.code(node.orelse, wanted)]
    one, two = _unified(scope, node, [node.body, node.orelse], codes)
    text = f"{test.within(OR)} ? {one.within(OR)} : {two.within(CHOICE)}"
    return Code(text, one.type, CHOICE)


def _unified(scope: Scope, node: ast.expr, parts: list[ast.expr], codes: list[Code]) -> list[Code]:
    """The codes with one type; a literal int beside floats becomes a float."""
    if FLOAT in (bare(code.type) for code in codes):
        codes = [
            as_float(part, code) if isinstance(part, ast.Constant) and code.type == INT else code
            for part, code in zip(parts, codes, strict=True)
        ]
    together = joined(tuple(code.type for code in codes))
    if together is None:
        raise scope.outside(node, f"{' or '.join(str(code.type) for code in codes)}")
    return [code._replace(type=together) for code in codes]


def comparison(scope: Scope, node: ast.expr, wanted: Type | None) -> Code:
    """`one < two <= three`, `x in xs`, `x is None`; operands have no effects, so they may recur."""
    node = cast(ast.Compare, node)
    terms = [node.left, *node.comparators]
    pairs = zip(terms, node.ops, terms[1:], strict=False)
    parts = [_compared(scope, node, *pair) for pair in pairs]
    if len(parts) == 1:
        return parts[0]
    return Code(" && ".join(part.within(AND) for part in parts), BOOL, AND)


def _compared(scope: Scope, node: ast.Compare, one: ast.expr, op: ast.cmpop, two: ast.expr) -> Code:
    if isinstance(op, ast.In | ast.NotIn):
        found = _member(scope, node, one, two)
        return found if isinstance(op, ast.In) else Code(f"!{found.text}", BOOL, UNARY)
    left, right = scope.code(one), scope.code(two)
    types = bare(left.type), bare(right.type)
    if type(op) in _ORDERS and types[0] in NUMBERS and types[1] in NUMBERS:
        sign = _ORDERS[type(op)]
        return Code(f"{left.within(ORDER + 1)} {sign} {right.within(ORDER + 1)}", BOOL, ORDER)
    sign = "===" if isinstance(op, ast.Eq | ast.Is) else "!=="
    if isinstance(op, ast.Is | ast.IsNot):
        # NaN and small ints aside, `is` is for the three that are only once in the world.
        known = isinstance(two, ast.Constant) and two.value in (None, True, False)
        known = known and types[1] in (NONE, BOOL) and (types[1] == NONE or types[0] == BOOL)
    else:
        known = isinstance(op, ast.Eq | ast.NotEq) and all(one in SCALARS for one in types)
        known = known and (types[0] == types[1] or NONE in types or set(types) == set(NUMBERS))
        if set(types) == set(NUMBERS):
            sign = sign[:-1]  # a BigInt equals a Number by value with two signs only
    if not known:
        raise scope.outside(node, f"{type(op).__name__} of {left.type} and {right.type}")
    return Code(f"{left.within(EQUAL + 1)} {sign} {right.within(EQUAL + 1)}", BOOL, EQUAL)


def _member(scope: Scope, node: ast.Compare, one: ast.expr, two: ast.expr) -> Code:
    item, whole = scope.code(one), scope.code(two)
    kind, held = whole.type.kind, element(whole.type)
    if whole.type == STR and item.type == STR:
        return Code(f"{whole.within(ATOM)}.includes({item.text})", BOOL)
    if held is None or bare(item.type) != held or held not in (INT, STR):
        raise scope.outside(node, f"{item.type} in {whole.type}")
    if isinstance(two, ast.Set):
        # Words that stand there are few: no set needs to be made to ask for one.
        words = ", ".join(scope.code(word).text for word in two.elts)
        return Code(f"[{words}].includes({item.text})", BOOL)
    asks = "has" if kind in {"set", "dict"} else "includes"
    return Code(f"{whole.within(ATOM)}.{asks}({item.text})", BOOL)
