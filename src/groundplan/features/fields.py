"""The types of a source's fields, and the exact integers that windows add.

Sums of floats depend on the order of addition, so windows never add floats: a decimal field is
an integer count of its smallest unit, and a float field is one of millionths. Both are made by
`floor(x * 10^places + 0.5)` in float64, the same three operations in Python, NumPy and SQL.

Windows that give a value back as it was (`last`, `min`) read codes instead: 64-bit integers that
sort as the values do. A float's code is made of its bits, so that it comes back bit for bit; a
text's is a digest of 64 bits, which has no order: two texts share one with a chance of 2^-64.
"""

import math
import struct
import types
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Final, Literal, Union, get_args, get_origin

from groundplan.errors import DefinitionError

LIMIT: Final = 10**12
"""The largest magnitude of one summed value, in units of its scale.

With it 2.3 million events of the largest size fit one window: their sum stays below 2^61.
"""

FLOAT_PLACES: Final = 6
NAME_LIMIT: Final = 120
"""Characters of a text key or identifier: at most 480 bytes of UTF-8, which fit a store's key."""

TEXT_LIMIT: Final = 4_000


@dataclass(frozen=True)
class Kind:
    """The declared type of a field.

    Args:
        name: which.
        places: of a decimal, after the point.
        optional: whether an event may lack it; a missing value is None in `Event.values`.
    """

    name: Literal["int", "float", "bool", "str", "decimal"]
    places: int = 0
    optional: bool = False

    @property
    def scale(self) -> int:
        """How many units of the summed integer make one unit of the field."""
        return int(10 ** (FLOAT_PLACES if self.name == "float" else self.places))

    def scaled(self, value: Any) -> int:
        """The integer that a window adds for a value of an event, as `Event.values` holds it."""
        if self.name == "float":
            return nearest(value, self.scale)
        return int(value)

    def coded(self, value: Any) -> int:
        """The signed 64-bit code of a value of an event, as `Event.values` holds it.

        Codes of numbers sort as the numbers do; -0.0 has the code of 0.0.
        """
        if self.name == "float":
            return _flipped(_integer(_bits(value + 0.0))[0])
        if self.name == "str":
            digest = blake2b(value.encode(), digest_size=8).digest()
            return int(_integer(digest)[0])
        return int(value)

    def decoded(self, code: int) -> float:
        """The number that has a code, in the field's own unit; a text's code has none."""
        if self.name == "float":
            return float(_float(_whole(_flipped(code)))[0])
        return code / float(self.scale) if self.name == "decimal" else float(code)

    def __or__(self, other: None) -> "Kind":
        if other is not None:
            return NotImplemented
        return replace(self, optional=True)

    def __str__(self) -> str:
        name = f"decimal({self.places})" if self.name == "decimal" else self.name
        return f"{name} | None" if self.optional else name


def decimal(places: int) -> Kind:
    """A number with a fixed count of places after the point, such as money: `decimal(2)`.

    Its values are held as integers, so that sums and means are exact. The magnitude limit is
    10^12 units of the last place: ten billion with two places.

    Raises:
        DefinitionError: the number of places is not an integer from 0 to 9.
    """
    if isinstance(places, bool) or not isinstance(places, int) or not 0 <= places <= 9:
        raise DefinitionError(f"decimal({places!r}): places is an integer from 0 to 9")
    return Kind("decimal", places)


def kind(declared: Any, where: str) -> Kind:
    """The field type that a definition names: int, float, bool, str or `decimal(places)`.

    Each may be optional: `float | None`, `decimal(2) | None`.

    Raises:
        DefinitionError: it is none of these.
    """
    if isinstance(declared, Kind):
        return declared
    for known in (int, float, bool, str):
        if declared is known:
            return Kind(known.__name__)
    if get_origin(declared) in (types.UnionType, Union):
        inner = [part for part in get_args(declared) if part is not type(None)]
        if len(inner) == 1:
            return replace(kind(inner[0], where), optional=True)
    raise DefinitionError(
        f"{where}: {declared!r} is no field type: use int, float, bool, str or decimal(places), "
        "and with | None where a value may be missing"
    )


def nearest(value: float, scale: int) -> int:
    """The integer nearest to value * scale, halves upwards, by the operations that SQL uses too."""
    return math.floor(value * float(scale) + 0.5)


_HALF: Final = 1 << 63
_bits, _float = struct.Struct("<d").pack, struct.Struct("<d").unpack
_whole, _integer = struct.Struct("<q").pack, struct.Struct("<q").unpack


def _flipped(bits: int) -> int:
    """The bits of a float as an integer that sorts as it does, and back."""
    return bits if bits >= 0 else bits ^ (_HALF - 1)
