"""Tuples, sets, dicts and comprehensions over them, and what is read from them."""

import ast
from typing import Any, cast

from groundplan.decision.script.operators import condition
from groundplan.decision.script.scope import ARROW, ATOM, Code, Scope, laid_out, local
from groundplan.decision.script.types import (
    INT,
    MATCH,
    STR,
    UNKNOWN,
    Type,
    bare,
    element,
    fits,
    joined,
    listed,
)


def name(scope: Scope, node: ast.expr, wanted: Type | None) -> Code:
    """A local name, a constant of a module, or its function where one is asked for."""
    node = cast(ast.Name, node)
    holder = scope.holder(node.id)
    if holder is not None:
        return Code(local(node.id), holder.names[node.id])
    found = scope.find(node)
    if found is not None and found.kind == "function" and wanted and wanted.kind == "function":
        names = [f"argument{place}" for place in range(len(wanted.items) - 1)]
        same = ast.parse(f"lambda {', '.join(names)}: {node.id}({', '.join(names)})", mode="eval")
        return scope.code(ast.copy_location(same.body, node), wanted)
    if found is None or found.kind != "constant":
        raise scope.outside(node, "a name that is no constant of these modules and not local")
    return scope.program.constant(found)


def attribute(scope: Scope, node: ast.expr, wanted: Type | None) -> Code:
    """A field of a record, or a constant of a module."""
    node = cast(ast.Attribute, node)
    found = scope.find(node)
    if found is not None:
        if found.kind != "constant":
            raise scope.outside(node, f"a {found.kind} that is not called")
        return scope.program.constant(found)
    value = scope.code(node.value)
    owner = bare(value.type)
    if owner.kind != "record":
        raise scope.outside(node, f"a field of {value.type}")
    fields = scope.program.record(owner.name).fields
    if node.attr not in fields:
        raise scope.outside(node, f"{owner} has no field {node.attr}")
    return Code(f"{value.within(ATOM)}.{node.attr}", fields[node.attr])


def sequence(scope: Scope, node: ast.expr, wanted: Type | None) -> Code:
    """A tuple or a list, with stars; both are arrays."""
    elements = cast(ast.Tuple | ast.List, node).elts
    each = _each(wanted, len(elements))
    texts, types, starred = [], [], False
    for part, one in zip(elements, each, strict=True):
        if isinstance(part, ast.Starred):
            starred = True
            inner = scope.code(part.value, listed(one) if one else None)
            held = element(inner.type)
            if held is None or inner.type.kind in {"set", "dict"}:
                raise scope.outside(part, f"a star before {inner.type}")
            texts.append(f"...{inner.within(ATOM)}")
            types.append(held)
        else:
            # What stands beside stars is as what they bring: (*edges, ("p99", lambda a, w: ...)).
            code = scope.code(part, one or (types[0] if starred else None))
            texts.append(code.within(ARROW))
            types.append(code.type)
    text = laid_out("[", texts, "]")
    if isinstance(node, ast.Tuple) and not starred:
        return Code(text, Type("tuple", tuple(types)))
    together = joined(tuple(types))
    if together is None:
        raise scope.outside(node, "a sequence of several types")
    return Code(text, listed(together))


def _each(wanted: Type | None, many: int) -> list[Type | None]:
    if wanted is not None and wanted.kind == "list":
        return [wanted.items[0]] * many
    if wanted is not None and wanted.kind == "tuple" and len(wanted.items) == many:
        return list(wanted.items)
    return [None] * many


def set_of(scope: Scope, node: ast.expr, wanted: Type | None) -> Code:
    """A set of texts or of integers."""
    codes = [scope.code(part) for part in cast(ast.Set, node).elts]
    held = joined(tuple(code.type for code in codes))
    if held not in (INT, STR):
        raise scope.outside(node, "a set of anything but texts or integers")
    text = laid_out("new Set([", [code.text for code in codes], "])")
    return Code(text, Type("set", (held,)))


def dict_of(scope: Scope, node: ast.expr, wanted: Type | None) -> Code:
    """A dict with texts or integers as keys, as a Map."""
    node = cast(ast.Dict, node)
    keys = [scope.code(key) for key in node.keys if key is not None]
    values = [scope.code(value) for value in node.values]
    of = joined(tuple(key.type for key in keys)), joined(tuple(value.type for value in values))
    if None in node.keys or of[0] not in (INT, STR) or of[1] is None:
        raise scope.outside(node, "a dict of several types, or with stars")
    pairs = [f"[{key.text}, {value.text}]" for key, value in zip(keys, values, strict=True)]
    return Code(laid_out("new Map([", pairs, "])"), Type("dict", (of[0], of[1])))


def comprehension(scope: Scope, node: ast.expr, wanted: Type | None) -> Code:
    """`[x for y in ys if z]` and a generator, whose steps have no effects to wait for: arrays."""
    node = cast(ast.ListComp | ast.GeneratorExp, node)
    base, inner, parameter = looped(scope, node)
    each = element(wanted) if wanted is not None else None
    code = inner.code(node.elt, each)
    same = isinstance(node.elt, ast.Name) and parameter == local(node.elt.id)
    if not same:
        body = f"({code.text})" if code.text.startswith("{") else code.within(ARROW)
        base = f"{base}.map(({parameter}) => {body})"
    return Code(base, listed(code.type))


def set_comprehension(scope: Scope, node: ast.expr, wanted: Type | None) -> Code:
    """`{x for y in ys}`, of texts or integers."""
    found = comprehension(scope, node, None)
    if found.type.items[0] not in (INT, STR):
        raise scope.outside(node, "a set of anything but texts or integers")
    return Code(f"new Set({found.text})", Type("set", found.type.items))


Loop = ast.ListComp | ast.SetComp | ast.GeneratorExp


def looped(scope: Scope, node: Loop, filtered: bool = True) -> tuple[str, Scope, str]:
    """The array that a comprehension runs over, the scope of its steps, and their parameter."""
    if len(node.generators) != 1 or node.generators[0].is_async:
        raise scope.outside(node, "a comprehension with more than one `for`")
    loop = node.generators[0]
    inner, parameter, base = bound(scope, loop.target, loop.iter)
    if filtered and loop.ifs:
        tests = [condition(inner, test) for test in loop.ifs]
        test = tests[0].text if len(tests) == 1 else " && ".join(one.within(ATOM) for one in tests)
        base = f"{base}.filter(({parameter}) => {test})"
    return base, inner, parameter


def bound(scope: Scope, target: ast.expr, over: ast.expr) -> tuple[Scope, str, str]:
    """A scope with the target of a loop, the target as the script binds it, and the array."""
    source = scope.code(over)
    held = element(source.type)
    if held is None or source.type.kind == "set":
        raise scope.outside(over, f"a loop over {source.type}, which has no order")
    names = unpacked(scope, target, held)
    return scope.inner(names, loop=True), pattern(target), array(source)


def unpacked(scope: Scope, target: ast.expr, held: Type) -> dict[str, Type]:
    """The names of a target with their types."""
    if isinstance(target, ast.Name):
        return {target.id: held}
    if isinstance(target, ast.Tuple) and all(isinstance(one, ast.Name) for one in target.elts):
        many = len(target.elts)
        types = held.items if held.kind == "tuple" else held.items * many
        if held.kind in {"tuple", "list"} and len(types) == many:
            names = [cast(ast.Name, one).id for one in target.elts]
            return dict(zip(names, types, strict=True))
    raise scope.outside(target, f"a target for {held}")


def pattern(target: ast.expr) -> str:
    """A target as the script destructures it."""
    if isinstance(target, ast.Tuple):
        return f"[{', '.join(local(cast(ast.Name, one).id) for one in target.elts)}]"
    return local(cast(ast.Name, target).id)


def array(source: Code) -> str:
    """An iterable as an array."""
    if source.type.kind == "set":
        return f"[...{source.within(ATOM)}]"
    if source.type.kind == "dict":
        return f"[...{source.within(ATOM)}.keys()]"
    return source.within(ATOM)


def subscript(scope: Scope, node: ast.expr, wanted: Type | None) -> Code:
    """`xs[1]`, `xs[:-1]`, `rows["key"]`, `match["group"]`."""
    node = cast(ast.Subscript, node)
    whole, at = scope.code(node.value), node.slice
    of = bare(whole.type)
    if isinstance(at, ast.Slice):
        return _slice(scope, node, whole, at)
    if of.kind in {"list", "tuple"}:
        place = at.value if isinstance(at, ast.Constant) else None
        # The type of a tuple's item is known where its place is; a place behind the end is not.
        if isinstance(place, int) and (of.kind == "list" or place < len(of.items)):
            held = of.items[place] if of.kind == "tuple" else of.items[0]
            return Code(f"{whole.within(ATOM)}[{place:d}]", held)
        raise scope.outside(node, "an item at a place that is not a plain number")
    key = scope.code(at)
    if of.kind == "dict" and fits(key.type, of.items[0]):
        return Code(f"$at({whole.text}, {key.text})", of.items[1])
    if of == MATCH and isinstance(at, ast.Constant) and str(at.value).isidentifier():
        return Code(f"{whole.within(ATOM)}.groups.{at.value!s}", STR)
    raise scope.outside(node, f"an item of {whole.type} by {key.type}")


def _slice(scope: Scope, node: ast.Subscript, whole: Code, at: ast.Slice) -> Code:
    bounds = [_bound(one) for one in (at.lower, at.upper)]
    held = element(whole.type)
    if at.step or UNKNOWN in bounds or held is None or whole.type.kind not in {"list", "tuple"}:
        raise scope.outside(node, "a slice other than of a sequence between plain numbers")
    lower, upper = bounds
    until = "" if upper is None else f", {upper}"
    return Code(f"{whole.within(ATOM)}.slice({lower or 0}{until})", listed(held))


def _bound(node: ast.expr | None) -> Any:
    try:
        value = None if node is None else ast.literal_eval(node)
    except ValueError:
        return UNKNOWN
    return value if value is None or type(value) is int else UNKNOWN
