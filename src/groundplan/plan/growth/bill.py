"""What a plan costs a month as it grows, at the prices that the user gave."""

from collections.abc import Sequence

from msgspec import Struct

from groundplan.plan.capacity import Band, Capacity
from groundplan.plan.growth.growth import Growth


class Bill(Struct, frozen=True):
    """A month's cost at one size.

    Args:
        size: `now`, or what has grown and how much: `traffic 10x`.
        month: low, typical and high, in the currency of the prices; None in a conflict.
        times: the typical cost over that of now; None where one of the two is not known.
    """

    size: str
    month: Band | None
    times: float | None

    @property
    def ratio(self) -> str:
        """How many times as much as now: `1x`, `3.5x`; empty where that is not known."""
        return "" if self.times is None else f"{float(f'{self.times:.2g}'):g}x"


def bills(now: Capacity | None, grown: Sequence[Growth]) -> tuple[Bill, ...]:
    """The cost now and after each growth, in their order; none where no prices were given."""
    first = None if now is None else now.cost.get("total")
    if first is None:
        return ()
    found = [Bill("now", first, 1.0 if first.typical else None)]
    for one in grown:
        month = one.capacity.cost.get("total") if one.capacity else None
        times = month.typical / first.typical if month and first.typical else None
        found.append(Bill(grown_by(one), month, times))
    return tuple(found)


def grown_by(one: Growth) -> str:
    """`traffic 10x`; of several axes that grow alike, `all 10x`."""
    factors = set(one.factors.values())
    if len(one.factors) > 1 and len(factors) == 1:
        return f"all {factors.pop():g}x"
    return ", ".join(f"{axis} {factor:g}x" for axis, factor in one.factors.items())
