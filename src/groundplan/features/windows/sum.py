"""The sum of a field over the events in a window."""

from collections.abc import Sequence
from typing import ClassVar

from sqlglot import exp

from groundplan.features.expressions import Sql
from groundplan.features.windows.window import Frame, Series, Window


class Sum:
    """The exact sum of a field; 0 where there are no events."""

    name: ClassVar[str] = "sum"
    reads_field: ClassVar[bool] = True
    may_be_empty: ClassVar[bool] = False

    def describe(self, window: Window) -> str:
        """Such as `sum of amount over transactions of this customer in the last 7 days`."""
        if window.kind.name == "bool":
            return f"number with {window.field} among {window.events}"
        return f"sum of {window.field} over {window.events}"

    def sql(self, window: Window, frame: Frame) -> Sql:
        """The frame's total as DOUBLE, divided by the scale."""
        total = frame.total if frame.own is None else frame.total + frame.own
        return exp.cast(total, "DOUBLE") / exp.cast(exp.Literal.number(window.scale), "DOUBLE")

    def online(
        self, window: Window, series: Series, start: int, stop: int, own: int | None
    ) -> float:
        """The difference of two running totals."""
        return float(series.total(start, stop) + (own or 0)) / window.scale

    def naive(self, window: Window, values: Sequence[int]) -> float:
        """Added one by one."""
        return float(sum(values)) / window.scale
