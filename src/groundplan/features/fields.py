"""The types of a source's fields, and the exact integers that windows add.

Sums of floats depend on the order of addition, so windows never add floats: a decimal field is
an integer count of its smallest unit, and a float field is one of millionths. Both are made by
`floor(x * 10^places + 0.5)` in float64, the same three operations in Python, NumPy and SQL.
"""

import math
from dataclasses import dataclass
from typing import Any, Final, Literal

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
    """The declared type of a field: a name and, for decimals, the places after the point."""

    name: Literal["int", "float", "bool", "str", "decimal"]
    places: int = 0

    @property
    def numeric(self) -> bool:
        """Whether windows may add it."""
        return self.name != "str"

    @property
    def scale(self) -> int:
        """How many units of the summed integer make one unit of the field."""
        return int(10 ** (FLOAT_PLACES if self.name == "float" else self.places))

    def scaled(self, value: Any) -> int:
        """The integer that a window adds for a value of an event, as `Event.values` holds it."""
        if self.name == "float":
            return nearest(value, self.scale)
        return int(value)

    def __str__(self) -> str:
        return f"decimal({self.places})" if self.name == "decimal" else self.name


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

    Raises:
        DefinitionError: it is none of these.
    """
    if isinstance(declared, Kind):
        return declared
    for known in (int, float, bool, str):
        if declared is known:
            return Kind(known.__name__)
    raise DefinitionError(
        f"{where}: {declared!r} is no field type: use int, float, bool, str or decimal(places)"
    )


def nearest(value: float, scale: int) -> int:
    """The integer nearest to value * scale, halves upwards, by the operations that SQL uses too."""
    return math.floor(value * float(scale) + 0.5)
