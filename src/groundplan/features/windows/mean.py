"""The mean of a field over the events in a window."""

import math
from collections.abc import Sequence
from typing import ClassVar

from sqlglot import exp

from groundplan.features.expressions import Sql
from groundplan.features.windows.window import Frame, Series, Window


class Mean:
    """The mean of a field: exact sum, divided by the count, divided by the scale, in float64.

    Where there are no events it is missing, or what `empty` says.
    """

    name: ClassVar[str] = "mean"
    reads_field: ClassVar[bool] = True
    may_be_empty: ClassVar[bool] = True

    def describe(self, window: Window) -> str:
        """Such as `mean amount over transactions of this customer in the last 7 days`."""
        if window.kind.name == "bool":
            return f"share with {window.field} among {window.events}"
        return f"mean {window.field} over {window.events}"

    def sql(self, window: Window, frame: Frame) -> Sql:
        """The two divisions in the order of the online form."""
        scale = exp.cast(exp.Literal.number(window.scale), "DOUBLE")
        if frame.own is not None:  # never empty: the event itself is in
            return exp.cast(frame.total + frame.own, "DOUBLE") / (frame.count + 1) / scale
        empty = exp.null() if window.empty is None else window.empty_sql
        mean = exp.cast(frame.total, "DOUBLE") / frame.count / scale
        return exp.Case().when(frame.count.eq(0), empty).else_(mean)

    def online(
        self, window: Window, series: Series, start: int, stop: int, own: int | None
    ) -> float:
        """From two running totals; the sum is a float64 before the first division, as in SQL."""
        if own is not None:
            return float(series.total(start, stop) + own) / (stop - start + 1) / window.scale
        if start == stop:
            return math.nan if window.empty is None else window.empty
        return float(series.total(start, stop)) / (stop - start) / window.scale

    def naive(self, window: Window, values: Sequence[int]) -> float:
        """Added one by one, then divided."""
        if not values:
            return math.nan if window.empty is None else window.empty
        return float(sum(values)) / len(values) / window.scale
