"""Directions that a project asks of a model: as an input rises, a score never falls (or rises).

Each tree keeps them, and a sum of such trees does too, rounding included. Missing values (NaN)
have no place in the order of an input, so nothing is said of them.
"""

import difflib
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from groundplan.errors import BuildError, DefinitionError
from groundplan.models.forest import Forest, Tree
from groundplan.models.scorer import Bools, Floats

Monotone = Mapping[str, int]
"""By input: +1 where the score never falls as it rises, -1 where it never rises."""


def check(monotone: Monotone) -> None:
    """Refuse directions that are none.

    Raises:
        DefinitionError: one is neither +1 nor -1.
    """
    for name, way in monotone.items():
        if type(way) is not int or way not in (-1, 1):
            raise DefinitionError(
                f"monotone={{{name!r}: {way!r}}}: give 1 where the score never falls as "
                f"{name} rises, -1 where it never rises, and leave the others out"
            )


def ways(monotone: Monotone, names: tuple[str, ...]) -> list[int]:
    """The direction of each input, 0 where none is asked for.

    Raises:
        DefinitionError: an input is not there.
    """
    for name in monotone:
        if name not in names:
            near = difflib.get_close_matches(name, names, n=1)
            raise DefinitionError(
                f"monotone names {name!r}, which is no feature: "
                + (f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}")
            )
    return [monotone.get(name, 0) for name in names]


def hold(forest: Forest, monotone: Monotone) -> None:
    """Refuse a trained model that does not keep its directions, whatever the row.

    Raises:
        BuildError: a tree has two leaves that break one.
    """
    if found := broken(forest, monotone):
        raise BuildError(
            f"the trained model does not keep monotone={dict(monotone)!r} for "
            f"{', '.join(found)}: report this with the versions of the model's library; until "
            "then train without it"
        )


def broken(forest: Forest, monotone: Monotone) -> tuple[str, ...]:
    """The inputs whose direction some tree does not keep, in the order of `monotone`.

    Exact: two leaves count where some two rows that differ in one input alone come to them.
    """
    wanted = {forest.names.index(name): way for name, way in monotone.items()}
    found: set[int] = set()
    for tree in forest.trees:
        if wanted.keys() & {node.feature for node in tree.nodes}:
            found |= _broken(tree, wanted)
    return tuple(name for name in monotone if forest.names.index(name) in found)


def shown(spec: msgspec.Struct) -> str:
    """How a specification is written, without directions where none are asked for."""
    fields: dict[str, Any] = {name: getattr(spec, name) for name in spec.__struct_fields__}
    if not fields["monotone"]:
        del fields["monotone"]
    told = ", ".join(f"{name}={value!r}" for name, value in fields.items())
    return f"{type(spec).__name__}({told})"


def _broken(tree: Tree, wanted: Mapping[int, int]) -> set[int]:
    """The features whose direction two leaves of a tree break."""
    used = sorted({node.feature for node in tree.nodes})
    above, upto, missing = _boxes(tree, used)
    apart = np.maximum(above[:, None], above) >= np.minimum(upto[:, None], upto)
    apart &= ~(missing[:, None] & missing)
    values, many = np.array(tree.values), apart.sum(axis=2)
    found = set()
    for place, feature in enumerate(used):
        if feature not in wanted:
            continue
        alike = many == apart[:, :, place]  # but for this feature, some row could come to both
        # The first lies lower, and numbers come to both: to some leaves only missing values do.
        lies = above[:, place] < upto[:, place]
        lower = (upto[:, None, place] <= above[:, place]) & lies[:, None] & lies
        worse = (values[:, None] - values) * wanted[feature] > 0
        if (alike & lower & worse).any():
            found.add(feature)
    return found


def _boxes(tree: Tree, used: list[int]) -> tuple[Floats, Floats, Bools]:
    """What comes to each leaf: above and up to which values of each used feature, and whether NaN.

    Arrays of [leaves, used features].
    """
    shape = (len(tree.values), len(used))
    above, upto = np.full(shape, -np.inf), np.full(shape, np.inf)
    missing = np.ones(shape, dtype=np.bool_)

    def walk(place: int, low: Floats, high: Floats, none: Bools) -> None:
        if place < 0:
            above[-place - 1], upto[-place - 1], missing[-place - 1] = low, high, none
            return
        node = tree.nodes[place]
        at = used.index(node.feature)
        left = bool(node.goes_left(np.array([np.nan]))[0])
        under, over = high.copy(), low.copy()
        under[at], over[at] = min(high[at], node.threshold), max(low[at], node.threshold)
        for child, lows, highs, here in (
            (node.left, low, under, left),
            (node.right, over, high, not left),
        ):
            lacking = none.copy()
            lacking[at] &= here
            walk(child, lows, highs, lacking)

    walk(0, above[0].copy(), upto[0].copy(), missing[0].copy())
    return above, upto, missing
