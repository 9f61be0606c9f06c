"""The number of events in a window."""

from collections.abc import Sequence
from typing import Any, ClassVar

from sqlglot import exp

from groundplan.features.sql import Sql
from groundplan.features.windows.window import Frame, Need, Reads, Series, Window


class Count:
    """How many events count in the window; 0 where there are none."""

    name: ClassVar[str] = "count"
    reads: ClassVar[Reads] = "nothing"
    needs: ClassVar[frozenset[Need]] = frozenset()
    may_be_empty: ClassVar[bool] = False

    def describe(self, window: Window) -> str:
        """Such as `transactions of this customer in the last 7 days`."""
        return window.events

    def sql(self, window: Window, frame: Frame) -> Sql:
        """The frame's count, as DOUBLE."""
        return exp.cast(frame.count, "DOUBLE")

    def online(
        self, window: Window, series: Series, start: int, stop: int, own: int | None, time: int
    ) -> float:
        """From the two edges."""
        return float(series.count(start, stop) + (own is not None))

    def naive(self, window: Window, seen: Sequence[tuple[int, Any]], time: int) -> float:
        """The length of the list."""
        return float(len(seen))
