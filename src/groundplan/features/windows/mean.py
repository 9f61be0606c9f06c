"""The mean of a field over the events in a window."""

from collections.abc import Sequence
from typing import Any, ClassVar

from sqlglot import exp

from groundplan.features.sql import Sql, double
from groundplan.features.windows.window import Frame, Need, Reads, Series, Window


class Mean:
    """The mean of a field: exact sum, divided by the count, divided by the scale, in float64.

    Where there are no events it is missing, or what `empty` says.
    """

    name: ClassVar[str] = "mean"
    reads: ClassVar[Reads] = "number"
    needs: ClassVar[frozenset[Need]] = frozenset({"total"})
    may_be_empty: ClassVar[bool] = True

    def describe(self, window: Window) -> str:
        """Such as `mean amount over transactions of this customer in the last 7 days`."""
        if window.kind.name == "bool":
            return f"share with {window.read} among {window.events}"
        return f"mean {window.read} over {window.events}"

    def sql(self, window: Window, frame: Frame) -> Sql:
        """The two divisions in the order of the online form."""
        count = exp.cast(frame.count, "DOUBLE")
        mean = exp.cast(frame.total, "DOUBLE") / count / double(window.scale)
        return exp.Case().when(frame.count.eq(0), window.empty_sql).else_(mean)

    def online(
        self, window: Window, series: Series, start: int, stop: int, own: int | None, time: int
    ) -> float:
        """From two running totals; the sum is a float64 before the first division, as in SQL."""
        count = series.count(start, stop) + (own is not None)
        if not count:
            return window.nothing
        return float(series.total(start, stop) + (own or 0)) / count / window.scale

    def naive(self, window: Window, seen: Sequence[tuple[int, Any]], time: int) -> float:
        """Added one by one, then divided."""
        if not seen:
            return window.nothing
        total = float(sum(window.kind.scaled(value) for _, value in seen))
        return total / len(seen) / window.scale
