"""The number of events in a window."""

from collections.abc import Sequence
from typing import ClassVar

from sqlglot import exp

from groundplan.features.expressions import Sql
from groundplan.features.windows.window import Frame, Series, Window


class Count:
    """How many events count in the window; 0 where there are none."""

    name: ClassVar[str] = "count"
    reads_field: ClassVar[bool] = False
    may_be_empty: ClassVar[bool] = False

    def describe(self, window: Window) -> str:
        """Such as `transactions of this customer in the last 7 days`."""
        return window.events

    def sql(self, window: Window, frame: Frame) -> Sql:
        """The frame's count, as DOUBLE."""
        count = frame.count if frame.own is None else frame.count + 1
        return exp.cast(count, "DOUBLE")

    def online(
        self, window: Window, series: Series, start: int, stop: int, own: int | None
    ) -> float:
        """The distance of the two edges."""
        return float(stop - start if own is None else stop - start + 1)

    def naive(self, window: Window, values: Sequence[int]) -> float:
        """The length of the list."""
        return float(len(values))
