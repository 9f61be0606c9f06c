"""The types of the compiled subset: enough to know which JavaScript a Python operator means."""

from typing import NamedTuple


class Type(NamedTuple):
    """A type: `int` is a BigInt in the script, `float` a Number, `list` any sequence of one type.

    Args:
        kind: int, float, str, bool, none, unknown, optional, list, tuple, set, dict, record,
            function or match.
        items: of a container, what it holds; of a function, its parameters, then its result.
        name: of a record, its module and class.
    """

    kind: str
    items: tuple["Type", ...] = ()
    name: str = ""

    def __str__(self) -> str:
        inner = ", ".join(map(str, self.items))
        return (self.name or self.kind) + (f"[{inner}]" if inner else "")


INT = Type("int")
FLOAT = Type("float")
STR = Type("str")
BOOL = Type("bool")
NONE = Type("none")
UNKNOWN = Type("unknown")
MATCH = Type("match")
NUMBERS = (INT, FLOAT)
SCALARS = (INT, FLOAT, STR, BOOL, NONE)


def listed(of: Type) -> Type:
    """A sequence of one type."""
    return Type("list", (of,))


def optional(of: Type) -> Type:
    """The type, or None."""
    return of if of.kind in {"optional", "none"} else Type("optional", (of,))


def bare(one: Type) -> Type:
    """The type without its None: that it is not None there is what mypy has shown."""
    return one.items[0] if one.kind == "optional" else one


def element(one: Type) -> Type | None:
    """What iteration gives; None where the type isn't iterable or holds several types."""
    if one.kind in {"list", "set", "dict"}:
        return one.items[0]
    if one.kind == "tuple":
        return joined(one.items)
    return None


def joined(types: tuple[Type, ...]) -> Type | None:
    """The one type of several values; None where they have none in common."""
    found: Type | None = UNKNOWN
    for one in types:
        found = None if found is None else _join(found, one)
    return found


def _join(one: Type, two: Type) -> Type | None:
    if UNKNOWN in (one, two) or one == two:
        return one if two == UNKNOWN else two
    if NONE in (one, two):
        return optional(one if two == NONE else two)
    if "optional" in (one.kind, two.kind):
        inner = _join(bare(one), bare(two))
        return None if inner is None else optional(inner)
    if one.kind == two.kind and one.name == two.name and len(one.items) == len(two.items):
        return _join_items(one, two)
    held = element(one), element(two)
    if {one.kind, two.kind} <= {"list", "tuple"} and held[0] is not None and held[1] is not None:
        both = _join(held[0], held[1])
        return None if both is None else listed(both)
    return None


def _join_items(one: Type, two: Type) -> Type | None:
    items = [_join(a, b) for a, b in zip(one.items, two.items, strict=True)]
    known = tuple(item for item in items if item is not None)
    return Type(one.kind, known, one.name) if len(known) == len(items) else None


def fits(actual: Type, wanted: Type) -> bool:
    """May a value stand where a type is wanted? An int is no float: they differ in the script.

    That an optional value isn't None where none is wanted is again what mypy has shown.
    """
    return wanted in (joined((actual, wanted)), joined((bare(actual), wanted)))
