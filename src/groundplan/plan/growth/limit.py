"""Where a component gives out."""

from typing import Final, Literal, get_args

from msgspec import Struct

Axis = Literal["traffic", "corpus", "history"]
AXES: Final[tuple[Axis, ...]] = get_args(Axis)


class Limit(Struct, frozen=True):
    """Where one component gives out.

    Args:
        component: which.
        axis: what grows.
        factor: the growth at which it gives out, by the typical estimate; None: not within it.
            Up to 1 where it does not hold even now.
        because: the arithmetic, with the user's numbers.
        replaced_by: what takes its place then.
    """

    component: str
    axis: Axis
    factor: float | None
    because: str
    replaced_by: str
