"""The standard deviation of a field over the events in a window."""

import math
from collections.abc import Sequence
from typing import Any, ClassVar, Final

from sqlglot import exp

from groundplan.features.sql import Sql, double
from groundplan.features.windows.window import Frame, Need, Reads, Series, Window

HALF: Final = 60
"""Bits of the lower half: both halves of a number below 2^123 convert from 64-bit integers."""


class Std:
    """The population standard deviation; 0 over one event.

    With n events, their scaled values' sum S and sum of squares Q it is sqrt(nQ - S^2) / n / scale.
    nQ - S^2 is an exact integer below 2^123, as |x| sums to less than 2^61. Engines round such an
    integer to float64 in different ways, so it is made of two halves that each round once:
    float(v // 2^60) * 2^60 + float(v mod 2^60). Root and divisions are correctly rounded
    everywhere. Where there are no events it is missing, or what `empty` says.
    """

    name: ClassVar[str] = "std"
    reads: ClassVar[Reads] = "number"
    needs: ClassVar[frozenset[Need]] = frozenset({"total", "squares"})
    may_be_empty: ClassVar[bool] = True

    def describe(self, window: Window) -> str:
        """Such as `standard deviation of amount over transactions of this customer ...`."""
        return f"standard deviation of {window.read} over {window.events}"

    def sql(self, window: Window, frame: Frame) -> Sql:
        """The operations of `deviation`, in its order."""
        high, low = frame.halves(frame.squares, frame.total, frame.count)
        whole = exp.paren(high * double(float(1 << HALF)) + low)
        count = exp.cast(frame.count, "DOUBLE")
        found = exp.Sqrt(this=whole) / count / double(window.scale)
        return exp.Case().when(frame.count.eq(0), window.empty_sql).else_(found)

    def online(
        self, window: Window, series: Series, start: int, stop: int, own: int | None, time: int
    ) -> float:
        """From two running totals and two running totals of squares."""
        count = series.count(start, stop) + (own is not None)
        if not count:
            return window.nothing
        added = own or 0
        total = series.total(start, stop) + added
        squares = series.squares(start, stop) + added * added
        return deviation(count, total, squares) / window.scale

    def naive(self, window: Window, seen: Sequence[tuple[int, Any]], time: int) -> float:
        """By the differences of all pairs: nQ - S^2 is half the sum of their squares."""
        if not seen:
            return window.nothing
        scaled = [window.kind.scaled(value) for _, value in seen]
        spread = sum((x - y) ** 2 for x in scaled for y in scaled) // 2
        whole = float(spread >> HALF) * 2.0**HALF + float(spread % (1 << HALF))
        return math.sqrt(whole) / len(seen) / window.scale


def deviation(count: int, total: int, squares: int) -> float:
    """The population standard deviation of integers from how many there are and two sums."""
    spread = count * squares - total * total
    high, low = spread >> HALF, spread & ((1 << HALF) - 1)
    return math.sqrt(float(high) * 2.0**HALF + float(low)) / count
