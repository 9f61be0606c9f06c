"""The sum of a field over the events in a window."""

from collections.abc import Sequence
from typing import Any, ClassVar

from sqlglot import exp

from groundplan.features.sql import Sql, double
from groundplan.features.windows.window import Frame, Need, Reads, Series, Window


class Sum:
    """The exact sum of a field; 0 where there are no events."""

    name: ClassVar[str] = "sum"
    reads: ClassVar[Reads] = "number"
    needs: ClassVar[frozenset[Need]] = frozenset({"total"})
    may_be_empty: ClassVar[bool] = False

    def describe(self, window: Window) -> str:
        """Such as `sum of amount over transactions of this customer in the last 7 days`."""
        if window.kind.name == "bool":
            return f"number with {window.read} among {window.events}"
        return f"sum of {window.read} over {window.events}"

    def sql(self, window: Window, frame: Frame) -> Sql:
        """The frame's total as DOUBLE, divided by the scale."""
        return exp.cast(frame.total, "DOUBLE") / double(window.scale)

    def online(
        self, window: Window, series: Series, start: int, stop: int, own: int | None, time: int
    ) -> float:
        """The difference of two running totals."""
        return float(series.total(start, stop) + (own or 0)) / window.scale

    def naive(self, window: Window, seen: Sequence[tuple[int, Any]], time: int) -> float:
        """Added one by one."""
        return float(sum(window.kind.scaled(value) for _, value in seen)) / window.scale
